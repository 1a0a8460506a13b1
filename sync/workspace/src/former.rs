//! Another version of a file that is got, which is here already: the pieces that both have need not come.

use std::{
    collections::HashMap,
    io::{self, Read},
    sync::Arc,
};

use fastcdc::v2020::StreamCDC;
use gobag_format::workspace::{BlobKind, BlobName, Part, WorkspaceKeys};

use crate::{body::cutter, limits};

/// A file of this computer, read here and there. Whatever it gives is checked.
pub trait Former: Send + Sync {
    /// Reads bytes from `at` on; how many.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;
}

/// Its pieces, cut as those of the file that is got, and looked at as far as that one has come, and some way further.
pub(crate) struct Pieces {
    former: Arc<dyn Former>,
    /// None: it was cut to its end, or cannot be read on.
    cut: Option<StreamCDC<FromStart>>,
    /// Where those are that were cut, and how long, by how their names begin.
    found: HashMap<u64, (u64, u32)>,
    /// Bytes that were cut.
    cut_to: u64,
    /// Bytes of the file that is got, up to what is asked for next.
    got_to: u64,
    /// Bytes that are looked at past there.
    ahead: u64,
    /// Pieces in a row that are not here.
    missed: usize,
}

impl Pieces {
    /// For a file of so many bytes.
    pub(crate) fn new(former: Box<dyn Former>, keys: &WorkspaceKeys, len: u64) -> Self {
        let former: Arc<dyn Former> = former.into();
        let from = FromStart {
            former: Arc::clone(&former),
            at: 0,
        };
        Self {
            former,
            cut: Some(cutter(from, keys.cutting_seed(), len)),
            found: HashMap::new(),
            cut_to: 0,
            got_to: 0,
            // Of a long file not more for a short one than it saves.
            ahead: limits::FORMER_AHEAD.min(len.saturating_mul(limits::FORMER_TIMES)),
            missed: 0,
        }
    }

    /// The next piece of the file that is got, if it is here.
    pub(crate) fn piece(&mut self, keys: &WorkspaceKeys, part: &Part) -> Option<Vec<u8>> {
        let piece = self.find(keys, part);
        self.missed = if piece.is_some() { 0 } else { self.missed + 1 };
        piece
    }

    /// Parts of a pack that are to be asked for before it comes as a whole: what differs is short, as long as it is not seen to be long.
    pub(crate) fn parts(&self) -> usize {
        if self.missed > limits::PARTS {
            1
        } else {
            limits::PARTS
        }
    }

    fn find(&mut self, keys: &WorkspaceKeys, part: &Part) -> Option<Vec<u8>> {
        self.got_to = self.got_to.saturating_add(part.len);
        let is_it = |bytes: &Vec<u8>| keys.name(BlobKind::Data, bytes) == part.blob.name;
        if let Some((at, len)) = self.found.get(&beginning(&part.blob.name)) {
            // Unless somebody has written to it since.
            return self.read(*at, *len).filter(is_it);
        }
        let most = self.got_to.saturating_add(self.ahead);
        // Whoever reads may want to end meanwhile.
        let most = most.min(self.cut_to + limits::FORMER_TURN);
        while self.cut_to < most {
            let Some(Ok(piece)) = self.cut.as_mut()?.next() else {
                self.cut = None;
                return None;
            };
            let name = keys.name(BlobKind::Data, &piece.data);
            if self.found.len() >= limits::FORMER_PIECES {
                self.found.clear();
            }
            let place = (self.cut_to, piece.data.len() as u32);
            self.found.insert(beginning(&name), place);
            self.cut_to += piece.data.len() as u64;
            if name == part.blob.name {
                return Some(piece.data);
            }
        }
        None
    }

    fn read(&self, at: u64, len: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        let mut from = FromStart {
            former: Arc::clone(&self.former),
            at,
        };
        from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn beginning(name: &BlobName) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&name.0[..8]);
    u64::from_le_bytes(bytes)
}

/// The same file, read from a place on.
struct FromStart {
    former: Arc<dyn Former>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.former.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
