//! Does the firmware start only what is signed? From the firmware's own variables.

use gobag_checklists::safety::SecureBoot;
use gobag_checklists::{Fact, Forger};

use crate::capture::{Capture, Host};
use crate::probe::Scene;

const FIRMWARE: &str = "/sys/firmware";
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// The vendor of the variables that the UEFI specification itself defines.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn probe(scene: &Scene) -> Fact<SecureBoot> {
    let firmware = match scene.host.list(FIRMWARE).text() {
        Ok(firmware) => firmware,
        Err(reason) => return Fact::unknown(reason),
    };
    let has = |name: &str| firmware.lines().any(|line| line == name);
    if !has("efi") {
        // Inside of a container the folder is there and empty.
        return match has("acpi") || has("dmi") || has("devicetree") {
            true => Fact::not_applicable("the firmware is a BIOS or another kind without Secure Boot"),
            false => Fact::unknown(format!("{FIRMWARE} does not tell what firmware there is")),
        };
    }
    let outcome = flag(scene.host.as_ref(), "SecureBoot").and_then(|secure| {
        // Without keys nothing is checked, whatever the other flag says.
        let setup = flag(scene.host.as_ref(), "SetupMode")?;
        Ok(match (secure, setup) {
            (_, true) => SecureBoot::SetupMode,
            (true, false) => SecureBoot::On,
            (false, false) => SecureBoot::Off,
        })
    });
    match outcome {
        Ok(state) => scene.known(state, VARIABLES, Forger::Kernel),
        Err(reason) => Fact::unknown(reason),
    }
}

fn flag(host: &dyn Host, name: &str) -> Result<bool, String> {
    let path = format!("{VARIABLES}/{name}-{GLOBAL}");
    truth(&host.file(&path)).map_err(|reason| format!("{name}: {reason}"))
}

/// Four bytes of attributes, then one that is 0 or 1.
fn truth(variable: &Capture) -> Result<bool, String> {
    match variable.bytes()? {
        [_, _, _, _, 0] => Ok(false),
        [_, _, _, _, 1] => Ok(true),
        other => Err(format!("{} strange bytes", other.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linux::testing::{Bare, bare};

    fn with(secure: &[u8], setup: &[u8]) -> Bare {
        let key = |name: &str| format!("file {VARIABLES}/{name}-{GLOBAL}");
        bare()
            .with("list /sys/firmware", Capture::of("acpi\ndmi\nefi\n"))
            .with(&key("SecureBoot"), Capture::Bytes(secure.to_vec()))
            .with(&key("SetupMode"), Capture::Bytes(setup.to_vec()))
    }

    #[test]
    fn p22_the_fifth_byte_tells_and_anything_else_is_unknown() {
        const OFF: &[u8] = &[6, 0, 0, 0, 0];
        for (secure, setup, expected) in [
            (&[6, 0, 0, 0, 1][..], OFF, Some(SecureBoot::On)),
            (OFF, OFF, Some(SecureBoot::Off)),
            (&[6, 0, 0, 0, 1], &[6, 0, 0, 0, 1], Some(SecureBoot::SetupMode)),
            (&[6, 0, 0], OFF, None),
            (&[6, 0, 0, 0, 2], OFF, None),
            (&[], OFF, None),
            (&[6, 0, 0, 0, 1], &[], None),
        ] {
            let fact = probe(&with(secure, setup).scene());
            assert_eq!(fact.value(), expected.as_ref(), "{secure:?} {setup:?}");
        }
        let unmounted = bare().with("list /sys/firmware", Capture::of("acpi\nefi\n"));
        assert!(matches!(probe(&unmounted.scene()), Fact::Unknown { .. }));
    }

    #[test]
    fn p22_a_bios_has_none_and_a_container_does_not_tell() {
        let bios = bare().with("list /sys/firmware", Capture::of("acpi\ndmi\nmemmap\n"));
        assert!(matches!(probe(&bios.scene()), Fact::NotApplicable { .. }));
        let container = bare().with("list /sys/firmware", Capture::of(""));
        assert!(matches!(probe(&container.scene()), Fact::Unknown { .. }));
        assert!(matches!(probe(&bare().scene()), Fact::Unknown { .. }));
    }

    proptest! {
        #[test]
        fn only_five_bytes_that_end_with_one_are_on(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            let fact = probe(&with(&bytes, &[6, 0, 0, 0, 0]).scene());
            let on = bytes.len() == 5 && bytes[4] == 1;
            prop_assert_eq!(fact.value() == Some(&SecureBoot::On), on);
        }
    }
}
