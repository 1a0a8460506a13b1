//! The stick as it was after each write of the guest's work, whole and with unflushed writes torn.

use std::path::Path;

use gobag_tests::rng::Rng;

use super::{
    boot::Written,
    log::{Log, Medium},
};

/// A moment at which the stick was pulled out.
pub(super) struct Cut<'a> {
    /// The stick's image.
    pub(super) image: &'a Path,
    /// What the guest had called confirmed by then.
    pub(super) confirmed: usize,
    /// Which write it was, for messages.
    pub(super) place: String,
}

/// Hands every cut behind a chosen write to `look`; returns the writes there were, and what was confirmed at their end.
/// `is_chosen` is asked with the number of a write, from 1, and how many there are.
pub(super) fn at_writes(
    written: &Written,
    folder: &Path,
    rng: &mut Rng,
    mut is_chosen: impl FnMut(u64, u64, &mut Rng) -> bool,
    mut look: impl FnMut(&Cut<'_>),
) -> (u64, usize) {
    let log = Log::read(&written.log).unwrap();
    let candidates = log.writes_at_work();
    let mut medium = Medium::new(&written.before).unwrap();
    let (mut confirmed, mut done) = (0, 0);
    for (nth, entry) in log.entries().enumerate() {
        medium.apply(&entry).unwrap();
        confirmed = medium.mark().unwrap_or(confirmed);
        if !log.is_at_work(nth) || !entry.is_to_partition() {
            continue;
        }
        done += 1;
        if !is_chosen(done, candidates, rng) {
            continue;
        }
        let torn = folder.join("torn.img");
        medium.tear(&torn, rng).unwrap();
        for image in [medium.path(), torn.as_path()] {
            look(&Cut {
                image,
                confirmed,
                place: format!("after write {done} of {candidates}, {confirmed} confirmed"),
            });
        }
    }
    (candidates, confirmed)
}

/// Chooses about so many of the writes by luck, and always the last.
pub(super) fn about(points: u64) -> impl FnMut(u64, u64, &mut Rng) -> bool {
    move |done, candidates, rng| candidates <= points || rng.below(candidates) < points || done == candidates
}
