//! Rules about how well the computer is protected.
//!
//! All of it is the computer's word about itself. What is not genuine counts as not there; what could not be told is never
//! counted as protection.

use super::{Judged, Outcome, cannot_tell, judged, known, missed};
use crate::end_of_life;
use crate::host::HostFacts;
use crate::requirements::Requirements;
use crate::safety::{
    Confinement, ProductKind, SecureBoot, SecurityProduct, Signatures, StorageRole, Tristate,
};

pub(super) fn secure_boot(facts: &HostFacts) -> Judged {
    let needed = "on";
    let boot = match known(&facts.secure_boot, needed) {
        Ok(boot) => *boot,
        Err(judged) => return judged,
    };
    let advice = "nothing today; ask IT how to switch it on in the PC's firmware settings";
    let (found, outcome) = match boot {
        SecureBoot::On => ("on", Outcome::Met),
        SecureBoot::Off => ("off", missed(advice)),
        SecureBoot::SetupMode => ("waits for its keys, so it checks nothing", missed(advice)),
        SecureBoot::Reduced => ("reduced", missed(advice)),
    };
    judged(needed, found, outcome)
}

/// Plain swap is a warning, not a failure: what the workstation shows lies in memory, and may be moved there.
pub(super) fn disk_encrypted(facts: &HostFacts) -> Judged {
    let needed = "every disk with files, and swap";
    let storage = match known(&facts.storage, needed) {
        Ok(storage) => storage,
        Err(judged) => return judged,
    };
    let in_role = |role| storage.iter().filter(move |storage| storage.role == role);
    let plain = |role| -> Vec<&str> {
        let plain = in_role(role).filter(|storage| storage.encrypted == Tristate::No);
        plain.map(|storage| storage.place.as_str()).collect()
    };
    let unknown = in_role(StorageRole::Files)
        .chain(in_role(StorageRole::Swap))
        .find_map(|storage| match &storage.encrypted {
            Tristate::Unknown { reason } => Some(format!("{}: {reason}", storage.place)),
            _ => None,
        });
    let (files, swap) = (plain(StorageRole::Files), plain(StorageRole::Swap));
    if !files.is_empty() {
        let found = format!("not encrypted: {}", files.join(", "));
        let advice = "what you keep in the workstation stays encrypted on the stick; save nothing of the company on this computer's own disk";
        return judged(needed, found, missed(advice));
    }
    if let Some(unknown) = unknown {
        return judged(
            needed,
            format!("unknown: {unknown}"),
            cannot_tell("save nothing of the company on this computer's own disk"),
        );
    }
    if in_role(StorageRole::Files).next().is_none() {
        return judged(
            needed,
            "unknown: no disk was found",
            cannot_tell("show this line to IT"),
        );
    }
    if !swap.is_empty() {
        let advice =
            "memory may be written to that disk as it is; shut this computer down when you have finished";
        let outcome = Outcome::MetPoorly {
            what_to_do: advice.to_owned(),
        };
        return judged(
            needed,
            format!("swap is not encrypted: {}", swap.join(", ")),
            outcome,
        );
    }
    judged(needed, "all encrypted", Outcome::Met)
}

pub(super) fn confined(facts: &HostFacts) -> Judged {
    let needed = "active";
    let confinement = match known(&facts.confinement, needed) {
        Ok(confinement) => confinement,
        Err(judged) => return judged,
    };
    let advice = "nothing today; ask IT to switch it on";
    match confinement {
        Confinement::Enforced { by } => judged(needed, by, Outcome::Met),
        Confinement::Permissive { by } => judged(needed, format!("{by}, only complaining"), missed(advice)),
        Confinement::None => judged(needed, "none", missed(advice)),
    }
}

pub(super) fn firewall(facts: &HostFacts) -> Judged {
    let needed = "on";
    let firewall = match known(&facts.firewall, needed) {
        Ok(firewall) => firewall,
        Err(judged) => return judged,
    };
    let name = firewall.name.as_deref().unwrap_or("none");
    let advice =
        "switch the firewall on in this computer's settings (the check lists show how), then check again";
    match (&firewall.configured, &firewall.enforced) {
        (Tristate::Yes, Tristate::Yes) => judged(needed, format!("{name}, on"), Outcome::Met),
        (Tristate::Yes, Tristate::No) => judged(
            needed,
            format!("{name}, set up, but not in force"),
            missed(advice),
        ),
        (Tristate::Yes, Tristate::Unknown { reason }) => judged(
            needed,
            format!("{name}, set up; unknown whether it is in force: {reason}"),
            cannot_tell("nothing, if the computer's own settings show it as on"),
        ),
        (_, Tristate::Yes) => judged(needed, format!("{name}, on"), Outcome::Met),
        (Tristate::No, _) => judged(needed, format!("{name}, off"), missed(advice)),
        (Tristate::Unknown { reason }, _) => judged(
            needed,
            format!("unknown: {reason}"),
            cannot_tell("look into this computer's settings whether the firewall is on"),
        ),
    }
}

/// How one product counts.
enum Counts {
    Protects,
    CannotTell(String),
    Not(String),
}

fn product(product: &SecurityProduct, max_age_days: u32) -> Counts {
    let name = &product.name;
    match &product.running {
        Tristate::Yes => {}
        Tristate::No => return Counts::Not(format!("{name} does not run")),
        Tristate::Unknown { reason } => return Counts::CannotTell(format!("{name}: {reason}")),
    }
    match &product.genuine {
        Tristate::Yes => {}
        Tristate::No => return Counts::Not(format!("something called {name} runs, but is not the real one")),
        Tristate::Unknown { reason } => return Counts::CannotTell(format!("{name}: {reason}")),
    }
    // It watches what programs do and reports to a company; whether it also stops malware here, its makers do not tell.
    if product.kind == ProductKind::Edr {
        return Counts::CannotTell(format!("{name} runs; whether it looks for malware is not known"));
    }
    match &product.signatures {
        Signatures::Aged { days } if *days > max_age_days => {
            Counts::Not(format!("{name} was last updated {days} days ago"))
        }
        Signatures::Outdated => Counts::Not(format!("{name} is not up to date")),
        Signatures::Missing => Counts::Not(format!("{name} knows no malware yet")),
        Signatures::Unknown { reason } => Counts::CannotTell(format!("{name}: {reason}")),
        Signatures::Aged { .. } | Signatures::Current | Signatures::NotApplicable => Counts::Protects,
    }
}

/// One that runs, is genuine and up to date is enough; what else is installed and off does not count against it.
pub(super) fn antivirus(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let days = requirements.policy.max_signature_age_days;
    let needed = format!("one that runs, updated within {days} days");
    let products = match known(&facts.products, &needed) {
        Ok(products) => products,
        Err(judged) => return judged,
    };
    let mut unsure = Vec::new();
    let mut reasons = Vec::new();
    for each in products {
        match product(each, days) {
            Counts::Protects => return judged(needed, &each.name, Outcome::Met),
            Counts::CannotTell(reason) => unsure.push(reason),
            Counts::Not(reason) => reasons.push(reason),
        }
    }
    if !unsure.is_empty() {
        let advice =
            "open the malware protection's own window; if it says that it is on and up to date, go on";
        return judged(
            needed,
            format!("unknown: {}", unsure.join("; ")),
            cannot_tell(advice),
        );
    }
    if reasons.is_empty() {
        let advice = "install a malware scanner (Debian, Ubuntu: `sudo apt install clamav-daemon clamav-freshclam`), or use the vm mode, which needs \
                      this computer's protection less";
        return judged(needed, "none found", missed(advice));
    }
    let advice = "switch it on and let it update itself, then check again; or use the vm mode, which needs this computer's protection less";
    judged(needed, reasons.join("; "), missed(advice))
}

pub(super) fn updates_recent(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let most = requirements.policy.max_update_age_days;
    let needed = format!("looked for within {most} days");
    let updates = match known(&facts.updates, &needed) {
        Ok(updates) => updates,
        Err(judged) => return judged,
    };
    match updates.age_days {
        None => judged(
            needed,
            "unknown: the system keeps no date",
            cannot_tell("let the system look for updates when you have time"),
        ),
        Some(days) if days > most => judged(
            needed,
            format!("{days} days ago"),
            missed(
                "let the system install its updates; that can take an hour, so do it when your work allows",
            ),
        ),
        Some(days) => judged(needed, format!("{days} days ago"), Outcome::Met),
    }
}

pub(super) fn updates_restart(facts: &HostFacts) -> Judged {
    let needed = "none waits";
    let updates = match known(&facts.updates, needed) {
        Ok(updates) => updates,
        Err(judged) => return judged,
    };
    match &updates.restart_pending {
        Tristate::No => judged(needed, "none", Outcome::Met),
        Tristate::Yes => judged(
            needed,
            "an update waits for a restart",
            missed("restart this computer before you begin"),
        ),
        Tristate::Unknown { reason } => judged(
            needed,
            format!("unknown: {reason}"),
            cannot_tell("nothing; restart this computer if you have not for a week"),
        ),
    }
}

pub(super) fn supported(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let needed = "a system that still gets security updates";
    let release = match known(&facts.release, needed) {
        Ok(release) => release,
        Err(judged) => return judged,
    };
    let shown = format!("{} {}", release.system, release.version);
    let advice = "use another PC if there is one; this one's known holes are not mended any more";
    let Some(today) = end_of_life::day(facts.gathered_at_s) else {
        return judged(
            needed,
            format!("{shown}, on a day that is unknown"),
            cannot_tell(advice),
        );
    };
    match end_of_life::until(&requirements.policy.end_of_life, release) {
        None => judged(
            needed,
            format!("{shown}, which is in no table"),
            cannot_tell("nothing, if the system still installs updates"),
        ),
        Some(until) if today > until => judged(needed, format!("{shown}, until {until}"), missed(advice)),
        Some(until) => judged(needed, format!("{shown}, until {until}"), Outcome::Met),
    }
}

pub(super) fn remote_control(facts: &HostFacts) -> Judged {
    let needed = "none runs";
    match known(&facts.remote_control, needed) {
        Err(judged) => judged,
        Ok(programs) if programs.is_empty() => judged(needed, "none", Outcome::Met),
        Ok(programs) => judged(
            needed,
            programs.join(", "),
            missed(
                "close it before you begin, unless IT asked you to run it: whoever is at its other end sees your work",
            ),
        ),
    }
}
