//! Which chunks the repository holds already, in memory while building.
//!
//! 28 bytes a chunk: 448 MiB for a TiB of distinct data. Entries lie in sorted runs, with a small table for
//! the newest, so that memory never doubles for growth; a lookup costs a binary search per run, far less
//! than hashing the chunk did.

use std::collections::HashMap;

use gobag_format::chunk::ShortChunkId;
use gobag_format::crypto::Key;
use gobag_format::digest::Digest;
use gobag_format::ids::PackId;
use gobag_format::pack::FrameAddress;

use super::{Repository, RepositoryError};

/// Entries gathered before they become a sorted run.
const RUN_ENTRIES: usize = 1 << 20;

/// Where a chunk lies: the number of the pack in the index, and the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Location {
    pub(crate) pack: u32,
    pub(crate) frame: FrameAddress,
}

/// A place, and whether the version being built uses it.
#[derive(Clone, Copy)]
struct Slot {
    /// The number of the pack, and [`USED`].
    pack: u32,
    frame: FrameAddress,
}

/// Set in a slot's `pack`; no repository has so many packs.
const USED: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct Entry {
    chunk: ShortChunkId,
    slot: Slot,
}

impl Slot {
    fn location(&self) -> Location {
        Location {
            pack: self.pack & !USED,
            frame: self.frame,
        }
    }
}

/// A pack the index knows.
pub(crate) struct IndexedPack {
    pub(crate) id: PackId,
    pub(crate) key: Key,
    pub(crate) len_bytes: u64,
    /// Known when a build of this process wrote it.
    pub(crate) digest: Option<Digest>,
}

/// Chunks by id.
#[derive(Default)]
pub(crate) struct ChunkIndex {
    packs: Vec<IndexedPack>,
    runs: Vec<Vec<Entry>>,
    recent: HashMap<ShortChunkId, Slot>,
}

impl ChunkIndex {
    /// Reads the directories of all packs. A pack that does not open is left out and handed to `refused`: its
    /// chunks are stored again, and verifying tells what is wrong with it.
    pub(crate) fn load(
        repository: &Repository,
        owner_key: &Key,
        mut refused: impl FnMut(PackId, RepositoryError),
    ) -> Result<Self, RepositoryError> {
        let mut index = Self::default();
        for id in repository.packs()? {
            let opened = match repository.open_pack(id, owner_key) {
                Ok(opened) => opened,
                Err(error) => {
                    refused(id, error);
                    continue;
                }
            };
            let pack = index.add_pack(IndexedPack {
                id,
                key: opened.key,
                len_bytes: opened.len_bytes,
                digest: None,
            });
            for entry in opened.directory.entries() {
                index.insert(
                    entry.chunk.short(),
                    Location {
                        pack,
                        frame: entry.address,
                    },
                );
            }
        }
        Ok(index)
    }

    /// Gives a pack its number.
    pub(crate) fn add_pack(&mut self, pack: IndexedPack) -> u32 {
        self.packs.push(pack);
        (self.packs.len() - 1) as u32
    }

    pub(crate) fn pack(&self, number: u32) -> &IndexedPack {
        &self.packs[number as usize]
    }

    pub(crate) fn pack_mut(&mut self, number: u32) -> &mut IndexedPack {
        &mut self.packs[number as usize]
    }

    pub(crate) fn contains(&self, chunk: &ShortChunkId) -> bool {
        self.recent.contains_key(chunk) || self.runs.iter().any(|run| find(run, chunk).is_some())
    }

    /// Where a chunk lies, and whether this is its first use.
    pub(crate) fn use_chunk(&mut self, chunk: &ShortChunkId) -> Option<(Location, bool)> {
        let slot = match self.recent.get_mut(chunk) {
            Some(slot) => slot,
            None => {
                let mut runs = self.runs.iter_mut();
                runs.find_map(|run| find(run, chunk).map(|at| &mut run[at].slot))?
            }
        };
        let first_use = slot.pack & USED == 0;
        slot.pack |= USED;
        Some((slot.location(), first_use))
    }

    /// Adds a chunk; should it be there already, the older place counts.
    pub(crate) fn insert(&mut self, chunk: ShortChunkId, location: Location) {
        let Location { pack, frame } = location;
        self.recent.entry(chunk).or_insert(Slot { pack, frame });
        if self.recent.len() >= RUN_ENTRIES {
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        let mut run: Vec<Entry> = self
            .recent
            .drain()
            .map(|(chunk, slot)| Entry { chunk, slot })
            .collect();
        run.sort_unstable_by_key(|entry| entry.chunk);
        self.runs.push(run);
    }
}

fn find(run: &[Entry], chunk: &ShortChunkId) -> Option<usize> {
    run.binary_search_by(|entry| entry.chunk.cmp(chunk)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(n: u32) -> Location {
        Location {
            pack: n % 7,
            frame: FrameAddress::new(4096 + n, 1 + (n as usize % 57_344)).unwrap(),
        }
    }

    fn id(n: u32) -> ShortChunkId {
        ShortChunkId(*Digest::of(&n.to_le_bytes()).0.first_chunk().unwrap())
    }

    #[test]
    fn an_entry_is_as_small_as_the_documents_say() {
        assert_eq!(size_of::<Entry>(), 28);
    }

    #[test]
    fn what_was_inserted_is_found_in_the_table_and_in_the_runs() {
        let mut index = ChunkIndex::default();
        for n in 0..5000 {
            index.insert(id(n), location(n));
            if n % 1000 == 999 {
                index.end_run();
            }
        }
        index.insert(id(6000), location(6000));
        assert_eq!((index.runs.len(), index.recent.len()), (5, 1));
        for n in (0..5000).chain([6000]) {
            assert!(index.contains(&id(n)));
            assert_eq!(index.use_chunk(&id(n)), Some((location(n), true)));
            assert_eq!(index.use_chunk(&id(n)), Some((location(n), false)));
        }
        assert!(!index.contains(&id(5500)));
        assert_eq!(index.use_chunk(&id(5500)), None);
    }
}
