//! Lists of a file's pieces, of packs, and of points.

use crate::{
    digest::Digest,
    ids::PointId,
    limits::MAX_LIST_LEVEL,
    reader::{Reader, put_varint},
};

use super::{
    BlobError, BlobRef,
    refs::{RefReader, RefWriter, count, ended},
};

/// A piece of a file, or the list of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the file in it.
    pub len: u64,
    /// Where it is.
    pub blob: BlobRef,
}

/// Parts of a file, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartList {
    /// 0: they are pieces; more: they are lists of one level less.
    pub level: u8,
    /// In order.
    pub parts: Vec<Part>,
}

impl PartList {
    /// Bytes of the file in all of them.
    pub fn len(&self) -> u64 {
        self.parts
            .iter()
            .fold(0, |len, part| len.saturating_add(part.len))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What is sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut refs = RefWriter::default();
        let mut out = vec![self.level];
        put_varint(&mut out, self.parts.len() as u64);
        for part in &self.parts {
            put_varint(&mut out, part.len);
            refs.put(&mut out, &part.blob);
        }
        refs.finish(&out)
    }

    /// Reads it out of the pack `own`; it has to be of this level.
    pub fn decode(plain: &[u8], own: Digest, level: u8) -> Result<Self, BlobError> {
        let mut reader = Reader(plain);
        let refs = RefReader::begin(&mut reader, own)?;
        if reader.u8()? != level || level > MAX_LIST_LEVEL {
            return Err(BlobError::Damaged);
        }
        let count = count(&mut reader)?;
        let mut parts = Vec::with_capacity(count.min(reader.0.len() / 20));
        let mut total: u64 = 0;
        for _ in 0..count {
            let len = reader.varint()?;
            total = total.checked_add(len).ok_or(BlobError::Damaged)?;
            let blob = refs.get(&mut reader)?;
            parts.push(Part { len, blob });
        }
        // Of nothing there could be any number, and reading them would come to no end.
        if parts.is_empty() || parts.iter().any(|part| part.len == 0) {
            return Err(BlobError::Damaged);
        }
        ended(&reader, Self { level, parts })
    }
}

/// Packs of earlier points, and where still earlier ones are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackList {
    /// Objects.
    pub packs: Vec<Digest>,
    /// The list before.
    pub older: Option<BlobRef>,
}

impl PackList {
    /// What is sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut refs = RefWriter::default();
        let mut out = Vec::new();
        put_varint(&mut out, self.packs.len() as u64);
        for pack in &self.packs {
            out.extend_from_slice(&pack.0);
        }
        out.push(self.older.is_some().into());
        if let Some(older) = &self.older {
            refs.put(&mut out, older);
        }
        refs.finish(&out)
    }

    /// Reads it out of the pack `own`.
    pub fn decode(plain: &[u8], own: Digest) -> Result<Self, BlobError> {
        let mut reader = Reader(plain);
        let refs = RefReader::begin(&mut reader, own)?;
        let count = count(&mut reader)?;
        let mut packs = Vec::new();
        for _ in 0..count {
            packs.push(Digest(reader.array()?));
        }
        let older = match reader.u8()? {
            0 => None,
            1 => Some(refs.get(&mut reader)?),
            _ => return Err(BlobError::Damaged),
        };
        ended(&reader, Self { packs, older })
    }
}

/// Which attempts made earlier points, and where still earlier ones are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointList {
    /// The generation of the first of them.
    pub first: u64,
    /// Of one generation after the other.
    pub points: Vec<PointId>,
    /// The list of those before.
    pub older: Option<BlobRef>,
}

impl PointList {
    /// What is sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut refs = RefWriter::default();
        let mut out = Vec::new();
        put_varint(&mut out, self.first);
        put_varint(&mut out, self.points.len() as u64);
        for point in &self.points {
            out.extend_from_slice(&point.0);
        }
        out.push(self.older.is_some().into());
        if let Some(older) = &self.older {
            refs.put(&mut out, older);
        }
        refs.finish(&out)
    }

    /// Reads it out of the pack `own`.
    pub fn decode(plain: &[u8], own: Digest) -> Result<Self, BlobError> {
        let mut reader = Reader(plain);
        let refs = RefReader::begin(&mut reader, own)?;
        let first = reader.varint()?;
        let count = count(&mut reader)?;
        let mut points = Vec::new();
        for _ in 0..count {
            points.push(PointId(reader.array()?));
        }
        let older = match reader.u8()? {
            0 => None,
            1 => Some(refs.get(&mut reader)?),
            _ => return Err(BlobError::Damaged),
        };
        // Who follows them comes to an end, and counts on.
        if first == 0 || points.is_empty() || first.checked_add(points.len() as u64).is_none() {
            return Err(BlobError::Damaged);
        }
        ended(&reader, Self { first, points, older })
    }
}
