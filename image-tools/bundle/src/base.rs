//! Reading an image: manifest, maps, packs; read-only and the same for every stick.
//!
//! The way of a chunk: leaf of the map → frame in a pack → open → decompress → hash and compare with the
//! signed map. The last step is what makes a stolen passphrase useless for forging: it opens and seals
//! frames, and still cannot make other content pass. Verified chunks are cached under their id, so equal
//! chunks of all volumes share one place, and one thread reads what many ask for.

mod ahead;
mod cache;
mod export;
mod volume;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use gobag_format::chunk::ChunkNamer;
use gobag_format::crypto::Key;
use gobag_format::limits::MAX_MANIFEST_LEN;
use gobag_format::manifest::{self, Manifest, ManifestError, Trust};
use gobag_format::map::MapError;
use gobag_format::pack::PackCipher;
use thiserror::Error;

use crate::medium::{FileRef, Medium};
use crate::volume::VolumeError;

pub use export::ExportError;
pub use volume::BaseVolume;

use cache::ChunkCache;

/// How much memory reading may use, and whether it looks ahead.
#[derive(Clone, Debug)]
pub struct BaseOptions {
    /// Memory for decrypted chunks, bytes.
    pub cache_bytes: u64,
    /// Chunks read ahead of a sequential reader at most; 0 also turns off that long reads use all cores.
    pub read_ahead_chunks: u64,
}

impl Default for BaseOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            read_ahead_chunks: 32,
        }
    }
}

/// An image version on a medium, opened and verified; gives out its volumes.
pub struct BaseImage {
    shared: Arc<Shared>,
    image_key: Key,
}

/// What the volumes of an image share.
struct Shared {
    medium: Arc<dyn Medium>,
    manifest: Arc<Manifest>,
    packs: Vec<PackCipher>,
    namer: ChunkNamer,
    cache: ChunkCache,
    read_ahead_chunks: u64,
}

/// Why an image does not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BaseError {
    /// A file of the image cannot be read.
    #[error("cannot read {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// What the medium said.
        #[source]
        source: io::Error,
    },
    /// The manifest was refused.
    #[error("{file} is refused")]
    Manifest {
        /// The file.
        file: FileRef,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A map was refused.
    #[error("{file} is refused")]
    Map {
        /// The file.
        file: FileRef,
        /// Why.
        #[source]
        source: MapError,
    },
    /// The image has no such volume.
    #[error("the image has no volume number {volume}")]
    NoSuchVolume {
        /// The number asked for.
        volume: u8,
    },
}

impl BaseError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Medium { .. } => "base.medium",
            Self::Manifest { source, .. } => source.code(),
            Self::Map { source, .. } => source.code(),
            Self::NoSuchVolume { .. } => "base.no-such-volume",
        }
    }
}

impl From<BaseError> for VolumeError {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Medium { source, .. } => Self::Medium(source),
            other => Self::Damaged {
                what: other.to_string(),
            },
        }
    }
}

impl BaseImage {
    /// Reads and verifies the manifest of `trust.image`.
    pub fn open(
        medium: Arc<dyn Medium>,
        image_key: &Key,
        trust: &Trust,
        options: &BaseOptions,
    ) -> Result<Self, BaseError> {
        let file = FileRef::Manifest(trust.image);
        let failed = |source| BaseError::Medium { file, source };
        let len = medium.len(file).map_err(failed)?;
        let refused = |source| BaseError::Manifest { file, source };
        let small = usize::try_from(len).ok().filter(|len| *len <= MAX_MANIFEST_LEN);
        let mut bytes = vec![0; small.ok_or(refused(ManifestError::TooLarge { len }))?];
        medium.read_at(file, 0, &mut bytes).map_err(failed)?;
        let opened = manifest::open(&bytes, image_key, trust).map_err(refused)?;
        Ok(Self::from_manifest(
            medium,
            Arc::new(opened.manifest),
            image_key,
            options,
        ))
    }

    /// Uses a manifest that was verified already.
    pub fn from_manifest(
        medium: Arc<dyn Medium>,
        manifest: Arc<Manifest>,
        image_key: &Key,
        options: &BaseOptions,
    ) -> Self {
        let packs = manifest
            .packs
            .iter()
            .map(|pack| PackCipher::new(pack.id, &pack.key))
            .collect();
        let namer = ChunkNamer::new(manifest.chunk_key.clone());
        let cache = ChunkCache::new(options.cache_bytes);
        let read_ahead_chunks = options.read_ahead_chunks;
        let shared = Shared {
            medium,
            manifest,
            packs,
            namer,
            cache,
            read_ahead_chunks,
        };
        Self {
            shared: Arc::new(shared),
            image_key: image_key.clone(),
        }
    }

    /// What the image is made of.
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// Opens volume number `volume`; reads the root of its map.
    pub fn volume(&self, volume: u8) -> Result<BaseVolume, BaseError> {
        BaseVolume::open(Arc::clone(&self.shared), &self.image_key, volume)
    }
}
