//! Change packs: units of blocks as they were at one moment.

use crate::{
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_REPLICA_OBJECT_LEN, MAX_UNIT_BLOCKS, MAX_VOLUME_LEN},
    reader::Reader,
    wiped::Wiped,
};

use super::{ReplicaError, SEALING_LEN};

/// Bytes of a unit's entry: volume, blocks, payload's length, first block.
const ENTRY_LEN: usize = 1 + 1 + 4 + 8;
/// Longest payload of a unit: the codec and 16 blocks as they are.
const MAX_PAYLOAD_LEN: usize = 1 + MAX_UNIT_BLOCKS * BLOCK_LEN;

/// Where one unit lies in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedUnit {
    /// Its volume.
    pub volume: VolumeId,
    /// Its first block.
    pub first_block: u64,
    /// Its blocks, 1 to 16.
    pub blocks: u8,
    at: usize,
    len: usize,
}

/// Collects units for one pack, in order of volume and block.
#[derive(Default)]
pub struct ChangePackWriter {
    entries: Vec<u8>,
    payloads: Vec<Wiped>,
    payload_len: usize,
}

impl ChangePackWriter {
    /// Whether a unit with a payload of `len` bytes makes the pack longer than `most` bytes before sealing.
    pub fn exceeds(&self, len: usize, most: usize) -> bool {
        4 + self.entries.len() + ENTRY_LEN + self.payload_len + len > most
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// Adds a unit, behind all others: `payload` is what [`crate::log::UnitEncoder`] made of `blocks` blocks.
    pub fn push(&mut self, volume: VolumeId, first_block: u64, blocks: u8, payload: Wiped) {
        self.entries.extend_from_slice(&[volume.0, blocks]);
        self.entries
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.entries.extend_from_slice(&first_block.to_le_bytes());
        self.payload_len += payload.len();
        self.payloads.push(payload);
    }

    /// The pack, not yet sealed; the writer is empty again.
    pub fn finish(&mut self) -> Wiped {
        let len = 4 + self.entries.len() + self.payload_len;
        let mut plain = Wiped::new(Vec::with_capacity(len));
        plain.extend_from_slice(&(self.payloads.len() as u32).to_le_bytes());
        plain.append(&mut self.entries);
        for payload in self.payloads.drain(..) {
            plain.extend_from_slice(&payload);
        }
        self.payload_len = 0;
        plain
    }
}

/// An opened pack.
pub struct ChangePack {
    plain: Wiped,
    units: Vec<PackedUnit>,
}

impl ChangePack {
    /// Reads what was sealed as a pack: units in order, none over another, and nothing behind the last.
    pub fn decode(plain: Wiped) -> Result<Self, ReplicaError> {
        let mut reader = Reader(&plain);
        let count = reader.u32()? as usize;
        let mut entries = Reader(reader.bytes(count.checked_mul(ENTRY_LEN).ok_or(ReplicaError::Damaged)?)?);
        let mut at = plain.len() - reader.0.len();
        let mut units: Vec<PackedUnit> = Vec::with_capacity(count);
        for _ in 0..count {
            let unit = PackedUnit {
                volume: VolumeId(entries.u8()?),
                blocks: entries.u8()?,
                len: entries.u32()? as usize,
                first_block: entries.u64()?,
                at,
            };
            let sane = (1..=MAX_UNIT_BLOCKS as u8).contains(&unit.blocks)
                && (2..=MAX_PAYLOAD_LEN).contains(&unit.len)
                && unit.first_block < MAX_VOLUME_LEN / BLOCK_LEN as u64
                && units
                    .last()
                    .is_none_or(|before| before.end() <= (unit.volume, unit.first_block));
            if !sane {
                return Err(ReplicaError::Damaged);
            }
            at += unit.len;
            units.push(unit);
        }
        if at != plain.len() {
            return Err(ReplicaError::Damaged);
        }
        Ok(Self { plain, units })
    }

    /// Bytes of memory it takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.plain.len() + self.units.len() * size_of::<PackedUnit>()
    }

    /// Its units, in order.
    pub fn units(&self) -> &[PackedUnit] {
        &self.units
    }

    /// The unit that holds a block.
    pub fn find(&self, volume: VolumeId, block: u64) -> Option<&PackedUnit> {
        let upto = self
            .units
            .partition_point(|unit| (unit.volume, unit.first_block) <= (volume, block));
        let unit = self.units.get(upto.checked_sub(1)?)?;
        ((volume, block) < unit.end()).then_some(unit)
    }

    /// A unit's payload, for [`crate::log::UnitDecoder`].
    pub fn payload(&self, unit: &PackedUnit) -> &[u8] {
        &self.plain[unit.at..unit.at + unit.len]
    }
}

impl PackedUnit {
    /// Its volume and the block behind its last.
    fn end(&self) -> (VolumeId, u64) {
        (self.volume, self.first_block + u64::from(self.blocks))
    }
}

const _: () = assert!(4 + ENTRY_LEN + MAX_PAYLOAD_LEN + SEALING_LEN <= MAX_REPLICA_OBJECT_LEN);
