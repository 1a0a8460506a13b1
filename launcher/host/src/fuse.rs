//! Can this user mount through FUSE? Looks at everything the kernel and the helper will ask for, in their order.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gobag_checklists::{Ability, Fact, Forger, FuseAccess, Obstacle};
use rustix::fs::StatVfsMountFlags;

use crate::process::Rights;
use crate::programs::Programs;
use crate::read::open_device;
use crate::system::privilege;

const DEVICE: &str = "/dev/fuse";
/// The helper's names, the newer first; Debian 12 has both.
const HELPERS: [&str; 2] = ["fusermount3", "fusermount"];

pub(crate) fn probe(programs: &Programs) -> Fact<Ability<FuseAccess>> {
    let rights = match Rights::own() {
        Ok(rights) => rights,
        Err(reason) => return Fact::unknown(reason),
    };
    let known = |ability, source: String| Fact::known(ability, source, privilege(), Forger::Administrator);
    if let Err((obstacle, detail)) = open_device(Path::new(DEVICE)) {
        return known(Ability::no(obstacle, detail), format!("open {DEVICE}"));
    }
    if rights.may_mount {
        return known(
            Ability::yes(FuseAccess { helper: None }),
            format!("open {DEVICE}, CapEff"),
        );
    }
    let helper = HELPERS.iter().find_map(|name| programs.find(name).ok());
    let Some(helper) = helper else {
        let detail = format!("program `{}` is not installed", HELPERS[0]);
        return known(Ability::no(Obstacle::Missing, detail), "search path".to_owned());
    };
    let source = format!("open {DEVICE}, {}", helper.display());
    match check_helper(&helper, rights) {
        Ok(()) => known(Ability::yes(FuseAccess { helper: Some(helper) }), source),
        Err(HelperProblem::No(obstacle, detail)) => known(Ability::no(obstacle, detail), source),
        Err(HelperProblem::Unknown(reason)) => Fact::unknown(reason),
    }
}

/// What keeps the helper from mounting for us.
#[derive(Debug)]
enum HelperProblem {
    No(Obstacle, String),
    Unknown(String),
}

/// The helper mounts with the rights of its owner, if the system lets it have them.
fn check_helper(helper: &PathBuf, rights: Rights) -> Result<(), HelperProblem> {
    let shown = helper.display();
    let unknown = |error: std::io::Error| HelperProblem::Unknown(format!("cannot look at {shown}: {error}"));
    let metadata = std::fs::metadata(helper).map_err(unknown)?;
    let flags = rustix::fs::statvfs(helper)
        .map_err(|error| unknown(error.into()))?
        .f_flag;
    let no = |detail: String| Err(HelperProblem::No(Obstacle::NoPermission, detail));
    if metadata.uid() != 0 || metadata.permissions().mode() & 0o4000 == 0 {
        return no(format!("{shown} is not set-user-id root"));
    }
    if flags.contains(StatVfsMountFlags::NOSUID) {
        return no(format!(
            "{shown} lies on a file system where set-user-id does not count"
        ));
    }
    if !rights.may_gain {
        return no(
            "this session may not gain rights, so the FUSE helper cannot mount (no_new_privs)".to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Rights = Rights {
        may_mount: false,
        may_gain: true,
    };

    fn problem(helper: &str, rights: Rights) -> String {
        match check_helper(&helper.into(), rights) {
            Err(HelperProblem::No(Obstacle::NoPermission, detail)) => detail,
            other => panic!("{helper}: {other:?}"),
        }
    }

    #[test]
    fn a_helper_without_the_bit_is_no_help() {
        assert_eq!(problem("/bin/true", USER), "/bin/true is not set-user-id root");
    }

    #[test]
    fn a_helper_is_no_help_where_rights_cannot_be_gained() {
        // `su` is set-user-id root on every Debian.
        let su = "/bin/su";
        if check_helper(&su.into(), USER).is_err() {
            println!("skipped: no set-user-id program at {su}");
            return;
        }
        let locked = Rights {
            may_gain: false,
            ..USER
        };
        assert!(problem(su, locked).contains("no_new_privs"));
    }

    #[test]
    fn a_helper_that_vanished_is_unknown() {
        let outcome = check_helper(&"/nowhere/fusermount3".into(), USER);
        assert!(matches!(outcome, Err(HelperProblem::Unknown(_))), "{outcome:?}");
    }
}
