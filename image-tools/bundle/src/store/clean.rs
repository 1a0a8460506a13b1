//! Cleaning: copying what still counts out of old segments so that they can be used again.
//!
//! A copy is an ordinary batch, flushed before the old place loses its meaning. The emptied segment is
//! overwritten only two checkpoints later (see `checkpoint`); only in a throwaway session, of which no
//! checkpoint speaks, at once, and there only segments of this session are emptied. What cannot be read is not freed: a segment
//! with a damaged unit stays as it is, so nothing that a repair could still use is destroyed.

use std::collections::HashSet;

use gobag_format::{
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_UNIT_BLOCKS},
    log::{Place, RECORD_ALIGN, RecordHeader, SEGMENT_HEAD_LEN, UNIT_ALIGN},
    wiped::Wiped,
};

use super::{
    Log, StoreError, StoreMode,
    record::read_record,
    state::OpenUse,
    units::{Run, Unit, Units, decode},
    writer::{Batch, Writer},
};
use crate::medium::FileRef;

/// A segment in which more of its blocks count than this share is not worth copying.
const WORTH_CLEANING: f64 = 0.95;
/// Copies are written in batches of about this many bytes.
const COPY_BYTES: usize = 8 << 20;
/// Rounds that free no more than they use up, after which cleaning gives up.
const MAX_FRUITLESS: u32 = 32;

/// Segments that cannot be emptied, so that nobody tries again at once.
#[derive(Default)]
struct Stuck {
    segments: HashSet<u16>,
    /// Why the first of them could not be read.
    unreadable: Option<StoreError>,
}

impl Stuck {
    /// Takes down that `victim` could not be read; another error is the caller's.
    fn note(&mut self, victim: u16, error: StoreError) -> Result<(), StoreError> {
        let unread = FileRef::Segment(victim);
        match &error {
            StoreError::Medium {
                action: "read", file, ..
            } if *file == unread => {
                tracing::warn!(segment = victim, %error, "a segment that cannot be read is kept as it is");
                self.segments.insert(victim);
                self.unreadable.get_or_insert(error);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Numbers of free segments.
pub(super) struct Goals {
    /// At any cost.
    pub(super) needed: usize,
    /// While a quarter of what is emptied is won.
    pub(super) wanted: usize,
    /// While half of it is won.
    pub(super) comfortable: usize,
}

impl Goals {
    fn highest(&self) -> usize {
        self.needed.max(self.wanted).max(self.comfortable)
    }
}

impl Log {
    /// Frees segments until `goals` are reached or cost too much. What it freed can be used at once. A segment that cannot
    /// be read stays as it is; that is an error only where too few others could be emptied.
    pub(super) fn clean(&self, writer: &mut Writer, goals: &Goals) -> Result<(), StoreError> {
        // Segments that were emptied before need no more than the checkpoints.
        if !writer.resting.is_empty() || !writer.cleaned.is_empty() {
            self.release_cleaned(writer)?;
        }
        let mut stuck = Stuck::default();
        let mut fruitless = 0;
        while writer.free.len() < goals.highest() && fruitless < MAX_FRUITLESS {
            let before = writer.free.len();
            if self.empty_some(writer, goals, &mut stuck)? == 0 {
                break;
            }
            self.release_cleaned(writer)?;
            fruitless = if writer.free.len() > before {
                0
            } else {
                fruitless + 1
            };
        }
        match stuck.unreadable {
            Some(error) if writer.free.len() < goals.needed => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets emptied segments be used again.
    fn release_cleaned(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if self.mode == StoreMode::Throwaway {
            let emptied = std::mem::take(&mut writer.cleaned);
            writer.free.extend(emptied);
            return Ok(());
        }
        self.checkpoint(writer)?;
        self.checkpoint(writer)
    }

    /// Empties segments while there is room for their copies; returns how many.
    fn empty_some(&self, writer: &mut Writer, goals: &Goals, stuck: &mut Stuck) -> Result<usize, StoreError> {
        let mut emptied = 0;
        let blocks = self.geometry.segment_len / BLOCK_LEN as u32;
        loop {
            let reached = writer.free.len() + writer.cleaned.len();
            let Some((victim, live)) = self.best_victim(writer, &stuck.segments) else {
                break;
            };
            let worth_it = reached < goals.needed
                || (reached < goals.wanted && live <= blocks / 4 * 3)
                || (reached < goals.comfortable && live <= blocks / 2);
            if !worth_it || !self.fits_copies(writer, live) {
                break;
            }
            if live > 0
                && let Err(error) = self.copy_out(writer, victim)
            {
                stuck.note(victim, error)?;
                continue;
            }
            let mut state = self.write_state();
            if state.live[usize::from(victim)] == 0 {
                state.uses[usize::from(victim)] = None;
                writer.cleaned.push(victim);
                emptied += 1;
            } else {
                tracing::warn!(segment = victim, "a segment with damage is kept as it is");
                stuck.segments.insert(victim);
            }
        }
        Ok(emptied)
    }

    /// The segment with the fewest blocks that count. Never the one that holds the last record: the log goes on
    /// from there, and by it a stick that comes back is known.
    fn best_victim(&self, writer: &Writer, stuck: &HashSet<u16>) -> Option<(u16, u32)> {
        let state = self.read_state();
        let last = writer.position.segment.map(|(number, _)| number);
        let most = (f64::from(self.geometry.segment_len) / BLOCK_LEN as f64 * WORTH_CLEANING) as u32;
        let ours = |open: &OpenUse| {
            self.mode != StoreMode::Throwaway || open.current.incarnation >= writer.first_incarnation
        };
        let used = state.uses.iter().enumerate();
        used.filter(|(_, open)| open.as_deref().is_some_and(ours))
            .map(|(number, _)| (number as u16, state.live[number]))
            .filter(|(number, live)| Some(*number) != last && !stuck.contains(number) && *live < most)
            .min_by_key(|(_, live)| *live)
    }

    fn copy_out(&self, writer: &mut Writer, victim: u16) -> Result<(), StoreError> {
        let Some(open) = self.read_state().uses[usize::from(victim)].clone() else {
            return Ok(());
        };
        let mut offset = SEGMENT_HEAD_LEN as u32;
        let mut units = Vec::new();
        let mut bytes = 0;
        while offset < self.geometry.segment_len && self.read_state().live[usize::from(victim)] > 0 {
            let record = read_record(&*self.medium, &self.geometry, victim, &open.cipher, offset)?;
            let Some((header, _, len, body_at)) = record else {
                // Damage, or the segment's end: look for the next record at the next place.
                offset += RECORD_ALIGN as u32;
                continue;
            };
            for unit in self.live_units(victim, &open, &header, offset + body_at)? {
                bytes += unit.payload.len();
                units.push(unit);
            }
            offset += len;
            if bytes >= COPY_BYTES {
                self.append_copies(writer, &mut units)?;
                bytes = 0;
            }
        }
        self.append_copies(writer, &mut units)
    }

    fn append_copies(&self, writer: &mut Writer, units: &mut Vec<Unit>) -> Result<(), StoreError> {
        let batch = Batch {
            units: Units::Ready(std::mem::take(units)),
            trims: Vec::new(),
            relocation: true,
        };
        self.append(writer, batch)
    }

    /// What still counts of one record, as units to be sealed anew.
    fn live_units(
        &self,
        segment: u16,
        open: &OpenUse,
        header: &RecordHeader,
        body_at: u32,
    ) -> Result<Vec<Unit>, StoreError> {
        let mut units = Vec::new();
        let mut offset = body_at;
        for entry in &header.units {
            let live = self.live_blocks(segment, offset, entry.sealed_len, entry.volume, entry.first_block);
            if live.iter().any(|live| *live) {
                let mut sealed = Wiped::new(vec![0; entry.sealed_len as usize]);
                let file = FileRef::Segment(segment);
                self.medium
                    .read_at(file, offset.into(), &mut sealed)
                    .map_err(StoreError::medium("read", file))?;
                match open
                    .cipher
                    .open_unit(offset.into(), entry.volume, entry.first_block, sealed)
                {
                    Ok(payload) if live[..usize::from(entry.blocks)].iter().all(|live| *live) => {
                        let (volume, first_block, blocks) = (entry.volume, entry.first_block, entry.blocks);
                        units.push(Unit {
                            volume,
                            first_block,
                            blocks,
                            payload,
                        });
                    }
                    Ok(payload) => self.split(entry.volume, entry.first_block, &payload, &live, &mut units),
                    Err(_) => tracing::warn!(segment, offset, "a damaged unit cannot be copied"),
                }
            }
            offset += entry.sealed_len.next_multiple_of(UNIT_ALIGN as u32);
        }
        Ok(units)
    }

    /// Which blocks of a unit the index still points to.
    fn live_blocks(
        &self,
        segment: u16,
        offset: u32,
        sealed_len: u32,
        volume: VolumeId,
        first_block: u64,
    ) -> [bool; MAX_UNIT_BLOCKS] {
        let state = self.read_state();
        let mut word = Place::Unit {
            segment,
            offset,
            sealed_len,
            block: 0,
        }
        .pack();
        std::array::from_fn(|nth| {
            let live = state.get(volume, first_block + nth as u64) == word;
            word = word.wrapping_add(Place::NEXT_BLOCK);
            live
        })
    }

    /// Cuts the live blocks out of a unit.
    fn split(
        &self,
        volume: VolumeId,
        first_block: u64,
        payload: &[u8],
        live: &[bool],
        units: &mut Vec<Unit>,
    ) {
        let Ok(blocks) = decode(&self.decoders, payload) else {
            return;
        };
        let mut nth = 0;
        for run in live[..blocks.len() / BLOCK_LEN].chunk_by(|one, next| one == next) {
            let data = &blocks[nth * BLOCK_LEN..(nth + run.len()) * BLOCK_LEN];
            if run[0] {
                let first_block = first_block + nth as u64;
                let run = Run {
                    volume,
                    first_block,
                    data,
                };
                units.push(self.encoders.with(|encoder| run.encode(encoder)));
            }
            nth += run.len();
        }
    }
}
