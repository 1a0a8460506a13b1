//! Places of blobs, as lists and pages say them.

use crate::{
    digest::Digest,
    limits::MAX_BLOB_LEN,
    reader::{Malformed, Reader, put_varint},
};

use super::{BLOB_SEALING_LEN, BlobError, BlobName, BlobRef, THIS_PACK};

/// Collects places of blobs: each pack is said once.
#[derive(Default)]
pub(super) struct RefWriter {
    packs: Vec<Digest>,
}

impl RefWriter {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, blob: &BlobRef) {
        // Neighbours are mostly in the same few packs.
        let number = match self.packs.iter().rposition(|pack| *pack == blob.pack) {
            Some(number) => number,
            None => {
                self.packs.push(blob.pack);
                self.packs.len() - 1
            }
        };
        put_varint(out, number as u64);
        put_varint(out, blob.offset.into());
        put_varint(out, blob.len.into());
        out.extend_from_slice(&blob.name.0);
    }

    /// The packs, then what was written with their numbers.
    pub(super) fn finish(self, written: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(4 + self.packs.len() * size_of::<Digest>() + written.len());
        put_varint(&mut plain, self.packs.len() as u64);
        for pack in &self.packs {
            plain.extend_from_slice(&pack.0);
        }
        plain.extend_from_slice(written);
        plain
    }
}

/// Reads them out of a blob that is in the pack `own`.
pub(super) struct RefReader<'a> {
    packs: &'a [[u8; size_of::<Digest>()]],
    own: Digest,
}

impl<'a> RefReader<'a> {
    pub(super) fn begin(reader: &mut Reader<'a>, own: Digest) -> Result<Self, Malformed> {
        let count = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let len = count.checked_mul(size_of::<Digest>()).ok_or(Malformed)?;
        let (packs, _) = reader.bytes(len)?.as_chunks();
        Ok(Self { packs, own })
    }

    pub(super) fn get(&self, reader: &mut Reader<'_>) -> Result<BlobRef, Malformed> {
        let number = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let mut short = || u32::try_from(reader.varint()?).map_err(|_| Malformed);
        let (offset, len) = (short()?, short()?);
        let sane = (BLOB_SEALING_LEN..=MAX_BLOB_LEN + BLOB_SEALING_LEN).contains(&(len as usize))
            && offset.checked_add(len).is_some();
        match (self.packs.get(number), sane) {
            (Some(pack), true) => Ok(BlobRef {
                pack: match Digest(*pack) {
                    THIS_PACK => self.own,
                    pack => pack,
                },
                offset,
                len,
                name: BlobName(reader.array()?),
            }),
            _ => Err(Malformed),
        }
    }
}

/// A count that so many bytes can hold.
pub(super) fn count(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
    // Each thing takes a byte at least.
    if count > reader.0.len() {
        return Err(Malformed);
    }
    Ok(count)
}

/// What was read, if that was all.
pub(super) fn ended<T>(reader: &Reader<'_>, read: T) -> Result<T, BlobError> {
    match reader.0.is_empty() {
        true => Ok(read),
        false => Err(BlobError::Damaged),
    }
}
