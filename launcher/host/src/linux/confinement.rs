//! The kernel's confinement of programs: SELinux or AppArmor.

use gobag_checklists::safety::Confinement;
use gobag_checklists::{Fact, Forger};

use crate::capture::Host;
use crate::probe::Scene;

const SELINUX: &str = "/sys/fs/selinux/enforce";
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";
const MODULES: &str = "/sys/kernel/security/lsm";

pub(super) fn probe(scene: &Scene) -> Fact<Confinement> {
    match found(scene.host.as_ref()) {
        Ok((confinement, source)) => scene.known(confinement, source, Forger::Kernel),
        Err(reason) => Fact::unknown(reason),
    }
}

fn found(host: &dyn Host) -> Result<(Confinement, &'static str), String> {
    if let Some(enforce) = host.file(SELINUX).text_if_there()? {
        let by = "SELinux".to_owned();
        return match enforce.trim() {
            "1" => Ok((Confinement::Enforced { by }, SELINUX)),
            "0" => Ok((Confinement::Permissive { by }, SELINUX)),
            _ => Err(format!("{SELINUX} says something strange")),
        };
    }
    let active = host.file(MODULES).text_if_there()?;
    let enabled = host.file(APPARMOR).text_if_there()?.unwrap_or_default();
    let is_active = |name: &str| {
        active
            .as_ref()
            .map(|modules| modules.trim().split(',').any(|module| module == name))
    };
    // It can be in the kernel and not among the active ones.
    match (enabled.trim(), is_active("apparmor")) {
        ("Y", Some(true) | None) => return Ok((apparmor(host)?, APPARMOR)),
        ("Y", Some(false)) | ("N" | "", Some(false)) => {}
        ("N" | "", None) => {}
        (_, Some(true)) => return Err("AppArmor is active and does not say that it is enabled".to_owned()),
        _ => return Err(format!("{APPARMOR} says something strange")),
    }
    if is_active("selinux") == Some(true) {
        return Err(format!("SELinux is active, and {SELINUX} is not there"));
    }
    if active.is_some() {
        return Ok((Confinement::None, MODULES));
    }
    // Without the list: a kernel that runs SELinux has its file system.
    let systems = host.file("/proc/filesystems").text()?;
    match systems.split_whitespace().any(|word| word == "selinuxfs") {
        true => Err("SELinux may be active; its file system is not mounted".to_owned()),
        false => Ok((Confinement::None, "/proc/filesystems")),
    }
}

/// Switched on, it confines nobody without profiles that enforce more than complaints; only the administrator sees them. Seen: Debian's kernel
/// without the package `apparmor` has it on and no profile.
fn apparmor(host: &dyn Host) -> Result<Confinement, String> {
    let by = "AppArmor".to_owned();
    let unseen = "AppArmor is on; only the administrator can see whether it confines anything";
    let profiles = host.file(PROFILES).text().map_err(|_| unseen.to_owned())?;
    if profiles.lines().any(|line| line.ends_with("(enforce)")) {
        return Ok(Confinement::Enforced { by });
    }
    match profiles.lines().any(|line| line.ends_with("(complain)")) {
        true => Ok(Confinement::Permissive { by }),
        false => Ok(Confinement::None),
    }
}

#[cfg(test)]
mod tests {
    use gobag_checklists::Obstacle;

    use super::*;
    use crate::capture::Capture;
    use crate::linux::testing::bare;

    #[test]
    fn enforced_permissive_none_and_unknown() {
        let enforced = |by: &str| Some(Confinement::Enforced { by: by.to_owned() });
        let permissive = |by: &str| Some(Confinement::Permissive { by: by.to_owned() });
        for (files, expected) in [
            (vec![(SELINUX, "1")], enforced("SELinux")),
            (vec![(SELINUX, "0")], permissive("SELinux")),
            (vec![(SELINUX, "2")], None),
            (
                vec![(APPARMOR, "Y\n"), (MODULES, "lockdown,capability,apparmor")],
                None,
            ),
            (vec![(APPARMOR, "Y\n"), (PROFILES, "")], Some(Confinement::None)),
            (
                vec![(APPARMOR, "Y\n"), (MODULES, "capability,yama")],
                Some(Confinement::None),
            ),
            (
                vec![(APPARMOR, "N\n"), (MODULES, "capability,yama")],
                Some(Confinement::None),
            ),
            (
                vec![(APPARMOR, "Y\n"), (PROFILES, "firefox (complain)\n")],
                permissive("AppArmor"),
            ),
            (
                vec![(APPARMOR, "Y\n"), (PROFILES, "a (complain)\nb (enforce)\n")],
                enforced("AppArmor"),
            ),
            (vec![(MODULES, "capability,selinux")], None),
            (
                vec![("/proc/filesystems", "nodev\tproc\n")],
                Some(Confinement::None),
            ),
            (vec![("/proc/filesystems", "nodev\tselinuxfs\n")], None),
            (vec![], None),
        ] {
            let scene = files.iter().fold(bare(), |bare, (path, text)| {
                bare.with(&format!("file {path}"), Capture::of(*text))
            });
            assert_eq!(probe(&scene.scene()).value(), expected.as_ref(), "{files:?}");
        }
        let refused = Capture::failed(Obstacle::NoPermission, "no");
        let scene = bare().with(&format!("file {SELINUX}"), refused);
        assert!(matches!(probe(&scene.scene()), Fact::Unknown { .. }));
    }
}
