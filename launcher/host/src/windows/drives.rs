//! Encryption of drives, by the shell's property `System.Volume.BitLockerProtection`: the one word on BitLocker that Windows gives
//! to ordinary users (`manage-bde` and `Win32_EncryptableVolume` want the administrator).
//!
//! Only 1 is taken for "encrypted". What 3 to 8 mean is read in different ways by public programs, so they are unknown here; the
//! administrator can find out more with `manage-bde -status`.

use gobag_checklists::safety::{Storage, StorageRole, Tristate};
use gobag_checklists::{Fact, Forger};

use super::documents::{self as query, Volume, Volumes};
use crate::probe::Scene;

/// `GetDriveType`.
const REMOVABLE: i64 = 2;
const FIXED: i64 = 3;
const REMOTE: i64 = 4;
const OPTICAL: i64 = 5;
const IN_MEMORY: i64 = 6;

pub(super) fn storage(scene: &Scene) -> Fact<Vec<Storage>> {
    match scene.host.query(query::VOLUMES).json::<Volumes>() {
        Ok(found) => {
            let all: Vec<_> = found.volumes.iter().filter_map(volume).collect();
            if all.is_empty() {
                return Fact::unknown("no drive was seen");
            }
            scene.known(all, "System.Volume.BitLockerProtection", Forger::Administrator)
        }
        Err(reason) => Fact::unknown(reason),
    }
}

/// A drive that can hold what people write.
fn volume(volume: &Volume) -> Option<Storage> {
    let role = match volume.drive_type {
        OPTICAL | IN_MEMORY => return None,
        REMOVABLE => StorageRole::Removable,
        _ => StorageRole::Files,
    };
    let encrypted = match volume.drive_type {
        REMOTE => unknown("it is another computer's, which cannot be seen from here"),
        FIXED | REMOVABLE => match is_letter(&volume.place) {
            true => protection(volume.protection.as_deref().unwrap_or_default()),
            false => unknown("it has no letter, and the shell tells of drives with letters only"),
        },
        other => unknown(format!("it is a drive of kind {other}, which is not known")),
    };
    Some(Storage {
        place: volume.place.clone(),
        role,
        by: (encrypted == Tristate::Yes).then(|| "BitLocker".to_owned()),
        encrypted,
    })
}

fn is_letter(place: &str) -> bool {
    matches!(place.trim_end_matches('\\').as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

fn protection(value: &str) -> Tristate {
    match value.trim() {
        "1" => Tristate::Yes,
        "2" => Tristate::No,
        "" => unknown("Windows does not say"),
        "0" => unknown("Windows says that BitLocker cannot protect it (0)"),
        "3" => unknown("BitLocker is still encrypting it (3)"),
        "4" => unknown("BitLocker is decrypting it (4)"),
        "5" => unknown("BitLocker's protection is suspended (5)"),
        "6" => unknown("it is locked (6)"),
        "7" => unknown("Windows does not know (7)"),
        "8" => unknown("BitLocker waits to be activated (8)"),
        _ => unknown("Windows says something that is not known"),
    }
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p12_only_one_is_encrypted_and_only_two_is_not() {
        assert_eq!(protection("1"), Tristate::Yes);
        assert_eq!(protection("2"), Tristate::No);
        for value in [
            "3", "4", "5", "6", "7", "8", "9", "", "0", "An", "On", "-1", "01", "1.0", "11",
        ] {
            assert!(matches!(protection(value), Tristate::Unknown { .. }), "{value:?}");
        }
    }

    fn seen(place: &str, drive_type: i64, value: &str) -> Option<Storage> {
        volume(&Volume {
            place: place.to_owned(),
            drive_type,
            protection: Some(value.to_owned()),
        })
    }

    #[test]
    fn p12_network_drives_and_folders_are_unknown_whatever_is_said_of_them() {
        for (place, drive_type) in [
            ("Z:", REMOTE),
            ("mounted folder 1", FIXED),
            ("C:", 0),
            ("C:", 1),
            ("CC:", FIXED),
        ] {
            let storage = seen(place, drive_type, "1").expect("it holds data");
            assert!(
                matches!(storage.encrypted, Tristate::Unknown { .. }),
                "{storage:?}"
            );
            assert_eq!(storage.by, None);
        }
    }

    #[test]
    fn what_is_plugged_in_is_told_apart_and_discs_are_left_out() {
        let stick = seen("E:", REMOVABLE, "2").expect("it holds data");
        assert_eq!(
            (stick.role, stick.encrypted),
            (StorageRole::Removable, Tristate::No)
        );
        let system = seen("C:\\", FIXED, "1").expect("it holds data");
        assert_eq!(
            (system.role, system.by.as_deref()),
            (StorageRole::Files, Some("BitLocker"))
        );
        assert_eq!(seen("D:", OPTICAL, "2"), None);
    }

    proptest! {
        #[test]
        fn no_other_text_is_encrypted(value in ".{0,8}") {
            prop_assert_eq!(protection(&value) == Tristate::Yes, value.trim() == "1");
        }
    }
}
