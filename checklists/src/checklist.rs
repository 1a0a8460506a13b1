//! The list that a person ticks at home, made from the same requirements by which the program judges.
//!
//! `Requirements` → [`Checklist::of`] → [`Checklist::filled`] (by what `gobag check` found) → a page in a language:
//! [`Checklist::terminal`], [`Checklist::markdown`], [`Checklist::html`]. All of it is pure.
//!
//! What must stay true: every rule has a line here or stands in [`NOT_FOR_PEOPLE`] with the reason; a rule that IT
//! gave no weight to in any mode does not bother anybody; what could not be found out is never shown as "yes".

mod fill;
mod form;
mod html;
mod items;
mod markdown;
mod sentences;
mod terminal;

use serde::Serialize;

use crate::evaluate::evaluate;
use crate::finding::{RuleId, Severity};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::texts::Value;

pub use form::Form;
pub use html::Paper;
pub use items::NOT_FOR_PEOPLE;
use items::{CATALOGUE, Entry};

/// A checklist, in no language yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// Ways to run the image that it offers, best first.
    pub modes: Vec<Mode>,
    /// Whom to phone; a blank line on the page if nobody was named.
    pub it_contact: Option<String>,
    /// Systems for which the page tells how to find out.
    pub systems: Vec<System>,
    /// The lines.
    pub sections: Vec<Section>,
    /// What the program found; `None` for a list that a person fills in.
    pub verdict: Option<ListVerdict>,
}

/// Choices about the page that are not requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecklistOptions {
    /// Whom to phone.
    pub it_contact: Option<String>,
    /// Systems for which the page tells how to find out.
    pub systems: Vec<System>,
}

impl Default for ChecklistOptions {
    /// Nobody named; all systems.
    fn default() -> Self {
        Self {
            it_contact: None,
            systems: System::ALL.to_vec(),
        }
    }
}

/// What the computer can do, in the words of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ListVerdict {
    /// The mode it can run; `None` if none.
    pub mode: Option<Mode>,
}

/// Operating systems of home PCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// Linux.
    Linux,
}

impl System {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Windows, Self::Macos, Self::Linux];

    /// The end of its messages' names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Linux => "linux",
        }
    }
}

/// Lines that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Which.
    pub id: SectionId,
    /// Its lines, never none.
    pub items: Vec<Item>,
}

/// The parts of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionId {
    /// What the computer is.
    Pc,
    /// How well it is protected.
    Safety,
    /// What the person prepares.
    Ready,
}

impl SectionId {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Pc, Self::Safety];

    /// The message that names it.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Ready => "section-ready",
            Self::Pc => "section-pc",
            Self::Safety => "section-safety",
        }
    }
}

/// One line with a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Stable name; its messages begin with `item-` and this.
    pub id: &'static str,
    /// The rules behind it; none for what only the person can know.
    pub rules: Vec<RuleId>,
    /// How much it counts.
    pub weight: Weight,
    /// What the message is filled with.
    pub arguments: Vec<(&'static str, Value)>,
    /// Ticked or not.
    pub state: State,
    /// What the program found.
    pub found: Option<Value>,
}

/// How much a line counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "weight", rename_all = "kebab-case")]
pub enum Weight {
    /// Without it, no workstation runs; or no remote access, where that is all there is.
    Needed,
    /// Needed in these modes; another mode works without.
    NeededFor {
        /// The modes.
        modes: Vec<Mode>,
    },
    /// Work is possible without.
    Wanted,
}

/// What stands in the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing yet.
    #[default]
    Empty,
    /// True.
    Yes,
    /// Not true.
    No,
    /// Looked for and not found out.
    Unknown,
}

impl Checklist {
    /// The list of everything that these requirements ask of a computer and of a person.
    #[must_use]
    pub fn of(requirements: &Requirements, options: &ChecklistOptions) -> Self {
        let modes: Vec<Mode> = [Mode::Vm, Mode::Container, Mode::RemoteOnly]
            .into_iter()
            .filter(|mode| requirements.modes.contains(mode))
            .collect();
        let weights = Weights::of(requirements, &modes);
        let sections = SectionId::ALL.into_iter().filter_map(|id| {
            let entries = CATALOGUE.iter().filter(|entry| entry.section == id);
            let items: Vec<Item> = entries
                .filter_map(|entry| item(entry, requirements, &weights))
                .collect();
            (!items.is_empty()).then_some(Section { id, items })
        });
        Self {
            sections: sections.collect(),
            modes,
            it_contact: options.it_contact.clone(),
            systems: options.systems.clone(),
            verdict: None,
        }
    }

    /// All lines of all sections.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.sections.iter().flat_map(|section| &section.items)
    }
}

fn item(entry: &Entry, requirements: &Requirements, weights: &Weights) -> Option<Item> {
    let rules: Vec<RuleId> = entry
        .rules
        .iter()
        .copied()
        .filter(|rule| weights.matters(*rule))
        .collect();
    if rules.is_empty() && !entry.rules.is_empty() {
        return None;
    }
    Some(Item {
        id: entry.id,
        weight: weights.together(&rules),
        rules,
        arguments: (entry.arguments)(requirements)?,
        state: State::Empty,
        found: None,
    })
}

/// What each rule weighs in each offered mode, asked of the judgement itself, so that both can never differ.
struct Weights {
    by_mode: Vec<(Mode, Vec<(RuleId, Severity)>)>,
}

impl Weights {
    fn of(requirements: &Requirements, modes: &[Mode]) -> Self {
        let nothing = HostFacts::default();
        let by_mode = modes.iter().map(|mode| {
            let findings = evaluate(requirements, &nothing, *mode, &[]).findings;
            let weights = findings.iter().map(|finding| (finding.rule, finding.severity));
            (*mode, weights.collect())
        });
        Self {
            by_mode: by_mode.collect(),
        }
    }

    fn weight(&self, rule: RuleId, severity: Severity) -> impl Iterator<Item = Mode> {
        let has = move |(_, weights): &&(Mode, Vec<(RuleId, Severity)>)| weights.contains(&(rule, severity));
        self.by_mode.iter().filter(has).map(|(mode, _)| *mode)
    }

    fn matters(&self, rule: RuleId) -> bool {
        [Severity::Warn, Severity::Require]
            .into_iter()
            .any(|severity| self.weight(rule, severity).next().is_some())
    }

    /// The weight of a line with several rules; a line without any is the person's own and always needed.
    fn together(&self, rules: &[RuleId]) -> Weight {
        let modes: Vec<Mode> = self
            .by_mode
            .iter()
            .map(|(mode, _)| *mode)
            .filter(|mode| {
                rules
                    .iter()
                    .any(|rule| self.weight(*rule, Severity::Require).any(|other| other == *mode))
            })
            .collect();
        // Who has only remote access needs nothing of the machine; saying "for the workstation" each time would tell nobody more.
        let offered: Vec<Mode> = self.by_mode.iter().map(|(mode, _)| *mode).collect();
        let workstation = |mode: &&Mode| **mode != Mode::RemoteOnly;
        let covers = modes == offered
            || (modes.iter().any(|mode| workstation(&mode))
                && offered
                    .iter()
                    .filter(workstation)
                    .all(|mode| modes.contains(mode)));
        if rules.is_empty() || covers {
            Weight::Needed
        } else if modes.is_empty() {
            Weight::Wanted
        } else {
            Weight::NeededFor { modes }
        }
    }
}

#[cfg(test)]
mod tests;
