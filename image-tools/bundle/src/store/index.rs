//! The index of one volume: for each block, where its newest content lies.
//!
//! Two levels: a table of leaves, each for 512 blocks and there only where something was written. A block in the
//! log costs 8 bytes, a leaf about a hundred.

use gobag_format::{
    checkpoint::{Checkpoint, LEAF_BLOCKS, Leaf, LeafRef, VolumeMap},
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::Place,
};

pub(super) struct VolumeIndex {
    pub(super) volume: VolumeId,
    pub(super) size_bytes: u64,
    pub(super) has_base: bool,
    /// `None` where every block is the base's.
    leaves: Vec<Option<Box<Leaf>>>,
}

impl VolumeIndex {
    pub(super) fn new(volume: VolumeId, size_bytes: u64, has_base: bool) -> Self {
        let leaves = size_bytes.div_ceil((LEAF_BLOCKS * BLOCK_LEN) as u64) as usize;
        Self {
            volume,
            size_bytes,
            has_base,
            leaves: vec![None; leaves],
        }
    }

    /// Blocks of the volume, the last perhaps partial.
    pub(super) fn blocks(&self) -> u64 {
        self.size_bytes.div_ceil(BLOCK_LEN as u64)
    }

    pub(super) fn get(&self, block: u64) -> u64 {
        let (leaf, at) = split(block);
        match self.leaves.get(leaf) {
            Some(Some(leaf)) => leaf.get(at),
            Some(None) | None => Place::BASE,
        }
    }

    /// Sets a block's word and returns the one before. A block outside the volume is ignored.
    pub(super) fn set(&mut self, block: u64, word: u64) -> u64 {
        let (leaf, at) = split(block);
        match self.leaves.get_mut(leaf) {
            None => Place::BASE,
            Some(None) if word == Place::BASE => Place::BASE,
            Some(slot) => slot
                .get_or_insert_with(|| Box::new(Leaf::filled(Place::BASE)))
                .set(at, word),
        }
    }

    /// Gives up a range of blocks; `dropped` hears every unit word that goes.
    pub(super) fn fill(&mut self, first: u64, blocks: u64, word: u64, mut dropped: impl FnMut(u64)) {
        let end = first.saturating_add(blocks).min(self.blocks());
        let mut block = first;
        while block < end {
            let (leaf, at) = split(block);
            let upto = (block - at as u64 + LEAF_BLOCKS as u64).min(end);
            // The last leaf may be shorter than 512 blocks: a fill to the end of the volume empties it too.
            let whole = at == 0 && (upto - block == LEAF_BLOCKS as u64 || upto == self.blocks());
            if whole {
                let fresh = (word != Place::BASE).then(|| Box::new(Leaf::filled(word)));
                if let Some(leaf) = std::mem::replace(&mut self.leaves[leaf], fresh) {
                    leaf.units().for_each(|(_, word)| dropped(word));
                }
            } else {
                for block in block..upto {
                    let old = self.set(block, word);
                    if Place::segment_of(old).is_some() {
                        dropped(old);
                    }
                }
            }
            block = upto;
        }
    }

    /// Leaves that a checkpoint lists.
    pub(super) fn used_leaves(&self) -> u32 {
        self.leaves.iter().flatten().count() as u32
    }

    /// Appends the leaf's part of a checkpoint to `out`: nothing where every block is the base's.
    pub(super) fn encode_leaf(&self, number: usize, out: &mut Vec<u8>) {
        let Some(leaf) = self.leaves.get(number).and_then(Option::as_ref) else {
            return;
        };
        let words;
        let leaf = if leaf.common() == Some(Place::ZERO) {
            LeafRef::Zero
        } else {
            words = leaf.to_words();
            LeafRef::Words(&words)
        };
        Checkpoint::encode_leaf(number as u32, leaf, out);
    }

    /// Takes over what a checkpoint recorded.
    pub(super) fn load(&mut self, map: VolumeMap) {
        for (number, leaf) in map.leaves {
            if let Some(slot) = self.leaves.get_mut(number as usize) {
                *slot = Some(Box::new(leaf));
            }
        }
    }

    pub(super) fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Blocks of one leaf that lie in the log, with their words.
    pub(super) fn unit_words_of(&self, leaf: usize) -> Vec<(u64, u64)> {
        let first = (leaf * LEAF_BLOCKS) as u64;
        let leaf = self.leaves.get(leaf).and_then(Option::as_ref);
        let units = leaf.into_iter().flat_map(|leaf| leaf.units());
        units.map(|(at, word)| (first + at as u64, word)).collect()
    }

    /// Every word that points into the log.
    pub(super) fn unit_words(&self) -> impl Iterator<Item = u64> + '_ {
        let leaves = self.leaves.iter().flatten();
        leaves.flat_map(|leaf| leaf.units()).map(|(_, word)| word)
    }
}

fn split(block: u64) -> (usize, usize) {
    (
        (block / LEAF_BLOCKS as u64) as usize,
        (block % LEAF_BLOCKS as u64) as usize,
    )
}
