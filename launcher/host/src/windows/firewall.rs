//! The firewall: Windows' own in every network that is in use, or another maker's that Security Center lists.
//!
//! A group policy can decide otherwise than what `INetFwPolicy2` says, and another program can filter below it. So "set up to
//! be on" and "in force" are two answers, and the second asks that the services that filter run.

use gobag_checklists::safety::{Firewall, Tristate};
use gobag_checklists::{Fact, Forger};

use super::documents::{self as query, Products, Profiles, Services};
use super::{genuine, products, security_center};
use crate::capture::Host;
use crate::probe::Scene;

const NAME: &str = "Windows Firewall";

pub(super) fn probe(scene: &Scene) -> Fact<Firewall> {
    let host = scene.host.as_ref();
    let services: Result<Services, String> = host.query(query::SERVICES).json();
    let own = host
        .query(query::FIREWALL_PROFILES)
        .json::<Profiles>()
        .and_then(|profiles| configured(&profiles));
    let (found, source) = match (own, other_makers(host, scene.about.now_s, &services)) {
        (Ok(true), _) => {
            let found = Firewall {
                name: Some(NAME.to_owned()),
                configured: Tristate::Yes,
                enforced: enforced(&services),
            };
            (found, "INetFwPolicy2, services")
        }
        (_, Some(name)) => {
            let found = Firewall {
                name: Some(name),
                configured: Tristate::Yes,
                enforced: unknown("Windows Security Center says so, and no more"),
            };
            (found, "Windows Security Center")
        }
        (Ok(false), None) => {
            let found = Firewall {
                name: Some(NAME.to_owned()),
                configured: Tristate::No,
                enforced: Tristate::No,
            };
            (found, "INetFwPolicy2")
        }
        (Err(reason), None) => return Fact::unknown(reason),
    };
    scene.known(found, source, Forger::Administrator)
}

/// Is it on for every profile that is in use?
fn configured(profiles: &Profiles) -> Result<bool, String> {
    /// Domain, private, public.
    const KNOWN: i64 = 1 | 2 | 4;
    let current = profiles.current;
    if current == 0 {
        return Err("no firewall profile is in use".to_owned());
    }
    if current & !KNOWN != 0 {
        return Err(format!(
            "firewall profiles {current:#x} are in use, which are not known"
        ));
    }
    let mut all = true;
    for profile in [1, 2, 4].into_iter().filter(|bit| current & bit != 0) {
        // Said twice, the worse counts.
        let mut said = profiles
            .enabled
            .iter()
            .filter(|one| one.profile == profile)
            .peekable();
        if said.peek().is_none() {
            return Err(format!("firewall profile {profile} is in use and was not asked"));
        }
        all &= said.all(|one| one.enabled);
    }
    Ok(all)
}

fn enforced(services: &Result<Services, String>) -> Tristate {
    let services = match services {
        Ok(services) => services,
        Err(reason) => return unknown(reason.clone()),
    };
    match ["mpssvc", "BFE"].map(|name| genuine::service(services, name).map(genuine::runs)) {
        [Some(true), Some(true)] => Tristate::Yes,
        [None, _] | [_, None] => unknown("the firewall's services were not seen"),
        _ => Tristate::No,
    }
}

/// Another maker's firewall that is on and genuine.
fn other_makers(host: &dyn Host, now_s: u64, services: &Result<Services, String>) -> Option<String> {
    let health: query::Health = host.query(query::HEALTH).json().ok()?;
    security_center::answers(&health.firewall?).ok()?;
    let list = host.query(query::FIREWALLS).json::<Products>();
    let list = list.and_then(products::complete).ok()?;
    let works = list.into_iter().find(|product| {
        let on = security_center::listed(product, now_s).running == Tristate::Yes;
        let own = product.name.trim().to_lowercase().starts_with("windows");
        on && !own && genuine::listed(&product.name, product.signature.as_ref(), services) == Tristate::Yes
    });
    works.map(|product| product.name)
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::documents::ProfileEnabled;

    fn profiles(current: i64, enabled: &[(i64, bool)]) -> Result<bool, ()> {
        let enabled = enabled
            .iter()
            .map(|&(profile, enabled)| ProfileEnabled { profile, enabled })
            .collect();
        configured(&Profiles { current, enabled }).map_err(drop)
    }

    #[test]
    fn p11_every_profile_in_use_counts_and_no_other() {
        for (current, enabled, expected) in [
            // On for private networks, off for the public one that is in use.
            (4, vec![(1, true), (2, true), (4, false)], Ok(false)),
            // Off only where nobody is.
            (4, vec![(1, false), (2, false), (4, true)], Ok(true)),
            // Two are in use: both count.
            (6, vec![(2, true), (4, false)], Ok(false)),
            (6, vec![(2, false), (4, true)], Ok(false)),
            (6, vec![(2, true), (4, true)], Ok(true)),
            (7, vec![(1, true), (2, true), (4, true)], Ok(true)),
            // One of two was not asked.
            (6, vec![(2, true)], Err(())),
            (6, vec![(2, true), (4, true), (4, false)], Ok(false)),
            (0, vec![(1, true), (2, true), (4, true)], Err(())),
            (8, vec![(8, true)], Err(())),
            (12, vec![(4, true), (8, true)], Err(())),
            (-1, vec![(1, true), (2, true), (4, true)], Err(())),
            // All profiles at once (0x7fffffff) is a word for rules, not for networks.
            (0x7fff_ffff, vec![(1, true), (2, true), (4, true)], Err(())),
        ] {
            assert_eq!(profiles(current, &enabled), expected, "{current} {enabled:?}");
        }
    }
}
