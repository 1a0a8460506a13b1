//! Units: up to 16 consecutive blocks, compressed together when it pays.

use zstd::bulk;

use super::{CODEC_RAW, CODEC_ZSTD};
use crate::{
    crypto::OpenError,
    limits::{BLOCK_LEN, MAX_UNIT_BLOCKS},
    wiped::Wiped,
};

const MAX_UNIT_LEN: usize = MAX_UNIT_BLOCKS * BLOCK_LEN;
/// The hot path's level: a third of a GB/s on one core, nearly the ratio of level 3 on 64 KiB
/// (research/store.md §2.6).
const LEVEL: i32 = 1;

/// Of this many bytes of a unit the probe counts how often each value comes.
const SAMPLE: usize = 4096;
/// Bytes that are looked at in a row, so that the probe sees all parts of a unit.
const SAMPLE_PIECE: usize = 128;

/// From so many bits of entropy a byte on a unit is noise. A sample of true noise has 7.95; an eighth can be saved of 7.
const NOISE_BITS: f32 = 7.4;

/// Turns blocks into a unit's plaintext: a codec byte and the data. One per worker.
pub struct UnitEncoder {
    context: bulk::Compressor<'static>,
    /// Where zstd writes; as long as what is worth keeping of the longest unit.
    scratch: Wiped,
}

impl UnitEncoder {
    /// Prepares a context.
    pub fn new() -> Self {
        Self {
            context: bulk::Compressor::new(LEVEL).expect("a zstd context needs only memory"),
            scratch: Wiped::new(vec![0; MAX_UNIT_LEN / 8 * 7]),
        }
    }

    /// The unit for `blocks`, 1 to 16 whole blocks. zstd is kept when it saves an eighth.
    pub fn encode(&mut self, blocks: &[u8]) -> Wiped {
        debug_assert!(
            blocks.len().is_multiple_of(BLOCK_LEN) && (BLOCK_LEN..=MAX_UNIT_LEN).contains(&blocks.len())
        );
        let worth_keeping = &mut self.scratch[..blocks.len() / 8 * 7];
        let compressed = match is_noise(blocks) {
            true => None,
            false => self.context.compress_to_buffer(blocks, worth_keeping).ok(),
        };
        let (codec, data) = match compressed {
            Some(len) => (CODEC_ZSTD, &self.scratch[..len]),
            None => (CODEC_RAW, blocks),
        };
        let mut unit = Wiped::new(Vec::with_capacity(1 + data.len()));
        unit.push(codec);
        unit.extend_from_slice(data);
        unit
    }
}

impl Default for UnitEncoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the bytes are so evenly distributed, as after compression or encryption, that counting them saves far less
/// than an eighth: then zstd is not asked, which costs ten times as much as counting a sample.
pub(crate) fn is_noise(blocks: &[u8]) -> bool {
    let stride = blocks.len() / (SAMPLE / SAMPLE_PIECE);
    let mut counts = [0u16; 256];
    for piece in blocks.chunks(stride) {
        for byte in &piece[..SAMPLE_PIECE] {
            counts[usize::from(*byte)] += 1;
        }
    }
    let seen = counts.iter().filter(|count| **count > 0);
    let weighed: f32 = seen
        .map(|count| f32::from(*count) * f32::from(*count).log2())
        .sum();
    let bits_per_byte = (SAMPLE as f32).log2() - weighed / SAMPLE as f32;
    bits_per_byte > NOISE_BITS
}

/// Turns a unit's plaintext back into blocks. One per worker.
pub struct UnitDecoder {
    context: bulk::Decompressor<'static>,
    /// Where zstd writes, so that what is returned is not larger than it need be.
    scratch: Wiped,
}

impl UnitDecoder {
    /// Prepares a context.
    pub fn new() -> Self {
        Self {
            context: bulk::Decompressor::new().expect("a zstd context needs only memory"),
            scratch: Wiped::new(vec![0; MAX_UNIT_LEN]),
        }
    }

    /// The blocks of `unit`; never more than 16, whatever it claims.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Wiped, OpenError> {
        let (codec, data) = unit.split_first().ok_or(OpenError)?;
        let blocks = match *codec {
            CODEC_RAW => data,
            CODEC_ZSTD => {
                let decoded = self.context.decompress_to_buffer(data, &mut self.scratch[..]);
                &self.scratch[..decoded.map_err(|_| OpenError)?]
            }
            _ => return Err(OpenError),
        };
        let sane =
            blocks.len().is_multiple_of(BLOCK_LEN) && (BLOCK_LEN..=MAX_UNIT_LEN).contains(&blocks.len());
        if sane {
            Ok(Wiped::new(blocks.to_vec()))
        } else {
            Err(OpenError)
        }
    }
}

impl Default for UnitDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut noise = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise
    }

    #[test]
    fn noise_is_told_from_what_can_be_shortened_whatever_the_number_of_blocks() {
        for blocks in 1..=MAX_UNIT_BLOCKS {
            let noise = noise(blocks * BLOCK_LEN);
            assert!(is_noise(&noise), "{blocks} blocks");
            // Seven bits in eight, which entropy coding alone saves an eighth of.
            let narrow: Vec<u8> = noise.iter().map(|byte| byte & 0x7f).collect();
            assert!(!is_noise(&narrow), "{blocks} blocks");
            let mut half = noise;
            half[..blocks * BLOCK_LEN / 2].fill(b'a');
            assert!(!is_noise(&half), "{blocks} blocks");
            assert!(!is_noise(&vec![0; blocks * BLOCK_LEN]), "{blocks} blocks");
        }
    }

    #[test]
    fn a_unit_takes_no_more_memory_than_it_has_bytes_and_comes_back() {
        let (mut encoder, mut decoder) = (UnitEncoder::new(), UnitDecoder::new());
        for blocks in [1, 5, 16] {
            for data in [vec![7; blocks * BLOCK_LEN], noise(blocks * BLOCK_LEN)] {
                let unit = encoder.encode(&data);
                assert_eq!(unit[0] == CODEC_RAW, is_noise(&data));
                let back = decoder.decode(&unit).unwrap();
                assert_eq!(*back, data);
                assert_eq!((unit.len(), back.len()), (unit.capacity(), back.capacity()));
            }
        }
    }
}
