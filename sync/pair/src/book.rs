//! The left folder alone, with what its passes came to: for looking at, and for what a person decides.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path};

use gobag_files::{Changes, OURS, Root, RootId, is_gone, is_there, known, once, replace};
use gobag_reconcile::{Hold, RelPath, Side};
use jiff::Timestamp;

use crate::{
    Agreement, Conflict, Outcome, PairError, Past,
    aside::BASE,
    base::Base,
    pass::{check_root, is_locked, lock},
};

/// Passes that are looked through for one that came to something.
const LOOKED_THROUGH: usize = 100;

/// What becomes of a conflict copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The left side's has the name; the other one goes to the version store.
    Mine,
    /// The right side's has the name; the other one goes to the version store.
    Theirs,
    /// Both stay where they are, and it is no conflict copy any more.
    Both,
}

/// The left folder of a pair. Passes may be under way meanwhile.
pub struct Book {
    root: Root,
    base: Base,
    roots: [RootId; 2],
}

impl Book {
    /// Opens it; it has to be the one that was paired.
    pub fn open(left: &Path) -> Result<Self, PairError> {
        let root = left_root(left)?;
        let (base, roots) = left_base(&root)?;
        Ok(Self { root, base, roots })
    }

    /// Where the right side was last: a path, or `workspace:` and a name.
    pub fn right(&self) -> Result<Option<OsString>, PairError> {
        let place = self.base.right_place()?;
        Ok(place.map(OsString::from_vec))
    }

    /// What somebody said for all passes, by what it is called.
    pub fn remembered(&self, name: &str) -> Result<Option<String>, PairError> {
        self.base.said(name)
    }

    /// Whether somebody is at a pass just now.
    pub fn is_under_way(&self) -> bool {
        is_locked(&self.root)
    }

    /// Whether the right folder is there, and the one it was.
    pub fn reach(&self, right: &Path) -> Result<(), PairError> {
        let id = self.roots[1];
        Ok(Root::open(right, id, Some(id)).map(drop)?)
    }

    /// The newest passes, the newest first.
    pub fn past(&self, most: usize) -> Result<Vec<Past>, PairError> {
        self.base.past(most)
    }

    /// Those that somebody let through, the newest first.
    pub fn let_through(&self) -> Result<Vec<Past>, PairError> {
        self.base.let_through()
    }

    /// When both were last the same: seconds since 1970 UTC.
    pub fn in_step_s(&self) -> Result<Option<i64>, PairError> {
        self.base.in_step_s()
    }

    /// The conflict copies that are still there.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, PairError> {
        let mut conflicts = self.base.conflicts()?;
        conflicts.retain(|conflict| !is_gone(&self.root, &conflict.copy));
        Ok(conflicts)
    }

    /// What holds passes now: one that failed or was ended before it came so far changes nothing of it.
    pub fn holds(&self) -> Result<Vec<Hold>, PairError> {
        let past = self.base.past(LOOKED_THROUGH)?;
        let last = past.into_iter().find(Past::says_what_holds);
        Ok(last
            .filter(|past| past.outcome == Outcome::Held)
            .map_or_else(Vec::new, |past| past.holds))
    }

    /// To what somebody has agreed, for the next pass; it counts for a day.
    pub fn agreement(&self, now: Timestamp) -> Result<Option<Agreement>, PairError> {
        let agreement = self.base.agreement()?;
        Ok(agreement.filter(|agreement| agreement.counts_at(now.as_second())))
    }

    /// Lets the next pass do what `shown` says, and no more. None: it is not that for which the last one was held, or it was for nothing.
    pub fn agree(&self, shown: &[Hold], by: &str, now: Timestamp) -> Result<Option<Agreement>, PairError> {
        let holds = self.holds()?;
        if holds.is_empty() || holds != shown {
            return Ok(None);
        }
        let agreement = Agreement {
            holds,
            by: by.to_owned(),
            at_s: now.as_second(),
        };
        self.base.agree(&agreement)?;
        Ok(Some(agreement))
    }

    /// Decides about a conflict copy. Nothing is deleted: what goes from its place is in the version store, under the name `run`.
    pub fn resolve(&mut self, conflict: &Conflict, keep: Keep, run: &str) -> Result<(), PairError> {
        let _lock = lock(&self.root)?;
        let Conflict {
            path, copy, whose, ..
        } = conflict;
        if keep != Keep::Both {
            let copy_stays = (keep == Keep::Mine) == (self.whose(path, *whose)? == Side::Left);
            let was = known(&self.root, copy)?;
            if !copy_stays && !is_there(&self.root, path) {
                // It would be on neither side then.
                let path = path.clone();
                return Err(PairError::Gone { path });
            }
            let changes = Changes::begin(&self.root, run, &once(run))?;
            match (copy_stays, was) {
                (true, _) => replace(&self.root, &changes, copy, path)?,
                (false, Some(was)) => {
                    changes.remove(copy, &was)?;
                    let _ = changes.flush(Vec::new())?;
                }
                (false, None) => {}
            }
        }
        self.base.forget_conflicts(std::slice::from_ref(copy))
    }

    /// Whose a conflict copy is. Programs of before did not note it: then it may be either's where a folder has the name.
    fn whose(&self, path: &RelPath, noted: Option<Side>) -> Result<Side, PairError> {
        match noted {
            Some(side) => Ok(side),
            None => Ok(known(&self.root, path).map(|_| Side::Left)?),
        }
    }

    /// Remembers that no pass could be made.
    pub fn note_failed(&mut self, error: &PairError, now: Timestamp) -> Result<(), PairError> {
        self.base.remember(Past::failed(error).at(now, now))
    }
}

/// The left folder, if it was ever paired.
pub(crate) fn left_root(left: &Path) -> Result<Root, PairError> {
    if !left.join(OURS).join(BASE).exists() {
        // A drive that is not there must not look like one that is empty.
        let path = left.to_owned();
        return Err(PairError::NotPaired { path });
    }
    Ok(Root::open_known(left)?)
}

/// Its base, and what roots that is of.
pub(crate) fn left_base(root: &Root) -> Result<(Base, [RootId; 2]), PairError> {
    let base = Base::open(&root.path().join(OURS).join(BASE))?;
    let Some(known) = base.roots()? else {
        let path = root.path().to_owned();
        return Err(PairError::NotPaired { path });
    };
    check_root(root, Some(known))?;
    Ok((base, known))
}
