//! Records: a sealed lead (lengths), a sealed header (what is inside), and a body of sealed units.

use super::{ChainTag, NotARecord, SegmentCipher};
use crate::{
    crypto::TAG_LEN,
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_COUNT, MAX_RECORD_BODY_LEN, MAX_RECORD_UNITS, MAX_UNIT_BLOCKS, MAX_VOLUME_LEN},
    reader::{Malformed, Reader},
};

/// Records begin at multiples of this, so that no acknowledged byte shares a sector with a later write.
pub const RECORD_ALIGN: usize = BLOCK_LEN;
/// Units begin at multiples of this.
pub const UNIT_ALIGN: usize = 16;
/// Bytes of a sealed lead.
pub const LEAD_LEN: usize = 16 + TAG_LEN;
const FIXED_LEN: usize = 8 + 8 + 1 + 8 + 8 + 16 + 32 + 2 + 2;
const UNIT_ENTRY_LEN: usize = 1 + 1 + 4 + 8;
const TRIM_ENTRY_LEN: usize = 1 + 1 + 8 + 8;
const MAX_HEADER_LEN: usize = FIXED_LEN + MAX_RECORD_UNITS * (UNIT_ENTRY_LEN + TRIM_ENTRY_LEN) + TAG_LEN;

const FLAG_COMMIT: u8 = 1;
const FLAG_RELOCATION: u8 = 2;

/// The first bytes of a record: how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// Bytes of the sealed header that follows.
    pub header_len: u32,
    /// Bytes of the body that follows the header.
    pub body_len: u32,
    /// Sequence number, as in the header.
    pub seq: u64,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Number of this record among all; rises by one.
    pub seq: u64,
    /// Number of the batch it belongs to; a batch counts whole or not at all.
    pub batch: u64,
    /// Whether it ends its batch.
    pub commit: bool,
    /// Whether its units are copies made by cleaning, not new writes.
    pub relocation: bool,
    /// When it was written, seconds since 1970 UTC, by the host's clock.
    pub clock_s: u64,
    /// Sequence number of the last record known durable when this one was written.
    pub durable_seq: u64,
    /// Tag of the record before.
    pub prev_tag: ChainTag,
    /// [`body_hash`] of the body.
    pub body_hash: [u8; 32],
    /// Units of the body, in order.
    pub units: Vec<UnitEntry>,
    /// Ranges given up; they count before the units.
    pub trims: Vec<TrimEntry>,
}

/// One unit of a record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitEntry {
    /// Volume it belongs to.
    pub volume: VolumeId,
    /// Blocks it holds.
    pub blocks: u8,
    /// Sealed bytes, before alignment.
    pub sealed_len: u32,
    /// First block.
    pub first_block: u64,
}

/// A range of blocks given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrimEntry {
    /// Volume it belongs to.
    pub volume: VolumeId,
    /// What the range reads as from now on.
    pub kind: TrimKind,
    /// First block.
    pub first_block: u64,
    /// Number of blocks.
    pub blocks: u64,
}

/// What a trimmed range reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimKind {
    /// Zeros.
    Zero,
    /// The base, as if never written.
    Base,
}

/// The hash of a record's body that its header carries.
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    *blake3::hash(body).as_bytes()
}

impl Lead {
    /// Bytes of the whole record, padding included.
    pub fn record_len(&self) -> usize {
        (self.body_at() + self.body_len as usize).next_multiple_of(RECORD_ALIGN)
    }

    /// Where the body begins, relative to the record.
    pub fn body_at(&self) -> usize {
        (LEAD_LEN + self.header_len as usize).next_multiple_of(UNIT_ALIGN)
    }

    /// Opens the lead of a record at byte `offset` of its segment.
    pub fn open(cipher: &SegmentCipher, offset: u64, bytes: &[u8]) -> Result<Self, NotARecord> {
        let mut sealed: [u8; LEAD_LEN] = bytes
            .get(..LEAD_LEN)
            .and_then(|lead| lead.try_into().ok())
            .ok_or(NotARecord)?;
        let plain = cipher.open_lead(offset, &mut sealed).map_err(|_| NotARecord)?;
        let mut reader = Reader(plain);
        let mut decode = || -> Result<Self, Malformed> {
            Ok(Self {
                header_len: reader.u32()?,
                body_len: reader.u32()?,
                seq: reader.u64()?,
            })
        };
        let lead = decode().map_err(|_| NotARecord)?;
        let sane = (FIXED_LEN + TAG_LEN..=MAX_HEADER_LEN).contains(&(lead.header_len as usize))
            && lead.body_len as usize <= MAX_RECORD_BODY_LEN;
        if sane { Ok(lead) } else { Err(NotARecord) }
    }
}

impl RecordHeader {
    /// Bytes of the sealed header for so many units and trims.
    pub fn sealed_len(units: usize, trims: usize) -> usize {
        FIXED_LEN + units * UNIT_ENTRY_LEN + trims * TRIM_ENTRY_LEN + TAG_LEN
    }

    /// Where the body begins, relative to the record, for so many units and trims.
    pub fn body_at(units: usize, trims: usize) -> usize {
        (LEAD_LEN + Self::sealed_len(units, trims)).next_multiple_of(UNIT_ALIGN)
    }

    /// Writes lead and sealed header for a record at byte `offset` of its segment and returns them with the tag
    /// that chains the next record to this one. The caller fills up to where the body begins with noise.
    pub fn seal(&self, cipher: &SegmentCipher, offset: u64, body_len: usize) -> (Vec<u8>, ChainTag) {
        let sealed_len = Self::sealed_len(self.units.len(), self.trims.len());
        let mut out = Vec::with_capacity(LEAD_LEN + sealed_len);
        out.extend_from_slice(&(sealed_len as u32).to_le_bytes());
        out.extend_from_slice(&(body_len as u32).to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        cipher.seal_lead(offset, &mut out, 0);
        self.encode(&mut out);
        cipher.seal_record(offset, &mut out, LEAD_LEN);
        let mut tag = [0; 16];
        tag.copy_from_slice(&out[out.len() - TAG_LEN..]);
        (out, tag)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let flags =
            if self.commit { FLAG_COMMIT } else { 0 } | if self.relocation { FLAG_RELOCATION } else { 0 };
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.push(flags);
        out.extend_from_slice(&self.clock_s.to_le_bytes());
        out.extend_from_slice(&self.durable_seq.to_le_bytes());
        out.extend_from_slice(&self.prev_tag);
        out.extend_from_slice(&self.body_hash);
        out.extend_from_slice(&(self.units.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.trims.len() as u16).to_le_bytes());
        for unit in &self.units {
            out.push(unit.volume.0);
            out.push(unit.blocks);
            out.extend_from_slice(&unit.sealed_len.to_le_bytes());
            out.extend_from_slice(&unit.first_block.to_le_bytes());
        }
        for trim in &self.trims {
            out.push(trim.volume.0);
            out.push(match trim.kind {
                TrimKind::Zero => 0,
                TrimKind::Base => 1,
            });
            out.extend_from_slice(&trim.first_block.to_le_bytes());
            out.extend_from_slice(&trim.blocks.to_le_bytes());
        }
    }

    /// Opens the header of the record at byte `offset` of its segment from the bytes after its lead.
    pub fn open(
        cipher: &SegmentCipher,
        offset: u64,
        lead: &Lead,
        bytes: &[u8],
    ) -> Result<(Self, ChainTag), NotARecord> {
        let mut sealed = bytes.get(..lead.header_len as usize).ok_or(NotARecord)?.to_vec();
        let mut tag = [0; 16];
        tag.copy_from_slice(&sealed[sealed.len() - TAG_LEN..]);
        let plain = cipher.open_record(offset, &mut sealed).map_err(|_| NotARecord)?;
        let header = Self::decode(plain).map_err(|_| NotARecord)?;
        if header.seq != lead.seq || header.body_len() > lead.body_len as usize {
            return Err(NotARecord);
        }
        Ok((header, tag))
    }

    /// Bytes the units occupy, alignment included.
    fn body_len(&self) -> usize {
        self.units
            .iter()
            .map(|unit| (unit.sealed_len as usize).next_multiple_of(UNIT_ALIGN))
            .sum()
    }

    fn decode(plain: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(plain);
        let (seq, batch, flags) = (reader.u64()?, reader.u64()?, reader.u8()?);
        let (clock_s, durable_seq) = (reader.u64()?, reader.u64()?);
        let countable = [seq, batch, durable_seq]
            .iter()
            .all(|number| *number <= MAX_COUNT);
        if !countable || flags & !(FLAG_COMMIT | FLAG_RELOCATION) != 0 {
            return Err(Malformed);
        }
        let (prev_tag, body_hash) = (reader.array()?, reader.array()?);
        let (units, trims) = (reader.u16()? as usize, reader.u16()? as usize);
        if units > MAX_RECORD_UNITS || trims > MAX_RECORD_UNITS {
            return Err(Malformed);
        }
        let units = (0..units)
            .map(|_| decode_unit(&mut reader))
            .collect::<Result<_, _>>()?;
        let trims = (0..trims)
            .map(|_| decode_trim(&mut reader))
            .collect::<Result<_, _>>()?;
        if !reader.0.is_empty() {
            return Err(Malformed);
        }
        Ok(Self {
            seq,
            batch,
            commit: flags & FLAG_COMMIT != 0,
            relocation: flags & FLAG_RELOCATION != 0,
            clock_s,
            durable_seq,
            prev_tag,
            body_hash,
            units,
            trims,
        })
    }
}

fn decode_unit(reader: &mut Reader<'_>) -> Result<UnitEntry, Malformed> {
    let unit = UnitEntry {
        volume: VolumeId(reader.u8()?),
        blocks: reader.u8()?,
        sealed_len: reader.u32()?,
        first_block: reader.u64()?,
    };
    let most = MAX_UNIT_BLOCKS * BLOCK_LEN + 1 + TAG_LEN;
    let sane = (1..=MAX_UNIT_BLOCKS).contains(&(unit.blocks as usize))
        && (TAG_LEN + 1..=most).contains(&(unit.sealed_len as usize))
        && is_range(unit.first_block, unit.blocks.into());
    if sane { Ok(unit) } else { Err(Malformed) }
}

fn decode_trim(reader: &mut Reader<'_>) -> Result<TrimEntry, Malformed> {
    let trim = TrimEntry {
        volume: VolumeId(reader.u8()?),
        kind: match reader.u8()? {
            0 => TrimKind::Zero,
            1 => TrimKind::Base,
            _ => return Err(Malformed),
        },
        first_block: reader.u64()?,
        blocks: reader.u64()?,
    };
    if is_range(trim.first_block, trim.blocks) {
        Ok(trim)
    } else {
        Err(Malformed)
    }
}

/// Whether some volume may have these blocks.
fn is_range(first: u64, blocks: u64) -> bool {
    first
        .checked_add(blocks)
        .is_some_and(|end| end <= MAX_VOLUME_LEN / BLOCK_LEN as u64)
}
