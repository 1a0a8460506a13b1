//! One volume of an image.

use std::io;
use std::sync::Arc;

use gobag_format::crypto::Key;
use gobag_format::limits::CHUNK_LEN;
use gobag_format::map::{
    LEAF_ENTRIES, MAP_HEADER_LEN, MapCipher, MapEntry, MapError, MapLeaf, MapRoot, root_len,
};
use gobag_format::pack::PACK_FOOTER_LEN;
use quick_cache::sync::Cache;

use super::ahead::ReadAhead;
use super::cache::empty_chunk;
use super::{BaseError, Shared};
use crate::medium::FileRef;
use crate::volume::VolumeError;

/// Leaves kept in memory: 28 KiB each, 16 GiB of disk.
const LEAVES_IN_MEMORY: usize = 256;

/// A read-only volume of an image; cheap to read from many threads.
pub struct BaseVolume {
    source: Arc<Source>,
    ahead: Option<ReadAhead>,
}

/// The part that the read-ahead thread shares.
pub(super) struct Source {
    shared: Arc<Shared>,
    map: FileRef,
    cipher: MapCipher,
    root: MapRoot,
    leaves: Cache<u64, Arc<MapLeaf>>,
}

impl BaseVolume {
    pub(super) fn open(shared: Arc<Shared>, image_key: &Key, volume: u8) -> Result<Self, BaseError> {
        let image = shared.manifest.image;
        let entry = shared.manifest.volumes.get(usize::from(volume));
        let entry = entry.ok_or(BaseError::NoSuchVolume { volume })?;
        let file = FileRef::Map(image, volume);
        let failed = |source| BaseError::Medium { file, source };
        let refused = |source| BaseError::Map { file, source };
        // A file that ends early is no trouble of the medium.
        let ended = |refusal: MapError| {
            move |source: io::Error| match source.kind() {
                io::ErrorKind::UnexpectedEof => refused(refusal),
                _ => failed(source),
            }
        };
        let cipher = MapCipher::new(image_key, image, volume);
        let mut header = [0; MAP_HEADER_LEN];
        let read = shared.medium.read_at(file, 0, &mut header);
        read.map_err(ended(MapError::NotAMap))?;
        cipher.check_header(&header).map_err(refused)?;
        // The manifest's check has bounded the size, and with it the root.
        let mut sealed = vec![0; root_len(entry.size_bytes) as usize];
        shared
            .medium
            .read_at(file, entry.map.root_offset, &mut sealed)
            .map_err(ended(MapError::Root))?;
        let root = cipher
            .open_root(&entry.map, entry.size_bytes, &mut sealed)
            .map_err(refused)?;
        let read_ahead_chunks = shared.read_ahead_chunks;
        let source = Arc::new(Source {
            shared,
            map: file,
            cipher,
            root,
            leaves: Cache::new(LEAVES_IN_MEMORY),
        });
        let ahead = (read_ahead_chunks > 0).then(|| ReadAhead::new(&source, read_ahead_chunks));
        Ok(Self { source, ahead })
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.source.root.size_bytes()
    }

    /// Fills `buffer` from `offset`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let (len, size) = (buffer.len() as u64, self.size_bytes());
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(VolumeError::OutOfRange { offset, len, size });
        }
        if let (Some(ahead), 1..) = (&self.ahead, len) {
            ahead.note(offset / CHUNK_LEN as u64..(offset + len).div_ceil(CHUNK_LEN as u64));
        }
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (index, from) = (at / CHUNK_LEN as u64, (at % CHUNK_LEN as u64) as usize);
            let len = rest.len().min(CHUNK_LEN - from);
            let (part, behind) = rest.split_at_mut(len);
            if let Some(ahead) = &self.ahead {
                ahead.reached(index);
            }
            part.copy_from_slice(&self.source.read_chunk(index)?[from..from + len]);
            (at, rest) = (at + len as u64, behind);
        }
        Ok(())
    }

    /// The `index`-th chunk of the volume, always 64 KiB long; what lies past the end of the volume is zero.
    pub fn read_chunk(&self, index: u64) -> Result<Arc<[u8]>, VolumeError> {
        if let Some(ahead) = &self.ahead {
            ahead.note(index..index + 1);
        }
        self.source.read_chunk(index)
    }

    /// Whether the `index`-th chunk is stored; a chunk of zeros is not.
    pub fn is_stored(&self, index: u64) -> Result<bool, VolumeError> {
        Ok(self.source.entry(index)?.is_some())
    }

    pub(crate) fn leaves(&self) -> u64 {
        self.source.root.leaves()
    }

    pub(crate) fn leaf(&self, leaf: u64) -> Result<Arc<MapLeaf>, BaseError> {
        self.source.leaf(leaf)
    }
}

impl Source {
    /// The chunk from memory or the medium.
    pub(super) fn read_chunk(&self, index: u64) -> Result<Arc<[u8]>, VolumeError> {
        let cache = &self.shared.cache;
        let Some(entry) = self.entry(index)? else {
            return Ok(cache.zero());
        };
        if let Some(chunk) = cache.get(&entry.chunk) {
            return Ok(chunk);
        }
        cache.get_or_read(&entry.chunk, |opener| {
            let (decoder, sealed) = opener.parts(entry.frame.sealed_len());
            let file = self.place(&entry, index)?;
            let read = self.shared.medium.read_at(file, entry.frame.offset(), sealed);
            read.map_err(|error| match error.kind() {
                // The file is shorter than the manifest says: no trouble of the medium.
                io::ErrorKind::UnexpectedEof => damaged(file, index),
                _ => VolumeError::Medium(error),
            })?;
            let mut chunk = empty_chunk();
            let target = Arc::get_mut(&mut chunk).expect("nobody else has a chunk just made");
            let opened = self.shared.packs[usize::from(entry.pack)]
                .open_frame(entry.frame.offset(), sealed)
                .and_then(|payload| decoder.decode(payload, target));
            if opened.is_err() || self.shared.namer.id(target).short() != entry.chunk {
                return Err(damaged(file, index));
            }
            Ok(chunk)
        })
    }

    /// Whether reading the chunk would touch the medium, as far as memory knows.
    pub(super) fn is_at_hand(&self, index: u64) -> bool {
        match self.entry(index) {
            Ok(Some(entry)) => self.shared.cache.contains(&entry.chunk),
            _ => true,
        }
    }

    pub(super) fn chunks(&self) -> u64 {
        gobag_format::map::chunk_count(self.root.size_bytes())
    }

    fn entry(&self, index: u64) -> Result<Option<MapEntry>, VolumeError> {
        if index >= self.chunks() {
            let (offset, len) = (index.saturating_mul(CHUNK_LEN as u64), CHUNK_LEN as u64);
            return Err(VolumeError::OutOfRange {
                offset,
                len,
                size: self.root.size_bytes(),
            });
        }
        let leaf = index / LEAF_ENTRIES as u64;
        if self.root.leaf(leaf).is_none() {
            return Ok(None);
        }
        let leaf = self.leaf(leaf)?;
        Ok(leaf
            .entries()
            .get((index % LEAF_ENTRIES as u64) as usize)
            .copied()
            .flatten())
    }

    fn leaf(&self, leaf: u64) -> Result<Arc<MapLeaf>, BaseError> {
        self.leaves.get_or_insert_with(&leaf, || {
            let refused = |source: MapError| BaseError::Map {
                file: self.map,
                source,
            };
            let mut sealed = Vec::new();
            if let Some(place) = self.root.leaf(leaf) {
                sealed.resize(place.len, 0);
                let read = self.shared.medium.read_at(self.map, place.offset, &mut sealed);
                read.map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => refused(MapError::Leaf { leaf }),
                    _ => BaseError::Medium {
                        file: self.map,
                        source,
                    },
                })?;
            }
            self.cipher
                .open_leaf(&self.root, leaf, &mut sealed)
                .map(Arc::new)
                .map_err(refused)
        })
    }

    /// The pack file of an entry; the signed map must stay inside the signed list of packs.
    fn place(&self, entry: &MapEntry, index: u64) -> Result<FileRef, VolumeError> {
        let pack = self.shared.manifest.packs.get(usize::from(entry.pack));
        let pack = pack.ok_or_else(|| damaged(self.map, index))?;
        if entry.frame.end() > pack.len_bytes - PACK_FOOTER_LEN as u64 {
            return Err(damaged(self.map, index));
        }
        Ok(FileRef::Pack(pack.id))
    }
}

fn damaged(file: FileRef, index: u64) -> VolumeError {
    VolumeError::Damaged {
        what: format!("chunk {index} in {file}"),
    }
}
