//! Is a product what its name says? Anybody with the administrator's rights can put any name into Security Center's list (the
//! public tool `defendnot` does), so a name counts only with a running service, or a program, that its maker signed.
//!
//! This does not stop an administrator, who can trust a certificate of their own; it stops a name without anything behind it.
//! Signers are compared by the beginning of their names, because makers change the rest (`Inc.`, `Ltd`).

use gobag_checklists::safety::{ProductKind, SecurityProduct, Signatures, Tristate};

use super::documents::{Service, Services, Signature};

/// What is known of a product: which services it runs, and who signs them.
struct Maker {
    /// What we call the product.
    product: &'static str,
    /// Beginnings of the names it has in Security Center, in small letters.
    listed_as: &'static [&'static str],
    kind: ProductKind,
    /// All of these run when it works.
    services: &'static [&'static str],
    /// Beginnings of the signers' names: letters and digits only, small.
    signers: &'static [&'static str],
}

static DEFENDER: Maker = Maker {
    product: "Microsoft Defender Antivirus",
    listed_as: &["windows defender", "microsoft defender"],
    kind: ProductKind::Antivirus,
    services: &["WinDefend"],
    signers: &["microsoftwindows", "microsoftcorporation"],
};

/// Products that watch for a company; not all of them are in Security Center's list.
static WATCHERS: [Maker; 8] = [
    edr(
        "CrowdStrike Falcon",
        &["crowdstrike"],
        &["CSFalconService"],
        &["crowdstrike"],
    ),
    edr(
        "SentinelOne",
        &["sentinelone", "sentinel agent"],
        &["SentinelAgent"],
        &["sentinelone", "sentinellabs"],
    ),
    edr(
        "Microsoft Defender for Endpoint",
        &[],
        &["Sense"],
        &["microsoftwindows", "microsoftcorporation"],
    ),
    edr("ESET Management Agent", &[], &["EraAgentSvc"], &["eset"]),
    edr("Wazuh", &[], &["WazuhSvc"], &["wazuh"]),
    edr(
        "Sophos Endpoint",
        &["sophos intercept", "sophos endpoint", "sophos anti-virus"],
        &["Sophos Endpoint Defense Service", "Sophos MCS Agent"],
        &["sophos"],
    ),
    edr(
        "Cortex XDR",
        &["cortex xdr"],
        &["cyserver"],
        &["paloaltonetworks"],
    ),
    edr(
        "Panda Adaptive Defense",
        &["panda adaptive", "panda endpoint"],
        &["PandaAetherAgent"],
        &["pandasecurity", "watchguard"],
    ),
];

const fn edr(
    product: &'static str,
    listed_as: &'static [&'static str],
    services: &'static [&'static str],
    signers: &'static [&'static str],
) -> Maker {
    Maker {
        product,
        listed_as,
        kind: ProductKind::Edr,
        services,
        signers,
    }
}

/// Services that decide about the firewall and about updates.
#[cfg(windows)]
const SYSTEM_SERVICES: [&str; 5] = ["mpssvc", "BFE", "wscsvc", "wuauserv", "UsoSvc"];

/// Every service worth asking for.
#[cfg(windows)]
pub(super) fn service_names() -> impl Iterator<Item = &'static str> {
    let products = WATCHERS.iter().chain([&DEFENDER]);
    SYSTEM_SERVICES
        .into_iter()
        .chain(products.flat_map(|maker| maker.services.iter().copied()))
}

const RUNNING: i64 = 4;
const AUTOMATIC: i64 = 2;

/// A service by name; Windows does not tell capitals from small letters there.
pub(super) fn service<'a>(services: &'a Services, name: &str) -> Option<&'a Service> {
    services
        .services
        .iter()
        .find(|service| service.name.eq_ignore_ascii_case(name))
}

pub(super) fn runs(service: &Service) -> bool {
    service.state == RUNNING
}

/// Is the product that Security Center calls `name` its maker's? `signature` is of the program it names as its own.
pub(super) fn listed(
    name: &str,
    signature: Option<&Signature>,
    services: &Result<Services, String>,
) -> Tristate {
    match maker_of(name) {
        Some(maker) => match services {
            Ok(services) => by_services(maker, services),
            Err(reason) => unknown(reason.clone()),
        },
        None => by_program(name, signature),
    }
}

pub(super) fn is_defender(name: &str) -> bool {
    begins(name, DEFENDER.listed_as)
}

fn maker_of(name: &str) -> Option<&'static Maker> {
    WATCHERS
        .iter()
        .chain([&DEFENDER])
        .find(|maker| begins(name, maker.listed_as))
}

fn begins(name: &str, beginnings: &[&str]) -> bool {
    let name = name.trim().to_lowercase();
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}

fn by_services(maker: &Maker, services: &Services) -> Tristate {
    let mut result = Tristate::Yes;
    for name in maker.services {
        match service(services, name) {
            Some(found) if runs(found) => match signed_by(found.signature.as_ref(), maker.signers) {
                Tristate::Yes => {}
                Tristate::No => return Tristate::No,
                unknown @ Tristate::Unknown { .. } => result = unknown,
            },
            _ => return Tristate::No,
        }
    }
    result
}

/// Of a maker that we do not know: its certificate has to bear a word of the product's name, and not Microsoft's, whose
/// programs anybody can name as their own.
fn by_program(name: &str, signature: Option<&Signature>) -> Tristate {
    let Some(signature) = signature else {
        return unknown("its program was not looked at");
    };
    match (signature.status.as_str(), signature.signer.as_deref()) {
        ("valid", Some(signer)) => {
            let plain = plain(signer);
            let names_it = words(name).any(|word| plain.contains(&word));
            match () {
                () if plain.starts_with("microsoft") => Tristate::No,
                () if names_it => Tristate::Yes,
                () => unknown(format!(
                    "its program is signed by {signer}, who is not known to make it"
                )),
            }
        }
        ("unsigned" | "invalid", _) => Tristate::No,
        _ => unknown("the signature of its program could not be read"),
    }
}

fn signed_by(signature: Option<&Signature>, signers: &[&str]) -> Tristate {
    let Some(signature) = signature else {
        return unknown("the program of its service was not looked at");
    };
    match (signature.status.as_str(), signature.signer.as_deref()) {
        ("valid", Some(signer)) => {
            let plain = plain(signer);
            match signers.iter().any(|beginning| plain.starts_with(beginning)) {
                true => Tristate::Yes,
                false => Tristate::No,
            }
        }
        ("unsigned" | "invalid", _) => Tristate::No,
        _ => unknown("the signature of its service could not be read"),
    }
}

/// Letters and digits only, small.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Words of a product's name that tell makers apart.
fn words(name: &str) -> impl Iterator<Item = String> {
    const COMMON: [&str; 16] = [
        "antivirus",
        "endpoint",
        "internet",
        "security",
        "protection",
        "total",
        "free",
        "premium",
        "software",
        "business",
        "windows",
        "microsoft",
        "advanced",
        "system",
        "essentials",
        "professional",
    ];
    name.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= 3 && !COMMON.contains(&word.as_str()))
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

/// The watchers that are installed. A service that waits to be started by hand and is not (`Sense` on every PC) is none.
pub(super) fn watchers(services: &Services) -> Vec<SecurityProduct> {
    let installed = |maker: &&Maker| {
        maker.services.iter().any(|name| {
            service(services, name).is_some_and(|found| runs(found) || found.start == Some(AUTOMATIC))
        })
    };
    let product = |maker: &Maker| {
        let all = maker
            .services
            .iter()
            .all(|name| service(services, name).is_some_and(runs));
        SecurityProduct {
            name: maker.product.to_owned(),
            kind: maker.kind,
            running: if all { Tristate::Yes } else { Tristate::No },
            genuine: by_services(maker, services),
            signatures: Signatures::NotApplicable,
        }
    };
    WATCHERS.iter().filter(installed).map(product).collect()
}
