//! Which blocks of a volume a replica has not received.
//!
//! The first writers had a bit for every 64 KiB: a scattered block then cost a replica sixteen. Such a map is
//! recognised by its length and made wide when it is decoded, which loses nothing; it is never written again.

use crate::{
    ids::VolumeId,
    limits::{BLOCK_LEN, CHUNK_LEN},
};

/// Which parts of a volume a replica still has to receive; one bit for each block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMap {
    /// Replica.
    pub replica: u8,
    /// Volume.
    pub volume: VolumeId,
    /// Bits, least significant first; those behind the volume's last block say nothing.
    pub bits: Vec<u8>,
}

impl DirtyMap {
    /// A map by which everything of a volume of `size_bytes` still has to be received.
    pub fn all(replica: u8, volume: VolumeId, size_bytes: u64) -> Self {
        Self {
            replica,
            volume,
            bits: vec![0xff; len_with_bit_each(BLOCK_LEN, size_bytes) as usize],
        }
    }

    /// Sets the bits of `blocks` blocks; those the map does not have are left out.
    pub fn mark(&mut self, first_block: u64, blocks: u64) {
        let end = first_block.saturating_add(blocks).min(self.bits.len() as u64 * 8);
        let mut at = first_block;
        while at < end {
            let (byte, bit) = ((at / 8) as usize, at % 8);
            let in_byte = (end - (at - bit)).min(8);
            self.bits[byte] |= (0xff << bit) & (0xff >> (8 - in_byte));
            at += in_byte - bit;
        }
    }

    /// Whether its length is that of a volume of `size_bytes`.
    pub(super) fn fits(&self, size_bytes: u64) -> bool {
        self.bits.len() as u64 == len_with_bit_each(BLOCK_LEN, size_bytes)
    }

    /// Gives each block a bit where each 64 KiB had one. Up to eight blocks both kinds have one byte: there any bit
    /// stands for all.
    pub(super) fn widen(&mut self, size_bytes: u64) {
        const PER_CHUNK: usize = CHUNK_LEN / BLOCK_LEN;
        const { assert!(PER_CHUNK == 16, "a chunk's bit becomes two whole bytes") };
        if self.bits.len() as u64 != len_with_bit_each(CHUNK_LEN, size_bytes) {
            return;
        }
        let chunks = self
            .bits
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
        let len = len_with_bit_each(BLOCK_LEN, size_bytes) as usize;
        if len == self.bits.len() {
            let any = self.bits.iter().any(|byte| *byte != 0);
            self.bits.fill(if any { 0xff } else { 0 });
        } else {
            let bytes = chunks.flat_map(|bit| [bit * 0xff; PER_CHUNK / 8]);
            self.bits = bytes.take(len).collect();
        }
    }
}

/// Bytes of a map with a bit for every `part` bytes of a volume.
fn len_with_bit_each(part: usize, size_bytes: u64) -> u64 {
    size_bytes.div_ceil(part as u64 * 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = BLOCK_LEN as u64;

    fn map(bits: Vec<u8>) -> DirtyMap {
        let (replica, volume) = (0, VolumeId(1));
        DirtyMap {
            replica,
            volume,
            bits,
        }
    }

    fn is_set(map: &DirtyMap, block: u64) -> bool {
        map.bits[(block / 8) as usize] >> (block % 8) & 1 == 1
    }

    proptest! {
        #[test]
        fn what_is_marked_is_set_and_nothing_else(bytes in 1usize..40, first in 0u64..400, blocks in 0u64..400) {
            let mut marked = map(vec![0; bytes]);
            marked.mark(first, blocks);
            for block in 0..bytes as u64 * 8 {
                prop_assert_eq!(is_set(&marked, block), (first..first + blocks).contains(&block), "block {}", block);
            }
        }

        #[test]
        fn a_wide_map_says_of_each_block_what_its_chunk_had(
            blocks in 9u64..3000,
            chunks in prop::collection::vec(any::<u8>(), 24),
        ) {
            let size = blocks * BLOCK;
            let chunks = chunks[..size.div_ceil(CHUNK_LEN as u64 * 8) as usize].to_vec();
            let mut wide = map(chunks.clone());
            wide.widen(size);
            prop_assert!(wide.fits(size));
            for block in 0..blocks {
                prop_assert_eq!(is_set(&wide, block), is_set(&map(chunks.clone()), block / 16), "block {}", block);
            }
            let again = wide.clone();
            wide.widen(size);
            prop_assert_eq!(wide, again);
        }
    }

    #[test]
    fn of_few_blocks_any_bit_stands_for_all() {
        for blocks in 1..=8 {
            for (bits, wide) in [(0, 0), (1, 0xff), (0x80, 0xff)] {
                let mut small = map(vec![bits]);
                small.widen(blocks * BLOCK);
                assert_eq!(small.bits, [wide]);
            }
        }
    }

    #[test]
    fn a_map_of_any_other_length_stays_as_it_is() {
        let mut odd = map(vec![1, 2, 3]);
        odd.widen(100 * BLOCK);
        assert_eq!(odd.bits, [1, 2, 3]);
        assert!(!odd.fits(100 * BLOCK));
    }

    #[test]
    fn the_end_of_all_blocks_does_not_overflow() {
        let mut all = map(vec![0; 2]);
        all.mark(3, u64::MAX);
        assert_eq!(all.bits, [0xf8, 0xff]);
    }
}
