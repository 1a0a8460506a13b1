//! Writes that are acknowledged but not yet in the log.
//!
//! A batch keeps only the newest content of a block. That is safe because a batch counts whole or not at
//! all: what a reader recovers is always the state after some batch.
//!
//! Blocks are kept in the groups that units are made of, so that a batch is sealed from where it lies.

use std::collections::BTreeMap;

use gobag_format::{
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_UNIT_BLOCKS},
    log::{TrimEntry, TrimKind},
    wiped::Wiped,
};

use super::units::Run;

/// Blocks of a group.
const GROUP: u64 = MAX_UNIT_BLOCKS as u64;

#[derive(Default)]
pub(super) struct Pending {
    groups: BTreeMap<(VolumeId, u64), Group>,
    /// Blocks in `groups`.
    blocks: usize,
    /// Ranges given up, first block to end, disjoint; a block in `groups` was written after.
    trims: BTreeMap<(VolumeId, u64), u64>,
    /// Blocks that had no place in the log when they were written: what the batch adds to its load.
    pub(super) new_blocks: u64,
}

/// What a batch says of a block.
pub(super) enum Hit<'a> {
    /// Its content, [`BLOCK_LEN`] bytes.
    Data(&'a [u8]),
    Zero,
}

/// The blocks of one aligned 64 KiB.
#[derive(Default)]
struct Group {
    /// A bit for each block that is there.
    present: u16,
    /// Those blocks, in order and without gaps.
    data: Wiped,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.trims.is_empty()
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.blocks * BLOCK_LEN + self.trims.len() * 64
    }

    pub(super) fn get(&self, volume: VolumeId, block: u64) -> Option<Hit<'_>> {
        let group = self.groups.get(&(volume, block / GROUP));
        if let Some(data) = group.and_then(|group| group.get(block % GROUP)) {
            return Some(Hit::Data(data));
        }
        let (&(of, _), &end) = self.trims.range(..=(volume, block)).next_back()?;
        (of == volume && block < end).then_some(Hit::Zero)
    }

    pub(super) fn has_data(&self, volume: VolumeId, block: u64) -> bool {
        let group = self.groups.get(&(volume, block / GROUP));
        group.is_some_and(|group| group.has(block % GROUP))
    }

    /// Sets whole blocks from `first` on.
    pub(super) fn write(&mut self, volume: VolumeId, first: u64, mut data: &[u8]) {
        let mut block = first;
        while !data.is_empty() {
            let room = (GROUP - block % GROUP) as usize * BLOCK_LEN;
            let (now, later) = data.split_at(room.min(data.len()));
            let group = self.groups.entry((volume, block / GROUP)).or_default();
            let before = group.len();
            group.write(block % GROUP, now);
            self.blocks += group.len() - before;
            block += (now.len() / BLOCK_LEN) as u64;
            data = later;
        }
    }

    /// Gives up whole blocks `first..end`.
    pub(super) fn trim(&mut self, volume: VolumeId, first: u64, end: u64) {
        if first < end {
            let blocks = &mut self.blocks;
            let groups = (volume, first / GROUP)..=(volume, (end - 1) / GROUP);
            let touched: Vec<_> = self.groups.range(groups).map(|(key, _)| *key).collect();
            for key in touched {
                let from = key.1 * GROUP;
                let gone = first.max(from) - from..end.min(from + GROUP) - from;
                if let Some(group) = self.groups.get_mut(&key) {
                    *blocks -= group.len();
                    group.remove(gone);
                    *blocks += group.len();
                    if group.len() == 0 {
                        self.groups.remove(&key);
                    }
                }
            }
        }
        let (mut first, mut end) = (first, end);
        // Merge with every range that overlaps or touches.
        let reach = (volume, end);
        let merged: Vec<_> = self
            .trims
            .range(..=reach)
            .rev()
            .take_while(|((of, _), upto)| *of == volume && **upto >= first)
            .map(|(key, upto)| (*key, *upto))
            .collect();
        for (key, upto) in merged {
            first = first.min(key.1);
            end = end.max(upto);
            self.trims.remove(&key);
        }
        self.trims.insert((volume, first), end);
    }

    pub(super) fn trims(&self) -> impl Iterator<Item = TrimEntry> + '_ {
        self.trims.iter().map(|(&(volume, first_block), &end)| TrimEntry {
            volume,
            kind: TrimKind::Zero,
            first_block,
            blocks: end - first_block,
        })
    }

    /// The data, in order of volume and block, as runs of neighbours of one group: a unit each, so that reading
    /// one block of a sequentially written file finds its neighbours in the same unit.
    pub(super) fn runs(&self) -> Vec<Run<'_>> {
        let mut runs = Vec::with_capacity(self.groups.len());
        for (&(volume, group), content) in &self.groups {
            let (mut nth, mut rest) = (0, &content.data[..]);
            while !rest.is_empty() {
                nth += (content.present >> nth).trailing_zeros();
                let blocks = (content.present >> nth).trailing_ones();
                let (data, later) = rest.split_at(blocks as usize * BLOCK_LEN);
                runs.push(Run {
                    volume,
                    first_block: group * GROUP + u64::from(nth),
                    data,
                });
                nth += blocks;
                rest = later;
            }
        }
        runs
    }
}

impl Group {
    /// Blocks that are there.
    fn len(&self) -> usize {
        self.present.count_ones() as usize
    }

    fn has(&self, nth: u64) -> bool {
        self.present >> nth & 1 == 1
    }

    /// Where the `nth` block lies in the data, or would.
    fn at(&self, nth: u64) -> usize {
        (self.present & ((1 << nth) - 1)).count_ones() as usize * BLOCK_LEN
    }

    fn get(&self, nth: u64) -> Option<&[u8]> {
        let at = self.at(nth);
        self.has(nth).then(|| &self.data[at..at + BLOCK_LEN])
    }

    fn write(&mut self, first: u64, data: &[u8]) {
        let blocks = (data.len() / BLOCK_LEN) as u64;
        let mask = (((1u32 << blocks) - 1) << first) as u16;
        // What is there of these blocks lies in one piece.
        let (from, kept) = (
            self.at(first),
            (self.present & mask).count_ones() as usize * BLOCK_LEN,
        );
        let (end, more) = (self.data.len(), data.len() - kept);
        self.reserve(more);
        if from == end {
            self.data.extend_from_slice(data);
        } else {
            self.data.resize(end + more, 0);
            self.data.copy_within(from + kept..end, from + data.len());
            self.data[from..from + data.len()].copy_from_slice(data);
        }
        self.present |= mask;
    }

    fn remove(&mut self, blocks: std::ops::Range<u64>) {
        let mask = ((1u32 << blocks.end) - (1u32 << blocks.start)) as u16;
        let from = self.at(blocks.start);
        let gone = (self.present & mask).count_ones() as usize * BLOCK_LEN;
        self.data.drain(from..from + gone);
        self.present &= !mask;
    }

    /// Makes room for `more` bytes without leaving a copy of the old ones behind, as growing would.
    fn reserve(&mut self, more: usize) {
        let len = self.data.len() + more;
        if len > self.data.capacity() {
            let capacity = if self.data.is_empty() {
                len
            } else {
                len.next_power_of_two()
            };
            let mut larger = Wiped::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(&self.data);
            self.data = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOLUME: VolumeId = VolumeId(3);

    proptest! {
        #[test]
        fn a_batch_knows_the_newest_of_every_block(
            steps in prop::collection::vec((any::<bool>(), 0u64..60, 1u64..20, any::<u8>()), 1..60)
        ) {
            let mut pending = Pending::default();
            // What each block is expected to be: untouched, given up, or filled with a number.
            let mut model = [None; 80];
            for (is_trim, first, blocks, fill) in steps {
                let range = first as usize..(first + blocks) as usize;
                if is_trim {
                    pending.trim(VOLUME, first, first + blocks);
                    model[range].fill(Some(None));
                } else {
                    let data: Vec<u8> = range.clone().flat_map(|nth| [fill ^ nth as u8; BLOCK_LEN]).collect();
                    pending.write(VOLUME, first, &data);
                    range.for_each(|nth| model[nth] = Some(Some(fill ^ nth as u8)));
                }
            }
            let blocks = model.iter().filter(|block| matches!(block, Some(Some(_)))).count();
            let mut in_runs = 0;
            for run in pending.runs() {
                let count = (run.data.len() / BLOCK_LEN) as u64;
                prop_assert_eq!(run.first_block / GROUP, (run.first_block + count - 1) / GROUP);
                for (nth, data) in run.data.chunks(BLOCK_LEN).enumerate() {
                    let block = run.first_block as usize + nth;
                    prop_assert!(data.iter().all(|byte| Some(Some(*byte)) == model[block]));
                }
                in_runs += count as usize;
            }
            prop_assert_eq!(in_runs, blocks);
            prop_assert_eq!(pending.bytes(), blocks * BLOCK_LEN + pending.trims.len() * 64);
            for (block, expected) in model.iter().enumerate() {
                let got = pending.get(VOLUME, block as u64).map(|hit| match hit {
                    Hit::Data(data) => Some(data[0]),
                    Hit::Zero => None,
                });
                prop_assert_eq!(got, *expected);
                prop_assert_eq!(pending.has_data(VOLUME, block as u64), matches!(expected, Some(Some(_))));
            }
            prop_assert!(pending.get(VolumeId(2), 5).is_none() && pending.get(VolumeId(4), 5).is_none());
        }
    }
}
