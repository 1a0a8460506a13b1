//! The index of one volume: for each block, where its newest content lies.
//!
//! Two levels: a table of leaves, each for 512 blocks and allocated on first use. A block costs 8 bytes.

use gobag_format::{
    checkpoint::{LEAF_BLOCKS, Leaf, LeafRef, VolumeMap},
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::Place,
};

pub(super) struct VolumeIndex {
    pub(super) volume: VolumeId,
    pub(super) size_bytes: u64,
    pub(super) has_base: bool,
    leaves: Vec<Slot>,
}

#[derive(Clone)]
enum Slot {
    Base,
    Zero,
    Words(Box<[u64; LEAF_BLOCKS]>),
}

impl VolumeIndex {
    pub(super) fn new(volume: VolumeId, size_bytes: u64, has_base: bool) -> Self {
        let leaves = size_bytes.div_ceil((LEAF_BLOCKS * BLOCK_LEN) as u64) as usize;
        Self {
            volume,
            size_bytes,
            has_base,
            leaves: vec![Slot::Base; leaves],
        }
    }

    /// Blocks of the volume, the last perhaps partial.
    pub(super) fn blocks(&self) -> u64 {
        self.size_bytes.div_ceil(BLOCK_LEN as u64)
    }

    pub(super) fn get(&self, block: u64) -> u64 {
        let (leaf, at) = split(block);
        match self.leaves.get(leaf) {
            Some(Slot::Words(words)) => words[at],
            Some(Slot::Zero) => Place::ZERO,
            Some(Slot::Base) | None => Place::BASE,
        }
    }

    /// Sets a block's word and returns the one before. A block outside the volume is ignored.
    pub(super) fn set(&mut self, block: u64, word: u64) -> u64 {
        let (leaf, at) = split(block);
        let Some(slot) = self.leaves.get_mut(leaf) else {
            return Place::BASE;
        };
        let words = match slot {
            Slot::Words(words) => words,
            Slot::Base => {
                if word == Place::BASE {
                    return Place::BASE;
                }
                slot.expand(Place::BASE)
            }
            Slot::Zero => {
                if word == Place::ZERO {
                    return Place::ZERO;
                }
                slot.expand(Place::ZERO)
            }
        };
        std::mem::replace(&mut words[at], word)
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
                let fresh = if word == Place::ZERO {
                    Slot::Zero
                } else {
                    Slot::Base
                };
                if let Slot::Words(words) = std::mem::replace(&mut self.leaves[leaf], fresh) {
                    words
                        .iter()
                        .copied()
                        .filter(|word| Place::segment_of(*word).is_some())
                        .for_each(&mut dropped);
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

    pub(super) fn leaves(&self) -> Vec<(u32, LeafRef<'_>)> {
        let numbered = self.leaves.iter().enumerate();
        numbered
            .filter_map(|(number, slot)| match slot {
                Slot::Base => None,
                Slot::Zero => Some((number as u32, LeafRef::Zero)),
                Slot::Words(words) => Some((number as u32, LeafRef::Words(words))),
            })
            .collect()
    }

    /// Takes over what a checkpoint recorded.
    pub(super) fn load(&mut self, map: VolumeMap) {
        for (number, leaf) in map.leaves {
            if let Some(slot) = self.leaves.get_mut(number as usize) {
                *slot = match leaf {
                    Leaf::Zero => Slot::Zero,
                    Leaf::Words(words) => Slot::Words(words),
                };
            }
        }
    }

    pub(super) fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Blocks of one leaf that lie in the log, with their words.
    pub(super) fn unit_words_of(&self, leaf: usize) -> Vec<(u64, u64)> {
        let Some(Slot::Words(words)) = self.leaves.get(leaf) else {
            return Vec::new();
        };
        let numbered = words
            .iter()
            .enumerate()
            .map(|(at, word)| ((leaf * LEAF_BLOCKS + at) as u64, *word));
        numbered
            .filter(|(_, word)| Place::segment_of(*word).is_some())
            .collect()
    }

    /// Every word that points into the log.
    pub(super) fn unit_words(&self) -> impl Iterator<Item = u64> + '_ {
        let words = self.leaves.iter().filter_map(|slot| match slot {
            Slot::Words(words) => Some(words.iter().copied()),
            _ => None,
        });
        words.flatten().filter(|word| Place::segment_of(*word).is_some())
    }
}

impl Slot {
    fn expand(&mut self, word: u64) -> &mut Box<[u64; LEAF_BLOCKS]> {
        *self = Slot::Words(Box::new([word; LEAF_BLOCKS]));
        match self {
            Slot::Words(words) => words,
            _ => unreachable!("just set"),
        }
    }
}

fn split(block: u64) -> (usize, usize) {
    (
        (block / LEAF_BLOCKS as u64) as usize,
        (block % LEAF_BLOCKS as u64) as usize,
    )
}
