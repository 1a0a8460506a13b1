//! Free space where temporary files go.

use std::path::Path;

use gobag_checklists::{Fact, Forger, Space};

use crate::system::privilege;

pub(crate) fn probe(folder: &Path) -> Fact<Space> {
    let shown = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            // What an ordinary user may still take, without the administrator's reserve.
            let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
            let space = Space {
                path: folder.to_owned(),
                free_bytes,
            };
            Fact::known(space, format!("statvfs {shown}"), privilege(), Forger::Kernel)
        }
        Err(error) => Fact::unknown(format!("cannot ask for the free space of {shown}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_space_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(
            probe(folder.path())
                .value()
                .is_some_and(|space| space.free_bytes > 0)
        );
        let missing = folder.path().join("missing");
        match probe(&missing) {
            Fact::Unknown { reason } => assert!(reason.contains("missing: No such file"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
