//! A segment's head and the cipher of one use of a segment.

use super::{ChainTag, NotARecord};
use crate::{
    crypto::{Cipher, Key, OpenError, TAG_LEN, position_nonce},
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_COUNT},
    reader::{Malformed, Reader},
    wiped::Wiped,
};

/// Bytes of a segment's head; the first record follows.
pub const SEGMENT_HEAD_LEN: usize = BLOCK_LEN;
const SALT_LEN: usize = 32;
const HEAD_PLAIN_LEN: usize = SEGMENT_HEAD_LEN - SALT_LEN - TAG_LEN;
const HEAD_VERSION: u16 = 1;

const DOMAIN_HEAD: u8 = 0;
const DOMAIN_LEAD: u8 = 1;
const DOMAIN_RECORD: u8 = 2;
const DOMAIN_UNIT: u8 = 3;

/// What the head of a segment says about this use of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// Number of this use among all uses of all segments; rises.
    pub incarnation: u64,
    /// The segment that was written before, and which use of it; `None` at the log's beginning.
    pub previous: Option<(u16, u64)>,
    /// Sequence number of the first record here.
    pub first_seq: u64,
    /// Tag of the last record that counts before this segment.
    pub prev_tag: ChainTag,
    /// Sequence number of the last record known durable when this head was written.
    pub durable_seq: u64,
}

/// Seals and opens everything in one use of one segment.
pub struct SegmentCipher(Cipher);

impl SegmentCipher {
    /// The cipher of the use of segment `number` that drew `salt`.
    pub fn new(log_key: &Key, number: u16, salt: &[u8; SALT_LEN]) -> Self {
        let mut context = [0; 2 + SALT_LEN];
        context[..2].copy_from_slice(&number.to_le_bytes());
        context[2..].copy_from_slice(salt);
        Self(Cipher::gcm_siv(&log_key.derive("log segment", &context)))
    }

    /// Writes the head of a segment.
    pub fn seal_head(&self, salt: &[u8; SALT_LEN], head: &SegmentHead) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEAD_LEN);
        out.extend_from_slice(salt);
        out.extend_from_slice(&HEAD_VERSION.to_le_bytes());
        out.extend_from_slice(&head.incarnation.to_le_bytes());
        let (segment, incarnation) = head.previous.unwrap_or((u16::MAX, 0));
        out.extend_from_slice(&segment.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
        out.extend_from_slice(&head.first_seq.to_le_bytes());
        out.extend_from_slice(&head.prev_tag);
        out.extend_from_slice(&head.durable_seq.to_le_bytes());
        out.resize(SALT_LEN + HEAD_PLAIN_LEN, 0);
        self.0
            .seal(position_nonce(DOMAIN_HEAD, 0), &[], &mut out, SALT_LEN);
        out
    }

    /// Opens the head of segment `number`; its salt makes the cipher.
    pub fn open_head(
        log_key: &Key,
        number: u16,
        bytes: &[u8],
    ) -> Result<(Self, [u8; SALT_LEN], SegmentHead), NotARecord> {
        let mut reader = Reader(bytes);
        let salt = reader.array().map_err(|_| NotARecord)?;
        let cipher = Self::new(log_key, number, &salt);
        let mut sealed = reader
            .bytes(HEAD_PLAIN_LEN + TAG_LEN)
            .map_err(|_| NotARecord)?
            .to_vec();
        let plain = cipher
            .0
            .open(position_nonce(DOMAIN_HEAD, 0), &[], &mut sealed)
            .map_err(|_| NotARecord)?;
        let head = decode_head(plain).map_err(|_| NotARecord)?;
        Ok((cipher, salt, head))
    }

    pub(super) fn seal_lead(&self, offset: u64, out: &mut Vec<u8>, from: usize) {
        self.0.seal(position_nonce(DOMAIN_LEAD, offset), &[], out, from);
    }

    pub(super) fn open_lead<'a>(&self, offset: u64, sealed: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        self.0
            .open(position_nonce(DOMAIN_LEAD, offset), &[], sealed)
            .map(|plain| &*plain)
    }

    pub(super) fn seal_record(&self, offset: u64, out: &mut Vec<u8>, from: usize) {
        self.0.seal(position_nonce(DOMAIN_RECORD, offset), &[], out, from);
    }

    pub(super) fn open_record<'a>(&self, offset: u64, sealed: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        self.0
            .open(position_nonce(DOMAIN_RECORD, offset), &[], sealed)
            .map(|plain| &*plain)
    }

    /// Seals `out[from..]`, a codec byte and its data, as the unit that begins at byte `offset` of the
    /// segment and holds `volume`'s blocks from `first_block` on.
    pub fn seal_unit(&self, offset: u64, volume: VolumeId, first_block: u64, out: &mut Vec<u8>, from: usize) {
        self.0.seal(
            position_nonce(DOMAIN_UNIT, offset),
            &unit_aad(volume, first_block),
            out,
            from,
        );
    }

    /// Opens a unit; it opens only at its own place and for its own blocks.
    pub fn open_unit(
        &self,
        offset: u64,
        volume: VolumeId,
        first_block: u64,
        mut sealed: Wiped,
    ) -> Result<Wiped, OpenError> {
        let len = self
            .0
            .open(
                position_nonce(DOMAIN_UNIT, offset),
                &unit_aad(volume, first_block),
                &mut sealed,
            )?
            .len();
        sealed.truncate(len);
        Ok(sealed)
    }
}

fn decode_head(plain: &[u8]) -> Result<SegmentHead, Malformed> {
    let mut reader = Reader(plain);
    if reader.u16()? != HEAD_VERSION {
        return Err(Malformed);
    }
    let incarnation = reader.u64()?;
    let (segment, previous) = (reader.u16()?, reader.u64()?);
    let head = SegmentHead {
        incarnation,
        previous: (segment != u16::MAX).then_some((segment, previous)),
        first_seq: reader.u64()?,
        prev_tag: reader.array()?,
        durable_seq: reader.u64()?,
    };
    let countable = [incarnation, previous, head.first_seq, head.durable_seq];
    if countable.iter().all(|number| *number <= MAX_COUNT) {
        Ok(head)
    } else {
        Err(Malformed)
    }
}

fn unit_aad(volume: VolumeId, first_block: u64) -> [u8; 9] {
    let mut aad = [0; 9];
    aad[0] = volume.0;
    aad[1..].copy_from_slice(&first_block.to_le_bytes());
    aad
}
