//! Segments and checkpoint areas of a small log, after a session that was closed and after one that was pulled.

use std::{collections::BTreeMap, sync::Arc};

use gobag_bundle::{medium::FileRef, store::StoreMode};
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, geometry},
    rng::Rng,
    sim::SimMedium,
    sweep::each,
};

use super::Tally;

/// Segments: as few as there may be.
const SEGMENTS: u16 = 8;
/// Bytes of a checkpoint area whose every bit is flipped: more than the small log's checkpoints have.
const CHECKPOINT_BYTES: usize = 7 << 10;
/// Behind what is written everything is noise; there a bit in so many bytes is flipped.
const NOISE_STEP: usize = 512;
const BLOCK: usize = 4096;

struct Small {
    rig: Rig,
    medium: SimMedium,
    model: Model,
    closed: bool,
    /// The earliest moment that damage to a record may lead back to: the last one may be taken for a write that was cut.
    floor: usize,
    /// Every byte that is worth flipping.
    places: Vec<(FileRef, usize)>,
}

/// A log with a few records in it.
fn small(seed: u64, closed: bool) -> Small {
    let (rig, medium) = Rig::new(seed, geometry(SEGMENTS, 128, 64, 40), 3 << 12, 2 << 12);
    let fresh: BTreeMap<FileRef, Vec<u8>> = (0..SEGMENTS)
        .map(FileRef::Segment)
        .map(|file| (file, medium.bytes(file)))
        .collect();
    let mut model = rig.model();
    let session = rig.open_sound(&medium);
    let mut rng = Rng::new(seed);
    let word = |rng: &mut Rng, len: usize| {
        let letter = rng.next() as u8;
        vec![letter; len]
    };
    let mut floor = 0;
    for (volume, offset, len) in [
        (0, 0, 2 * BLOCK),
        (1, 100, 5000),
        (0, BLOCK, BLOCK),
        (0, 0, BLOCK),
    ] {
        floor = model.newest();
        let data = word(&mut rng, len);
        for op in [
            Op::Write {
                volume,
                offset: offset as u64,
                data,
            },
            Op::Flush,
        ] {
            model.apply(&op);
            session.run(&op).unwrap();
        }
    }
    if closed {
        session.store.close().unwrap();
        floor = model.newest();
    }
    drop(session);
    let medium = medium.crash_with(&[]);
    let mut places = Vec::new();
    for (file, before) in fresh {
        let after = medium.bytes(file);
        let written = after
            .iter()
            .zip(&before)
            .rposition(|(after, before)| after != before);
        let end = written.map_or(0, |last| (last + 1).next_multiple_of(BLOCK));
        places.extend((0..end).map(|at| (file, at)));
        places.extend((end..after.len()).step_by(NOISE_STEP).map(|at| (file, at)));
    }
    for file in (0..3).map(FileRef::Checkpoint) {
        places.extend((0..CHECKPOINT_BYTES).map(|at| (file, at)));
        places.extend(
            (CHECKPOINT_BYTES..64 << 10)
                .step_by(NOISE_STEP)
                .map(|at| (file, at)),
        );
    }
    Small {
        rig,
        medium,
        model,
        closed,
        floor,
        places,
    }
}

impl Small {
    /// Opens `medium` and reads everything: right, or an error. Tells whether everything was right and the newest.
    /// `floor` is the earliest moment allowed.
    fn read(&self, medium: SimMedium, mode: StoreMode, floor: usize, what: &str) -> bool {
        let medium = Arc::new(medium);
        let Ok(session) = self.rig.open(&medium, mode, false) else {
            return false;
        };
        let seen = session.look();
        let point = self.model.locate(&seen, floor);
        assert!(
            point.is_some(),
            "{what}: wrong bytes, or an earlier moment ({:?})",
            self.model.locate(&seen, 0)
        );
        let whole = seen.iter().all(|seen| !seen.hashes.contains(&None));
        whole && point == Some(self.model.newest())
    }

    /// The earliest moment that damage at this place may lead back to. A log that was not closed knows of its newest segment
    /// only by that segment's head: without it, what was written there since the last checkpoint never was.
    fn floor_at(&self, file: FileRef, at: usize) -> usize {
        match file {
            FileRef::Segment(_) if at < BLOCK && !self.closed => 0,
            _ => self.floor,
        }
    }

    /// The same where whole blocks and files are moved about, heads too.
    fn floor_of_all(&self) -> usize {
        if self.closed { self.floor } else { 0 }
    }

    fn flip_everything(&self, what: &str) {
        assert!(self.read(
            self.medium.copy(),
            StoreMode::ReadOnly,
            self.model.newest(),
            "untouched"
        ));
        let tally = Tally::default();
        each(self.places.len() as u64, |nth| {
            let (file, at) = self.places[nth as usize];
            let byte = self.medium.bytes_at(file, at as u64, 1)[0];
            for bit in 0..8 {
                let medium = self.medium.copy();
                medium.overwrite(file, at as u64, &[byte ^ 1 << bit]);
                // Now and then recovery also writes.
                let mode = if (nth + bit) % 64 == 0 {
                    StoreMode::Keep
                } else {
                    StoreMode::ReadOnly
                };
                tally.note(self.read(
                    medium,
                    mode,
                    self.floor_at(file, at),
                    &format!("{file}, byte {at}, bit {bit}"),
                ));
            }
        });
        tally.tell(what);
    }
}

#[test]
fn no_flipped_bit_of_a_closed_log_shows_wrong_bytes() {
    small(1, true).flip_everything("closed log, flipped bits");
}

#[test]
fn no_flipped_bit_of_a_pulled_log_shows_wrong_bytes() {
    small(2, false).flip_everything("pulled log, flipped bits");
}

#[test]
fn no_file_of_a_log_cut_to_any_sector_shows_wrong_bytes() {
    for closed in [true, false] {
        let small = small(3, closed);
        let tally = Tally::default();
        let files = (0..SEGMENTS).map(|nth| (FileRef::Segment(nth), 128 << 10));
        for (file, len) in files.chain((0..3).map(|nth| (FileRef::Checkpoint(nth), 64 << 10))) {
            for len in (0..len).step_by(512) {
                let medium = small.medium.copy();
                medium.shorten(file, len);
                tally.note(small.read(
                    medium,
                    StoreMode::ReadOnly,
                    small.floor_of_all(),
                    &format!("{file} cut to {len}"),
                ));
            }
        }
        tally.tell("log, every file cut to every sector");
    }
}

/// Puts the bytes of both places at the other's.
fn swap(medium: &SimMedium, a: (FileRef, u64), b: (FileRef, u64), len: usize) {
    let (first, second) = (medium.bytes_at(a.0, a.1, len), medium.bytes_at(b.0, b.1, len));
    medium.overwrite(a.0, a.1, &second);
    medium.overwrite(b.0, b.1, &first);
}

#[test]
fn no_two_parts_of_a_log_that_changed_places_show_wrong_bytes() {
    for closed in [true, false] {
        let small = small(4, closed);
        let tally = Tally::default();
        let note = |medium: SimMedium, what: &str| {
            tally.note(small.read(medium, StoreMode::ReadOnly, small.floor_of_all(), what))
        };
        // Whole segments and whole areas.
        for a in 0..SEGMENTS {
            for b in 0..a {
                let medium = small.medium.copy();
                swap(
                    &medium,
                    (FileRef::Segment(a), 0),
                    (FileRef::Segment(b), 0),
                    128 << 10,
                );
                note(medium, &format!("segments {a} and {b}"));
            }
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let medium = small.medium.copy();
            swap(
                &medium,
                (FileRef::Checkpoint(a), 0),
                (FileRef::Checkpoint(b), 0),
                64 << 10,
            );
            note(medium, &format!("areas {a} and {b}"));
        }
        // Heads and records, which begin at blocks; every two.
        let mut blocks: Vec<(FileRef, u64)> = small
            .places
            .iter()
            .map(|(file, at)| (*file, (at / BLOCK * BLOCK) as u64))
            .collect();
        blocks.dedup();
        let used: Vec<_> = blocks.into_iter().filter(|(_, at)| *at < 48 << 10).collect();
        each(used.len() as u64, |a| {
            for b in 0..a {
                let (a, b) = (used[a as usize], used[b as usize]);
                let medium = small.medium.copy();
                swap(&medium, a, b, BLOCK);
                // The newest checkpoint and what a replay from the one before would read, both at once: what is left is exact
                // and earlier.
                let in_log = |(file, _): (FileRef, u64)| matches!(file, FileRef::Segment(_));
                let both = in_log(a) != in_log(b);
                let floor = if both { 0 } else { small.floor_of_all() };
                tally.note(small.read(
                    medium,
                    StoreMode::ReadOnly,
                    floor,
                    &format!("blocks {a:?} and {b:?}"),
                ));
            }
        });
        // Units lie at multiples of 16.
        let written: Vec<_> = small
            .places
            .iter()
            .filter(|(file, at)| matches!(file, FileRef::Segment(_)) && at % 16 == 0)
            .collect();
        let mut rng = Rng::new(6);
        for _ in 0..20_000 {
            let mut draw = || written[rng.below(written.len() as u64) as usize];
            let (a, b) = (draw(), draw());
            let medium = small.medium.copy();
            swap(&medium, (a.0, a.1 as u64), (b.0, b.1 as u64), 16 * (1 + a.1 % 7));
            note(medium, &format!("stretches {a:?} and {b:?}"));
        }
        tally.tell("log, swaps");
    }
}

/// Every file of the log replaced by the same file of another bundle, and by its own older self.
#[test]
fn no_file_of_another_log_or_of_an_earlier_time_shows_wrong_bytes() {
    for closed in [true, false] {
        let (mine, theirs) = (small(5, closed), small(6, closed));
        let older = mine.medium.copy();
        let mut mine = mine;
        older.next_session();
        mine.medium.next_session();
        let medium = Arc::new(mine.medium.copy());
        let session = mine.rig.open_sound(&medium);
        mine.floor = mine.model.newest();
        for op in [
            Op::Write {
                volume: 0,
                offset: 0,
                data: vec![0x77; 3 * BLOCK],
            },
            Op::Flush,
        ] {
            mine.model.apply(&op);
            session.run(&op).unwrap();
        }
        if closed {
            session.store.close().unwrap();
            mine.floor = mine.model.newest();
        }
        drop(session);
        mine.medium = medium.crash_with(&[]);
        let tally = Tally::default();
        let files: Vec<FileRef> = (0..SEGMENTS)
            .map(FileRef::Segment)
            .chain((0..3).map(FileRef::Checkpoint))
            .collect();
        for (what, source) in [("of another bundle", &theirs.medium), ("of earlier", &older)] {
            for file in &files {
                let medium = mine.medium.copy();
                medium.overwrite(*file, 0, &source.bytes(*file));
                tally.note(mine.read(
                    medium,
                    StoreMode::ReadOnly,
                    mine.floor_of_all(),
                    &format!("{file} {what}"),
                ));
            }
        }
        tally.tell("log, files of another bundle and of earlier");
    }
}
