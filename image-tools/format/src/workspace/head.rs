//! Heads: what one point of a workspace consists of.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    ids::{PointId, WorkspaceId, parse_hex},
    limits::{MAX_BLOB_LEN, MAX_HEAD_PACKS, MAX_HEAD_POINTS, MAX_TREE_LEVEL},
};

use super::{BLOB_SEALING_LEN, BlobError, BlobKind, BlobName, BlobRef, NAME_LEN, WorkspaceKeys};

/// The format this program writes.
const FORMAT: u32 = 1;

/// One point. JSON; fields of later versions are ignored, a later `format` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceHead {
    /// Version of all that this head leads to.
    pub format: u32,
    /// The workspace it is of.
    pub workspace: WorkspaceId,
    /// Its generation: an old head that is given out as a new one says which it is.
    pub generation: u64,
    /// The attempt that made it.
    pub point: PointId,
    /// By what name its maker goes.
    #[serde(default)]
    pub by: String,
    /// Levels of pages above the leaves.
    pub tree_level: u8,
    /// The tree's root; none: there is nothing in it.
    #[serde(default)]
    pub tree: Option<PackedIn>,
    /// Packs of this and the last points.
    pub packs: Vec<Digest>,
    /// A [`super::PackList`] of those before.
    #[serde(default)]
    pub older_packs: Option<PackedIn>,
    /// The attempts that made the points right before this one, the last one last. A program of before they were named makes a point that names none.
    #[serde(default)]
    pub points: Vec<PointId>,
    /// A [`super::PointList`] of those before.
    #[serde(default)]
    pub older_points: Option<PackedIn>,
    /// How many packs may be added before it is looked which ones nothing needs any more. A program of before that says nothing.
    #[serde(default)]
    pub sweep_in: Option<u64>,
}

/// Where a blob is, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedIn {
    pack: Digest,
    offset: u32,
    len: u32,
    name: String,
}

impl From<BlobRef> for PackedIn {
    fn from(blob: BlobRef) -> Self {
        Self {
            pack: blob.pack,
            offset: blob.offset,
            len: blob.len,
            name: format!("{:?}", blob.name),
        }
    }
}

impl PackedIn {
    /// The same, checked.
    pub fn blob(&self) -> Result<BlobRef, BlobError> {
        let name = parse_hex(&self.name).ok_or(BlobError::Damaged)?;
        let sane = (self.len as usize) <= MAX_BLOB_LEN + BLOB_SEALING_LEN
            && self.offset.checked_add(self.len).is_some();
        match sane {
            true => Ok(BlobRef {
                pack: self.pack,
                offset: self.offset,
                len: self.len,
                name: BlobName(name),
            }),
            false => Err(BlobError::Damaged),
        }
    }
}

impl WorkspaceHead {
    /// The version this program writes.
    pub fn format() -> u32 {
        FORMAT
    }

    /// The point's head: the name of what it says, then that, sealed.
    pub fn seal(&self, keys: &WorkspaceKeys) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a head is plain data");
        let name = keys.name(BlobKind::Head, &json);
        let mut out = name.0.to_vec();
        out.append(&mut keys.seal(BlobKind::Head, &name, &json));
        out
    }

    /// Opens the head of a point of `workspace`.
    pub fn open(keys: &WorkspaceKeys, workspace: WorkspaceId, head: &[u8]) -> Result<Self, BlobError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |_| BlobError::Damaged;
        let (name, sealed) = head.split_first_chunk::<NAME_LEN>().ok_or(BlobError::Damaged)?;
        let json = keys.open(BlobKind::Head, &BlobName(*name), sealed.to_vec())?;
        let version: Version = serde_json::from_slice(&json).map_err(damaged)?;
        if version.format > FORMAT {
            return Err(BlobError::Newer);
        }
        let head: Self = serde_json::from_slice(&json).map_err(damaged)?;
        let sane = head.workspace == workspace
            && head.packs.len() <= MAX_HEAD_PACKS
            && head.points.len() <= MAX_HEAD_POINTS
            && (head.points.len() as u64) < head.generation.max(1)
            && head.tree_level <= MAX_TREE_LEVEL;
        match sane {
            true => Ok(head),
            false => Err(BlobError::Damaged),
        }
    }
}
