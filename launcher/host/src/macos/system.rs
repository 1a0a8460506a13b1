//! Which macOS this is, its updates and its power.

use std::cmp::Ordering;

use gobag_checklists::release::compare_versions;
use gobag_checklists::safety::{Power, Release, Tristate, Updates};
use gobag_checklists::{Fact, Forger, OperatingSystem};

use super::plist::{self, Value};
use super::{lines, quoted};
use crate::age::whole_days;
use crate::capture::Host;
use crate::probe::Scene;

const SW_VERS: &str = "/usr/bin/sw_vers";
const PMSET: &str = "/usr/bin/pmset";
const SOFTWARE_UPDATE: &str = "/Library/Preferences/com.apple.SoftwareUpdate.plist";

pub(super) fn operating_system(scene: &Scene) -> Fact<OperatingSystem> {
    let host = scene.host.as_ref();
    let kernel = host.program("/usr/bin/uname", &["-r"]).word();
    match (version(host), kernel) {
        (Ok(version), Ok(kernel)) => {
            let name = format!("macOS {version}");
            scene.known(
                OperatingSystem { name, kernel },
                "sw_vers, uname",
                Forger::Administrator,
            )
        }
        (Err(reason), _) | (_, Err(reason)) => Fact::unknown(reason),
    }
}

pub(super) fn release(scene: &Scene) -> Fact<Release> {
    match version(scene.host.as_ref()) {
        Ok(version) => {
            let system = "macos".to_owned();
            scene.known(Release { system, version }, "sw_vers", Forger::Administrator)
        }
        Err(reason) => Fact::unknown(reason),
    }
}

/// Numbers with dots between them.
fn version(host: &dyn Host) -> Result<String, String> {
    let text = host.program(SW_VERS, &["-productVersion"]).word()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('.').all(is_number) {
        true => Ok(text),
        false => Err(format!("sw_vers says something strange: {}", quoted(&text))),
    }
}

/// Is this macOS of that release, or newer?
pub(super) fn is_at_least(host: &dyn Host, release: &str) -> Result<bool, String> {
    Ok(compare_versions(&version(host)?, release) != Ordering::Less)
}

/// When macOS last looked for all updates with success. The daily look for malware signatures has another date.
pub(super) fn updates(scene: &Scene) -> Fact<Updates> {
    let host = scene.host.as_ref();
    let looked = match plist::value(host, SOFTWARE_UPDATE, "LastFullSuccessfulDate") {
        Ok(Value::Date(date)) => whole_days(date.as_second(), scene.about.now_s),
        Ok(_) => None,
        Err(reason) => return Fact::unknown(reason),
    };
    let updates = Updates {
        age_days: looked,
        automatic: automatic(host),
        restart_pending: Tristate::Unknown {
            reason: "macOS does not say".to_owned(),
        },
    };
    scene.known(updates, SOFTWARE_UPDATE, Forger::Administrator)
}

fn automatic(host: &dyn Host) -> Tristate {
    let mut unsaid = None;
    for key in [
        "AutomaticDownload",
        "CriticalUpdateInstall",
        "AutomaticallyInstallMacOSUpdates",
    ] {
        match plist::value(host, SOFTWARE_UPDATE, key) {
            Ok(Value::Bool(true) | Value::Integer(1)) => {}
            Ok(Value::Bool(false) | Value::Integer(0)) => return Tristate::No,
            Ok(_) => unsaid = Some(format!("{SOFTWARE_UPDATE} has a strange {key}")),
            Err(reason) => unsaid = Some(reason),
        }
    }
    unsaid.map_or(Tristate::Yes, |reason| Tristate::Unknown { reason })
}

pub(super) fn power(scene: &Scene) -> Fact<Power> {
    let text = match scene.host.program(PMSET, &["-g", "batt"]).text() {
        Ok(text) => text,
        Err(reason) => return Fact::unknown(reason),
    };
    let mut lines = lines(&text);
    let on_mains = match lines.next() {
        Some("Now drawing from 'AC Power'") => true,
        Some("Now drawing from 'Battery Power'") => false,
        // A power supply that holds the computer for minutes is no battery to work on.
        _ => return Fact::unknown(format!("pmset says something strange: {}", quoted(&text))),
    };
    let Some(battery) = lines.find(|line| line.starts_with("-InternalBattery")) else {
        return Fact::not_applicable("there is no battery");
    };
    let battery_percent = battery
        .split_whitespace()
        .find_map(|word| word.trim_end_matches(';').strip_suffix('%')?.parse::<u8>().ok())
        .filter(|percent| *percent <= 100);
    let power = Power {
        on_mains,
        battery_percent,
    };
    scene.known(power, "pmset -g batt", Forger::Administrator)
}
