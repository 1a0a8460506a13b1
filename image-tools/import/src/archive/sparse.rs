//! Where the data of a sparse file lies, in the four ways in which GNU tar has written it down over the years.

use super::pax::{Records, decimal};
use crate::limits::MAX_SPARSE_PIECES;

/// The pieces of data of a file, in order and apart from each other; everything between them is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SparseMap {
    pieces: Vec<(u64, u64)>,
    size_bytes: u64,
    stored_bytes: u64,
}

impl SparseMap {
    /// Takes pieces as (offset, length); `None` when they overlap, go back, or reach beyond the file.
    pub(super) fn new(pieces: Vec<(u64, u64)>, size_bytes: u64) -> Option<Self> {
        let mut end = 0u64;
        let mut stored_bytes = 0u64;
        for &(offset, length) in &pieces {
            if offset < end {
                return None;
            }
            end = offset.checked_add(length).filter(|&end| end <= size_bytes)?;
            stored_bytes += length;
        }
        Some(Self {
            pieces: pieces.into_iter().filter(|piece| piece.1 > 0).collect(),
            size_bytes,
            stored_bytes,
        })
    }

    /// A file without holes.
    pub(super) fn dense(size_bytes: u64) -> Self {
        let pieces = if size_bytes > 0 {
            vec![(0, size_bytes)]
        } else {
            Vec::new()
        };
        Self {
            pieces,
            size_bytes,
            stored_bytes: size_bytes,
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The piece that `position` lies in, or the next one; `index` remembers where the last call was.
    pub(super) fn piece_at(&self, position: u64, index: &mut usize) -> Option<(u64, u64)> {
        while let Some(&(offset, length)) = self.pieces.get(*index) {
            if position < offset + length {
                return Some((offset, length));
            }
            *index += 1;
        }
        None
    }
}

/// What the pax records of an entry say about holes.
pub(super) enum PaxSparse {
    /// Nothing.
    None,
    /// Formats 0.0 and 0.1: the map stands in the records.
    Map(SparseMap),
    /// Format 1.0: the map stands before the data; the size of the file is known.
    InData {
        /// The size of the file with its holes.
        size_bytes: u64,
    },
}

/// Reads the `GNU.sparse.*` records.
pub(super) fn from_records(records: &Records) -> Result<PaxSparse, &'static str> {
    const BAD: &str = "sparse records";
    let number = |key| records.number(key).map_err(|()| BAD);
    match number("GNU.sparse.major")? {
        Some(1) => {
            let size_bytes = number("GNU.sparse.realsize")?.ok_or(BAD)?;
            return Ok(PaxSparse::InData { size_bytes });
        }
        Some(0) | None => {}
        Some(_) => return Err("unknown sparse format"),
    }
    let Some(size_bytes) = number("GNU.sparse.size")? else {
        return Ok(PaxSparse::None);
    };
    let numbers = match records.get("GNU.sparse.map") {
        Some(map) => map.split(|&byte| byte == b',').map(decimal).collect(),
        None => records
            .iter()
            .filter(|(key, _)| matches!(*key, "GNU.sparse.offset" | "GNU.sparse.numbytes"))
            .map(|(_, value)| decimal(value))
            .collect::<Option<Vec<u64>>>(),
    };
    let pieces = pairs(&numbers.ok_or(BAD)?).ok_or(BAD)?;
    let map = SparseMap::new(pieces, size_bytes).ok_or(BAD)?;
    Ok(PaxSparse::Map(map))
}

/// Reads the map of format 1.0 line by line: a count, then offset and length of each piece. `line` gives the next
/// number, or nothing when there is none; then neither is there a map.
pub(super) fn from_lines<E>(
    size_bytes: u64,
    mut line: impl FnMut() -> Result<Option<u64>, E>,
) -> Result<Option<SparseMap>, E> {
    let Some(count) = line()?.filter(|&count| count <= MAX_SPARSE_PIECES as u64) else {
        return Ok(None);
    };
    let mut pieces = Vec::new();
    for _ in 0..count {
        match (line()?, line()?) {
            (Some(offset), Some(length)) => pieces.push((offset, length)),
            _ => return Ok(None),
        }
    }
    Ok(SparseMap::new(pieces, size_bytes))
}

fn pairs(numbers: &[u64]) -> Option<Vec<(u64, u64)>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|&[offset, length]| (offset, length)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_must_go_forward_and_stay_inside() {
        assert!(SparseMap::new(vec![(0, 10), (20, 5)], 30).is_some());
        assert!(SparseMap::new(vec![(0, 10), (5, 5)], 30).is_none());
        assert!(SparseMap::new(vec![(20, 5), (0, 10)], 30).is_none());
        assert!(SparseMap::new(vec![(20, 11)], 30).is_none());
        assert!(SparseMap::new(vec![(u64::MAX, 2)], 30).is_none());
    }
}
