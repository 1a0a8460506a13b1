//! Ticking the list by what the program found. What only the person can know stays empty.

use super::{Checklist, Item, ListVerdict, State};
use crate::decide::Decision;
use crate::finding::{Finding, RuleId, Verdict};
use crate::host::HostFacts;
use crate::safety::{Confinement, ProductKind, Tristate};
use crate::texts::Value;

impl Checklist {
    /// The same list, ticked where a rule decided. Lines are judged as the chosen mode sees them.
    #[must_use]
    pub fn filled(&self, facts: &HostFacts, decision: &Decision) -> Self {
        let mut filled = self.clone();
        filled.verdict = Some(ListVerdict { mode: decision.mode });
        for item in filled.sections.iter_mut().flat_map(|section| &mut section.items) {
            item.state = state(item, decision);
            item.found = match item.state {
                State::Yes | State::No => found(item, facts),
                State::Empty | State::Unknown => None,
            };
        }
        filled
    }
}

/// The worst of its rules counts.
fn state(item: &Item, decision: &Decision) -> State {
    let findings = item.rules.iter().filter_map(|rule| finding(*rule, decision));
    match findings.map(|finding| finding.verdict).max() {
        None => State::Empty,
        Some(Verdict::Pass) => State::Yes,
        Some(Verdict::Unknown) => State::Unknown,
        Some(Verdict::Info | Verdict::Warn | Verdict::Fail) => State::No,
    }
}

/// What was said of a rule: for the mode that counts, or else for any other.
fn finding(rule: RuleId, decision: &Decision) -> Option<&Finding> {
    let relevant = decision.relevant()?;
    relevant
        .get(rule)
        .or_else(|| decision.findings.iter().find_map(|other| other.get(rule)))
}

/// What to show beside the box: only what reads the same in every language.
fn found(item: &Item, facts: &HostFacts) -> Option<Value> {
    match item.id {
        "processor" => words(&facts.cpu.value()?.model),
        "cores" => Some(Value::Count((*facts.cores.value()?).into())),
        "memory" => Some(Value::FoundBytes(facts.memory.value()?.available_bytes)),
        "space" => Some(Value::FoundBytes(facts.temp_space.value()?.free_bytes)),
        "port" => words(&format!("USB, {} Mbit/s", facts.stick.value()?.usb_mbit_per_s?)),
        "supported" => words(&facts.operating_system.value()?.name),
        "updates" => Some(Value::DaysAgo(facts.updates.value()?.age_days?.into())),
        "antivirus" => {
            let scanners = facts.products.value()?.iter();
            let names = scanners
                .filter(|product| product.kind == ProductKind::Antivirus)
                .map(|product| product.name.as_str());
            Some(names_or_nothing(names))
        }
        "firewall" => Some(names_or_nothing(facts.firewall.value()?.name.as_deref())),
        "encryption" => {
            let plain = facts.storage.value()?.iter();
            let plain = plain.filter(|storage| storage.encrypted == Tristate::No);
            let places: Vec<&str> = plain.map(|storage| storage.place.as_str()).collect();
            (item.state == State::No && !places.is_empty()).then(|| Value::Words(places.join(", ")))
        }
        "remote-control" => Some(names_or_nothing(
            facts.remote_control.value()?.iter().map(String::as_str),
        )),
        "power" => words(&format!("{} %", facts.power.value()?.battery_percent?)),
        "confinement" => match facts.confinement.value()? {
            Confinement::Enforced { by } | Confinement::Permissive { by } => words(by),
            Confinement::None => Some(Value::Nothing),
        },
        _ => None,
    }
}

fn words(words: &str) -> Option<Value> {
    (!words.is_empty()).then(|| Value::Words(words.to_owned()))
}

fn names_or_nothing<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        Value::Nothing
    } else {
        Value::Words(names.join(", "))
    }
}
