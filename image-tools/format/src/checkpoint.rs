//! Checkpoints: the index at one moment, so that opening need not read the whole log.
//!
//! A checkpoint only accelerates: it repeats what the log says up to a record. An area holds one checkpoint:
//! a sealed head and a body sealed in pieces, all under a key fresh for this writing, so a torn or mixed area
//! does not open.

mod body;
mod check;
mod dirty;
mod leaf;

use crate::{
    crypto::{Cipher, Key, OpenError, TAG_LEN, position_nonce},
    limits::{BLOCK_LEN, MAX_CHECKPOINT_LEN, MAX_COUNT},
    reader::{Malformed, Reader},
};

pub use body::{Checkpoint, LEAF_BLOCKS, LeafRef, Position, SegmentUse, VolumeMap};
pub use check::CheckpointError;
pub use dirty::DirtyMap;
pub use leaf::Leaf;

/// Bytes of an area's head; the body follows.
pub const CHECKPOINT_HEAD_LEN: usize = BLOCK_LEN;
/// Bytes of body sealed together; the last piece is shorter.
pub const PIECE_LEN: usize = 256 * 1024;
/// Bytes of a whole piece once sealed.
pub const SEALED_PIECE_LEN: usize = PIECE_LEN + TAG_LEN;
const SALT_LEN: usize = 32;
const HEAD_VERSION: u16 = 1;

/// What an area's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointHead {
    /// Rises with each checkpoint.
    pub generation: u64,
    /// Bytes of the body before sealing.
    pub body_len: u64,
}

/// Seals and opens one writing of one area.
pub struct CheckpointCipher(Cipher);

impl CheckpointCipher {
    /// The cipher of the writing of area `number` that drew `salt`.
    pub fn new(checkpoint_key: &Key, number: u8, salt: &[u8; SALT_LEN]) -> Self {
        let mut context = [0; 1 + SALT_LEN];
        context[0] = number;
        context[1..].copy_from_slice(salt);
        Self(Cipher::gcm_siv(
            &checkpoint_key.derive("checkpoint area", &context),
        ))
    }

    /// Writes an area's head.
    pub fn seal_head(&self, salt: &[u8; SALT_LEN], head: &CheckpointHead) -> Vec<u8> {
        let mut out = Vec::with_capacity(CHECKPOINT_HEAD_LEN);
        out.extend_from_slice(salt);
        out.extend_from_slice(&HEAD_VERSION.to_le_bytes());
        out.extend_from_slice(&head.generation.to_le_bytes());
        out.extend_from_slice(&head.body_len.to_le_bytes());
        out.resize(CHECKPOINT_HEAD_LEN - TAG_LEN, 0);
        self.0.seal(position_nonce(0, 0), &[], &mut out, SALT_LEN);
        out
    }

    /// Opens the head of area `number`; its salt makes the cipher.
    pub fn open_head(
        checkpoint_key: &Key,
        number: u8,
        bytes: &[u8],
    ) -> Result<(Self, CheckpointHead), OpenError> {
        let salt = bytes.first_chunk::<SALT_LEN>().ok_or(OpenError)?;
        let cipher = Self::new(checkpoint_key, number, salt);
        let mut sealed = bytes
            .get(SALT_LEN..CHECKPOINT_HEAD_LEN)
            .ok_or(OpenError)?
            .to_vec();
        let plain = cipher.0.open(position_nonce(0, 0), &[], &mut sealed)?;
        let head = decode_head(plain).map_err(|_| OpenError)?;
        Ok((cipher, head))
    }

    /// Seals piece `index`, which is `out[from..]`.
    pub fn seal_piece(&self, index: u64, out: &mut Vec<u8>, from: usize) {
        self.0.seal(position_nonce(1, index), &[], out, from);
    }

    /// Opens piece `index` in place.
    pub fn open_piece<'a>(&self, index: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        self.0.open(position_nonce(1, index), &[], sealed)
    }
}

/// Bytes a body of `body_len` takes in an area, head included.
pub fn area_bytes(body_len: u64) -> u64 {
    CHECKPOINT_HEAD_LEN as u64 + body_len + body_len.div_ceil(PIECE_LEN as u64) * TAG_LEN as u64
}

fn decode_head(plain: &[u8]) -> Result<CheckpointHead, Malformed> {
    let mut reader = Reader(plain);
    if reader.u16()? != HEAD_VERSION {
        return Err(Malformed);
    }
    let head = CheckpointHead {
        generation: reader.u64()?,
        body_len: reader.u64()?,
    };
    let sane = head.generation <= MAX_COUNT && head.body_len <= MAX_CHECKPOINT_LEN;
    if sane { Ok(head) } else { Err(Malformed) }
}
