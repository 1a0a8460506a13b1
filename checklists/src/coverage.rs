//! How many of the people can work, counted from many results of `gobag check --json`.
//!
//! Each result is what a computer said of itself; nothing here proves it. What is damaged or no result at all is listed and
//! not counted. A computer that sent twice is counted once, with what it said last. With requirements, the *facts* in the
//! results are judged anew by them; without, the decision that each computer recorded counts, and the report says which.

mod csv;
mod html;
mod read;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{RuleId, Verdict};
use crate::requirements::{Mode, Requirements};
use read::{Computer, Judged};

/// One file that may hold a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultFile {
    /// Its name, as the person knows it.
    pub name: String,
    /// Its content, or why there is none.
    pub content: Result<Vec<u8>, String>,
    /// Who vouches for it.
    pub signed_by: SignedBy,
}

/// Who vouches for a result's being unaltered. None vouches for the computer's being honest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// Nobody: anybody can have written it.
    #[default]
    Nobody,
    /// Somebody, and whether it is a stick of the company was not looked at.
    NotChecked,
    /// The stick of this person.
    Stick(String),
}

/// By what the results were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedBy {
    /// The decisions that the computers recorded.
    TheirOwnDecision,
    /// Requirements given now, applied to the facts that the computers recorded.
    RequirementsGivenNow,
}

/// The figure, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The figure in a sentence.
    pub sentence: String,
    /// By what the results were judged.
    pub judged_by: JudgedBy,
    /// Modes that were offered, best first.
    pub modes: Vec<Mode>,
    /// Computers counted.
    pub computers: usize,
    /// Of these, able to run the virtual machine.
    pub vm: usize,
    /// Of these, able to run only the container.
    pub only_container: usize,
    /// Of these, good only for remote access.
    pub only_remote: usize,
    /// Of these, good for nothing that is offered.
    pub none: usize,
    /// Of those that can run something, computers of which something that it needs is not known: they may fail on the day.
    pub uncertain: usize,
    /// What stood in the way, by rule and mode; what stops most people first.
    pub reasons: Vec<Reason>,
    /// The computers one by one, by the name of their file.
    pub results: Vec<ComputerResult>,
    /// Files that were not counted because their computer is in another one.
    pub duplicates: Vec<Duplicate>,
    /// Files that could not be counted.
    pub findings: Vec<Problem>,
}

/// One rule in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule's stable name.
    pub rule: String,
    /// What tables call it.
    pub title: String,
    /// The mode.
    pub mode: Mode,
    /// Computers that cannot run the mode because of it, and maybe of others.
    pub blocked: usize,
    /// Computers that cannot run the mode because of it alone: what mending it would win.
    pub blocked_by_it_alone: usize,
    /// Computers that it warned.
    pub warned: usize,
    /// Computers where it could not be determined.
    pub unknown: usize,
}

/// One computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComputerResult {
    /// The file it is in.
    pub file: String,
    /// The name by which it sends, if it has one.
    pub pseudonym: Option<String>,
    /// Who vouches for it.
    pub signed_by: SignedBy,
    /// The best mode it can run.
    pub can: Option<Mode>,
    /// Something that this mode needs is not known.
    pub uncertain: bool,
    /// Rules that keep it from the best mode offered.
    pub blocked_by: Vec<String>,
}

/// A file that says no more than another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The file that was not counted.
    pub file: String,
    /// The one that was.
    pub counted: String,
    /// Why they are the same.
    pub why: SameAs,
}

/// Why two files are one computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SameAs {
    /// Their content is the same.
    Content,
    /// The computer's pseudonym is the same.
    Pseudonym,
}

/// A file that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

impl Coverage {
    /// Counts.
    #[must_use]
    pub fn of(files: &[ResultFile], requirements: Option<&Requirements>) -> Self {
        let mut findings = Vec::new();
        let mut read: Vec<Computer> = Vec::new();
        let mut duplicates = Vec::new();
        let mut contents: BTreeMap<&Vec<u8>, String> = BTreeMap::new();
        for file in files {
            let bytes = match &file.content {
                Ok(bytes) => bytes,
                Err(what) => {
                    findings.push(problem(&file.name, what));
                    continue;
                }
            };
            if let Some(counted) = contents.get(bytes) {
                duplicates.push(duplicate(&file.name, counted, SameAs::Content));
                continue;
            }
            match Computer::read(file, bytes, requirements) {
                Ok(result) => {
                    contents.insert(bytes, file.name.clone());
                    read.push(result);
                }
                Err(what) => findings.push(problem(&file.name, &what)),
            }
        }
        let read = newest_of_each(read, &mut duplicates);
        let modes = offered(&read, requirements);
        let mut coverage = Self {
            sentence: String::new(),
            judged_by: match requirements {
                Some(_) => JudgedBy::RequirementsGivenNow,
                None => JudgedBy::TheirOwnDecision,
            },
            computers: read.len(),
            vm: 0,
            only_container: 0,
            only_remote: 0,
            none: 0,
            uncertain: 0,
            reasons: reasons(&read, &modes),
            results: Vec::new(),
            duplicates,
            findings,
            modes,
        };
        for result in &read {
            coverage.count(result);
        }
        coverage.sentence = coverage.figure();
        coverage
    }

    /// Who vouches for what was counted, in a sentence.
    #[must_use]
    pub fn vouched(&self) -> String {
        let count =
            |is: fn(&SignedBy) -> bool| self.results.iter().filter(|result| is(&result.signed_by)).count();
        let signed = count(|who| matches!(who, SignedBy::Stick(_)));
        let unchecked = count(|who| *who == SignedBy::NotChecked);
        match unchecked {
            0 => format!("{signed} of {} are signed by a stick of yours", self.computers),
            _ => format!(
                "{unchecked} of {} are signed; by whom was not checked",
                self.computers
            ),
        }
    }

    fn count(&mut self, result: &Computer) {
        let can = self.modes.iter().copied().find(|mode| result.fits(*mode));
        *match can {
            Some(Mode::Vm) => &mut self.vm,
            Some(Mode::Container) => &mut self.only_container,
            Some(Mode::RemoteOnly) => &mut self.only_remote,
            Some(Mode::Unknown) | None => &mut self.none,
        } += 1;
        let uncertain = can
            .and_then(|mode| result.judged(mode))
            .is_some_and(Judged::is_uncertain);
        self.uncertain += usize::from(uncertain);
        let best = self.modes.first().and_then(|mode| result.judged(*mode));
        let blocking = best.into_iter().flat_map(|judged| &judged.rules);
        self.results.push(ComputerResult {
            file: result.file.clone(),
            pseudonym: result.pseudonym.clone(),
            signed_by: result.signed_by.clone(),
            can,
            uncertain,
            blocked_by: blocking
                .filter(|rule| rule.blocks)
                .map(|rule| rule.rule.clone())
                .collect(),
        });
    }

    fn figure(&self) -> String {
        let all = self.computers;
        if all == 0 {
            return "no computer was counted".to_owned();
        }
        let parts = self.modes.iter().enumerate().map(|(place, mode)| {
            let (number, name) = match mode {
                Mode::Vm => (self.vm, "the VM"),
                Mode::Container => (self.only_container, "the container"),
                Mode::RemoteOnly => (self.only_remote, "remote access"),
                Mode::Unknown => (0, "a mode this version does not know"),
            };
            match (place, mode) {
                (0, Mode::RemoteOnly) => format!("{number} of {all} can use {name}"),
                (0, _) => format!("{number} of {all} can run {name}"),
                _ => format!("{number} only {name}"),
            }
        });
        let rest = match self.modes.len() {
            0 => format!("{} of {all} were offered nothing", self.none),
            1 => format!("{} cannot", self.none),
            2 => format!("{} neither", self.none),
            _ => format!("{} none of these", self.none),
        };
        let parts: Vec<String> = parts.chain([rest]).collect();
        let doubt = match self.uncertain {
            0 => String::new(),
            number => format!("; of {number} of those who can, something needed is not known"),
        };
        parts.join(", ") + &doubt
    }
}

/// Of the results with one pseudonym, one that a stick signed before others, then the one that was gathered last; of two at the same time, the first.
/// Pseudonyms stand in the results, so anybody can write a later one of somebody else's computer.
fn newest_of_each(read: Vec<Computer>, duplicates: &mut Vec<Duplicate>) -> Vec<Computer> {
    let mut kept: Vec<Computer> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for result in read {
        let known = result.pseudonym.as_ref().and_then(|name| places.get(name));
        match known.and_then(|place| kept.get_mut(*place)) {
            None => {
                if let Some(name) = &result.pseudonym {
                    places.insert(name.clone(), kept.len());
                }
                kept.push(result);
            }
            Some(other) if result.weight() > other.weight() => {
                duplicates.push(duplicate(&other.file, &result.file, SameAs::Pseudonym));
                *other = result;
            }
            Some(other) => duplicates.push(duplicate(&result.file, &other.file, SameAs::Pseudonym)),
        }
    }
    kept
}

fn duplicate(file: &str, counted: &str, why: SameAs) -> Duplicate {
    Duplicate {
        file: file.to_owned(),
        counted: counted.to_owned(),
        why,
    }
}

fn problem(file: &str, what: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        what: what.to_owned(),
    }
}

/// What the requirements offer, or else what the computers' own decisions looked at and were offered.
fn offered(read: &[Computer], requirements: Option<&Requirements>) -> Vec<Mode> {
    let is_offered = |mode: &Mode| match requirements {
        Some(requirements) => requirements.modes.contains(mode),
        None => read
            .iter()
            .any(|result| result.judged(*mode).is_some_and(Judged::is_offered)),
    };
    [Mode::Vm, Mode::Container, Mode::RemoteOnly]
        .into_iter()
        .filter(is_offered)
        .collect()
}

fn reasons(read: &[Computer], modes: &[Mode]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for mode in modes {
        let mut counted: BTreeMap<&str, Reason> = BTreeMap::new();
        for judged in read.iter().filter_map(|result| result.judged(*mode)) {
            let alone = judged.rules.iter().filter(|rule| rule.blocks).count() == 1;
            for rule in &judged.rules {
                let reason = counted.entry(&rule.rule).or_insert_with(|| Reason {
                    rule: rule.rule.clone(),
                    title: title(&rule.rule),
                    mode: *mode,
                    blocked: 0,
                    blocked_by_it_alone: 0,
                    warned: 0,
                    unknown: 0,
                });
                reason.blocked += usize::from(rule.blocks);
                reason.blocked_by_it_alone += usize::from(rule.blocks && alone);
                reason.warned += usize::from(rule.verdict == Verdict::Warn);
                reason.unknown += usize::from(rule.verdict == Verdict::Unknown);
            }
        }
        let mut of_mode: Vec<Reason> = counted.into_values().collect();
        of_mode.sort_by_key(|reason| {
            let weight = (reason.blocked, reason.unknown, reason.warned);
            (std::cmp::Reverse(weight), reason.rule.clone())
        });
        reasons.extend(of_mode);
    }
    reasons
}

/// What tables call a rule; a rule of a newer program has only its name.
fn title(rule: &str) -> String {
    let known = RuleId::ALL.iter().find(|known| known.as_str() == rule);
    known.map_or_else(|| rule.to_owned(), |known| known.title().to_owned())
}

#[cfg(test)]
mod tests;
