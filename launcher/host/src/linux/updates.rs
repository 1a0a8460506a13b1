//! Updates of the system: when it last looked for some, whether it installs them by itself, whether it waits for a restart.
//!
//! The age is that of the last successful look or installation, by the stamps that package managers leave. A stamp from the
//! future makes the age unknown: one of the clocks is wrong. Whether what was found is current, a mirror that stands still
//! can hide; this computer cannot know.

use gobag_checklists::safety::{Tristate, Updates};
use gobag_checklists::{Fact, Forger};

use super::days::{Age, age_days};
use super::query::Stat;
use super::units::{self, State};
use crate::capture::Host;
use crate::probe::Scene;

mod restart;

/// Stamps of a successful look or installation, by package manager.
const STAMPS: [&str; 9] = [
    // apt, by its daily jobs, and by hand on Ubuntu
    "/var/lib/apt/periodic/update-success-stamp",
    "/var/lib/apt/periodic/unattended-upgrades-stamp",
    // apt by hand: the folder is emptied at the end of every look that went through
    "/var/lib/apt/lists/partial",
    // dnf, its predecessor, its successor
    "/var/cache/dnf/last_makecache",
    "/var/cache/libdnf5",
    // rpm: what was installed
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    // pacman: what was installed
    "/var/lib/pacman/local",
    // zypper
    "/var/cache/zypp/solv",
];
const APT: &str = "/etc/apt/apt.conf.d";
const DNF: &str = "/etc/dnf/automatic.conf";
const APT_TIMER: &str = "apt-daily-upgrade.timer";
const DNF_TIMERS: [&str; 4] = [
    "dnf-automatic.timer",
    "dnf5-automatic.timer",
    "dnf-automatic-install.timer",
    "rpm-ostreed-automatic.timer",
];

pub(super) fn probe(scene: &Scene) -> Fact<Updates> {
    let host = scene.host.as_ref();
    let age = age(host, scene.about.now_s);
    let updates = Updates {
        age_days: age.as_ref().ok().copied(),
        automatic: automatic(host),
        restart_pending: restart::pending(host),
    };
    let nothing = |tristate: &Tristate| matches!(tristate, Tristate::Unknown { .. });
    match age {
        Err(reason) if nothing(&updates.automatic) && nothing(&updates.restart_pending) => {
            Fact::unknown(reason)
        }
        _ => scene.known(
            updates,
            "stamps of the package manager, /boot",
            Forger::Administrator,
        ),
    }
}

/// Days since the newest stamp.
fn age(host: &dyn Host, now_s: u64) -> Result<u32, String> {
    let mut newest: Option<u32> = None;
    for path in STAMPS {
        let capture = host.query(&format!("stat {path}"));
        if capture.is_missing() {
            continue;
        }
        let stat: Stat = capture.json()?;
        let changed = u64::try_from(stat.changed_s).map_err(|_| format!("{path} is older than 1970"))?;
        match age_days(now_s, changed) {
            Age::Days(days) => newest = Some(newest.map_or(days, |newest| newest.min(days))),
            Age::Unknown(reason) => return Err(format!("{path}: {reason}")),
        }
    }
    newest.ok_or_else(|| "no package manager has left a stamp".to_owned())
}

fn automatic(host: &dyn Host) -> Tristate {
    let unknown = |reason: String| Tristate::Unknown { reason };
    let apt = host.list(APT);
    let dnf = host.file(DNF);
    if apt.is_missing() && dnf.is_missing() {
        return unknown("nobody knows here how this system updates itself".to_owned());
    }
    let timers: Vec<&str> = [APT_TIMER].into_iter().chain(DNF_TIMERS).collect();
    let units = match units::ask(host, &timers) {
        Ok(units) => units,
        Err(reason) => return unknown(reason),
    };
    let active = |name: &str| units.state(name) == State::Active;
    match by_apt(host, &apt) {
        Ok(true) if active(APT_TIMER) => return Tristate::Yes,
        Ok(_) => {}
        Err(reason) => return unknown(reason),
    }
    let by_dnf = match dnf.text_if_there() {
        Ok(text) => text.is_some_and(|text| installs(&text)),
        Err(reason) => return unknown(reason),
    };
    // This timer's service installs whatever the file says.
    let timer = DNF_TIMERS.iter().any(|name| active(name));
    match timer && (by_dnf || active("dnf-automatic-install.timer")) {
        true => Tristate::Yes,
        false => Tristate::No,
    }
}

/// Files are read in the order of their names; the last word counts. Only those are opened that are about this: others hold
/// the passwords of proxies.
fn by_apt(host: &dyn Host, listed: &crate::capture::Capture) -> Result<bool, String> {
    let names = listed.text_if_there()?.unwrap_or_default();
    let mut on = false;
    for name in names.lines() {
        let is_about = ["periodic", "auto-upgrades", "unattended"];
        if !is_about.iter().any(|word| name.contains(word)) || name.contains(".dpkg-") || name.ends_with('~')
        {
            continue;
        }
        let text = host.file(&format!("{APT}/{name}")).text()?;
        for line in text.lines() {
            if let Some(value) = line.trim().strip_prefix("APT::Periodic::Unattended-Upgrade") {
                let value = value.trim().trim_end_matches(';').trim_matches('"');
                on = !["", "0"].contains(&value);
            }
        }
    }
    Ok(on)
}

/// `apply_updates = yes`
fn installs(text: &str) -> bool {
    text.lines().any(|line| {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        key.trim() == "apply_updates" && ["yes", "true", "1"].contains(&value.trim().to_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests;
