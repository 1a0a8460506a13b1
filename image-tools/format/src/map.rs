//! Chunk maps: where each chunk of a volume lies (`docs/format.md`, "Map").
//!
//! ```text
//! header (32 bytes) | sealed leaves, byte-packed | sealed root
//! ```
//!
//! A leaf places 1024 chunks (64 MiB of disk); the root lists the leaves with their digests; the root's own
//! place and digest stand in the signed manifest. So every entry a reader uses is vouched for by IT, and
//! opening a volume costs one read of the root. A map is written once under a key made for this volume of
//! this image version; a nonce is the position in the file.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chunk::ShortChunkId;
use crate::crypto::{Key, TAG_LEN};
use crate::digest::Digest;
use crate::ids::ImageId;
use crate::limits::{CHUNK_LEN, MAX_VOLUME_LEN};
use crate::pack::FrameAddress;

pub use decode::{LeafPlace, MapCipher, MapLeaf, MapRoot};
pub use encode::MapEncoder;

/// Entries of a full leaf.
pub const LEAF_ENTRIES: usize = 1024;
/// Bytes of the header.
pub const MAP_HEADER_LEN: usize = 32;
/// The format version written, and the newest read.
pub const MAP_FORMAT: u32 = 1;
/// Longest sealed leaf, bytes: what zstd makes of incompressible entries, and the tag.
pub const MAX_LEAF_LEN: usize = LEAF_ENTRIES * ENTRY_LEN + 1024 + TAG_LEN;

const MAGIC: [u8; 8] = *b"GOBAGMAP";
const KEY_LABEL: &str = "map";
const ENTRY_LEN: usize = 16 + 2 + 2 + 4;
const ROOT_ENTRY_LEN: usize = 8 + 4 + 32;
const LEAF_DOMAIN: u8 = 1;
const ROOT_DOMAIN: u8 = 2;

/// Where one chunk lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapEntry {
    /// What the chunk must hash to.
    pub chunk: ShortChunkId,
    /// Position of the pack in the manifest's list.
    pub pack: u16,
    /// The frame in that pack.
    pub frame: FrameAddress,
}

/// The root of a map, as the signed manifest records it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapRef {
    /// Length of the map file.
    pub len_bytes: u64,
    /// First byte of the sealed root; it reaches to the end of the file.
    pub root_offset: u64,
    /// BLAKE3 of the sealed root.
    pub root_digest: Digest,
}

/// Chunks of a volume of `size_bytes`; the last one may stick out and is filled with zeros.
pub fn chunk_count(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(CHUNK_LEN as u64)
}

/// Leaves of a volume of `size_bytes`.
pub fn leaf_count(size_bytes: u64) -> u64 {
    chunk_count(size_bytes).div_ceil(LEAF_ENTRIES as u64)
}

/// Bytes of the sealed root of a volume of `size_bytes`.
pub fn root_len(size_bytes: u64) -> u64 {
    leaf_count(size_bytes) * ROOT_ENTRY_LEN as u64 + TAG_LEN as u64
}

impl MapRef {
    /// Whether such a map can belong to a volume of `size_bytes`.
    pub fn fits(&self, size_bytes: u64) -> bool {
        let longest_leaves = leaf_count(size_bytes) * MAX_LEAF_LEN as u64;
        size_bytes <= MAX_VOLUME_LEN
            && self.root_offset >= MAP_HEADER_LEN as u64
            && self.root_offset <= MAP_HEADER_LEN as u64 + longest_leaves
            && self.root_offset.checked_add(root_len(size_bytes)) == Some(self.len_bytes)
    }
}

/// Why a map was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The file does not begin like a map.
    #[error("not a chunk map")]
    NotAMap,
    /// A newer program wrote it.
    #[error("map format {found} is newer than {supported}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version this program reads.
        supported: u32,
    },
    /// It needs something this program does not know.
    #[error("map needs unknown features {bits:#x}")]
    UnknownFeature {
        /// The feature word.
        bits: u32,
    },
    /// The file belongs to another image version.
    #[error("map of image {expected} is expected here, not of {found}")]
    OtherImage {
        /// The image asked for.
        expected: ImageId,
        /// The id in the file's header.
        found: ImageId,
    },
    /// The root does not open, or is not the one the manifest vouches for.
    #[error("root of the map: wrong key or damaged data")]
    Root,
    /// A leaf does not open, or is not the one the root vouches for.
    #[error("leaf {leaf} of the map: wrong key or damaged data")]
    Leaf {
        /// Position of the leaf.
        leaf: u64,
    },
}

impl MapError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAMap => "map.not-a-map",
            Self::NewerFormat { .. } => "map.newer-format",
            Self::UnknownFeature { .. } => "map.unknown-feature",
            Self::OtherImage { .. } => "map.other-image",
            Self::Root => "map.root",
            Self::Leaf { .. } => "map.leaf",
        }
    }
}

/// The key of one volume's map.
fn map_key(image_key: &Key, image: ImageId, volume: u8) -> Key {
    let mut context = [0; 17];
    context[..16].copy_from_slice(&image.0);
    context[16] = volume;
    image_key.derive(KEY_LABEL, &context)
}

/// Associated data of a leaf or the root: image, volume, position of the leaf.
fn associated_data(image: ImageId, volume: u8, leaf: u64) -> [u8; 25] {
    let mut aad = [0; 25];
    aad[..16].copy_from_slice(&image.0);
    aad[16] = volume;
    aad[17..].copy_from_slice(&leaf.to_le_bytes());
    aad
}
