//! Reading single records, and making sure that what is read will still be there tomorrow.

use gobag_format::{
    header::LogGeometry,
    limits::{MAX_RECORD_BODY_LEN, SEGMENT_LEN},
    log::{ChainTag, LEAD_LEN, Lead, RECORD_ALIGN, RecordHeader, SegmentCipher, body_hash},
};

use super::StoreError;
use crate::medium::{self, FileRef, Medium};

/// Makes sure that what is read of a file is on the medium.
pub(super) fn settle(medium: &dyn Medium, file: FileRef) -> Result<(), StoreError> {
    medium::settle(medium, file).map_err(StoreError::medium("flush", file))
}

/// Header, tag, whole length, and where the body begins.
pub(super) type RawRecord = (RecordHeader, ChainTag, u32, u32);

/// Reads and checks the record at `offset`; `None` when there is none whole.
pub(super) fn read_record(
    medium: &dyn Medium,
    geometry: &LogGeometry,
    number: u16,
    cipher: &SegmentCipher,
    offset: u32,
) -> Result<Option<RawRecord>, StoreError> {
    const _: () = assert!(SEGMENT_LEN <= u32::MAX as u64 && MAX_RECORD_BODY_LEN < u32::MAX as usize);
    let room = geometry.segment_len.saturating_sub(offset) as usize;
    if room < RECORD_ALIGN {
        return Ok(None);
    }
    let mut bytes = vec![0; RECORD_ALIGN];
    if !read(medium, number, offset, &mut bytes)? {
        return Ok(None);
    }
    let Ok(lead) = Lead::open(cipher, offset.into(), &bytes) else {
        return Ok(None);
    };
    if lead.record_len() > room {
        return Ok(None);
    }
    bytes.resize(lead.record_len(), 0);
    if !read(
        medium,
        number,
        offset + RECORD_ALIGN as u32,
        &mut bytes[RECORD_ALIGN..],
    )? {
        return Ok(None);
    }
    let Ok((header, tag)) = RecordHeader::open(cipher, offset.into(), &lead, &bytes[LEAD_LEN..]) else {
        return Ok(None);
    };
    let body_at = lead.body_at();
    if body_hash(&bytes[body_at..body_at + lead.body_len as usize]) != header.body_hash {
        return Ok(None);
    }
    Ok(Some((header, tag, lead.record_len() as u32, body_at as u32)))
}

/// Fills `buffer`; false when this part of the file is missing.
pub(super) fn read(
    medium: &dyn Medium,
    number: u16,
    offset: u32,
    buffer: &mut [u8],
) -> Result<bool, StoreError> {
    use std::io::ErrorKind::{NotFound, UnexpectedEof};
    let file = FileRef::Segment(number);
    match medium.read_at(file, offset.into(), buffer) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), UnexpectedEof | NotFound) => Ok(false),
        Err(error) => Err(StoreError::medium("read", file)(error)),
    }
}
