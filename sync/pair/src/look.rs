//! Looking at both sides, all of them or, as long as a first copy is not through, a slice.
//!
//! A slice holds what is new and nothing else: where something that both had is not what it was, both are looked at as a whole, so that what was moved is found,
//! and what is deleted is seen at once. After the last slice both are looked at as a whole anyway.

use gobag_files::{Filter, Scan, Scope, Slice, Walked, walk};
use gobag_format::Monitor;
use gobag_reconcile::{Name, Side};

use crate::{Pair, PairError, base::Base};

impl Pair {
    /// What differs on both sides from what the base has, in this slice; both end at the same path, or are whole.
    pub(crate) fn look(
        &self,
        filter: &Filter,
        slice: Option<Slice>,
        monitor: &dyn Monitor,
    ) -> Result<[Scan; 2], PairError> {
        if let Some(slice) = slice {
            let text = match slice.after.is_root() {
                true => "looking at both folders",
                false => "looking at what comes next in both folders",
            };
            monitor.phase(text, None);
            let scans = self.scan(filter, Some(&slice), monitor)?;
            let is_whole = scans[0].end.is_none() && slice.after.is_root();
            let goes_on = scans[0].end.as_ref().is_some_and(|end| *end > slice.after);
            // Where nothing may be put, or there is no room, all that was not would be looked at once more, at once.
            let is_partial = self.noting.refused.is_some() || self.noting.is_full;
            let is_enough = is_partial && scans[0].end.is_none();
            let is_slice = (goes_on || is_enough) && scans.iter().all(Scan::is_all_new);
            if is_whole || is_slice {
                return Ok(scans);
            }
        }
        monitor.phase("looking at both folders", None);
        self.scan(filter, None, monitor)
    }

    /// Both at once; each with a connection of its own to the base. Files are read when it is known where the slice ends.
    fn scan(
        &self,
        filter: &Filter,
        slice: Option<&Slice>,
        monitor: &dyn Monitor,
    ) -> Result<[Scan; 2], PairError> {
        let (path, left, right) = (self.base.path(), &self.left, &self.right);
        // Where nobody can tell, it is tried.
        let by_right = |name: &Name| right.refuses_name(name);
        let by_left = |name: &Name| left.refuses_name(name).unwrap_or(false);
        let is_ended = || monitor.is_cancelled();
        let of = |is_refused| Scope {
            slice,
            filter,
            is_refused,
            is_ended: &is_ended,
        };
        let mut walked = both(
            || {
                let base = Base::open(path)?;
                Ok(walk(left, &mut base.side(Side::Left), &of(&by_right))?)
            },
            || right.walk(&Base::open(path)?, &of(&by_left)),
        )?;
        if let Some(end) = walked.iter().filter_map(Walked::end).min().cloned() {
            walked.iter_mut().for_each(|walked| walked.cut(&end));
        }
        let was_read = |bytes| {
            monitor.advance(bytes);
            !monitor.is_cancelled()
        };
        let read = |walked: Walked<'_>| walked.read(&was_read).ok_or(PairError::Ended);
        let [left, right] = walked;
        both(|| read(left), || read(right))
    }
}

/// Does both, side by side.
fn both<T: Send>(
    left: impl FnOnce() -> Result<T, PairError>,
    right: impl FnOnce() -> Result<T, PairError> + Send,
) -> Result<[T; 2], PairError> {
    std::thread::scope(|scope| {
        let of_right = scope.spawn(right);
        let of_left = left();
        let of_right = of_right.join();
        let of_right = of_right.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok([of_left?, of_right?])
    })
}
