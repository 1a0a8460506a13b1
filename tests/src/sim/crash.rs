//! What a reboot finds: durable bytes and whatever part of the cache made it.
//!
//! Writes to different places may arrive in any order and any subset; of two writes to one place the later
//! wins if it arrives. So choosing the fate of each write, in the order of their making, covers all orders.

use std::cell::Cell;

use gobag_bundle::medium::FileRef;

use super::{Faults, File, Inner, SECTOR, SimMedium, Write};
use crate::rng::Rng;

thread_local! {
    static CUTS: Cell<u64> = const { Cell::new(0) };
}

/// Crashes made on this thread since this was last asked.
pub fn take_cuts() -> u64 {
    CUTS.take()
}

/// What became of a write that no flush covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of it arrived.
    Lost,
    /// All of it arrived.
    Kept,
    /// Each sector arrived or stayed as it was, by the luck of this seed.
    Torn(u64),
    /// Each sector arrived or is garbage, by the luck of this seed.
    Garbage(u64),
}

/// Damage that a crash does beyond the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct Damage {
    /// The aligned stretch of so many bytes around an interrupted write is overwritten with noise, in whole or in
    /// half of its sectors. The files of one directory lie side by side.
    pub neighbourhood: Option<u64>,
}

impl SimMedium {
    /// How many writes no flush covers; their fates are up to [`SimMedium::crash_with`].
    pub fn unsynced(&self) -> usize {
        let inner = self.lock();
        inner.files.values().map(|file| file.unsynced.len()).sum()
    }

    /// Whether everything that reads see is durable: no write waits for a flush, and none that a failed flush gave up
    /// is still in the cache.
    pub fn is_settled(&self) -> bool {
        let inner = self.lock();
        inner
            .files
            .values()
            .all(|file| file.unsynced.is_empty() && !file.stale)
    }

    /// The medium after a power cut, each write meeting its fate: files in order of [`FileRef`], writes in order
    /// of their making; missing fates are [`Fate::Lost`].
    pub fn crash_with(&self, fates: &[Fate]) -> Self {
        CUTS.set(CUTS.get() + 1);
        let mut inner = self.lock().clone();
        let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Lost));
        for file in inner.files.values_mut() {
            file.settle(&mut fates);
        }
        inner.reboot();
        Self::of(inner)
    }

    /// The medium after a power cut, by the luck of `rng`.
    pub fn crash(&self, rng: &mut Rng, damage: Damage) -> Self {
        // Sometimes nothing more arrived, sometimes nearly everything, sometimes half.
        let kept = [0, 50, 90][rng.below(3) as usize];
        let fates: Vec<Fate> = (0..self.unsynced()).map(|_| draw_fate(rng, kept)).collect();
        let after = self.crash_with(&fates);
        if let Some(len) = damage.neighbourhood {
            let hit = self.lock().interrupted();
            for (file, offset) in hit {
                after.lock().damage(file, offset, len, rng);
            }
        }
        after
    }
}

pub(super) fn draw_fate(rng: &mut Rng, kept: u64) -> Fate {
    match rng.below(100) {
        0..25 => Fate::Torn(rng.next()),
        25..35 => Fate::Garbage(rng.next()),
        _ if rng.chance(kept) => Fate::Kept,
        _ => Fate::Lost,
    }
}

impl File {
    fn settle(&mut self, fates: &mut impl Iterator<Item = Fate>) {
        for (write, fate) in self.unsynced.drain(..).zip(fates) {
            arrive(&mut self.durable, &write, fate);
        }
        self.stale = false;
        self.live = self.durable.clone();
    }
}

pub(super) fn arrive(durable: &mut super::Pages, write: &Write, fate: Fate) {
    let (mut luck, garbage) = match fate {
        Fate::Lost => return,
        Fate::Kept => return durable.write(write.offset, &write.data),
        Fate::Torn(seed) => (Rng::new(seed), false),
        Fate::Garbage(seed) => (Rng::new(seed), true),
    };
    // A prefix, a suffix, or a random half of the sectors.
    let sectors = write.data.len().div_ceil(SECTOR) as u64;
    let (shape, border) = (luck.below(3), luck.below(sectors.max(1)));
    for (nth, sector) in write.data.chunks(SECTOR).enumerate() {
        let arrived = match shape {
            0 => (nth as u64) < border,
            1 => nth as u64 >= border,
            _ => luck.chance(50),
        };
        let at = write.offset + (nth * SECTOR) as u64;
        if arrived {
            durable.write(at, sector);
        } else if garbage {
            let mut noise = vec![0; sector.len()];
            luck.fill(&mut noise);
            durable.write(at, &noise);
        }
    }
}

impl Inner {
    fn reboot(&mut self) {
        self.session += 1;
        self.faults = Faults::default();
        self.gone = false;
        self.cut_in = None;
    }

    fn interrupted(&self) -> Vec<(FileRef, u64)> {
        let hits = self.files.iter().flat_map(|(name, file)| {
            let cut = file.unsynced.iter().filter(|write| write.interrupted);
            cut.map(move |write| (*name, write.offset))
        });
        hits.collect()
    }

    /// Damages the aligned `len` bytes around `offset` of `file`, laid out with its neighbours.
    fn damage(&mut self, file: FileRef, offset: u64, len: u64, rng: &mut Rng) {
        let kind = std::mem::discriminant(&file);
        let mut start = 0;
        let mut places = Vec::new();
        for (name, file) in self
            .files
            .iter()
            .filter(|(name, _)| std::mem::discriminant(*name) == kind)
        {
            places.push((*name, start, file.planned_len));
            start += file.planned_len;
        }
        let Some((_, base, _)) = places.iter().find(|(name, ..)| *name == file).copied() else {
            return;
        };
        let from = (base + offset) / len * len;
        let all = rng.chance(50);
        for (name, base, file_len) in places {
            let (first, end) = (from.max(base), (from + len).min(base + file_len));
            for at in (first..end).step_by(SECTOR) {
                if all || rng.chance(50) {
                    let mut noise = [0; SECTOR];
                    rng.fill(&mut noise);
                    let file = self
                        .files
                        .get_mut(&name)
                        .unwrap_or_else(|| panic!("{name} is there"));
                    file.live.write(at - base, &noise);
                    file.durable.write(at - base, &noise);
                }
            }
        }
    }
}
