//! Where a block lies in the log, packed into one word: the index has one for each changed block.

use super::UNIT_ALIGN;

const OFFSET_BITS: u32 = 22;
const SEGMENT_BITS: u32 = 16;
const LEN_BITS: u32 = 17;
const BLOCK_BITS: u32 = 4;
const SEGMENT_AT: u32 = OFFSET_BITS;
const LEN_AT: u32 = SEGMENT_AT + SEGMENT_BITS;
const BLOCK_AT: u32 = LEN_AT + LEN_BITS;
const KIND_AT: u32 = BLOCK_AT + BLOCK_BITS;

const KIND_UNIT: u64 = 1;
const KIND_ZERO: u64 = 2;

/// What the index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Never written: the base has it, or it is zero where there is none.
    Base,
    /// Given up: reads as zero.
    Zero,
    /// In a unit of the log.
    Unit {
        /// Segment.
        segment: u16,
        /// First byte of the unit in the segment; a multiple of 16.
        offset: u32,
        /// Sealed bytes of the unit.
        sealed_len: u32,
        /// Which block of the unit.
        block: u8,
    },
}

impl Place {
    /// The packed word of [`Place::Base`].
    pub const BASE: u64 = 0;
    /// The packed word of [`Place::Zero`].
    pub const ZERO: u64 = KIND_ZERO << KIND_AT;
    /// Added to a packed unit word, gives the word of the unit's next block.
    pub const NEXT_BLOCK: u64 = 1 << BLOCK_AT;

    /// Packs into a word.
    pub fn pack(self) -> u64 {
        match self {
            Self::Base => Self::BASE,
            Self::Zero => Self::ZERO,
            Self::Unit {
                segment,
                offset,
                sealed_len,
                block,
            } => {
                debug_assert!(
                    u64::from(offset) < (UNIT_ALIGN as u64) << OFFSET_BITS && sealed_len < 1 << LEN_BITS
                );
                (u64::from(offset) / UNIT_ALIGN as u64)
                    | (u64::from(segment) << SEGMENT_AT)
                    | (u64::from(sealed_len) << LEN_AT)
                    | (u64::from(block) << BLOCK_AT)
                    | (KIND_UNIT << KIND_AT)
            }
        }
    }

    /// Unpacks a word; `None` when it is none that [`Place::pack`] makes.
    pub fn unpack(word: u64) -> Option<Self> {
        let field = |at: u32, bits: u32| (word >> at) & ((1 << bits) - 1);
        match word >> KIND_AT {
            0 if word == Self::BASE => Some(Self::Base),
            KIND_ZERO if word == Self::ZERO => Some(Self::Zero),
            KIND_UNIT => Some(Self::Unit {
                segment: field(SEGMENT_AT, SEGMENT_BITS) as u16,
                offset: field(0, OFFSET_BITS) as u32 * UNIT_ALIGN as u32,
                sealed_len: field(LEN_AT, LEN_BITS) as u32,
                block: field(BLOCK_AT, BLOCK_BITS) as u8,
            }),
            _ => None,
        }
    }

    /// The segment a packed word points into, if it does.
    pub fn segment_of(word: u64) -> Option<u16> {
        (word >> KIND_AT == KIND_UNIT).then_some((word >> SEGMENT_AT) as u16)
    }
}
