//! A list's lines in a language, before any renderer gives them a form.

use super::{Checklist, Item, State, Weight};
use crate::requirements::Mode;
use crate::texts::{Texts, Value};

/// One line, in words.
pub(super) struct Sentences {
    /// The line itself.
    pub(super) text: String,
    /// How much it counts, if it is not simply needed.
    pub(super) weight: Option<String>,
    /// What was found.
    pub(super) found: Option<String>,
    /// What to do.
    pub(super) advice: Option<String>,
    /// How to find out: the system, if they differ, and the way there.
    pub(super) ways: Vec<(Option<String>, String)>,
}

impl Sentences {
    /// Words for a line; `escape` makes words from elsewhere fit for the page.
    pub(super) fn of(item: &Item, list: &Checklist, texts: &Texts, escape: fn(&str) -> String) -> Self {
        let message = |end: &str| format!("item-{}{end}", item.id);
        let weight = match &item.weight {
            Weight::Needed => None,
            Weight::Wanted => Some(texts.say("weight-wanted")),
            Weight::NeededFor { modes } => {
                let modes = [("modes", Value::Modes(modes.clone()))];
                Some(texts.say_with("weight-partly", &modes, escape))
            }
        };
        let advice = match item.state {
            State::No => {
                let help = texts.say(&message("-help"));
                Some(format!("{} {help}", texts.say("what-to-do")))
            }
            State::Unknown | State::Empty | State::Yes => None,
        };
        let found = item.found.as_ref().map(|found| {
            let found = [("found", found.clone())];
            texts.say_with("found", &found, escape)
        });
        let ways = match item.state {
            State::Empty | State::Unknown => ways(item, list, texts),
            State::Yes | State::No => Vec::new(),
        };
        Self {
            text: texts.say_with(&message(""), &item.arguments, escape),
            weight,
            found,
            advice,
            ways,
        }
    }

    /// The ways on one line: `Windows: Settings · Mac: …`.
    pub(super) fn ways_on_a_line(&self) -> Option<String> {
        let ways: Vec<String> = self
            .ways
            .iter()
            .map(|(system, way)| match system {
                Some(system) => format!("{system}: {way}"),
                None => way.clone(),
            })
            .collect();
        (!ways.is_empty()).then(|| ways.join(" · "))
    }
}

fn ways(item: &Item, list: &Checklist, texts: &Texts) -> Vec<(Option<String>, String)> {
    let everywhere = format!("item-{}-how", item.id);
    if texts.has(&everywhere) {
        return vec![(None, texts.say(&everywhere))];
    }
    let ways = list.systems.iter().filter_map(|system| {
        let system = system.as_str();
        let way = format!("item-{}-{system}", item.id);
        let name = texts.say(&format!("system-{system}"));
        texts.has(&way).then(|| (Some(name), texts.say(&way)))
    });
    ways.collect()
}

/// What the computer can do, if the program filled the list in.
pub(super) fn verdict(list: &Checklist, texts: &Texts) -> Option<String> {
    let verdict = list.verdict?;
    Some(texts.say(match verdict.mode {
        Some(Mode::Vm) => "verdict-vm",
        Some(Mode::Container) => "verdict-container",
        Some(Mode::RemoteOnly) => "verdict-remote-only",
        Some(Mode::Unknown) | None => "verdict-none",
    }))
}

/// Whom to phone, or `None` for a blank line.
pub(super) fn contact(list: &Checklist, escape: fn(&str) -> String) -> Option<String> {
    let contact = list.it_contact.as_deref().map(str::trim);
    let named = contact.filter(|contact| !contact.is_empty())?;
    Some(escape(&crate::texts::harmless(named)))
}
