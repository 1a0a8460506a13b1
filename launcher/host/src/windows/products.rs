//! Programs that protect a Windows computer: what Security Center lists, and what runs as a service.
//!
//! 1. Windows Server has no Security Center: there Defender's own status, and the services, are all there is.
//! 2. If Security Center's service does not run, what it lists is old, and so is what WMI repeats of it: unknown.
//! 3. Else its list; where the interface fails, the same list through WMI.
//! 4. Defender's own status says more than its line in the list.
//!
//! Any product may fulfil a rule: a second one that is off does not spoil it.

use gobag_checklists::safety::{ProductKind, SecurityProduct, Signatures, Tristate};
use gobag_checklists::{Fact, Forger};

use super::documents::{self as query, Defender, Health, Listed, Products, Services, WmiProducts};
use super::{genuine, security_center};
use crate::capture::Host;
use crate::probe::Scene;

const SOURCE: &str = "Windows Security Center, services and their signers";

pub(super) fn probe(scene: &Scene) -> Fact<Vec<SecurityProduct>> {
    let (host, now_s) = (scene.host.as_ref(), scene.about.now_s);
    let services: Result<Services, String> = host.query(query::SERVICES).json();
    let defender: Option<Defender> = host.query(query::DEFENDER).json().ok();
    let watchers = services.as_ref().map(genuine::watchers).unwrap_or_default();
    let scanners = match super::is_server(host) {
        Ok(true) => Ok(on_a_server(defender.as_ref(), &services)),
        Ok(false) => on_a_pc(host, now_s, defender.as_ref(), &services),
        Err(reason) => Err(reason),
    };
    let mut all = match (scanners, watchers.is_empty()) {
        (Ok(found), true) if found.is_empty() && services.is_err() => {
            return Fact::unknown(services.err().unwrap_or_default());
        }
        (Ok(found), _) => found,
        (Err(reason), true) => return Fact::unknown(reason),
        (Err(reason), false) => vec![unreadable(reason)],
    };
    all.extend(watchers);
    scene.known(all, SOURCE, Forger::Administrator)
}

fn on_a_pc(
    host: &dyn Host,
    now_s: u64,
    defender: Option<&Defender>,
    services: &Result<Services, String>,
) -> Result<Vec<SecurityProduct>, String> {
    let health: Health = host.query(query::HEALTH).json()?;
    let antivirus = health
        .antivirus
        .ok_or("Windows Security Center was not asked for its health")?;
    security_center::answers(&antivirus)?;
    let listed = host.query(query::ANTIVIRUS).json().and_then(complete);
    let mut found = match listed {
        Ok(products) => products
            .iter()
            .map(|product| {
                let reported = security_center::listed(product, now_s);
                scanner(&product.name, reported, product.signature.as_ref(), services)
            })
            .collect::<Vec<_>>(),
        Err(_) => {
            let wmi: WmiProducts = host.query(query::WMI_ANTIVIRUS).json()?;
            let products = wmi.products.iter();
            products
                .map(|product| {
                    let reported = security_center::wmi(product, now_s);
                    scanner(&product.name, reported, product.signature.as_ref(), services)
                })
                .collect()
        }
    };
    for product in &mut found {
        if let Some(status) = defender.filter(|_| genuine::is_defender(&product.name)) {
            sharpen(product, status);
        }
    }
    Ok(found)
}

/// The list, if all of it could be read.
pub(super) fn complete(list: Products) -> Result<Vec<Listed>, String> {
    match list.result {
        0 => Ok(list.products),
        other => Err(format!(
            "Windows Security Center failed with {:#010x}",
            other as u32
        )),
    }
}

fn scanner(
    name: &str,
    reported: security_center::Reported,
    signature: Option<&query::Signature>,
    services: &Result<Services, String>,
) -> SecurityProduct {
    let genuine = match reported.running {
        // The service of a product that is off does not run either: that is no sign of a forgery.
        Tristate::No => Tristate::Unknown {
            reason: "it is not on".to_owned(),
        },
        _ => genuine::listed(name, signature, services),
    };
    SecurityProduct {
        name: name.trim().to_owned(),
        kind: ProductKind::Antivirus,
        running: reported.running,
        genuine,
        signatures: reported.signatures,
    }
}

/// Defender's own words can only make its line worse, or its age exact.
fn sharpen(product: &mut SecurityProduct, status: &Defender) {
    if !(status.service && status.antivirus && status.real_time) {
        product.running = Tristate::No;
    }
    if product.signatures != Signatures::Outdated {
        product.signatures = signatures(status);
    }
}

fn signatures(status: &Defender) -> Signatures {
    /// What Defender says for "never".
    const NEVER_DAYS: i64 = 65_535;
    match status.signature_age_days {
        Some(NEVER_DAYS..) => Signatures::Missing,
        Some(days) => match u32::try_from(days) {
            Ok(days) => Signatures::Aged { days },
            Err(_) => Signatures::Unknown {
                reason: format!("Defender says that they are {days} days old"),
            },
        },
        None => Signatures::Unknown {
            reason: "Defender does not say how old they are".to_owned(),
        },
    }
}

fn on_a_server(defender: Option<&Defender>, services: &Result<Services, String>) -> Vec<SecurityProduct> {
    const NAME: &str = "Microsoft Defender Antivirus";
    let product = |status: &Defender| SecurityProduct {
        name: NAME.to_owned(),
        kind: ProductKind::Antivirus,
        running: match status.service && status.antivirus && status.real_time {
            true => Tristate::Yes,
            false => Tristate::No,
        },
        genuine: genuine::listed(NAME, None, services),
        signatures: signatures(status),
    };
    let found: Vec<_> = defender.map(product).into_iter().collect();
    if found.is_empty() {
        // Nobody lists the scanners of a server: that none was found does not say that there is none.
        return vec![unreadable(
            "Windows Server has no Security Center, and Defender does not answer".to_owned(),
        )];
    }
    found
}

/// A line for what may be there and cannot be seen, so that what can be seen beside it does not look like all.
fn unreadable(reason: String) -> SecurityProduct {
    let unknown = || Tristate::Unknown {
        reason: reason.clone(),
    };
    SecurityProduct {
        name: "malware scanners in Windows Security Center".to_owned(),
        kind: ProductKind::Antivirus,
        running: unknown(),
        genuine: unknown(),
        signatures: Signatures::Unknown {
            reason: reason.clone(),
        },
    }
}
