//! What readers of the log need: index, segment keys, live counts, dirty maps. Changed only by the writer.

use std::sync::Arc;

use gobag_format::{
    checkpoint::{DirtyMap, SegmentUse},
    ids::VolumeId,
    log::{Place, SegmentCipher, TrimEntry, TrimKind},
};

use super::index::VolumeIndex;

/// A segment whose content counts.
pub(super) struct OpenUse {
    pub(super) current: SegmentUse,
    pub(super) cipher: SegmentCipher,
}

pub(super) struct State {
    pub(super) volumes: Vec<VolumeIndex>,
    pub(super) uses: Vec<Option<Arc<OpenUse>>>,
    /// Blocks of each segment that the index points to.
    pub(super) live: Vec<u32>,
    /// Sum of `live`.
    pub(super) occupied: u64,
    /// What replicas were not sent yet.
    pub(super) dirty: Vec<DirtyMap>,
    /// What a [`super::Snapshot`] took of each map and nobody has confirmed yet.
    pub(super) sent: Vec<Vec<u8>>,
    /// How often something was counted as unsent that no write made so.
    pub(super) doubts: u64,
}

/// Blocks that now lie in a unit.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) volume: VolumeId,
    pub(super) first_block: u64,
    pub(super) blocks: u8,
    pub(super) segment: u16,
    pub(super) offset: u32,
    pub(super) sealed_len: u32,
    /// A copy made by cleaning: changes nothing a replica could see.
    pub(super) relocation: bool,
}

impl State {
    pub(super) fn volume(&self, volume: VolumeId) -> Option<&VolumeIndex> {
        self.volumes.iter().find(|index| index.volume == volume)
    }

    pub(super) fn get(&self, volume: VolumeId, block: u64) -> u64 {
        self.volume(volume).map_or(Place::BASE, |index| index.get(block))
    }

    /// Points the index to a unit. Volumes that no longer exist are ignored: their records are history.
    pub(super) fn place(&mut self, placed: &Placed) {
        let Some(index) = self
            .volumes
            .iter_mut()
            .find(|index| index.volume == placed.volume)
        else {
            return;
        };
        let mut word = Place::Unit {
            segment: placed.segment,
            offset: placed.offset,
            sealed_len: placed.sealed_len,
            block: 0,
        }
        .pack();
        let end = (placed.first_block + u64::from(placed.blocks)).min(index.blocks());
        for block in placed.first_block..end {
            let old = index.set(block, word);
            self.live[usize::from(placed.segment)] += 1;
            self.occupied += 1;
            release(&mut self.live, &mut self.occupied, old);
            word = word.wrapping_add(Place::NEXT_BLOCK);
        }
        if !placed.relocation {
            self.mark_dirty(placed.volume, placed.first_block, u64::from(placed.blocks));
        }
    }

    pub(super) fn trim(&mut self, trim: &TrimEntry) {
        let Some(index) = self.volumes.iter_mut().find(|index| index.volume == trim.volume) else {
            return;
        };
        let word = match trim.kind {
            TrimKind::Zero if index.has_base => Place::ZERO,
            TrimKind::Zero | TrimKind::Base => Place::BASE,
        };
        let (live, occupied) = (&mut self.live, &mut self.occupied);
        index.fill(trim.first_block, trim.blocks, word, |old| {
            release(live, occupied, old)
        });
        self.mark_dirty(trim.volume, trim.first_block, trim.blocks);
    }

    /// Counts again what each segment holds, after a checkpoint was loaded.
    pub(super) fn recount(&mut self) {
        self.live.iter_mut().for_each(|live| *live = 0);
        self.occupied = 0;
        for index in &self.volumes {
            for segment in index.unit_words().filter_map(Place::segment_of) {
                if let Some(live) = self.live.get_mut(usize::from(segment)) {
                    *live += 1;
                    self.occupied += 1;
                }
            }
        }
    }

    /// The dirty maps as they must outlive a crash: what was sent but not confirmed counts as not received.
    pub(super) fn unconfirmed(&self) -> Vec<DirtyMap> {
        let maps = self.dirty.iter().cloned().zip(&self.sent);
        maps.map(|(mut map, sent)| {
            map.bits
                .iter_mut()
                .zip(sent)
                .for_each(|(bits, sent)| *bits |= sent);
            map
        })
        .collect()
    }

    fn mark_dirty(&mut self, volume: VolumeId, first_block: u64, blocks: u64) {
        let maps = self.dirty.iter_mut().filter(|map| map.volume == volume);
        maps.for_each(|map| map.mark(first_block, blocks));
    }
}

fn release(live: &mut [u32], occupied: &mut u64, word: u64) {
    if let Some(live) = Place::segment_of(word).and_then(|segment| live.get_mut(usize::from(segment))) {
        *live = live.saturating_sub(1);
        *occupied = occupied.saturating_sub(1);
    }
}
