//! What replicas still have to receive.
//!
//! A block's bit goes through three states: *unsent* from a write on, *sent* once a [`Snapshot`] has taken it, clear once
//! [`Store::confirm`] says that the replica keeps it. A write meanwhile makes it unsent anew, so no change is ever
//! missed. What is unsent or sent stands as unreceived in every checkpoint: after a crash it is sent again.
//!
//! [`Snapshot`]: super::Snapshot

use gobag_format::{checkpoint::DirtyMap, ids::VolumeId, limits::BLOCK_LEN, log::Place};

use super::{Store, StoreError, StoreMode, lock, state::State};

impl Store {
    /// Starts to remember which blocks of `volume` change, for `replica`; everything counts as changed now. Refused as
    /// *full* where a checkpoint of everything, with this map, would be too long for its area.
    pub fn track(&self, replica: u8, volume: VolumeId) -> Result<(), StoreError> {
        self.writable()?;
        let mut writer = lock(&self.writer);
        {
            let mut state = self.log.write_state();
            if state
                .tracked(replica)
                .any(|nth| state.dirty[nth].volume == volume)
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
            state.sent.push(vec![0; map.bits.len()]);
            state.dirty.push(map);
        }
        match self.log.mode {
            StoreMode::Keep => self.log.checkpoint(&mut writer),
            StoreMode::ReadOnly | StoreMode::Throwaway => Ok(()),
        }
    }

    /// Counts blocks of a volume as changed for `replica`: it may have another content than it confirmed. Forgotten by a
    /// crash before [`Store::keep_doubts`].
    pub fn doubt(&self, replica: u8, volume: VolumeId, first_block: u64, blocks: u64) {
        let mut state = self.log.write_state();
        state.unsend(replica, volume, first_block, blocks);
        let mut maps = state.dirty.iter();
        if maps.any(|map| (map.replica, map.volume) == (replica, volume)) {
            state.doubts += 1;
        }
    }

    /// Counts as changed what may have been since the log went on in this use of a segment: blocks that lie in it or in later ones, and
    /// all that lie in none, for nothing tells since when. Forgotten as [`Store::doubt`] is.
    pub fn doubt_since(&self, replica: u8, segment_use: u64) {
        let state = &mut *self.log.write_state();
        let is_older = |segment: u16| {
            let open = state.uses.get(usize::from(segment)).and_then(Option::as_ref);
            open.is_some_and(|open| open.current.incarnation < segment_use)
        };
        let mut maps: Vec<&mut DirtyMap> = state
            .dirty
            .iter_mut()
            .filter(|map| map.replica == replica)
            .collect();
        for index in &state.volumes {
            for map in maps.iter_mut().filter(|map| map.volume == index.volume) {
                for block in 0..index.blocks() {
                    if !Place::segment_of(index.get(block)).is_some_and(is_older) {
                        map.mark(block, 1);
                    }
                }
            }
        }
        state.doubts += 1;
    }

    /// Makes what [`Store::doubt`] said durable. Before anything is noted by which those blocks would count as received. In
    /// two checkpoints: a record of the log tells what was written, but none what is doubted, so an older checkpoint would not know it
    /// where the newest is damaged.
    pub fn keep_doubts(&self) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let doubts = self.log.read_state().doubts;
        while self.log.mode == StoreMode::Keep && writer.doubts_kept.iter().any(|kept| *kept < doubts) {
            self.log.checkpoint(&mut writer)?;
        }
        Ok(())
    }

    /// Counts everything that was sent to `replica` and not confirmed as unsent.
    pub fn reclaim(&self, replica: u8) {
        let state = &mut *self.log.write_state();
        let maps = state.dirty.iter_mut().zip(&mut state.sent);
        for (map, sent) in maps.filter(|(map, _)| map.replica == replica) {
            map.bits
                .iter_mut()
                .zip(sent.iter())
                .for_each(|(unsent, sent)| *unsent |= sent);
            sent.fill(0);
        }
    }

    /// Notes that `replica` keeps everything that was sent to it; durable with the next checkpoint, until then it may be
    /// sent again. After every 256 MiB that were sent, there is one.
    pub fn confirm(&self, replica: u8) {
        let mut writer = lock(&self.writer);
        {
            let state = &mut *self.log.write_state();
            let maps = state.dirty.iter().zip(&mut state.sent);
            for (_, sent) in maps.filter(|(map, _)| map.replica == replica) {
                let blocks: u64 = sent.iter().map(|bits| u64::from(bits.count_ones())).sum();
                writer.bytes_confirmed += blocks * BLOCK_LEN as u64;
                sent.fill(0);
            }
        }
        self.checkpoint_when_due(&mut writer);
    }

    /// Whether nothing of these volumes waits to be sent to `replica`, not even blocks that are zero now, or as in the image, which take no room.
    /// Not of one whose changes nobody remembers.
    pub fn is_all_sent(&self, replica: u8, volumes: impl IntoIterator<Item = VolumeId>) -> bool {
        let state = self.log.read_state();
        let is_sent = |volume| {
            let mut maps = state.tracked(replica).map(|nth| &state.dirty[nth]);
            let map = maps.find(|map| map.volume == volume);
            map.is_some_and(|map| map.bits.iter().all(|bits| *bits == 0))
        };
        volumes.into_iter().all(is_sent)
    }

    /// Bytes of changes that `replica` was not sent yet; of what still lies in memory only, nothing.
    pub fn unsent_bytes(&self, replica: u8) -> u64 {
        let state = self.log.read_state();
        let in_log = |nth: usize| {
            let map = &state.dirty[nth];
            let index = state.volume(map.volume)?;
            let in_log = |block: &u64| Place::segment_of(index.get(*block)).is_some();
            Some(set_bits(&map.bits, index.blocks()).filter(in_log).count() as u64)
        };
        let blocks: u64 = state.tracked(replica).filter_map(in_log).sum();
        blocks * BLOCK_LEN as u64
    }
}

impl State {
    /// Counts blocks as not sent.
    pub(super) fn unsend(&mut self, replica: u8, volume: VolumeId, first_block: u64, blocks: u64) {
        let maps = self.dirty.iter_mut();
        maps.filter(|map| (map.replica, map.volume) == (replica, volume))
            .for_each(|map| map.mark(first_block, blocks));
    }

    /// Positions of the maps of a replica, in order of volumes.
    pub(super) fn tracked(&self, replica: u8) -> impl Iterator<Item = usize> + '_ {
        let mut maps: Vec<usize> = (0..self.dirty.len())
            .filter(|nth| self.dirty[*nth].replica == replica)
            .collect();
        maps.sort_by_key(|nth| self.dirty[*nth].volume);
        maps.into_iter()
    }
}

/// The numbers of the bits that are set, below `end`.
pub(super) fn set_bits(bits: &[u8], end: u64) -> impl Iterator<Item = u64> + '_ {
    let bytes = bits.iter().enumerate().filter(|(_, byte)| **byte != 0);
    bytes
        .flat_map(|(at, byte)| {
            (0..8)
                .filter(move |bit| byte >> bit & 1 == 1)
                .map(move |bit| at as u64 * 8 + bit)
        })
        .take_while(move |block| *block < end)
}
