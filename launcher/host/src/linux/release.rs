//! Which release this is, from `os-release`.

use gobag_checklists::safety::Release;
use gobag_checklists::{Fact, Forger};

use crate::probe::Scene;
use crate::system::{OS_RELEASE, field};

pub(super) fn probe(scene: &Scene) -> Fact<Release> {
    let text = match scene.host.file(OS_RELEASE).text() {
        Ok(text) => text,
        Err(reason) => return Fact::unknown(reason),
    };
    let Some(system) = field(&text, "ID").map(|id| id.to_lowercase()) else {
        return Fact::unknown(format!("{OS_RELEASE} names no system"));
    };
    match field(&text, "VERSION_ID") {
        Some(version) => scene.known(Release { system, version }, OS_RELEASE, Forger::Administrator),
        // Arch, Void, Gentoo: one release for ever, which ends with the distribution.
        None if field(&text, "BUILD_ID").as_deref() == Some("rolling") => {
            Fact::not_applicable(format!("{system} has no releases"))
        }
        None => Fact::unknown(format!("{OS_RELEASE} of {system} names no release")),
    }
}

#[cfg(test)]
mod tests {
    use gobag_checklists::Obstacle;

    use super::*;
    use crate::capture::Capture;
    use crate::linux::testing::bare;

    #[test]
    fn releases_are_named_as_os_release_does() {
        for (text, expected) in [
            ("ID=debian\nVERSION_ID=\"12\"\n", Some(("debian", "12"))),
            ("ID=ubuntu\r\nVERSION_ID='24.04'\r\n", Some(("ubuntu", "24.04"))),
            ("ID=Fedora\nVERSION_ID=40\n", Some(("fedora", "40"))),
            ("ID=arch\nBUILD_ID=rolling\n", None),
            ("ID=debian\nVERSION_CODENAME=trixie\n", None),
            ("VERSION_ID=12\n", None),
            ("", None),
        ] {
            let fact = probe(&bare().with("file /etc/os-release", Capture::of(text)).scene());
            let found = fact
                .value()
                .map(|release| (release.system.as_str(), release.version.as_str()));
            assert_eq!(found, expected, "{text:?}");
            let rolling = matches!(fact, Fact::NotApplicable { .. });
            assert_eq!(rolling, text.contains("rolling"), "{text:?}");
        }
        let refused = Capture::failed(Obstacle::NoPermission, "no");
        let fact = probe(&bare().with("file /etc/os-release", refused).scene());
        assert!(matches!(fact, Fact::Unknown { .. }));
    }
}
