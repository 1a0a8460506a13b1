//! What can be reached, without reaching for it: only what the system has found out already.
//!
//! NetworkManager asks a page of the distribution now and then, and knows a hotel's login page when it gets one. Without it,
//! "no way out" can be told and no more; whether the company answers is found out by the program that talks to it.

use gobag_checklists::safety::Reach;
use gobag_checklists::{Fact, Forger};

use super::query::{Network, Owner, Property};
use crate::capture::{Capture, Host};
use crate::metered::NetworkCost;
use crate::probe::Scene;

const MANAGER: &str = "org.freedesktop.NetworkManager";

pub(super) fn probe(scene: &Scene) -> Fact<Reach> {
    let host = scene.host.as_ref();
    let network: Network = match host.query("network").json() {
        Ok(network) => network,
        Err(reason) => return Fact::unknown(reason),
    };
    if !network.default_route {
        return match network.links_up {
            0 => scene.known(Reach::Offline, "/proc/net, /sys/class/net", Forger::Kernel),
            _ => Fact::unknown("a network, and no way out of it"),
        };
    }
    match manager(host) {
        Ok(reach) => scene.known(reach, "NetworkManager", Forger::Administrator),
        Err(reason) => Fact::unknown(reason),
    }
}

/// What the network in use costs, by NetworkManager's word. It is asked only where it runs: the bus would start it.
pub(crate) fn network_cost(ask: impl Fn(&str) -> Capture) -> NetworkCost {
    let there = ask(&format!("bus-owner {MANAGER}")).json::<Owner>();
    if there != Ok(Owner { owned: true }) {
        return NetworkCost::Unknown;
    }
    let metered = format!("property {MANAGER} /org/freedesktop/NetworkManager {MANAGER} Metered");
    match ask(&metered).json::<Property<u32>>() {
        // Yes, and "I guess so": of a telephone's hotspot.
        Ok(Property { value: 1 | 3 }) => NetworkCost::Metered,
        Ok(Property { value: 2 | 4 }) => NetworkCost::Free,
        Ok(_) | Err(_) => NetworkCost::Unknown,
    }
}

/// NetworkManager's word; it counts only where it really asks.
fn manager(host: &dyn Host) -> Result<Reach, String> {
    let untried = "there is a network; whether it reaches the internet was not tried";
    let there = host.query(&format!("bus-owner {MANAGER}")).json::<Owner>();
    if there != Ok(Owner { owned: true }) {
        return Err(untried.to_owned());
    }
    let query = |name: &str| {
        host.query(&format!(
            "property {MANAGER} /org/freedesktop/NetworkManager {MANAGER} {name}"
        ))
    };
    let asks = |name: &str| {
        query(name)
            .json::<Property<bool>>()
            .is_ok_and(|property| property.value)
    };
    if !asks("ConnectivityCheckAvailable") || !asks("ConnectivityCheckEnabled") {
        return Err(untried.to_owned());
    }
    match query("Connectivity").json::<Property<u32>>()?.value {
        1 => Ok(Reach::Offline),
        2 => Ok(Reach::Captive),
        4 => Ok(Reach::Internet),
        3 => Err("a network that does not reach the internet".to_owned()),
        _ => Err(untried.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::{Bare, bare};

    fn managed(connectivity: &str, enabled: bool) -> Bare {
        let key =
            |name: &str| format!("query property {MANAGER} /org/freedesktop/NetworkManager {MANAGER} {name}");
        bare()
            .json("query network", "{\"default_route\":true,\"links_up\":1}")
            .json(&format!("query bus-owner {MANAGER}"), "{\"owned\":true}")
            .json(&key("ConnectivityCheckAvailable"), "{\"value\":true}")
            .json(
                &key("ConnectivityCheckEnabled"),
                &format!("{{\"value\":{enabled}}}"),
            )
            .json(&key("Connectivity"), &format!("{{\"value\":{connectivity}}}"))
    }

    #[test]
    fn only_what_was_found_out_is_said() {
        let plain = |route: bool, links: u32| {
            bare().json(
                "query network",
                &format!("{{\"default_route\":{route},\"links_up\":{links}}}"),
            )
        };
        for (scene, expected) in [
            (plain(false, 0), Some(Reach::Offline)),
            (plain(false, 1), None),
            (plain(true, 1), None),
            (managed("1", true), Some(Reach::Offline)),
            (managed("2", true), Some(Reach::Captive)),
            (managed("3", true), None),
            (managed("4", true), Some(Reach::Internet)),
            // It says "full" where it does not look.
            (managed("4", false), None),
            (managed("0", true), None),
            (managed("\"full\"", true), None),
            (bare(), None),
        ] {
            assert_eq!(probe(&scene.scene()).value(), expected.as_ref());
        }
    }

    #[test]
    fn what_the_network_costs_is_networkmanager_s_word_or_unknown() {
        let key = format!("query property {MANAGER} /org/freedesktop/NetworkManager {MANAGER} Metered");
        let owner = format!("query bus-owner {MANAGER}");
        let cost = |bare: Bare| {
            let scene = bare.scene();
            network_cost(|query| scene.host.query(query))
        };
        for (word, expected) in [
            ("0", NetworkCost::Unknown),
            ("1", NetworkCost::Metered),
            ("2", NetworkCost::Free),
            ("3", NetworkCost::Metered),
            ("4", NetworkCost::Free),
            ("5", NetworkCost::Unknown),
            ("true", NetworkCost::Unknown),
        ] {
            let said = |owned: bool| {
                bare()
                    .json(&owner, &format!("{{\"owned\":{owned}}}"))
                    .json(&key, &format!("{{\"value\":{word}}}"))
            };
            assert_eq!(cost(said(true)), expected, "{word}");
            assert_eq!(cost(said(false)), NetworkCost::Unknown, "it does not run");
        }
        assert_eq!(cost(bare()), NetworkCost::Unknown);
    }
}
