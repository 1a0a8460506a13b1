//! What keeps programs in their place on macOS: System Integrity Protection, which no program may get around, and Gatekeeper, which
//! decides what may start at all. They are one fact, because either without the other is half.
//!
//! `csrutil` and `spctl` are asked. Where `spctl` cannot be, its settings are read: a settings file that was never written means
//! that Gatekeeper is on, as it was delivered.

use gobag_checklists::safety::Confinement;
use gobag_checklists::{Fact, Forger};

use super::plist::{self, Value};
use super::{Word, lines, quoted, system};
use crate::capture::Host;
use crate::probe::Scene;

const CSRUTIL: &str = "/usr/bin/csrutil";
const SPCTL: &str = "/usr/sbin/spctl";
/// Since macOS 15.
const SETTINGS: &str = "/var/db/SystemPolicyConfiguration/SystemPolicy-prefs.plist";
const OLD_SETTINGS: &str = "/var/db/SystemPolicy-prefs.plist";
const INTEGRITY: &str = "System Integrity Protection";

/// System Integrity Protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Integrity {
    On,
    Off,
    /// On without some of its parts.
    Custom,
}

pub(super) fn probe(scene: &Scene) -> Fact<Confinement> {
    let host = scene.host.as_ref();
    let integrity = host
        .program(CSRUTIL, &["status"])
        .text()
        .and_then(|text| integrity(&text));
    let found = match integrity {
        Err(reason) => return Fact::unknown(reason),
        Ok(Integrity::Off) => Confinement::None,
        Ok(Integrity::Custom) => Confinement::Permissive {
            by: format!("{INTEGRITY} without some of its parts"),
        },
        Ok(Integrity::On) => match gatekeeper(host) {
            Err(reason) => return Fact::unknown(reason),
            Ok(true) => Confinement::Enforced {
                by: format!("{INTEGRITY}, Gatekeeper"),
            },
            Ok(false) => Confinement::Permissive {
                by: format!("{INTEGRITY}, with Gatekeeper off"),
            },
        },
    };
    scene.known(found, "csrutil, spctl", Forger::Administrator)
}

fn integrity(text: &str) -> Result<Integrity, String> {
    let strange = || format!("csrutil says something strange: {}", quoted(text));
    let mut lines = lines(text);
    let state = lines
        .next()
        .and_then(|line| line.strip_prefix("System Integrity Protection status: "))
        .ok_or_else(strange)?;
    match (state, lines.next()) {
        // What follows would be the parts that differ.
        ("enabled.", None) => Ok(Integrity::On),
        ("disabled.", _) => Ok(Integrity::Off),
        ("enabled (Custom Configuration).", _) => Ok(Integrity::Custom),
        _ => Err(strange()),
    }
}

/// Is Gatekeeper on?
pub(super) fn gatekeeper(host: &dyn Host) -> Result<bool, String> {
    match (spctl(host), settings(host)) {
        // Whoever says "off" is believed.
        (Word::Said(false), _) | (_, Word::Said(false)) => Ok(false),
        (Word::Strange(reason), _) => Err(reason),
        (Word::Said(true), _) | (Word::Nothing(_), Word::Said(true)) => Ok(true),
        (Word::Nothing(_), Word::Strange(reason) | Word::Nothing(reason)) => Err(reason),
    }
}

fn spctl(host: &dyn Host) -> Word {
    let text = match host.program(SPCTL, &["--status"]).text() {
        Ok(text) => text,
        Err(reason) => return Word::Nothing(reason),
    };
    match lines(&text).next() {
        Some("assessments enabled") => Word::Said(true),
        Some("assessments disabled") => Word::Said(false),
        _ => Word::Strange(format!("spctl says something strange: {}", quoted(&text))),
    }
}

fn settings(host: &dyn Host) -> Word {
    let path = match system::is_at_least(host, "15") {
        Ok(true) => SETTINGS,
        Ok(false) => OLD_SETTINGS,
        Err(reason) => return Word::Nothing(reason),
    };
    if host.file(path).is_missing() {
        return Word::Said(true);
    }
    match plist::value(host, path, "enabled") {
        Ok(Value::Bool(enabled)) => Word::Said(enabled),
        Ok(Value::Text(text)) if text == "yes" => Word::Said(true),
        Ok(Value::Text(text)) if text == "no" => Word::Said(false),
        Ok(_) => Word::Strange(format!("{path} has a strange value")),
        Err(reason) => Word::Nothing(reason),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p18_only_all_of_it_is_on() {
        let unknown = concat!(
            "System Integrity Protection status: unknown (Custom Configuration).\n\n",
            "Configuration:\n\tApple Internal: disabled\n\tKext Signing: enabled\n",
            "\tFilesystem Protections: disabled\n",
        );
        for (text, expected) in [
            (
                "System Integrity Protection status: enabled.\n",
                Some(Integrity::On),
            ),
            (
                "System Integrity Protection status: disabled.\n",
                Some(Integrity::Off),
            ),
            (
                "System Integrity Protection status: enabled (Custom Configuration).\n\nConfiguration:\n",
                Some(Integrity::Custom),
            ),
            (unknown, None),
            ("System Integrity Protection status: unknown.\n", None),
            (
                "System Integrity Protection status: enabled.\n\nConfiguration:\n\tKext Signing: disabled\n",
                None,
            ),
            // Translated, or of another program.
            ("Status des Systemintegritätsschutzes: aktiviert.\n", None),
            ("enabled.\n", None),
            ("usage: csrutil <command>\n", None),
            ("", None),
        ] {
            assert_eq!(integrity(text).ok(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_on(text in "\\PC{0,80}") {
            prop_assert!(integrity(&text) != Ok(Integrity::On));
            let line = format!("System Integrity Protection status: {text}");
            prop_assert_eq!(integrity(&line) == Ok(Integrity::On), text.trim_end() == "enabled.");
        }
    }
}
