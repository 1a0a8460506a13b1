//! Whether a decoded checkpoint makes sense as a whole.
//!
//! A checkpoint is authentic when it gets here, so what fails was written by a program with a fault or by a later one.
//! Building on it could panic far away, or free a segment that still counts; refusing it costs the replay from the
//! checkpoint before.

use std::collections::HashSet;

use thiserror::Error;

use super::body::{Checkpoint, LEAF_BLOCKS, VolumeMap};
use crate::{
    crypto::TAG_LEN,
    limits::{BLOCK_LEN, MAX_COUNT, MAX_UNIT_BLOCKS},
    log::{Place, RECORD_ALIGN, SEGMENT_HEAD_LEN},
};

/// Why the body of a checkpoint cannot be used.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is no such structure, or larger than the limits.
    #[error("checkpoint is malformed")]
    Malformed,
    /// It contradicts itself or the log's geometry.
    #[error("checkpoint makes no sense: {what}")]
    Inconsistent {
        /// The contradiction.
        what: &'static str,
    },
}

impl CheckpointError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "checkpoint.malformed",
            Self::Inconsistent { .. } => "checkpoint.inconsistent",
        }
    }
}

type Checked = Result<(), CheckpointError>;

fn ensure(good: bool, what: &'static str) -> Checked {
    if good {
        Ok(())
    } else {
        Err(CheckpointError::Inconsistent { what })
    }
}

/// Checks everything that can be told without the header; segments have `segment_len` bytes.
pub(super) fn check(checkpoint: &Checkpoint, volumes: &[VolumeMap], segment_len: u32) -> Checked {
    let counted = [
        checkpoint.generation,
        checkpoint.position.seq,
        checkpoint.next_incarnation,
        checkpoint.next_batch,
    ];
    ensure(
        counted.iter().all(|number| *number <= MAX_COUNT),
        "a number is beyond all counting",
    )?;
    check_segments(checkpoint)?;
    check_position(checkpoint, segment_len)?;
    let mut seen = HashSet::new();
    for map in volumes {
        ensure(seen.insert(map.volume), "a volume is there twice")?;
        check_volume(checkpoint, map, segment_len)?;
    }
    check_dirty(checkpoint, volumes)
}

fn check_segments(checkpoint: &Checkpoint) -> Checked {
    let mut taken: Vec<bool> = checkpoint.segments.iter().map(Option::is_some).collect();
    for number in checkpoint.free.iter().chain(&checkpoint.resting) {
        match taken.get_mut(usize::from(*number)) {
            None => ensure(false, "a list names a segment that does not exist")?,
            Some(taken) => ensure(
                !std::mem::replace(taken, true),
                "a segment is listed twice, or listed and used",
            )?,
        }
    }
    let mut uses = checkpoint.segments.iter().flatten();
    ensure(
        uses.all(|current| current.incarnation < checkpoint.next_incarnation),
        "a segment's use is numbered higher than the next",
    )
}

fn check_position(checkpoint: &Checkpoint, segment_len: u32) -> Checked {
    let position = &checkpoint.position;
    let Some((number, incarnation)) = position.segment else {
        return Ok(());
    };
    let inside = (SEGMENT_HEAD_LEN as u32..=segment_len).contains(&position.offset)
        && position.offset.is_multiple_of(RECORD_ALIGN as u32);
    ensure(inside, "the log's end lies outside its segment")?;
    let Some(current) = checkpoint.segments.get(usize::from(number)) else {
        return ensure(false, "the log's end is in a segment that does not exist");
    };
    // A closed segment may have been emptied since; it is not looked into.
    let in_use = current.is_some_and(|current| current.incarnation == incarnation);
    ensure(
        in_use || checkpoint.closed,
        "the log's end is in a use that does not count",
    )?;
    ensure(
        incarnation < checkpoint.next_incarnation,
        "the log's end is in a use numbered higher than the next",
    )
}

fn check_volume(checkpoint: &Checkpoint, map: &VolumeMap, segment_len: u32) -> Checked {
    ensure(
        map.leaves.is_sorted_by(|(before, _), (after, _)| before < after),
        "leaves of a volume are not in order",
    )?;
    let blocks = map.size_bytes.div_ceil(BLOCK_LEN as u64);
    for (number, leaf) in &map.leaves {
        let first = u64::from(*number) * LEAF_BLOCKS as u64;
        for (at, word) in leaf.units() {
            let block = first + at as u64;
            if let Some(
                place @ Place::Unit {
                    segment, block: nth, ..
                },
            ) = Place::unpack(word)
            {
                let ours = block < blocks && u64::from(nth) <= block;
                ensure(ours, "a place belongs to no block of the volume")?;
                let used = checkpoint
                    .segments
                    .get(usize::from(segment))
                    .is_some_and(Option::is_some);
                ensure(used, "a place is in a segment that does not count")?;
                ensure(is_inside(place, segment_len), "a place is outside its segment")?;
            }
        }
    }
    Ok(())
}

fn is_inside(place: Place, segment_len: u32) -> bool {
    let Place::Unit {
        offset, sealed_len, ..
    } = place
    else {
        return true;
    };
    let most = (MAX_UNIT_BLOCKS * BLOCK_LEN + 1 + TAG_LEN) as u32;
    offset > SEGMENT_HEAD_LEN as u32
        && (TAG_LEN as u32 + 1..=most).contains(&sealed_len)
        && offset
            .checked_add(sealed_len)
            .is_some_and(|end| end <= segment_len)
}

fn check_dirty(checkpoint: &Checkpoint, volumes: &[VolumeMap]) -> Checked {
    let mut seen = HashSet::new();
    for dirty in &checkpoint.dirty {
        ensure(
            seen.insert((dirty.replica, dirty.volume)),
            "a dirty map is there twice",
        )?;
        let size = volumes
            .iter()
            .find(|map| map.volume == dirty.volume)
            .map(|map| map.size_bytes);
        let fits = size.is_none_or(|size| dirty.fits(size));
        ensure(fits, "a dirty map does not fit its volume")?;
    }
    Ok(())
}
