//! The log: segments of hash-chained records that hold what users write.
//!
//! A segment is used under a key of its own, fresh for each use, so a byte offset in the segment is a nonce
//! that cannot repeat. Everything in it, lengths too, is sealed: a segment in use looks like one never used.
//! `docs/format.md`, "Log", has the byte tables and the argument why a reader always recovers a prefix.

mod place;
mod record;
mod segment;
pub(crate) mod unit;

pub use place::Place;
pub use record::{
    LEAD_LEN, Lead, RECORD_ALIGN, RecordHeader, TrimEntry, TrimKind, UNIT_ALIGN, UnitEntry, body_hash,
};
pub use segment::{SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead};
pub use unit::{UnitDecoder, UnitEncoder};

/// Codec byte of a unit or chunk kept as it is.
pub const CODEC_RAW: u8 = 0;
/// Codec byte of a unit or chunk compressed with zstd.
pub const CODEC_ZSTD: u8 = 1;

/// The tag that ends a sealed record header; the next record names it.
pub type ChainTag = [u8; 16];

/// A record or segment head that is not there, torn, or of another use of the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARecord;
