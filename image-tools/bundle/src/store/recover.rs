//! Opening the log: from the newest checkpoint forward to the last batch that counts. Reads only.
//!
//! The log is a chain: each record names the tag of the one before, each segment's head names the segment
//! and record before it. Replay follows the chain and stops where it breaks. What it has applied then is the
//! state after some batch, never a mixture, for a batch counts only with its last record.
//!
//! A break is normal after a pulled stick: the last records were never confirmed. It is not normal when a
//! later record is there and says that something past the break was durable. Then the medium lied about a
//! flush or lost data, and [`StoreError::EarlierState`] asks a person before the earlier state is taken.
//! A break with nothing readable behind it cannot be told from a cut; only a memory elsewhere (server, host)
//! could (`docs/threat-model.md`).
//!
//! What is read here is built upon, so it must be on the medium and not only in the system's cache, where a
//! program that was killed may have left it: unless nothing will be written, each file is flushed and its
//! cached copy dropped before it is read.

mod behind;
mod replay;

use std::{collections::HashSet, sync::Arc};

use gobag_format::{
    checkpoint::{DirtyMap, SegmentUse},
    log::SegmentCipher,
};

use super::{
    LogKeys, StoreError, StoreMode, StoreOptions,
    checkpoint::{self, Salt},
    index::VolumeIndex,
    record::settle,
    state::{OpenUse, State},
    writer::Writer,
};
use crate::medium::{FileRef, Medium};
use replay::Replay;

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// Whether nothing had to be replayed: the bundle was closed in order, or nothing was written.
    pub clean: bool,
    /// Records replayed after the checkpoint.
    pub replayed_records: u64,
    /// Bytes of log replayed.
    pub replayed_bytes: u64,
    /// Records found behind the last batch that counts; they were never confirmed.
    pub dropped_records: u64,
    /// A newer checkpoint was torn or damaged; the one before was used.
    pub checkpoint_fell_back: bool,
    /// Segments that could not be read; the log may have gone on there.
    pub unreadable_segments: u16,
    /// Set when confirmed changes are gone and the earlier state was accepted: the first lost record.
    pub lost_from: Option<u64>,
}

/// What was found, ready to go on from.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) writer: Writer,
    pub(super) report: Recovery,
    /// Salts of the checkpoints.
    pub(super) salts: HashSet<Salt>,
}

/// Replays the log. With `accept_earlier`, lost confirmed changes and segments that cannot be read are
/// reported instead of refused.
pub(super) fn recover(
    medium: &dyn Medium,
    keys: &LogKeys,
    options: &StoreOptions,
) -> Result<Recovered, StoreError> {
    let (geometry, volumes) = (&options.geometry, &options.volumes);
    let build_on_it = options.mode == StoreMode::Keep;
    if build_on_it {
        for area in 0..geometry.checkpoints {
            // What it cannot tell now it will tell when it is read or written.
            let _ = settle(medium, FileRef::Checkpoint(area));
        }
    }
    let loaded = checkpoint::load(medium, &keys.checkpoint, geometry)?;
    let start = &loaded.checkpoint;
    if start.segments.len() != usize::from(geometry.segments) {
        return Err(StoreError::Mismatch {
            what: "number of segments",
        });
    }
    let open = |(number, current): (usize, &Option<SegmentUse>)| {
        current.map(|current| {
            let cipher = SegmentCipher::new(&keys.log, number as u16, &current.salt);
            Arc::new(OpenUse { current, cipher })
        })
    };
    // A volume that is gone has nothing to be received.
    let is_there = |map: &&DirtyMap| volumes.iter().any(|volume| volume.id == map.volume);
    let dirty: Vec<DirtyMap> = start.dirty.iter().filter(is_there).cloned().collect();
    let mut state = State {
        volumes: volumes
            .iter()
            .map(|v| VolumeIndex::new(v.id, v.size_bytes, v.has_base))
            .collect(),
        uses: start.segments.iter().enumerate().map(open).collect(),
        live: vec![0; start.segments.len()],
        occupied: 0,
        sent: dirty.iter().map(|map| vec![0; map.bits.len()]).collect(),
        dirty,
        doubts: 0,
    };
    for map in loaded.volumes {
        if let Some(index) = state.volumes.iter_mut().find(|index| index.volume == map.volume) {
            if index.size_bytes != map.size_bytes {
                return Err(StoreError::Mismatch {
                    what: "size of a volume",
                });
            }
            index.load(map);
        }
    }
    state.recount();
    let mut replay = Replay {
        medium,
        keys,
        geometry,
        state,
        queue: start.free.iter().chain(&start.resting).copied().collect(),
        counted: start.position,
        seen: start.position,
        last_record: None,
        last_clock_s: start.clock_s,
        batch: Vec::new(),
        oldest_incarnation: start.next_incarnation,
        next_incarnation: start.next_incarnation,
        next_batch: start.next_batch,
        evidence: 0,
        build_on_it,
        accept_earlier: options.accept_earlier,
        settled: HashSet::new(),
        unreadable: HashSet::new(),
        report: Recovery {
            checkpoint_fell_back: loaded.fell_back,
            ..Recovery::default()
        },
    };
    replay.run(start.closed)?;
    if !replay.unreadable.is_empty() {
        // Single segments that fail are one thing, a medium that is gone another.
        checkpoint::load(medium, &keys.checkpoint, geometry)?;
        replay.report.unreadable_segments = replay.unreadable.len() as u16;
    }
    let lost = replay.evidence > replay.seen.seq;
    if lost {
        if !options.accept_earlier {
            return Err(StoreError::EarlierState {
                lost_from: replay.seen.seq + 1,
                written_to: replay.evidence,
                last_clock_s: replay.last_clock_s,
            });
        }
        replay.report.lost_from = Some(replay.counted.seq + 1);
    }
    let mut writer = Writer::new(replay.counted, replay.state.uses.len(), loaded.areas);
    writer.generation = loaded.generation;
    writer.last_record = replay.last_record;
    writer.next_incarnation = replay.next_incarnation;
    writer.first_incarnation = replay.next_incarnation;
    writer.next_batch = replay.next_batch;
    // Of the queue, what the checkpoint called resting was free for its successor only.
    let resting = |number: &u16| start.resting.contains(number);
    writer.resting = replay.queue.iter().copied().filter(resting).collect();
    writer.free = replay
        .queue
        .iter()
        .copied()
        .filter(|number| !resting(number))
        .collect();
    // Unreadable ones last: the next opening should not meet them.
    let readable = |number: &u16| !replay.unreadable.contains(number);
    writer
        .free
        .make_contiguous()
        .sort_by_key(|number| !readable(number));
    writer.bytes_since_checkpoint = replay.report.replayed_bytes;
    Ok(Recovered {
        state: replay.state,
        writer,
        report: replay.report,
        salts: loaded.salts,
    })
}
