//! Volumes as they were at one moment, for a replica, while the guest writes on.
//!
//! A snapshot is the index's words of the blocks that a replica still has to receive, taken between two batches: so it
//! shows a moment at which the log could have been cut, across all volumes. It holds nothing back. Cleaning may give
//! a segment to new writes before it was read; each use of a segment has a key of its own, so such a read fails
//! ([`SnapshotError::Gone`]) and never gives other bytes. Whoever sends then takes another snapshot.

use std::sync::Arc;

use gobag_format::{
    checkpoint::Position, ids::VolumeId, limits::BLOCK_LEN, log::ChainTag, log::Place, wiped::Wiped,
};
use thiserror::Error;

use super::{
    Store, StoreError,
    dirty::set_bits,
    lock,
    state::{OpenUse, State},
    units::{Run, decode},
};
use crate::medium::FileRef;

/// Why a snapshot could not be read to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Newer changes lie where its content was.
    #[error("what was to be sent has been written over on the stick")]
    Gone,
    /// The stick failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the blocks of a run hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotContent {
    /// Zeros.
    Zero,
    /// What lies below the volume; zeros where nothing does.
    Base,
    /// Bytes, at most 16 blocks: see [`Snapshot::unit`].
    Data,
}

/// Neighbouring blocks of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRun {
    /// Their volume.
    pub volume: VolumeId,
    /// The first of them.
    pub first_block: u64,
    /// How many.
    pub blocks: u64,
    word: u64,
}

/// See the module's documentation. Dropped without [`Snapshot::sent`], its blocks count as unsent again.
pub struct Snapshot {
    store: Arc<Store>,
    replica: u8,
    runs: Vec<SnapshotRun>,
    uses: Vec<Option<Arc<OpenUse>>>,
    position: Position,
    complete: bool,
    sent: bool,
}

impl Store {
    /// Appends what is pending and takes what `replica` was not sent yet, with at most about `most_blocks` blocks of data, in
    /// order of volume and block.
    pub fn snapshot(self: &Arc<Self>, replica: u8, most_blocks: u64) -> Result<Snapshot, StoreError> {
        let mut writer = lock(&self.writer);
        self.append_pending(&mut writer)?;
        let position = writer.position;
        let state = &mut *self.log.write_state();
        let mut runs = Vec::new();
        let mut left = most_blocks;
        let mut complete = true;
        for nth in state.tracked(replica).collect::<Vec<_>>() {
            complete &= take(state, nth, &mut left, &mut runs);
        }
        Ok(Snapshot {
            store: Arc::clone(self),
            replica,
            runs,
            uses: state.uses.clone(),
            position,
            complete,
            sent: false,
        })
    }
}

/// Moves the unsent blocks of the `nth` map to the sent ones while data is `left` to take; returns whether it took all.
fn take(state: &mut State, nth: usize, left: &mut u64, runs: &mut Vec<SnapshotRun>) -> bool {
    let (dirty, sent) = (&mut state.dirty[nth], &mut state.sent[nth]);
    let volume = dirty.volume;
    let Some(index) = state.volumes.iter().find(|index| index.volume == volume) else {
        return true;
    };
    let mut end = index.blocks();
    for block in set_bits(&dirty.bits, end) {
        let word = index.get(block);
        let is_data = Place::segment_of(word).is_some();
        if is_data && *left == 0 {
            end = block;
            break;
        }
        *left -= u64::from(is_data);
        match runs.last_mut() {
            Some(run) if run.goes_on_with(volume, block, word) => run.blocks += 1,
            _ => runs.push(SnapshotRun {
                volume,
                first_block: block,
                blocks: 1,
                word,
            }),
        }
    }
    let complete = end == index.blocks();
    let bytes = dirty.bits.iter_mut().zip(sent);
    for (at, (unsent, sent)) in bytes.enumerate() {
        let first = at as u64 * 8;
        let taken = match end.saturating_sub(first) {
            8.. => 0xff,
            bits => (1u8 << bits) - 1,
        };
        *sent |= *unsent & taken;
        *unsent &= !taken;
        if first + 8 > end && !complete {
            break;
        }
        if complete {
            // Bits behind the last block say nothing.
            *unsent = 0;
        }
    }
    complete
}

impl SnapshotRun {
    /// What it holds.
    pub fn content(&self) -> SnapshotContent {
        match self.word {
            Place::ZERO => SnapshotContent::Zero,
            Place::BASE => SnapshotContent::Base,
            _ => SnapshotContent::Data,
        }
    }

    /// Blocks of one unit count up, those of no unit are alike.
    fn goes_on_with(&self, volume: VolumeId, block: u64, word: u64) -> bool {
        let step = Place::segment_of(self.word).map_or(0, |_| Place::NEXT_BLOCK * self.blocks);
        self.volume == volume
            && self.first_block + self.blocks == block
            && self.word.wrapping_add(step) == word
    }
}

impl Snapshot {
    /// Its blocks, in order of volume and block.
    pub fn runs(&self) -> &[SnapshotRun] {
        &self.runs
    }

    /// Whether nothing that was unsent is left out: a replica that receives it shows every volume as it was at one moment.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Bytes of data in it.
    pub fn data_bytes(&self) -> u64 {
        let data = self
            .runs
            .iter()
            .filter(|run| run.content() == SnapshotContent::Data);
        data.map(|run| run.blocks).sum::<u64>() * BLOCK_LEN as u64
    }

    /// Number and tag of the last record it shows.
    pub fn last_record(&self) -> (u64, ChainTag) {
        (self.position.seq, self.position.tag)
    }

    /// The use of a segment in which the log was going on: what is written later lies in this one or in later ones.
    pub fn segment_use(&self) -> u64 {
        self.position.segment.map_or(0, |(_, incarnation)| incarnation)
    }

    /// The unit of a run of data: what [`gobag_format::log::UnitEncoder`] makes of its blocks, as it lies in the log where
    /// that is the same. What the medium cannot read is as damaged ([`StoreError::Damaged`]) as long as the medium reads anything else.
    pub fn unit(&self, run: &SnapshotRun) -> Result<Wiped, SnapshotError> {
        let Some(Place::Unit {
            segment,
            offset,
            sealed_len,
            block: nth,
        }) = Place::unpack(run.word)
        else {
            return Err(damaged(run).into());
        };
        let open = self.uses.get(usize::from(segment)).and_then(Option::as_ref);
        let open = open.ok_or_else(|| damaged(run))?;
        let log = &self.store.log;
        let file = FileRef::Segment(segment);
        let mut sealed = Wiped::new(vec![0; sealed_len as usize]);
        if let Err(error) = log.medium.read_at(file, offset.into(), &mut sealed) {
            let error = StoreError::medium("read", file)(error);
            if !log.medium_answers() {
                return Err(error.into());
            }
            // Single sectors that fail are one thing, a medium that is gone another.
            tracing::warn!(segment, %error, "a part of the log cannot be read");
            return Err(self.why(segment, open, run));
        }
        let first_block = run
            .first_block
            .checked_sub(nth.into())
            .ok_or_else(|| damaged(run))?;
        let payload = open
            .cipher
            .open_unit(offset.into(), run.volume, first_block, sealed)
            .map_err(|_| self.why(segment, open, run))?;
        let blocks = decode(&log.decoders, &payload).map_err(|_| damaged(run))?;
        let from = usize::from(nth) * BLOCK_LEN;
        let data = blocks
            .get(from..from + run.blocks as usize * BLOCK_LEN)
            .ok_or_else(|| damaged(run))?;
        if data.len() == blocks.len() {
            return Ok(payload);
        }
        let cut = Run {
            volume: run.volume,
            first_block: run.first_block,
            data,
        };
        Ok(log.encoders.with(|encoder| cut.encode(encoder)).payload)
    }

    /// Why a unit does not open: its segment is used anew, or it is damaged.
    fn why(&self, segment: u16, open: &OpenUse, run: &SnapshotRun) -> SnapshotError {
        let now = self
            .store
            .log
            .read_state()
            .uses
            .get(usize::from(segment))
            .cloned();
        match now.flatten() {
            Some(now) if now.current.incarnation == open.current.incarnation => damaged(run).into(),
            _ => SnapshotError::Gone,
        }
    }

    /// The replica has received it all, but for `left` out runs, which stay unsent.
    pub fn sent(mut self, left: &[SnapshotRun]) {
        self.sent = true;
        let mut state = self.store.log.write_state();
        for run in left {
            state.unsend(self.replica, run.volume, run.first_block, run.blocks);
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if !self.sent {
            let mut state = self.store.log.write_state();
            for run in &self.runs {
                state.unsend(self.replica, run.volume, run.first_block, run.blocks);
            }
        }
    }
}

fn damaged(run: &SnapshotRun) -> StoreError {
    StoreError::Damaged {
        what: format!("block {} of volume {}", run.first_block, run.volume.0),
    }
}
