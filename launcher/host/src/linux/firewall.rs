//! The firewall: what it was set up to be, and, for the administrator, whether its rules are in force.
//!
//! An ordinary user sees the configuration only. That a service says "active" proves that it was started; the rules in force
//! can have been flushed since, so `enforced` is yes only where they were read.

use gobag_checklists::safety::{Firewall, Tristate};
use gobag_checklists::{Fact, Forger};

use super::query::{Owner, Units};
use super::units::{self, State};
use crate::capture::Host;
use crate::probe::Scene;
use crate::system::field;

mod rules;

const UFW: &str = "/etc/ufw/ufw.conf";
const NFT: &str = "/usr/sbin/nft";
const IPTABLES: &str = "/usr/sbin/iptables-save";
/// Units that load rules, and what people call their firewall.
const LOADERS: [(&str, &str); 5] = [
    ("nftables.service", "nftables"),
    ("netfilter-persistent.service", "iptables"),
    ("iptables.service", "iptables"),
    ("shorewall.service", "Shorewall"),
    ("firehol.service", "FireHOL"),
];

pub(super) fn probe(scene: &Scene) -> Fact<Firewall> {
    let host = scene.host.as_ref();
    let enforced = match scene.about.administrator {
        true => enforced(host),
        false => unknown("only the administrator can see the rules in force"),
    };
    let mut firewall = configured(host);
    let failed = firewall.enforced == Tristate::No;
    // A unit that failed has loaded nothing; that is known without seeing the rules, unless they are seen.
    if !(failed && matches!(enforced, Tristate::Unknown { .. })) {
        firewall.enforced = enforced;
    }
    match (&firewall.configured, &firewall.enforced) {
        (Tristate::Unknown { reason }, Tristate::Unknown { .. }) if firewall.name.is_none() => {
            Fact::unknown(reason.clone())
        }
        _ => scene.known(
            firewall,
            "firewalld, ufw.conf, systemd, nft",
            Forger::Administrator,
        ),
    }
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

/// What was set up. `enforced` is `No` where it is certain that it failed.
fn configured(host: &dyn Host) -> Firewall {
    let named = |name: &str, configured, enforced| Firewall {
        name: Some(name.to_owned()),
        configured,
        enforced,
    };
    let not_seen = || unknown("nobody looked");
    let names: Vec<&str> = LOADERS
        .iter()
        .map(|(unit, _)| *unit)
        .chain(["ufw.service"])
        .collect();
    let units = units::ask(host, &names);
    let firewalld: Result<Owner, String> = host.query("bus-owner org.fedoraproject.FirewallD1").json();
    if firewalld == Ok(Owner { owned: true }) {
        return named("firewalld", Tristate::Yes, not_seen());
    }
    let ufw = host.file(UFW).text_if_there();
    let ufw_on = ufw
        .clone()
        .map(|text| text.and_then(|text| field(&text, "ENABLED")));
    match ufw_on.as_ref().map(Option::as_deref) {
        Ok(Some(word)) if word.eq_ignore_ascii_case("yes") => {
            return match units.as_ref().map(|units| units.state("ufw.service")) {
                Ok(State::Failed) => named("ufw", Tristate::Yes, Tristate::No),
                // `ufw enable` loads the rules by itself; its unit does so at the next start only.
                _ => named("ufw", Tristate::Yes, not_seen()),
            };
        }
        _ => {}
    }
    if let Ok(units) = &units
        && let Some(firewall) = by_units(units)
    {
        return firewall;
    }
    let nothing = |configured| Firewall {
        name: None,
        configured,
        enforced: not_seen(),
    };
    match (firewalld, ufw_on, units) {
        (Err(reason), _, _) | (_, Err(reason), _) | (_, _, Err(reason)) => nothing(unknown(reason)),
        (Ok(_), Ok(Some(word)), Ok(_)) if !word.eq_ignore_ascii_case("no") => {
            nothing(unknown(format!("{UFW} says something strange")))
        }
        (Ok(_), Ok(_), Ok(_)) => nothing(Tristate::No),
    }
}

fn by_units(units: &Units) -> Option<Firewall> {
    LOADERS.iter().find_map(|(unit, name)| {
        let enforced = match units.state(unit) {
            State::Active => unknown("nobody looked"),
            State::Failed => Tristate::No,
            State::Inactive | State::Missing => return None,
        };
        Some(Firewall {
            name: Some((*name).to_owned()),
            configured: Tristate::Yes,
            enforced,
        })
    })
}

/// Does some rule in force keep strangers out?
fn enforced(host: &dyn Host) -> Tristate {
    let nft = host.program(NFT, &["list", "ruleset"]);
    // Rules made with `iptables` show up here too, on every kernel of the last years; where they do not, they are asked.
    if let Ok(text) = nft.text() {
        match rules::nft_keeps_out(&text) {
            Ok(true) => return Tristate::Yes,
            Ok(false) => {}
            Err(reason) => return unknown(reason),
        }
    }
    let iptables = host.program(IPTABLES, &[]);
    match (nft.text(), iptables.text()) {
        (_, Ok(text)) if rules::iptables_keeps_out(&text) => Tristate::Yes,
        (Ok(_), Ok(_)) => Tristate::No,
        // Without the older program, nobody made rules with it.
        (Ok(_), Err(_)) if iptables.is_missing() => Tristate::No,
        (Ok(_), Err(reason)) | (Err(reason), _) => unknown(reason),
    }
}

#[cfg(test)]
mod tests;
