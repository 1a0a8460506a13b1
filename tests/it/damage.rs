//! Damage, everywhere: every bit of a small bundle flipped, every file cut at every length, everything swapped with everything
//! of its kind. What is served afterwards is compared byte by byte with the truth: it is right, or it is an error.
//!
//! The parts are looked at where they are parsed, so that each flip costs microseconds and all of them can be tried:
//! [`header`] (with key slots and the escrow file), [`image`] (manifest, maps, packs), [`log`] (segments, checkpoints);
//! [`stick`] does the same to files of whole sticks.

mod header;
mod image;
mod log;
pub(crate) mod stick;

use std::sync::atomic::{AtomicU64, Ordering};

/// How many things were done, and what came of them.
#[derive(Default)]
struct Tally {
    refused: AtomicU64,
    healed: AtomicU64,
}

impl Tally {
    fn note(&self, healed: bool) {
        let count = if healed { &self.healed } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what was seen; fails when nothing was refused.
    fn tell(self, what: &str) -> (u64, u64) {
        let (refused, healed) = (self.refused.into_inner(), self.healed.into_inner());
        eprintln!("{what}: {refused} refused, {healed} served whole and right");
        assert!(refused > 0, "{what}: nothing was ever refused");
        (refused, healed)
    }
}
