//! Which clusters of the device belong to which file, as exFAT would give them out. Pure.
//!
//! ```text
//! 0        1 MiB          + 4 bytes a cluster      + 1 bit a cluster       next 4 MiB
//! ├────────┼───────────────┼───────────────────────┼─────────── … ─────────┼──────────▶ clusters
//! │ boot   │ FAT           │ bitmap                │                       │ directories and files
//! ```
//!
//! A file's next cluster is the one behind its last if that is free, else the next free one behind whatever was given
//! out last. A file in one piece needs no FAT entries; one in several pieces needs one for each cluster.

use std::collections::{BTreeSet, HashMap};

use thiserror::Error;

use crate::preset::Preset;

/// What the kernel writes of metadata at once.
pub const SECTOR_BYTES: u64 = 512;
const FAT_AT: u64 = 1 << 20;
const HEAP_ALIGN: u64 = 4 << 20;

/// A file or directory, by a number its owner chooses.
pub type FileId = u64;

/// The stick is full.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no free cluster on the stick")]
pub struct Full;

impl Full {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        "stick-model.full"
    }
}

/// Clusters in a row that belong to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    count: u64,
}

/// The map of the device.
pub struct Layout {
    cluster_bytes: u64,
    bitmap_at: u64,
    heap_at: u64,
    taken: Vec<bool>,
    free: u64,
    next: u64,
    files: HashMap<FileId, Vec<Run>>,
}

impl Layout {
    /// An empty device.
    pub fn new(preset: &Preset) -> Self {
        let cluster_bytes = preset.cluster_bytes;
        let most = preset.capacity_bytes / cluster_bytes;
        let bitmap_at = FAT_AT + (most * 4).next_multiple_of(SECTOR_BYTES);
        let heap_at = (bitmap_at + most.div_ceil(8)).next_multiple_of(HEAP_ALIGN);
        let clusters = preset.capacity_bytes.saturating_sub(heap_at) / cluster_bytes;
        Self {
            cluster_bytes,
            bitmap_at,
            heap_at,
            taken: vec![false; usize::try_from(clusters).unwrap_or(0)],
            free: clusters,
            next: 0,
            files: HashMap::new(),
        }
    }

    /// Bytes of all clusters, and of the free ones.
    pub fn space(&self) -> (u64, u64) {
        (
            self.taken.len() as u64 * self.cluster_bytes,
            self.free * self.cluster_bytes,
        )
    }

    /// Bytes of a cluster.
    pub fn cluster_bytes(&self) -> u64 {
        self.cluster_bytes
    }

    /// Makes room for the first `bytes` of `file`; the metadata sectors this changes join `changed`.
    pub fn grow(&mut self, file: FileId, bytes: u64, changed: &mut BTreeSet<u64>) -> Result<(), Full> {
        let wanted = bytes.div_ceil(self.cluster_bytes);
        let mut runs = self.files.remove(&file).unwrap_or_default();
        let mut has: u64 = runs.iter().map(|run| run.count).sum();
        let mut result = Ok(());
        while has < wanted {
            let Some(cluster) = self.find(runs.last()) else {
                result = Err(Full);
                break;
            };
            self.mark(cluster, true, changed);
            self.next = cluster + 1;
            has += 1;
            match runs.last_mut() {
                Some(run) if run.first + run.count == cluster => {
                    run.count += 1;
                    if runs.len() > 1 {
                        changed.insert(fat_sector(cluster));
                    }
                }
                _ => {
                    runs.push(Run {
                        first: cluster,
                        count: 1,
                    });
                    if runs.len() == 2 {
                        // From here on the chain is in the FAT, from its beginning.
                        changed.extend(runs.iter().flat_map(fat_sectors));
                    } else if runs.len() > 2 {
                        changed.insert(fat_sector(cluster));
                    }
                }
            }
        }
        self.files.insert(file, runs);
        result
    }

    /// Gives back what `file` has beyond its first `bytes`.
    pub fn shrink(&mut self, file: FileId, bytes: u64, changed: &mut BTreeSet<u64>) {
        let mut keep = bytes.div_ceil(self.cluster_bytes);
        let mut runs = self.files.remove(&file).unwrap_or_default();
        for run in &mut runs {
            let kept = run.count.min(keep);
            keep -= kept;
            for cluster in run.first + kept..run.first + run.count {
                self.mark(cluster, false, changed);
            }
            run.count = kept;
        }
        runs.retain(|run| run.count > 0);
        if !runs.is_empty() {
            self.files.insert(file, runs);
        }
    }

    /// Where `len` bytes of `file` from `offset` on are: addresses and lengths, as few as possible. What the file has no
    /// clusters for is left out.
    pub fn places(&self, file: FileId, offset: u64, len: u64) -> Vec<(u64, u64)> {
        let (mut at, end) = (offset, offset.saturating_add(len));
        let mut places = Vec::new();
        let mut run_from = 0;
        for run in self.files.get(&file).map_or(&[][..], Vec::as_slice) {
            let run_to = run_from + run.count * self.cluster_bytes;
            if at < run_to && at < end {
                let to = run_to.min(end);
                let address = self.heap_at + run.first * self.cluster_bytes + (at - run_from);
                places.push((address, to - at));
                at = to;
            }
            run_from = run_to;
        }
        places
    }

    fn find(&self, last: Option<&Run>) -> Option<u64> {
        let is_free = |cluster: u64| {
            let index = usize::try_from(cluster).unwrap_or(usize::MAX);
            self.taken.get(index).is_some_and(|taken| !taken)
        };
        let behind = last.map(|run| run.first + run.count);
        if let Some(cluster) = behind.filter(|cluster| is_free(*cluster)) {
            return Some(cluster);
        }
        let all = self.taken.len() as u64;
        (self.next..all)
            .chain(0..self.next.min(all))
            .find(|cluster| is_free(*cluster))
    }

    fn mark(&mut self, cluster: u64, taken: bool, changed: &mut BTreeSet<u64>) {
        if let Some(mark) = self.taken.get_mut(usize::try_from(cluster).unwrap_or(usize::MAX)) {
            *mark = taken;
        }
        self.free = if taken { self.free - 1 } else { self.free + 1 };
        changed.insert(sector(self.bitmap_at + cluster / 8));
    }
}

/// The sector that holds a byte.
pub fn sector(address: u64) -> u64 {
    address - address % SECTOR_BYTES
}

fn fat_sector(cluster: u64) -> u64 {
    sector(FAT_AT + cluster * 4)
}

fn fat_sectors(run: &Run) -> impl Iterator<Item = u64> + use<> {
    let per_sector = SECTOR_BYTES / 4;
    (run.first / per_sector..=(run.first + run.count - 1) / per_sector)
        .map(move |number| fat_sector(number * per_sector))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::POOR;

    const CLUSTER: u64 = POOR.cluster_bytes;

    fn grow(layout: &mut Layout, file: FileId, clusters: u64) -> usize {
        let mut changed = BTreeSet::new();
        layout.grow(file, clusters * CLUSTER, &mut changed).unwrap();
        changed.len()
    }

    #[test]
    fn a_file_written_alone_is_in_one_piece() {
        let mut layout = Layout::new(&POOR);
        for clusters in 1..=100 {
            let changed = grow(&mut layout, 1, clusters);
            assert_eq!(changed, 1, "only the bitmap");
        }
        let places = layout.places(1, 10, 100 * CLUSTER);
        assert_eq!(places.len(), 1);
        let (address, len) = places[0];
        assert_eq!(len, 100 * CLUSTER - 10);
        assert_eq!((address - 10) % HEAP_ALIGN, 0, "data begin at a unit's edge");
    }

    #[test]
    fn two_files_written_together_are_in_pieces_and_in_the_fat() {
        let mut layout = Layout::new(&POOR);
        assert_eq!(grow(&mut layout, 1, 1), 1);
        assert_eq!(grow(&mut layout, 2, 1), 1);
        assert_eq!(grow(&mut layout, 1, 2), 2, "bitmap and FAT");
        let places = layout.places(1, 0, 2 * CLUSTER);
        assert_eq!(places.len(), 2);
        assert_eq!(places[1].0 - places[0].0, 2 * CLUSTER);
    }

    #[test]
    fn space_comes_back_and_runs_out() {
        let mut layout = Layout::new(&POOR);
        let (all, free) = layout.space();
        assert_eq!(all, free);
        grow(&mut layout, 1, 10);
        let mut changed = BTreeSet::new();
        layout.shrink(1, 3 * CLUSTER - 1, &mut changed);
        assert_eq!(layout.space().1, all - 3 * CLUSTER);
        assert_eq!(layout.places(1, 0, u64::MAX), [(layout.heap_at, 3 * CLUSTER)]);
        layout.shrink(1, 0, &mut changed);
        assert_eq!(layout.space().1, all);
        assert_eq!(layout.grow(2, all, &mut changed), Ok(()));
        assert_eq!(layout.grow(3, 1, &mut changed), Err(Full));
    }
}
