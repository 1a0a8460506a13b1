//! Encryption of the Mac's own disk, by `fdesetup status`. Disks that are plugged in are not looked at.

use gobag_checklists::safety::{Storage, StorageRole, Tristate};
use gobag_checklists::{Fact, Forger};

use super::{lines, quoted};
use crate::probe::Scene;

const FDESETUP: &str = "/usr/bin/fdesetup";

pub(super) fn probe(scene: &Scene) -> Fact<Vec<Storage>> {
    let encrypted = match scene.host.program(FDESETUP, &["status"]).text() {
        Ok(text) => file_vault(&text),
        Err(reason) => return Fact::unknown(reason),
    };
    let disk = Storage {
        place: "/".to_owned(),
        role: StorageRole::Files,
        by: (encrypted == Tristate::Yes).then(|| "FileVault".to_owned()),
        encrypted,
    };
    scene.known(vec![disk], "fdesetup status", Forger::Administrator)
}

/// "On" counts only alone: while encrypting it is on as well.
fn file_vault(text: &str) -> Tristate {
    /// Says only that the company can open the disk as well.
    const HARMLESS: &str = "FileVault master keychain appears to be installed.";
    let mut lines = lines(text).filter(|line| *line != HARMLESS);
    match (lines.next(), lines.next()) {
        (Some("FileVault is On."), None) => Tristate::Yes,
        // Off stays off whatever is planned ("Deferred enablement appears to be active").
        (Some("FileVault is Off."), _) => Tristate::No,
        (Some("FileVault is On."), Some(more)) if more.starts_with("Decryption in progress:") => Tristate::No,
        (Some("FileVault is On."), Some(more)) => Tristate::Unknown {
            reason: match more.strip_prefix("Encryption in progress:").and_then(percent) {
                Some(percent) => format!("FileVault is still encrypting it ({percent} %)"),
                None => format!("FileVault is on, but: {}", quoted(more)),
            },
        },
        _ => Tristate::Unknown {
            reason: format!("fdesetup says something strange: {}", quoted(text)),
        },
    }
}

/// The share that is done, if it can be one.
fn percent(rest: &str) -> Option<f64> {
    let (words, number) = rest.split_once('=')?;
    let number: f64 = number.trim().parse().ok()?;
    (words.trim().eq_ignore_ascii_case("percent completed") && (0.0..=100.0).contains(&number))
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(text: &str) -> String {
        match file_vault(text) {
            Tristate::Unknown { reason } => reason,
            other => panic!("{other:?} of {text}"),
        }
    }

    #[test]
    fn on_is_on_and_off_is_off() {
        assert_eq!(file_vault("FileVault is On.\n"), Tristate::Yes);
        let with_key = "FileVault is On.\nFileVault master keychain appears to be installed.\n";
        assert_eq!(file_vault(with_key), Tristate::Yes);
        assert_eq!(file_vault("FileVault is Off.\n"), Tristate::No);
    }

    #[test]
    fn p16_on_is_not_enough_while_encrypting() {
        for (text, expected) in [
            (
                "FileVault is On.\nEncryption in progress: Percent completed = 12.5\n",
                "FileVault is still encrypting it (12.5 %)",
            ),
            (
                "FileVault is On.\nEncryption in progress: percent completed = 12.5\n",
                "FileVault is still encrypting it (12.5 %)",
            ),
            (
                "FileVault is On.\nEncryption in progress: Pending\n",
                "FileVault is on, but: Encryption in progress: Pending",
            ),
            (
                "FileVault is On.\nEncryption in progress: Percent completed = 255\n",
                "FileVault is on, but: Encryption in progress: Percent completed = 255",
            ),
            (
                "FileVault is On.\nEncryption in progress: Percent completed = NaN\n",
                "FileVault is on, but: Encryption in progress: Percent completed = NaN",
            ),
            (
                "FileVault is On.\nSomething new.\n",
                "FileVault is on, but: Something new.",
            ),
            (
                "FileVault is On, but needs to be restarted to finish.\n",
                "fdesetup says something strange: FileVault is On, but needs to be restarted to finish.",
            ),
        ] {
            assert_eq!(reason(text), expected);
        }
        let leaving = "FileVault is On.\nDecryption in progress: Percent completed = 3\n";
        assert_eq!(file_vault(leaving), Tristate::No);
    }

    #[test]
    fn p17_a_plan_is_not_encryption() {
        let text = "FileVault is Off.\nDeferred enablement appears to be active for user 'someone'.\n";
        assert_eq!(file_vault(text), Tristate::No);
        let leaving = "FileVault is Off.\nDecryption in progress: Percent completed = 3\n";
        assert_eq!(file_vault(leaving), Tristate::No);
    }

    #[test]
    fn translated_and_empty_answers_are_unknown() {
        for text in [
            "FileVault ist aktiviert.\n",
            "",
            "\n\n",
            "Error: \n",
            "filevault is on.",
        ] {
            assert!(
                reason(text).starts_with("fdesetup says something strange"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_after_on_is_harmless(text in "\\PC{1,60}") {
            let is_blank = text.trim().is_empty();
            prop_assert_eq!(file_vault(&format!("FileVault is On.\n{text}\n")) == Tristate::Yes, is_blank);
            prop_assert!(file_vault(&text) != Tristate::Yes);
        }
    }
}
