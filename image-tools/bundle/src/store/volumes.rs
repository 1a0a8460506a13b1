//! What the log does when volumes come and go: an update of an image takes its system volume's number away and gives
//! the new base another one.
//!
//! Nothing is written for the volume that goes. Whoever opens the log without it passes over its records and its part
//! of the checkpoints; its blocks count no more, so the next cleaning frees their segments.
//!
//! A number that comes may have been in use before, by a volume long gone. Before the header names it, every area holds a
//! checkpoint that does not know it and that stands behind all its records ([`Store::forget_others`]): whichever of them
//! is loaded, replay meets none.

use gobag_format::{checkpoint::area_bytes, header::VolumeRecord, ids::VolumeId, limits::BLOCK_LEN};

use super::{Log, Store, StoreError, checkpoint::read_head, index::VolumeIndex, lock};
use crate::medium::FileRef;

impl Store {
    /// Bytes of a volume that lie in the log.
    pub(crate) fn changed_bytes(&self, volume: VolumeId) -> u64 {
        let state = self.log.read_state();
        let blocks = state
            .volume(volume)
            .map(VolumeIndex::unit_words)
            .map_or(0, Iterator::count);
        blocks as u64 * BLOCK_LEN as u64
    }

    /// Whether a checkpoint of everything fits its area when the log has these volumes, whatever is written to them.
    pub(crate) fn fits(&self, volumes: &[VolumeRecord]) -> bool {
        let state = self.log.read_state();
        let stays = |id: VolumeId| volumes.iter().any(|volume| volume.id == id);
        let maps = state.dirty.iter().filter(|map| stays(map.volume));
        let map_bytes: u64 = maps.map(|map| map.bits.len() as u64 + 6).sum();
        let leaves = volumes
            .iter()
            .map(|volume| volume.size_bytes.div_ceil(512 * BLOCK_LEN as u64));
        self.log.most_fits(leaves.sum(), map_bytes)
    }

    /// Records in every area that the log ends here and has no other volumes than these; the store appends nothing
    /// afterwards until it is opened again. An area that still opens with an earlier checkpoint is an error.
    pub(crate) fn forget_others(&self) -> Result<(), StoreError> {
        self.writable()?;
        let mut writer = lock(&self.writer);
        self.append_pending(&mut writer)?;
        writer.must_roll = true;
        let areas = self.log.geometry.checkpoints;
        let first = writer.generation + 1;
        for _ in 0..areas {
            self.log.checkpoint(&mut writer)?;
        }
        for area in 0..areas {
            let head = read_head(&*self.log.medium, &self.log.checkpoint_key, area)?;
            if head.is_some_and(|area| area.head.generation < first) {
                let what = FileRef::Checkpoint(area).to_string();
                return Err(StoreError::Damaged { what });
            }
        }
        Ok(())
    }
}

impl Log {
    /// Whether a checkpoint with so many leaves, all of the longest kind, fits its area beside so many bytes of dirty maps.
    pub(super) fn most_fits(&self, leaves: u64, map_bytes: u64) -> bool {
        let geometry = &self.geometry;
        // As in `LogGeometry::checkpoint_bytes`, without its reserve.
        let most = 1024 + u64::from(geometry.segments) * 64 + leaves * 4110 + map_bytes;
        area_bytes(most) <= geometry.checkpoint_len
    }
}
