//! Writes that are acknowledged but not yet in the log.
//!
//! A batch keeps only the newest content of a block. That is safe because a batch counts whole or not at
//! all: what a reader recovers is always the state after some batch.

use std::collections::BTreeMap;

use gobag_format::{
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::{TrimEntry, TrimKind},
};
use zeroize::Zeroizing;

/// The content of a block.
pub(super) type Block = Zeroizing<[u8; BLOCK_LEN]>;

#[derive(Default)]
pub(super) struct Pending {
    blocks: BTreeMap<(VolumeId, u64), Box<Block>>,
    /// Ranges given up, first block to end, disjoint; a block in `blocks` was written after.
    trims: BTreeMap<(VolumeId, u64), u64>,
    /// Blocks that had no place in the log when they were written: what the batch adds to its load.
    pub(super) new_blocks: u64,
}

/// What a batch says of a block.
pub(super) enum Hit<'a> {
    Data(&'a Block),
    Zero,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.trims.is_empty()
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_LEN + self.trims.len() * 64
    }

    pub(super) fn get(&self, volume: VolumeId, block: u64) -> Option<Hit<'_>> {
        if let Some(data) = self.blocks.get(&(volume, block)) {
            return Some(Hit::Data(data));
        }
        let (&(of, _), &end) = self.trims.range(..=(volume, block)).next_back()?;
        (of == volume && block < end).then_some(Hit::Zero)
    }

    /// The block's place in the batch, made by `fill` if it was not there.
    pub(super) fn block_mut(
        &mut self,
        volume: VolumeId,
        block: u64,
        fill: impl FnOnce() -> Box<Block>,
    ) -> &mut Block {
        self.blocks.entry((volume, block)).or_insert_with(fill)
    }

    pub(super) fn has_data(&self, volume: VolumeId, block: u64) -> bool {
        self.blocks.contains_key(&(volume, block))
    }

    /// Gives up whole blocks `first..end`.
    pub(super) fn trim(&mut self, volume: VolumeId, first: u64, end: u64) {
        let gone: Vec<_> = self
            .blocks
            .range((volume, first)..(volume, end))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.blocks.remove(&key);
        }
        let (mut first, mut end) = (first, end);
        // Merge with every range that overlaps or touches.
        let reach = (volume, end);
        let merged: Vec<_> = self
            .trims
            .range(..=reach)
            .rev()
            .take_while(|((of, _), upto)| *of == volume && **upto >= first)
            .map(|(key, upto)| (*key, *upto))
            .collect();
        for (key, upto) in merged {
            first = first.min(key.1);
            end = end.max(upto);
            self.trims.remove(&key);
        }
        self.trims.insert((volume, first), end);
    }

    pub(super) fn trims(&self) -> impl Iterator<Item = TrimEntry> + '_ {
        self.trims.iter().map(|(&(volume, first_block), &end)| TrimEntry {
            volume,
            kind: TrimKind::Zero,
            first_block,
            blocks: end - first_block,
        })
    }

    /// The data, in order of volume and block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (VolumeId, u64, &Block)> {
        self.blocks
            .iter()
            .map(|(&(volume, block), data)| (volume, block, &**data))
    }
}
