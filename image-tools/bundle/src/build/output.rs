//! Files a build writes: packs, and the maps of the new version.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use gobag_format::chunk::ChunkId;
use gobag_format::crypto::{Key, Random};
use gobag_format::digest::{Digest, DigestStream};
use gobag_format::ids::PackId;
use gobag_format::map::{MapEncoder, MapEntry, MapRef};
use gobag_format::pack::{FrameAddress, PackEncoder};

use super::NewImage;
use crate::files::{self, At, FileError};
use crate::repository::{Layout, layout};

/// Bytes gathered before a write.
const WRITE_LEN: usize = 4 << 20;

/// The pack being written.
pub(super) struct OpenPack {
    encoder: PackEncoder,
    file: Output,
    /// Its number in the index.
    pub(super) number: u32,
}

/// A pack that is complete, durable, and under its final name.
pub(super) struct NewPack {
    pub(super) number: u32,
    pub(super) len_bytes: u64,
    pub(super) digest: Digest,
}

impl OpenPack {
    pub(super) fn create(
        layout: &Layout,
        owner_key: &Key,
        limit_bytes: u64,
        random: &dyn Random,
        number: impl FnOnce(PackId, &Key) -> u32,
    ) -> Result<Self, FileError> {
        let mut header = Vec::new();
        let encoder = PackEncoder::new(owner_key, limit_bytes, random, &mut header);
        let mut file = Output::create(layout.unfinished_pack(encoder.id()))?;
        file.buffer.append(&mut header);
        let number = number(encoder.id(), encoder.key());
        Ok(Self {
            encoder,
            file,
            number,
        })
    }

    /// Adds a chunk; `None` when the pack is full.
    pub(super) fn push(&mut self, id: &ChunkId, payload: &[u8]) -> Result<Option<FrameAddress>, FileError> {
        let address = self.encoder.push(id, payload, &mut self.file.buffer);
        self.file.write_if_full()?;
        Ok(address)
    }

    /// Completes the file, makes it durable and gives it its name.
    pub(super) fn finish(mut self, layout: &Layout) -> Result<NewPack, FileError> {
        let pack = self.encoder.finish(&mut self.file.buffer);
        let (unfinished, digest) = self.file.finish()?;
        let path = layout.pack(pack.id);
        let folder = path.parent().unwrap_or(&path);
        files::make_folder(folder)?;
        files::sync_folder(&layout.packs())?;
        files::rename(&unfinished, &path)?;
        files::sync_folder(folder)?;
        Ok(NewPack {
            number: self.number,
            len_bytes: pack.len_bytes,
            digest,
        })
    }
}

/// The map being written.
pub(super) struct OpenMap {
    encoder: MapEncoder,
    file: Output,
}

impl OpenMap {
    pub(super) fn create(folder: &Path, image: &NewImage, volume: u8) -> Result<Self, FileError> {
        let mut file = Output::create(layout::map(folder, volume))?;
        let encoder = MapEncoder::new(&image.key, image.id, volume, &mut file.buffer);
        Ok(Self { encoder, file })
    }

    pub(super) fn push(&mut self, entry: Option<MapEntry>) -> Result<(), FileError> {
        self.encoder.push(entry, &mut self.file.buffer);
        self.file.write_if_full()
    }

    pub(super) fn finish(mut self) -> Result<MapRef, FileError> {
        let map = self.encoder.finish(&mut self.file.buffer);
        self.file.finish()?;
        Ok(map)
    }
}

/// A new file written from start to end.
struct Output {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    digest: DigestStream,
}

impl Output {
    fn create(path: PathBuf) -> Result<Self, FileError> {
        let file = File::create_new(&path).at("create", &path)?;
        Ok(Self {
            path,
            file,
            buffer: Vec::new(),
            digest: DigestStream::new(),
        })
    }

    fn write_if_full(&mut self) -> Result<(), FileError> {
        if self.buffer.len() >= WRITE_LEN {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<(), FileError> {
        self.digest.update(&self.buffer);
        self.file.write_all(&self.buffer).at("write", &self.path)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(PathBuf, Digest), FileError> {
        self.write()?;
        self.file.sync_all().at("sync", &self.path)?;
        Ok((self.path, self.digest.finish()))
    }
}
