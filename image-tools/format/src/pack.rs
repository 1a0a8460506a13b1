//! Packs: immutable files of sealed chunks, the same bytes on every stick (`docs/format.md`, "Pack").
//!
//! ```text
//! header (4 KiB) | frames, byte-packed | sealed directory, padded inside | sealed footer (4 KiB)
//! ```
//!
//! Every pack has a random key of its own. A frame's nonce is its offset: frames of one pack never overlap,
//! a pack is written once from start to end, and one that could not be finished is deleted, never continued,
//! so a nonce cannot repeat. Only magic, format version and pack id are readable without a key; the
//! directory fills the file up to the next MiB, so that neither its length nor the number of frames shows.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::chunk::is_payload_len;
use crate::crypto::TAG_LEN;
use crate::ids::PackId;
use crate::limits::CHUNK_LEN;

pub use decode::{Directory, DirectoryEntry, PackCipher, PackFooter, PackHeader};
pub use encode::{FinishedPack, PackEncoder};

/// Bytes of the header.
pub const PACK_HEADER_LEN: usize = 4096;
/// Bytes of the footer, at the very end of the file.
pub const PACK_FOOTER_LEN: usize = 4096;
/// A pack's length is a multiple of this.
pub const PACK_GRAIN: u64 = 1 << 20;
/// The format version written, and the newest read.
pub const PACK_FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"GOBAGPAK";
/// Bytes before the owner slot: magic, format, features, id; they are the slot's associated data.
const READABLE_LEN: usize = 8 + 4 + 4 + 16;
const OWNER_SLOT_LEN: usize = 32 + TAG_LEN;
const OWNER_LABEL: &str = "pack owner";

const FRAME_DOMAIN: u8 = 1;
const DIRECTORY_DOMAIN: u8 = 2;
const FOOTER_DOMAIN: u8 = 3;

/// Bytes of a directory entry: payload length less one, chunk id.
const ENTRY_LEN: usize = 2 + 32;

/// Where a frame lies and how long its payload is; the frame itself is longer by the tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FrameAddress {
    offset: u32,
    payload_len_less_one: u16,
}

impl FrameAddress {
    /// An address as the format allows it: after the header, with a length a payload may have.
    pub fn new(offset: u32, payload_len: usize) -> Option<Self> {
        let valid = offset as usize >= PACK_HEADER_LEN && is_payload_len(payload_len);
        valid.then(|| Self {
            offset,
            payload_len_less_one: (payload_len - 1) as u16,
        })
    }

    /// First byte of the frame in its pack.
    pub fn offset(&self) -> u64 {
        u64::from(self.offset)
    }

    /// Bytes of the payload.
    pub fn payload_len(&self) -> usize {
        usize::from(self.payload_len_less_one) + 1
    }

    /// Bytes of the frame: payload and tag.
    pub fn sealed_len(&self) -> usize {
        self.payload_len() + TAG_LEN
    }

    /// First byte after the frame.
    pub fn end(&self) -> u64 {
        self.offset() + self.sealed_len() as u64
    }

    /// The stored form: `(offset, payload length less one)`.
    pub fn to_parts(self) -> (u32, u16) {
        (self.offset, self.payload_len_less_one)
    }

    /// Reads the stored form.
    pub fn from_parts(offset: u32, payload_len_less_one: u16) -> Option<Self> {
        Self::new(offset, usize::from(payload_len_less_one) + 1)
    }
}

/// Longest frame, bytes.
pub const MAX_FRAME_LEN: usize = CHUNK_LEN + TAG_LEN;

/// Why a pack was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// The file does not begin like a pack.
    #[error("not a pack")]
    NotAPack,
    /// A newer program wrote it.
    #[error("pack format {found} is newer than {supported}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version this program reads.
        supported: u32,
    },
    /// It needs something this program does not know.
    #[error("pack needs unknown features {bits:#x}")]
    UnknownFeature {
        /// The feature word.
        bits: u32,
    },
    /// No pack has this length.
    #[error("a pack cannot be {len} bytes long")]
    Length {
        /// Length of the file, bytes.
        len: u64,
    },
    /// The file is another pack than the one asked for.
    #[error("pack {expected} is expected here, not {found}")]
    OtherPack {
        /// The pack asked for.
        expected: PackId,
        /// The id in the file's header.
        found: PackId,
    },
    /// A sealed part does not open.
    #[error("{part} of the pack: wrong key or damaged data")]
    Sealed {
        /// The part in words.
        part: &'static str,
    },
    /// A sealed part opens, and contradicts the rest of the file.
    #[error("{part} of the pack does not belong to the rest of it")]
    Inconsistent {
        /// The part in words.
        part: &'static str,
    },
}

impl PackError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAPack => "pack.not-a-pack",
            Self::NewerFormat { .. } => "pack.newer-format",
            Self::UnknownFeature { .. } => "pack.unknown-feature",
            Self::Length { .. } => "pack.length",
            Self::OtherPack { .. } => "pack.other-pack",
            Self::Sealed { .. } => "pack.sealed",
            Self::Inconsistent { .. } => "pack.inconsistent",
        }
    }
}

/// Associated data of everything in a pack: its id and the position.
fn associated_data(id: PackId, position: u64) -> [u8; 24] {
    let mut aad = [0; 24];
    aad[..16].copy_from_slice(&id.0);
    aad[16..].copy_from_slice(&position.to_le_bytes());
    aad
}

/// Bytes the sealed directory of `frames` frames needs at least.
fn directory_len(frames: u64) -> u64 {
    frames * ENTRY_LEN as u64 + TAG_LEN as u64
}
