//! What is noted of a pass while it is under way: what it was let through by, and what it did, also where it failed in the end.
//!
//! What passes take away or replace that nobody agreed to is summed up over an hour, and a pass is held by the sum: a watch makes a pass every few seconds, and
//! none of them takes much away. While a pass is held the sum stays, whatever time goes by; what somebody agreed to ends it.

use gobag_reconcile::{Hold, Plan, Side};
use gobag_workspace::WorkspaceError;
use jiff::Timestamp;

use crate::{
    Agreement, Counts, Options, Pair, PairError, Report, Told,
    base::{Base, at},
    error::whole,
    steady::DAY,
};

/// Whether the last pass that got so far was held.
const HELD: &str = "held";

/// What is noted of the pass under way. One in a workspace may be begun anew several times, and is one.
#[derive(Debug, Default)]
pub(crate) struct Noting {
    /// When it began: seconds since 1970 UTC; none: nobody said.
    began_s: Option<i64>,
    /// What it was let through by.
    pub(crate) agreed: Option<Agreement>,
    /// What somebody had agreed to when it began.
    taken: Option<Agreement>,
    /// Whether it was not held, or was let through.
    pub(crate) is_let_through: bool,
    /// What it did on both sides.
    pub(crate) done: [Counts; 2],
    /// Why the workspace takes nothing from this member in this pass.
    pub(crate) refused: Option<WorkspaceError>,
    /// Whether a side had no room for something in this pass.
    pub(crate) is_full: bool,
    /// What people are to know of a part that was begun anew: the next finds nothing of it any more.
    pub(crate) told: Vec<Told>,
}

impl Noting {
    /// What a part of it came to.
    pub(crate) fn did(&mut self, report: &Report) {
        self.done[0] += report.left;
        self.done[1] += report.right;
    }

    /// The same of one that failed.
    pub(crate) fn failed(&mut self, report: &Report) {
        let lasting = report.notices.iter().filter(|told| told.lasts());
        self.told.extend(lasting.cloned());
    }

    /// An agreement counts for a day, and not before it was made.
    fn counts(&self, agreement: &Agreement) -> bool {
        self.began_s.is_some_and(|now_s| agreement.counts_at(now_s))
    }

    /// All that a pass takes away that still has to do this: what it did before it was begun anew is part of it.
    fn whole_of(&self, hold: &Hold) -> Hold {
        let done = |side: Side| self.done[at(side)];
        let mut hold = *hold;
        match &mut hold {
            Hold::Emptied { side, files, bytes } => {
                let done = done(side.other());
                (*files, *bytes) = (*files + done.removed, *bytes + done.removed_bytes);
            }
            Hold::Deleted {
                side, files, bytes, ..
            } => {
                let done = done(*side);
                (*files, *bytes) = (*files + done.removed, *bytes + done.removed_bytes);
            }
            Hold::Changed { side, files, .. } => *files += done(*side).replaced,
            _ => {}
        }
        hold
    }
}

impl Agreement {
    /// Whether it still counts at this time: for a day after it was made.
    pub(crate) fn counts_at(&self, now_s: i64) -> bool {
        (0..=DAY).contains(&now_s.saturating_sub(self.at_s))
    }
}

impl Pair {
    /// A pass begins of which it is noted what it came to.
    pub(crate) fn begin_noting(&mut self, began: Timestamp) {
        let now_s = began.as_second();
        self.noting = Noting {
            began_s: Some(now_s),
            ..Noting::default()
        };
        let is_held = |base: &Base| Ok::<_, PairError>(base.setting::<bool>(HELD)?.unwrap_or(false));
        let forgotten = is_held(&self.base).and_then(|is_held| match is_held {
            true => Ok(()),
            false => self.base.forget_lately(Some(now_s)),
        });
        // More is held then.
        if let Err(error) = forgotten {
            tracing::debug!(error = whole(&error), "what was done long ago still counts");
        }
    }

    /// What still holds a pass. An agreement counts once: it is gone then, whether it was to this or not.
    pub(crate) fn not_agreed(&mut self, holds: Vec<Hold>, options: &Options) -> Result<Vec<Hold>, PairError> {
        if options.dry_run {
            return Ok(if options.confirmed { Vec::new() } else { holds });
        }
        if let Some(taken) = self.base.take_agreement()? {
            self.noting.taken = Some(taken);
        }
        let taken = self.noting.taken.clone();
        let taken = taken.filter(|agreed| self.noting.counts(agreed));
        if !holds.is_empty() {
            // That of a pass that was begun anew counts on.
            let agreed = self.noting.agreed.clone();
            let agreed = match options.confirmed {
                true => {
                    let mut agreed = agreed.unwrap_or_default();
                    agreed.holds.extend(&holds);
                    Some(agreed)
                }
                false => agreed.or(taken),
            };
            let is_agreed = |hold: &Hold| {
                let hold = self.noting.whole_of(hold);
                let mut agreed = agreed.iter().flat_map(|agreed| &agreed.holds);
                options.confirmed || agreed.any(|agreed| agreed.covers(&hold))
            };
            if !holds.iter().all(is_agreed) {
                self.base.set(HELD, true)?;
                return Ok(holds);
            }
            self.noting.agreed = agreed;
        }
        self.noting.is_let_through = true;
        if self.base.setting::<bool>(HELD)?.unwrap_or(false) {
            self.base.set(HELD, false)?;
        }
        Ok(Vec::new())
    }

    /// Writes down what is about to be taken away or replaced; what somebody agreed to ends the sum.
    pub(crate) fn note_lately(&mut self, plan: &Plan) -> Result<(), PairError> {
        match (&self.noting.agreed, self.noting.began_s) {
            (Some(_), _) => self.base.forget_lately(None),
            (None, Some(now_s)) => self.base.note_lately(plan, now_s),
            (None, None) => Ok(()),
        }
    }
}
