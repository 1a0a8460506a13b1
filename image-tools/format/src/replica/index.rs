//! Index parts: which pack holds which block, for a range of blocks of one layer.

use std::collections::HashMap;

use crate::{
    digest::Digest,
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_VOLUME_LEN},
    reader::{Reader, put_varint},
};

use super::ReplicaError;

/// Numbers of targets below the first pack's.
const TARGETS: u64 = 2;
/// Fewest bytes a run takes.
const MIN_RUN_LEN: usize = 4;
/// Most bytes a number takes.
const MAX_VARINT_LEN: usize = 10;

/// Where a block's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: it is zeros.
    Zero,
    /// In the image below it; zeros where there is none.
    Base,
    /// In this pack, an object of the server.
    Pack(Digest),
}

/// Neighbouring blocks with one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRun {
    /// Their volume.
    pub volume: VolumeId,
    /// The first of them.
    pub first_block: u64,
    /// How many.
    pub blocks: u64,
    /// Where they are.
    pub target: Target,
}

impl IndexRun {
    /// The block behind the last.
    pub fn end(&self) -> u64 {
        self.first_block + self.blocks
    }
}

/// Collects runs for one part, in order of volume and block, none over another.
#[derive(Default)]
pub struct IndexWriter {
    packs: Vec<Digest>,
    numbers: HashMap<Digest, u64>,
    runs: Vec<u8>,
    count: u32,
    last: Option<IndexRun>,
    /// Volume and end of the run written last.
    before: (u8, u64),
    first: Option<(VolumeId, u64)>,
}

impl IndexWriter {
    /// Adds a run, behind all others; joined with the last where both are one.
    pub fn push(&mut self, run: IndexRun) {
        if let Some(last) = &mut self.last
            && (last.volume, last.end(), last.target) == (run.volume, run.first_block, run.target)
        {
            last.blocks += run.blocks;
            return;
        }
        self.first.get_or_insert((run.volume, run.first_block));
        self.write_last();
        self.last = Some(run);
    }

    /// How many bytes it has at most.
    pub fn len(&self) -> usize {
        8 + (self.packs.len() + 1) * size_of::<Digest>() + self.runs.len() + 1 + 3 * MAX_VARINT_LEN
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The first block spoken of.
    pub fn first(&self) -> Option<(VolumeId, u64)> {
        self.first
    }

    /// The part, not yet sealed, and how many runs it has; the writer is empty again.
    pub fn finish(&mut self) -> (Vec<u8>, u32) {
        self.write_last();
        let mut plain = Vec::with_capacity(self.len());
        plain.extend_from_slice(&(self.packs.len() as u32).to_le_bytes());
        for pack in &self.packs {
            plain.extend_from_slice(&pack.0);
        }
        plain.extend_from_slice(&self.count.to_le_bytes());
        plain.append(&mut self.runs);
        let count = self.count;
        *self = Self::default();
        (plain, count)
    }

    fn write_last(&mut self) {
        let Some(run) = self.last.take() else { return };
        let target = match run.target {
            Target::Zero => 0,
            Target::Base => 1,
            Target::Pack(pack) => {
                let next = self.packs.len() as u64;
                let number = *self.numbers.entry(pack).or_insert(next);
                if number == next {
                    self.packs.push(pack);
                }
                TARGETS + number
            }
        };
        let from = if self.before.0 == run.volume.0 {
            self.before.1
        } else {
            0
        };
        self.runs.push(run.volume.0);
        put_varint(&mut self.runs, run.first_block - from);
        put_varint(&mut self.runs, run.blocks);
        put_varint(&mut self.runs, target);
        self.before = (run.volume.0, run.end());
        self.count += 1;
    }
}

/// An opened part.
#[derive(Debug, PartialEq, Eq)]
pub struct IndexPart {
    /// Its runs, in order.
    pub runs: Vec<IndexRun>,
}

impl IndexPart {
    /// Reads what was sealed as an index part: runs in order, none over another, and nothing behind the last.
    pub fn decode(plain: &[u8]) -> Result<Self, ReplicaError> {
        let mut reader = Reader(plain);
        let count = reader.u32()? as usize;
        let len = count
            .checked_mul(size_of::<Digest>())
            .ok_or(ReplicaError::Damaged)?;
        let packs = reader.bytes(len)?;
        let (packs, _) = packs.as_chunks::<{ size_of::<Digest>() }>();
        let count = reader.u32()? as usize;
        if count > reader.0.len() / MIN_RUN_LEN {
            return Err(ReplicaError::Damaged);
        }
        let mut runs = Vec::with_capacity(count);
        let mut before = (VolumeId(0), 0);
        for _ in 0..count {
            let volume = VolumeId(reader.u8()?);
            let skipped = reader.varint()?;
            let blocks = reader.varint()?;
            let target = match reader.varint()? {
                0 => Target::Zero,
                1 => Target::Base,
                number => {
                    let pack = packs.get((number - TARGETS) as usize);
                    Target::Pack(Digest(*pack.ok_or(ReplicaError::Damaged)?))
                }
            };
            let from = if before.0 == volume { before.1 } else { 0 };
            let first_block = skipped.checked_add(from).ok_or(ReplicaError::Damaged)?;
            let run = IndexRun {
                volume,
                first_block,
                blocks,
                target,
            };
            let end = first_block.checked_add(blocks);
            let inside = end.is_some_and(|end| end <= MAX_VOLUME_LEN / BLOCK_LEN as u64);
            if volume < before.0 || blocks == 0 || !inside {
                return Err(ReplicaError::Damaged);
            }
            before = (volume, run.end());
            runs.push(run);
        }
        if reader.0.is_empty() {
            Ok(Self { runs })
        } else {
            Err(ReplicaError::Damaged)
        }
    }
}
