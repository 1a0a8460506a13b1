//! What a Mac's firmware starts: `system_profiler` knows it of Apple's own processors and of the T2 chip, and the T2 also writes it
//! into the firmware's variables. Macs with neither cannot check what they start.

use gobag_checklists::safety::SecureBoot;
use gobag_checklists::{Fact, Forger};
use serde::Deserialize;

use super::{lines, quoted};
use crate::capture::Host;
use crate::probe::Scene;

const PROFILER: &str = "/usr/sbin/system_profiler";
const NVRAM: &str = "/usr/sbin/nvram";
const POLICY: &str = "94b73556-2197-4702-82a8-3e1337dafbfb:AppleSecureBootPolicy";

#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "SPiBridgeDataType")]
    bridges: Vec<Bridge>,
}

#[derive(Deserialize)]
struct Bridge {
    ibridge_secure_boot: Option<String>,
}

pub(super) fn secure_boot(scene: &Scene) -> Fact<SecureBoot> {
    let host = scene.host.as_ref();
    let text = match host.program(PROFILER, &["-json", "SPiBridgeDataType"]).text() {
        Ok(text) => text,
        Err(reason) => return Fact::unknown(reason),
    };
    let Ok(profile) = serde_json::from_str::<Profile>(&text) else {
        return Fact::unknown(format!(
            "system_profiler says something strange: {}",
            quoted(&text)
        ));
    };
    let said = profile
        .bridges
        .iter()
        .find_map(|bridge| bridge.ibridge_secure_boot.as_deref());
    let found = match (said, profile.bridges.is_empty()) {
        (Some(level), _) => level_of(level),
        // A T2 that `system_profiler` tells nothing of.
        (None, false) => policy(host),
        (None, true) => match host.program(NVRAM, &[POLICY]).text() {
            Ok(text) => policy_of(&text),
            Err(_) => return Fact::not_applicable("this Mac has neither Apple's processor nor a T2 chip"),
        },
    };
    match found {
        Ok(level) => scene.known(level, "system_profiler, nvram", Forger::Administrator),
        Err(reason) => Fact::unknown(reason),
    }
}

fn policy(host: &dyn Host) -> Result<SecureBoot, String> {
    policy_of(&host.program(NVRAM, &[POLICY]).text()?)
}

/// `Full Security`; only the first word is compared.
fn level_of(level: &str) -> Result<SecureBoot, String> {
    match level.split_whitespace().next() {
        Some("Full") => Ok(SecureBoot::On),
        Some("Reduced" | "Medium") => Ok(SecureBoot::Reduced),
        Some("Permissive" | "No") => Ok(SecureBoot::Off),
        _ => Err(format!(
            "the level of Secure Boot is not known: {}",
            quoted(level)
        )),
    }
}

/// The variable's name, a tab, and one byte as `nvram` writes it.
fn policy_of(text: &str) -> Result<SecureBoot, String> {
    let strange = || format!("nvram says something strange: {}", quoted(text));
    let line = lines(text).next().ok_or_else(strange)?;
    let value = line.strip_prefix(POLICY).ok_or_else(strange)?;
    match value.trim() {
        "%02" => Ok(SecureBoot::On),
        "%01" => Ok(SecureBoot::Reduced),
        "%00" => Ok(SecureBoot::Off),
        _ => Err(strange()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_policies() {
        for (level, expected) in [
            ("Full Security", Some(SecureBoot::On)),
            ("Reduced Security", Some(SecureBoot::Reduced)),
            ("Medium Security", Some(SecureBoot::Reduced)),
            ("Permissive Security", Some(SecureBoot::Off)),
            ("No Security", Some(SecureBoot::Off)),
            ("Volle Sicherheit", None),
            ("Fully", None),
            ("", None),
        ] {
            assert_eq!(level_of(level).ok(), expected, "{level}");
        }
        for (value, expected) in [
            ("\t%02\n", Some(SecureBoot::On)),
            ("\t%01\n", Some(SecureBoot::Reduced)),
            ("\t%00\n", Some(SecureBoot::Off)),
            ("\t%03\n", None),
            ("\t%02%00\n", None),
            ("", None),
        ] {
            assert_eq!(policy_of(&format!("{POLICY}{value}")).ok(), expected, "{value}");
        }
        assert_eq!(policy_of("\t%02").ok(), None);
    }
}
