//! A leaf of the index in memory: what its blocks have in common once, and the others one by one.
//!
//! A user's writes lie scattered over a volume, so most leaves of a large one hold few blocks of the log. A leaf
//! takes 8 bytes for each of these and about a hundred besides, whatever the volume's size.

use super::body::LEAF_BLOCKS;
use crate::log::Place;

const MASKS: usize = LEAF_BLOCKS / 64;

/// The packed [`Place`]s of [`LEAF_BLOCKS`] neighbouring blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The word of every block that has none of its own.
    common: u64,
    /// A bit for each block that has a word of its own.
    own: [u64; MASKS],
    /// Those words, in order.
    words: Vec<u64>,
}

impl Leaf {
    /// A leaf whose blocks all have this word.
    pub fn filled(word: u64) -> Self {
        Self {
            common: word,
            own: [0; MASKS],
            words: Vec::new(),
        }
    }

    /// A leaf with these words.
    pub fn from_words(words: &[u64; LEAF_BLOCKS]) -> Self {
        let count = |word| words.iter().filter(|other| **other == word).count();
        let common = if count(Place::ZERO) > count(Place::BASE) {
            Place::ZERO
        } else {
            Place::BASE
        };
        let mut leaf = Self::filled(common);
        leaf.words.reserve_exact(LEAF_BLOCKS - count(common));
        for (at, word) in words.iter().enumerate().filter(|(_, word)| **word != common) {
            leaf.own[at / 64] |= 1 << (at % 64);
            leaf.words.push(*word);
        }
        leaf
    }

    /// The word that all blocks have, if they have one in common.
    pub fn common(&self) -> Option<u64> {
        self.words.is_empty().then_some(self.common)
    }

    /// The word of block `at`.
    pub fn get(&self, at: usize) -> u64 {
        if self.has_own(at) {
            self.words[self.rank(at)]
        } else {
            self.common
        }
    }

    /// Sets the word of block `at` and returns the one before.
    pub fn set(&mut self, at: usize, word: u64) -> u64 {
        let (mask, rank) = (1 << (at % 64), self.rank(at));
        match (self.has_own(at), word == self.common) {
            (true, false) => std::mem::replace(&mut self.words[rank], word),
            (true, true) => {
                self.own[at / 64] &= !mask;
                self.words.remove(rank)
            }
            (false, false) => {
                self.own[at / 64] |= mask;
                self.words.insert(rank, word);
                self.common
            }
            (false, true) => self.common,
        }
    }

    /// All words.
    pub fn to_words(&self) -> [u64; LEAF_BLOCKS] {
        let mut words = [self.common; LEAF_BLOCKS];
        self.owned().for_each(|(at, word)| words[at] = word);
        words
    }

    /// The blocks whose words point into the log.
    pub fn units(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.owned()
            .filter(|(_, word)| Place::segment_of(*word).is_some())
    }

    fn owned(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let places = (0..LEAF_BLOCKS).filter(|at| self.has_own(*at));
        places.zip(self.words.iter().copied())
    }

    fn has_own(&self, at: usize) -> bool {
        self.own[at / 64] >> (at % 64) & 1 == 1
    }

    /// How many blocks before `at` have a word of their own.
    fn rank(&self, at: usize) -> usize {
        let before = self.own[..at / 64].iter().map(|mask| mask.count_ones());
        let here = (self.own[at / 64] & ((1 << (at % 64)) - 1)).count_ones();
        (before.sum::<u32>() + here) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(number: u16) -> u64 {
        let (segment, offset) = (number, 4096);
        Place::Unit {
            segment,
            offset,
            sealed_len: 100,
            block: 0,
        }
        .pack()
    }

    proptest! {
        #[test]
        fn a_leaf_is_a_table_of_words(
            common in prop::sample::select(vec![Place::BASE, Place::ZERO]),
            sets in prop::collection::vec((0..LEAF_BLOCKS, 0u16..6), 0..800),
        ) {
            let (mut leaf, mut table) = (Leaf::filled(common), [common; LEAF_BLOCKS]);
            for (at, kind) in sets {
                let word = match kind {
                    0 => Place::BASE,
                    1 => Place::ZERO,
                    number => unit(number),
                };
                prop_assert_eq!(leaf.set(at, word), std::mem::replace(&mut table[at], word));
            }
            prop_assert_eq!(leaf.to_words(), table);
            prop_assert!((0..LEAF_BLOCKS).all(|at| leaf.get(at) == table[at]));
            let again = Leaf::from_words(&table);
            prop_assert_eq!(again.to_words(), table);
            let units = table.iter().copied().enumerate();
            let units: Vec<_> = units.filter(|(_, word)| Place::segment_of(*word).is_some()).collect();
            prop_assert_eq!(leaf.units().collect::<Vec<_>>(), units.clone());
            prop_assert_eq!(again.units().collect::<Vec<_>>(), units);
        }
    }
}
