//! macOS' application firewall. Its settings file stays behind, and goes stale, on macOS 15 and later.
//!
//! The packet filter below it (`pf`) shows its rules to the administrator only, and is not looked at.

use gobag_checklists::safety::{Firewall, Tristate};
use gobag_checklists::{Fact, Forger};
use serde::Deserialize;

use super::plist::{self, Value};
use super::{Word, lines, quoted, system};
use crate::capture::Host;
use crate::probe::Scene;

const PROFILER: &str = "/usr/sbin/system_profiler";
const CONTROL: &str = "/usr/libexec/ApplicationFirewall/socketfilterfw";
/// Until macOS 14.
const SETTINGS: &str = "/Library/Preferences/com.apple.alf.plist";

pub(super) fn probe(scene: &Scene) -> Fact<Firewall> {
    let host = scene.host.as_ref();
    let configured = match system::is_at_least(host, "15") {
        Ok(true) => profiler(host),
        Ok(false) => settings(host),
        Err(reason) => Word::Nothing(reason),
    };
    let (on, enforced) = match (configured, control(host)) {
        (Word::Strange(reason), _) | (_, Word::Strange(reason)) => return Fact::unknown(reason),
        (Word::Said(a), Word::Said(b)) if a != b => {
            return Fact::unknown("the firewall's settings and its program do not agree");
        }
        (_, Word::Said(on)) => (on, if on { Tristate::Yes } else { Tristate::No }),
        (Word::Said(true), Word::Nothing(reason)) => (true, Tristate::Unknown { reason }),
        (Word::Said(false), Word::Nothing(_)) => (false, Tristate::No),
        (Word::Nothing(reason), Word::Nothing(_)) => return Fact::unknown(reason),
    };
    let firewall = Firewall {
        name: Some("macOS application firewall".to_owned()),
        configured: if on { Tristate::Yes } else { Tristate::No },
        enforced,
    };
    scene.known(firewall, "system_profiler, socketfilterfw", Forger::Administrator)
}

/// `Firewall is enabled. (State = 1)`: the number is not translated.
fn control(host: &dyn Host) -> Word {
    let text = match host.program(CONTROL, &["--getglobalstate"]).text() {
        Ok(text) => text,
        Err(reason) => return Word::Nothing(reason),
    };
    let number = lines(&text)
        .next()
        .and_then(|line| line.split_once("(State = ")?.1.strip_suffix(')'));
    match number {
        Some("0") => Word::Said(false),
        Some("1" | "2") => Word::Said(true),
        _ => Word::Strange(format!(
            "socketfilterfw says something strange: {}",
            quoted(&text)
        )),
    }
}

fn settings(host: &dyn Host) -> Word {
    match plist::value(host, SETTINGS, "globalstate") {
        Ok(Value::Integer(0)) => Word::Said(false),
        Ok(Value::Integer(1 | 2)) => Word::Said(true),
        Ok(_) => Word::Strange(format!("{SETTINGS} has a strange globalstate")),
        Err(reason) => Word::Nothing(reason),
    }
}

#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "SPFirewallDataType")]
    firewalls: Vec<State>,
}

#[derive(Deserialize)]
struct State {
    spfirewall_globalstate: Option<String>,
}

fn profiler(host: &dyn Host) -> Word {
    let capture = host.program(PROFILER, &["-json", "SPFirewallDataType"]);
    let text = match capture.text() {
        Ok(text) => text,
        Err(reason) => return Word::Nothing(reason),
    };
    match serde_json::from_str::<Profile>(&text) {
        Ok(profile) => mode(&profile),
        Err(_) => Word::Strange(format!(
            "system_profiler says something strange: {}",
            quoted(&text)
        )),
    }
}

fn mode(profile: &Profile) -> Word {
    let mut modes = profile
        .firewalls
        .iter()
        .filter_map(|state| state.spfirewall_globalstate.as_deref());
    match (modes.next(), modes.next()) {
        (Some("spfirewall_globalstate_allow_all"), None) => Word::Said(false),
        (Some("spfirewall_globalstate_limit_connections" | "spfirewall_globalstate_block_all"), None) => {
            Word::Said(true)
        }
        (None, _) => Word::Strange("system_profiler tells no mode of the firewall".to_owned()),
        (Some(mode), _) => Word::Strange(format!("the firewall's mode is not known: {}", quoted(mode))),
    }
}
