//! What the company keeps of a stick's volumes: objects and heads that only the stick and IT's escrow can read
//! (`docs/format/replica.md`).
//!
//! A *change pack* holds blocks as they were at one moment, an *index part* says which pack holds which block, a *head* lists the
//! index parts of one point. All three are sealed the same way: under a key made from what they say and from the point they
//! were made for, so that no two contents ever share a key, and no object ever belongs to two points' making: one may go when
//! the layer that speaks of it goes.

mod head;
mod index;
mod pack;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::{
    crypto::{Cipher, Key, TAG_LEN, position_nonce},
    ids::PointId,
    limits::MAX_REPLICA_OBJECT_LEN,
    reader::Malformed,
    wiped::Wiped,
};

pub use head::{HeadImage, HeadLayer, HeadPart, HeadVolume, ReplicaHead};
pub use index::{IndexPart, IndexRun, IndexWriter, Target};
pub use pack::{ChangePack, ChangePackWriter, PackedUnit};

/// Bytes of the name in front of what is sealed.
const NAME_LEN: usize = 32;
/// Bytes that sealing adds.
pub const SEALING_LEN: usize = NAME_LEN + TAG_LEN;

/// Why sealed bytes are not what they were taken for.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaError {
    /// Wrong key, another kind of object, or altered.
    #[error("an object of the replica does not open")]
    Damaged,
    /// It is sealed with the stick's keys and not signed by the stick.
    #[error("the replica's point is not signed by the stick it claims to be of")]
    NotTheStick,
    /// A newer program wrote it.
    #[error("the replica was written by a newer version of Gobag")]
    Newer,
}

impl ReplicaError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "replica.damaged",
            Self::NotTheStick => "replica.not-the-stick",
            Self::Newer => "replica.newer-format",
        }
    }
}

impl From<Malformed> for ReplicaError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

/// What is sealed. Its number goes into the key, so that one kind never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A change pack.
    Pack,
    /// An index part.
    Index,
    /// The head of a point.
    Head,
    /// The name of a bookmark.
    Label,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Pack => 1,
            Self::Index => 2,
            Self::Head => 3,
            Self::Label => 4,
        }
    }
}

/// Seals and opens what belongs to one stick's replica.
pub struct ReplicaKeys {
    name: Key,
    seal: Key,
}

impl ReplicaKeys {
    /// The keys that belong to a bundle.
    pub fn of_bundle(bundle_key: &Key) -> Self {
        Self {
            name: bundle_key.derive("replica name", &[]),
            seal: bundle_key.derive("replica", &[]),
        }
    }

    /// Seals `plain` for a point: its name (keyed BLAKE3 of kind, point and content), then the content under a key of that
    /// name.
    pub fn seal(&self, kind: Kind, point: PointId, plain: &[u8]) -> Vec<u8> {
        let mut context = [kind.number(); 17];
        context[1..].copy_from_slice(&point.0);
        let name = self.name.derive("replica name for point", &context);
        let name = *name.mac(plain).as_bytes();
        let mut sealed = Vec::with_capacity(plain.len() + SEALING_LEN);
        sealed.extend_from_slice(&name);
        sealed.extend_from_slice(plain);
        self.cipher(kind, &name)
            .seal(position_nonce(0, 0), &[], &mut sealed, NAME_LEN);
        sealed
    }

    /// Opens what [`ReplicaKeys::seal`] made of the same kind.
    pub fn open(&self, kind: Kind, mut sealed: Vec<u8>) -> Result<Wiped, ReplicaError> {
        let fits = (SEALING_LEN..=MAX_REPLICA_OBJECT_LEN).contains(&sealed.len());
        let (name, content) = sealed
            .split_first_chunk_mut::<NAME_LEN>()
            .filter(|_| fits)
            .ok_or(ReplicaError::Damaged)?;
        let plain = self
            .cipher(kind, name)
            .open(position_nonce(0, 0), &[], content)
            .map_err(|_| ReplicaError::Damaged)?
            .len();
        let mut sealed = Wiped::new(sealed);
        sealed.copy_within(NAME_LEN..NAME_LEN + plain, 0);
        sealed.truncate(plain);
        Ok(sealed)
    }

    fn cipher(&self, kind: Kind, name: &[u8; NAME_LEN]) -> Cipher {
        let mut context = [0; NAME_LEN + 1];
        context[0] = kind.number();
        context[1..].copy_from_slice(name);
        Cipher::gcm_siv(&self.seal.derive("replica object", &context))
    }
}
