//! Two things that are asked on Windows and are no fact of protection: the hypervisor that QEMU can use, and the TPM.
//!
//! That the hypervisor is there is no proof that a guest runs: the proof is the same as on Linux, a guest that runs.

use gobag_checklists::{Ability, Acceleration, Fact, Forger, Obstacle};

use super::documents::{self as query, Hypervisor, Tpm};
use crate::probe::Scene;

const SOURCE: &str = "WHvGetCapability";

/// Why a guest cannot run on the processor; unknown where it might, until one has.
pub(crate) fn acceleration(scene: &Scene) -> Fact<Ability<Acceleration>> {
    let found: Hypervisor = match scene.host.query(query::HYPERVISOR).json() {
        Ok(found) => found,
        Err(reason) => return Fact::unknown(reason),
    };
    let (obstacle, detail) = match (found.library, found.result, found.present) {
        (false, ..) => (
            Obstacle::Missing,
            "the Windows feature \"Windows Hypervisor Platform\" is not installed".to_owned(),
        ),
        (true, Some(0), Some(true)) => return Fact::unknown("a hypervisor is there; nothing was run in it"),
        (true, Some(0), Some(false)) => (
            Obstacle::SwitchedOff,
            "Windows' hypervisor does not run: virtualisation is off in the firmware, or Windows does not start it".to_owned(),
        ),
        (true, Some(0), None) | (true, None, _) => return Fact::unknown("Windows does not say"),
        (true, Some(result), _) => (
            Obstacle::NotWorking,
            format!("{SOURCE} failed with {:#010x}", result as u32),
        ),
    };
    scene.known(Ability::no(obstacle, detail), SOURCE, Forger::Administrator)
}

/// The version of the TPM's specification.
#[cfg_attr(not(test), expect(dead_code, reason = "no rule asks for it yet"))]
pub(crate) fn tpm(scene: &Scene) -> Fact<&'static str> {
    /// `TBS_E_TPM_NOT_FOUND`.
    const NONE: i64 = 0x8028_400F;
    let found: Tpm = match scene.host.query(query::TPM).json() {
        Ok(found) => found,
        Err(reason) => return Fact::unknown(reason),
    };
    match (found.result, found.version) {
        (0, Some(1)) => scene.known("1.2", "Tbsi_GetDeviceInfo", Forger::Kernel),
        (0, Some(2)) => scene.known("2.0", "Tbsi_GetDeviceInfo", Forger::Kernel),
        (NONE, _) => Fact::not_applicable("there is no TPM"),
        (0, version) => Fact::unknown(format!("the TPM is of version {version:?}, which is not known")),
        (result, _) => Fact::unknown(format!("Tbsi_GetDeviceInfo failed with {:#010x}", result as u32)),
    }
}

#[cfg(test)]
mod tests {
    use gobag_checklists::Privilege;

    use super::*;
    use crate::windows::tests::home_pc_with;

    #[test]
    fn a_hypervisor_that_is_there_is_not_yet_a_guest_that_runs() {
        for (answer, expected) in [
            (r#"{"library": true, "result": 0, "present": true}"#, None),
            (r#"{"library": false}"#, Some(Obstacle::Missing)),
            (
                r#"{"library": true, "result": 0, "present": false}"#,
                Some(Obstacle::SwitchedOff),
            ),
            (
                r#"{"library": true, "result": -2147024891}"#,
                Some(Obstacle::NotWorking),
            ),
            (r#"{"library": true, "result": 0}"#, None),
            (r#"{"library": 1}"#, None),
            ("", None),
        ] {
            let fact = acceleration(&home_pc_with(query::HYPERVISOR, answer));
            let obstacle = match fact {
                Fact::Known(known) => match known.value {
                    Ability::No { obstacle, .. } => Some(obstacle),
                    Ability::Yes { .. } => panic!("nothing was run"),
                },
                Fact::Unknown { .. } => None,
                Fact::NotApplicable { reason } => panic!("{reason}"),
            };
            assert_eq!(obstacle, expected, "{answer}");
        }
    }

    #[test]
    fn versions_of_the_tpm() {
        let version = |answer| tpm(&home_pc_with(query::TPM, answer));
        for (answer, expected) in [
            (r#"{"result": 0, "version": 2}"#, Some("2.0")),
            (r#"{"result": 0, "version": 1}"#, Some("1.2")),
            (r#"{"result": 0, "version": 3}"#, None),
            (r#"{"result": 0}"#, None),
            (r#"{"result": 5, "version": 2}"#, None),
        ] {
            assert_eq!(version(answer).value().copied(), expected, "{answer}");
        }
        let none = version(r#"{"result": 2150121487}"#);
        assert_eq!(none, Fact::not_applicable("there is no TPM"));
        let known = version(r#"{"result": 0, "version": 2}"#);
        assert!(matches!(known, Fact::Known(known) if known.privilege == Privilege::User));
    }
}
