//! A workspace: files of a company share as sealed objects, which only its members can read (`docs/format/workspace.md`).
//!
//! All there is are *blobs*, each sealed for itself and found by a [`BlobRef`]: pieces of files, [lists](PartList) of a long file's pieces,
//! [pages](Leaf) of the tree. A *pack* is blobs one behind the other, an object of the server. The [`WorkspaceHead`] of a point leads to the
//! tree's root.

mod head;
mod list;
mod page;
mod refs;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;
use zstd::bulk;

use crate::{
    crypto::{Cipher, Key, TAG_LEN, position_nonce},
    digest::Digest,
    limits::MAX_BLOB_LEN,
    log::unit::is_noise,
    reader::Malformed,
};

pub use head::{PackedIn, WorkspaceHead};
pub use list::{PackList, Part, PartList, PointList};
pub use page::{Body, Entry, EntryKind, Leaf, Node, NodeChild};

/// Bytes of a name.
const NAME_LEN: usize = 16;
/// As it is.
const CODEC_RAW: u8 = 0;
/// zstd.
const CODEC_ZSTD: u8 = 1;
/// Compressed once, and read by many.
const LEVEL: i32 = 3;
/// The shortest that is looked at before zstd is asked, bytes.
const SAMPLED: usize = 4096;
/// Random bytes that a pack begins with.
pub const PACK_SALT_LEN: usize = 16;
/// Bytes that sealing adds: the codec and the tag.
pub const BLOB_SEALING_LEN: usize = 1 + TAG_LEN;

/// Why sealed bytes are not what they were taken for.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobError {
    /// Wrong key, another kind of blob, or altered.
    #[error("a part of the workspace does not open")]
    Damaged,
    /// A newer program wrote it.
    #[error("the workspace was written by a newer version of Gobag")]
    Newer,
}

impl BlobError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "workspace.damaged",
            Self::Newer => "workspace.newer-format",
        }
    }
}

impl From<Malformed> for BlobError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

/// What is sealed. Its number goes into the keys, so that one kind never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// A piece of a file.
    Data,
    /// A list of a file's pieces, or of such lists.
    List,
    /// Entries of the tree.
    Leaf,
    /// Pages of the tree.
    Node,
    /// Packs that there were before.
    Packs,
    /// The head of a point.
    Head,
    /// Points that there were before.
    Points,
}

impl BlobKind {
    const ALL: [Self; 7] = [
        Self::Data,
        Self::List,
        Self::Leaf,
        Self::Node,
        Self::Packs,
        Self::Head,
        Self::Points,
    ];

    fn number(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::List => 2,
            Self::Leaf => 3,
            Self::Node => 4,
            Self::Packs => 5,
            Self::Head => 6,
            Self::Points => 7,
        }
    }
}

/// By what a blob is known: a keyed digest of its content. Equal contents of one workspace have one name; without its key, names say nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(pub [u8; NAME_LEN]);

impl BlobName {
    /// Whether a list or page that is cut by content ends after this one: one of `one_in` does.
    pub fn is_end(&self, one_in: u32) -> bool {
        let [a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d]).is_multiple_of(one_in)
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Stands in a list or page for the pack that it is itself in, whose id nobody knows before it is whole.
pub const THIS_PACK: Digest = Digest([0; size_of::<Digest>()]);

/// Where a blob is, and which it has to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlobRef {
    /// The object it is in.
    pub pack: Digest,
    /// Where in it, bytes.
    pub offset: u32,
    /// How long it is there, sealed, bytes.
    pub len: u32,
    /// Its name.
    pub name: BlobName,
}

/// Seals and opens what belongs to one workspace.
pub struct WorkspaceKeys {
    names: [Key; BlobKind::ALL.len()],
    seals: [Key; BlobKind::ALL.len()],
    ends: Key,
}

impl WorkspaceKeys {
    /// The keys that belong to a workspace's key.
    pub fn of(key: &Key) -> Self {
        let each = |label| BlobKind::ALL.map(|kind| key.derive(label, &[kind.number()]));
        Self {
            names: each("workspace name"),
            seals: each("workspace"),
            ends: key.derive("workspace ends", &[]),
        }
    }

    /// What pieces are cut by, so that their lengths do not tell which known file it is.
    pub fn cutting_seed(&self) -> u64 {
        let digest = self.ends.mac(b"cutting");
        digest
            .as_bytes()
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Whether a page of the tree ends after the entry of this key: one of `one_in` does, which ones only members know.
    pub fn is_end(&self, key: &[u8], one_in: u32) -> bool {
        let digest = self.ends.mac(key);
        let number = digest
            .as_bytes()
            .first_chunk()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes));
        number.is_multiple_of(one_in)
    }

    /// The name of this content.
    pub fn name(&self, kind: BlobKind, plain: &[u8]) -> BlobName {
        let digest = self.names[index(kind)].mac(plain);
        let mut name = [0; NAME_LEN];
        name.copy_from_slice(&digest.as_bytes()[..NAME_LEN]);
        BlobName(name)
    }

    /// Seals content under its name. zstd is kept when it saves an eighth.
    pub fn seal(&self, kind: BlobKind, name: &BlobName, plain: &[u8]) -> Vec<u8> {
        debug_assert!(plain.len() <= MAX_BLOB_LEN && *name == self.name(kind, plain));
        let mut sealed = Vec::with_capacity(plain.len() + BLOB_SEALING_LEN);
        match compressed(plain) {
            Some(shorter) => {
                sealed.push(CODEC_ZSTD);
                sealed.extend_from_slice(&shorter);
            }
            None => {
                sealed.push(CODEC_RAW);
                sealed.extend_from_slice(plain);
            }
        }
        self.cipher(kind, name)
            .seal(position_nonce(0, 0), &[], &mut sealed, 0);
        sealed
    }

    /// Opens what [`WorkspaceKeys::seal`] made; its content is of that name.
    pub fn open(&self, kind: BlobKind, name: &BlobName, mut sealed: Vec<u8>) -> Result<Vec<u8>, BlobError> {
        let damaged = |_| BlobError::Damaged;
        let cipher = self.cipher(kind, name);
        let opened = cipher
            .open(position_nonce(0, 0), &[], &mut sealed)
            .map_err(damaged)?;
        let (codec, payload) = opened.split_first().ok_or(BlobError::Damaged)?;
        let plain = match *codec {
            CODEC_RAW if payload.len() <= MAX_BLOB_LEN => payload.to_vec(),
            CODEC_ZSTD => bulk::decompress(payload, MAX_BLOB_LEN).map_err(|_| BlobError::Damaged)?,
            _ => return Err(BlobError::Damaged),
        };
        match self.name(kind, &plain) == *name {
            true => Ok(plain),
            false => Err(BlobError::Damaged),
        }
    }

    fn cipher(&self, kind: BlobKind, name: &BlobName) -> Cipher {
        // A content has a key of its own, so one nonce serves all.
        Cipher::gcm_siv(&self.seals[index(kind)].derive("workspace blob", &name.0))
    }
}

fn index(kind: BlobKind) -> usize {
    usize::from(kind.number()) - 1
}

fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    let looked_at = plain.len() / SAMPLED * SAMPLED;
    if looked_at > 0 && is_noise(&plain[..looked_at]) {
        return None;
    }
    let shorter = bulk::compress(plain, LEVEL).ok()?;
    (shorter.len() <= plain.len() / 8 * 7).then_some(shorter)
}
