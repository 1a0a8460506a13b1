//! Units: up to 16 consecutive blocks, compressed together when it pays.

use zeroize::Zeroizing;
use zstd::bulk;

use super::{CODEC_RAW, CODEC_ZSTD};
use crate::{
    crypto::OpenError,
    limits::{BLOCK_LEN, MAX_UNIT_BLOCKS},
};

const MAX_UNIT_LEN: usize = MAX_UNIT_BLOCKS * BLOCK_LEN;
/// The hot path's level: a third of a GB/s on one core, nearly the ratio of level 3 on 64 KiB
/// (research/store.md §2.6).
const LEVEL: i32 = 1;

/// Turns blocks into a unit's plaintext: a codec byte and the data. One per worker.
pub struct UnitEncoder(bulk::Compressor<'static>);

impl UnitEncoder {
    /// Prepares a context.
    pub fn new() -> Self {
        Self(bulk::Compressor::new(LEVEL).expect("a zstd context needs only memory"))
    }

    /// The unit for `blocks`, 1 to 16 whole blocks. zstd is kept when it saves an eighth.
    pub fn encode(&mut self, blocks: &[u8]) -> Zeroizing<Vec<u8>> {
        debug_assert!(
            blocks.len().is_multiple_of(BLOCK_LEN) && (BLOCK_LEN..=MAX_UNIT_LEN).contains(&blocks.len())
        );
        let mut unit = Zeroizing::new(Vec::with_capacity(blocks.len() + 1 + crate::crypto::TAG_LEN));
        unit.resize(1 + blocks.len() / 8 * 7, CODEC_ZSTD);
        match self.0.compress_to_buffer(blocks, &mut unit[1..]) {
            Ok(len) => unit.truncate(1 + len),
            Err(_) => {
                unit.clear();
                unit.push(CODEC_RAW);
                unit.extend_from_slice(blocks);
            }
        }
        unit
    }
}

impl Default for UnitEncoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Turns a unit's plaintext back into blocks. One per worker.
pub struct UnitDecoder(bulk::Decompressor<'static>);

impl UnitDecoder {
    /// Prepares a context.
    pub fn new() -> Self {
        Self(bulk::Decompressor::new().expect("a zstd context needs only memory"))
    }

    /// The blocks of `unit`; never more than 16, whatever it claims.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (codec, data) = unit.split_first().ok_or(OpenError)?;
        let blocks = match *codec {
            CODEC_RAW => Zeroizing::new(data.to_vec()),
            CODEC_ZSTD => Zeroizing::new(self.0.decompress(data, MAX_UNIT_LEN).map_err(|_| OpenError)?),
            _ => return Err(OpenError),
        };
        let sane =
            blocks.len().is_multiple_of(BLOCK_LEN) && (BLOCK_LEN..=MAX_UNIT_LEN).contains(&blocks.len());
        if sane { Ok(blocks) } else { Err(OpenError) }
    }
}

impl Default for UnitDecoder {
    fn default() -> Self {
        Self::new()
    }
}
