//! What replicas still have to receive.
//!
//! A bit goes through three states: set by a write, *told* once [`Store::dirty`] has reported it, cleared once
//! [`Store::received`] confirms it. A write meanwhile sets it anew, so no change is ever missed. What was told
//! but not confirmed is kept as unreceived in every checkpoint.

use gobag_format::{checkpoint::DirtyMap, ids::VolumeId};

use super::{Store, StoreError, StoreMode, lock};

impl Store {
    /// Starts to remember which blocks of `volume` change, for `replica`; everything counts as changed now. Refused as
    /// *full* where a checkpoint of everything, with this map, would be too long for its area.
    pub fn track(&self, replica: u8, volume: VolumeId) -> Result<(), StoreError> {
        self.writable()?;
        let mut writer = lock(&self.writer);
        {
            let mut state = self.log.write_state();
            if state
                .dirty
                .iter()
                .any(|map| (map.replica, map.volume) == (replica, volume))
            {
                return Ok(());
            }
            let size = state.volume(volume).map_or(0, |index| index.size_bytes);
            let map = DirtyMap::all(replica, volume, size);
            let maps = state.dirty.iter().chain([&map]);
            let map_bytes: u64 = maps.map(|map| map.bits.len() as u64 + 6).sum();
            let leaves = state.volumes.iter().map(|index| index.blocks().div_ceil(512));
            if !self.log.most_fits(leaves.sum(), map_bytes) {
                return Err(StoreError::Full);
            }
            state.told.push(vec![0; map.bits.len()]);
            state.dirty.push(map);
        }
        match self.log.mode {
            StoreMode::Keep => self.log.checkpoint(&mut writer),
            StoreMode::ReadOnly | StoreMode::Throwaway => Ok(()),
        }
    }

    /// The blocks of `volume` that `replica` still has to receive, one bit each, least significant first. Read
    /// them after this call; what changes from now on will be told by the next.
    pub fn dirty(&self, replica: u8, volume: VolumeId) -> Option<Vec<u8>> {
        let state = &mut *self.log.write_state();
        let mut maps = state.dirty.iter_mut().zip(&mut state.told);
        let (map, told) = maps.find(|(map, _)| (map.replica, map.volume) == (replica, volume))?;
        for (told, bits) in told.iter_mut().zip(&mut map.bits) {
            *told |= std::mem::take(bits);
        }
        Some(told.clone())
    }

    /// Notes that `replica` has received the blocks set in `received`, as [`Store::dirty`] told them; durable
    /// with the next checkpoint, until then they may be told again.
    pub fn received(&self, replica: u8, volume: VolumeId, received: &[u8]) {
        let state = &mut *self.log.write_state();
        let mut maps = state.dirty.iter().zip(&mut state.told);
        if let Some((_, told)) = maps.find(|(map, _)| (map.replica, map.volume) == (replica, volume)) {
            told.iter_mut()
                .zip(received)
                .for_each(|(told, done)| *told &= !done);
        }
    }
}
