//! What passes came to, for people: the newest of them, the conflict copies that were made, and what somebody has agreed to.
//!
//! Nothing of it decides what a pass does, but for an agreement, which counts once.

use gobag_files::{KeepRules, is_gone, prune};
use gobag_format::Monitor;
use gobag_reconcile::{Hold, RelPath, Side};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Counts, Failure, Options, Pair, PairError, Report, Told, error::whole, steady};

/// Most paths of a kind that a pass is remembered with.
const PATHS: usize = 100;

/// How a pass ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// Both were the same then.
    InStep,
    /// It was done but for what is listed.
    Incomplete,
    /// Nothing more was done: it waits for somebody.
    Held,
    /// Somebody ended it.
    Ended,
    /// It could not go on; what it did before is done.
    Failed,
    /// What a later version of this program calls otherwise.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Outcome {
    /// How a pass ended that came to this.
    pub fn of(report: &Report) -> Self {
        match () {
            () if report.ended => Self::Ended,
            () if !report.holds.is_empty() => Self::Held,
            () if report.is_in_step() => Self::InStep,
            () => Self::Incomplete,
        }
    }
}

/// Something that was left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftAlone {
    /// The path.
    pub path: String,
    /// Why, in a word.
    pub why: String,
}

/// Somebody's word that a pass may do what would hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agreement {
    /// That, and no more.
    pub holds: Vec<Hold>,
    /// Who said so.
    pub by: String,
    /// When: seconds since 1970 UTC.
    pub at_s: i64,
}

/// A pass that was, or several in a row that came to the same and changed nothing. Times are seconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Past {
    /// When the last of them began.
    pub began_s: i64,
    /// When it ended.
    pub ended_s: i64,
    /// When the first of them began.
    pub since_s: i64,
    /// How many they are.
    pub times: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Done on the left side.
    pub left: Counts,
    /// Done on the right side.
    pub right: Counts,
    /// Why it was held.
    pub holds: Vec<Hold>,
    /// Who let it through.
    pub agreed: Option<Agreement>,
    /// It was not held, or somebody let it through: also one that failed or was ended later. Passes of older versions did not note it.
    pub is_let_through: bool,
    /// What was left alone, the first of it.
    pub left_alone: Vec<LeftAlone>,
    /// How much that is in all.
    pub left_alone_count: u64,
    /// What could not be done, the first of it.
    pub failures: Vec<Failure>,
    /// How much that is in all.
    pub failures_count: u64,
    /// Why it could not go on.
    pub error: Option<Failure>,
    /// What both had last was not to be used, so nothing was deleted.
    pub base_lost: bool,
    /// Earlier versions that were let go.
    pub pruned: u64,
}

impl Past {
    fn of(report: &Report) -> Self {
        let left_alone: Vec<LeftAlone> = report.notices.iter().filter_map(left_alone).collect();
        Self {
            outcome: Outcome::of(report),
            holds: report.holds.clone(),
            left_alone_count: left_alone.len() as u64,
            left_alone: left_alone.into_iter().take(PATHS).collect(),
            failures_count: report.failures.len() as u64,
            failures: report.failures.iter().take(PATHS).cloned().collect(),
            base_lost: report.base_lost,
            ..Self::default()
        }
    }

    pub(crate) fn failed(error: &PairError) -> Self {
        Self {
            outcome: match error {
                PairError::Ended => Outcome::Ended,
                _ => Outcome::Failed,
            },
            error: Some(Failure {
                path: String::new(),
                code: error.code().to_owned(),
                text: whole(error),
            }),
            ..Self::default()
        }
    }

    pub(crate) fn at(mut self, began: Timestamp, ended: Timestamp) -> Self {
        (self.began_s, self.ended_s) = (began.as_second(), ended.as_second());
        (self.since_s, self.times) = (self.began_s, 1);
        self
    }

    /// Whether it may have changed what holds passes: it came past that, or did something.
    pub(crate) fn says_what_holds(&self) -> bool {
        let came_to_nothing = matches!(self.outcome, Outcome::Failed | Outcome::Ended);
        let did_something = [self.left, self.right] != [Counts::default(); 2];
        !came_to_nothing || self.is_let_through || self.agreed.is_some() || did_something
    }

    /// Whether it came to the same as an earlier one, and did nothing.
    pub(crate) fn repeats(&self, earlier: &Self) -> bool {
        let bare = |past: &Self| Self {
            began_s: 0,
            ended_s: 0,
            since_s: 0,
            times: 0,
            left: Counts::default(),
            right: Counts::default(),
            pruned: 0,
            ..past.clone()
        };
        let did_nothing = (self.left, self.right, self.pruned) == (Counts::default(), Counts::default(), 0);
        did_nothing
            && earlier.agreed.is_none()
            && bare(self) == bare(earlier)
            && self.left == earlier.left
            && self.right == earlier.right
    }
}

fn left_alone(told: &Told) -> Option<LeftAlone> {
    match told {
        Told::Left { path, why } => Some(LeftAlone {
            path: path.clone(),
            why: why.clone(),
        }),
        _ => None,
    }
}

/// A conflict copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What both sides had changed.
    pub path: RelPath,
    /// Where the one is that did not keep the name.
    pub copy: RelPath,
    /// The pass that made it, named by its time.
    pub run: String,
    /// Whose is at `copy`: the left side's, but where that had a folder in place of a file. None: a program made it that did not note it.
    pub whose: Option<Side>,
}

/// What is noted of a pass besides what it came to.
pub struct Notes<'a> {
    /// Who lets it run.
    pub who: &'a str,
    /// What time it is.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// How long earlier versions are kept; none: nothing is let go.
    pub keep: Option<&'a KeepRules>,
}

impl Pair {
    /// A pass that is remembered. At its end what nobody needs any more is let go, at most once an hour.
    pub fn noted_pass(
        &mut self,
        options: &Options,
        notes: &Notes<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Report, PairError> {
        let began = (notes.clock)();
        if options.dry_run {
            return self.pass(options, monitor);
        }
        self.begin_noting(began);
        let passed = self.pass(options, monitor);
        let mut past = match &passed {
            Ok(report) => Past::of(report),
            Err(error) => Past::failed(error),
        };
        [past.left, past.right] = self.noting.done;
        past.is_let_through = self.noting.is_let_through;
        past.agreed = self
            .noting
            .agreed
            .take()
            .map(|agreed| match agreed.by.is_empty() {
                true => Agreement {
                    by: notes.who.to_owned(),
                    at_s: began.as_second(),
                    ..agreed
                },
                false => agreed,
            });
        let is_over = passed.as_ref().is_ok_and(Report::is_over);
        // What was done is done, whether it can be written down or not.
        if let Err(error) = self.note(past, began, is_over, notes) {
            tracing::warn!(error = whole(&error), "what the pass came to is not remembered");
        }
        passed
    }

    fn note(
        &mut self,
        past: Past,
        began: Timestamp,
        is_over: bool,
        notes: &Notes<'_>,
    ) -> Result<(), PairError> {
        self.base.set_right_place(&self.right.place())?;
        let now = (notes.clock)();
        let mut past = past.at(began, now);
        let may_prune = self.base.is_steady(now.as_second())?;
        if is_over {
            let gone: Vec<RelPath> = self
                .base
                .conflicts()?
                .into_iter()
                .map(|conflict| conflict.copy)
                .filter(|copy| is_gone(&self.left, copy))
                .collect();
            self.base.forget_conflicts(&gone)?;
            if let (true, Some(rules)) = (may_prune, notes.keep) {
                match self.prune(rules, now) {
                    Ok(pruned) => past.pruned = pruned,
                    Err(error) => tracing::warn!(error = whole(&error), "not all old versions are let go"),
                }
                self.base.set(steady::PRUNED, now.as_second())?;
            }
        }
        self.base.remember(past)
    }

    fn prune(&self, rules: &KeepRules, now: Timestamp) -> Result<u64, PairError> {
        let mut files = 0;
        for root in std::iter::once(&self.left).chain(self.right.folder()) {
            let pruned = prune(root, rules, now, false)?;
            if pruned.later > 0 {
                tracing::warn!(root = %root.path().display(), "versions are later than the clock, and stay");
            }
            files += pruned.files;
        }
        Ok(files)
    }
}
