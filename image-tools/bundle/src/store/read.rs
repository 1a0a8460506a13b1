//! Reading from the log: a unit is read, opened and decoded once, then cached.

use std::sync::Arc;

use gobag_format::{ids::VolumeId, limits::BLOCK_LEN, log::Place, wiped::Wiped};
use quick_cache::{Weighter, sync::Cache};

use super::{Log, StoreError, units::decode};
use crate::medium::FileRef;

/// Decoded units, by segment use and offset.
pub(super) type UnitCache = Cache<(u16, u64, u32), Arc<Wiped>, ByBytes>;

#[derive(Clone)]
pub(super) struct ByBytes;

impl Weighter<(u16, u64, u32), Arc<Wiped>> for ByBytes {
    fn weight(&self, _key: &(u16, u64, u32), unit: &Arc<Wiped>) -> u64 {
        unit.len() as u64 + 128
    }
}

pub(super) fn unit_cache(bytes: u64) -> UnitCache {
    Cache::with_weighter((bytes / (16 << 10)) as usize, bytes, ByBytes)
}

impl Log {
    /// Copies neighbouring blocks of one unit, the first of which the index finds at `word`, into `out`.
    pub(super) fn read_blocks(
        &self,
        volume: VolumeId,
        first: u64,
        word: u64,
        out: &mut [u8],
    ) -> Result<(), StoreError> {
        if self.try_read(volume, first, word, out).is_ok() {
            return Ok(());
        }
        let words = (0..).map(|nth| word.wrapping_add(nth * Place::NEXT_BLOCK));
        for ((block, word), out) in (first..).zip(words).zip(out.chunks_mut(BLOCK_LEN)) {
            self.read_block(volume, block, word, out)?;
        }
        Ok(())
    }

    /// Copies one block that the index finds at `word` into `out`; `word` must be a unit word.
    pub(super) fn read_block(
        &self,
        volume: VolumeId,
        block: u64,
        mut word: u64,
        out: &mut [u8],
    ) -> Result<(), StoreError> {
        loop {
            match self.try_read(volume, block, word, out) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    // Cleaning may have moved the block between the look-up and the read.
                    let now = self.read_state().get(volume, block);
                    if now == word || Place::segment_of(now).is_none() {
                        return Err(error);
                    }
                    word = now;
                }
            }
        }
    }

    fn try_read(&self, volume: VolumeId, block: u64, word: u64, out: &mut [u8]) -> Result<(), StoreError> {
        let damaged = || StoreError::Damaged {
            what: format!("block {block} of volume {}", volume.0),
        };
        let Some(Place::Unit {
            segment,
            offset,
            sealed_len,
            block: nth,
        }) = Place::unpack(word)
        else {
            return Err(damaged());
        };
        let open = self
            .read_state()
            .uses
            .get(usize::from(segment))
            .cloned()
            .flatten()
            .ok_or_else(damaged)?;
        let key = (segment, open.current.incarnation, offset);
        let unit = match self.cache.get(&key) {
            Some(unit) => unit,
            None => {
                let file = FileRef::Segment(segment);
                let mut sealed = Wiped::new(vec![0; sealed_len as usize]);
                self.medium
                    .read_at(file, offset.into(), &mut sealed)
                    .map_err(StoreError::medium("read", file))?;
                let first_block = block.checked_sub(nth.into()).ok_or_else(damaged)?;
                let payload = open
                    .cipher
                    .open_unit(offset.into(), volume, first_block, sealed)
                    .map_err(|_| damaged())?;
                let unit = Arc::new(decode(&self.decoders, &payload).map_err(|_| damaged())?);
                self.cache.insert(key, Arc::clone(&unit));
                unit
            }
        };
        let start = usize::from(nth) * BLOCK_LEN;
        let data = unit.get(start..start + out.len()).ok_or_else(damaged)?;
        out.copy_from_slice(data);
        Ok(())
    }
}
