//! A file's bytes: cut into pieces where their content says, so that a change moves no cut but those beside it; then lists of pieces, and lists
//! of lists, cut the same way.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io::{self, Read},
    sync::Arc,
};

use fastcdc::v2020::{Error as CutError, Normalization, StreamCDC};
use gobag_format::digest::Digest;
use gobag_format::workspace::{BlobError, BlobKind, BlobName, BlobRef, Body, Part, PartList};
use gobag_reconcile::{Content, File};

use crate::{
    WorkspaceError,
    cut::Cut,
    fetch::Fetcher,
    former::{Former, Pieces},
    limits,
    packer::{Packed, Packer},
};

/// A body whose packs may not be whole yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PackedBody {
    Empty,
    Piece(Packed),
    List(u8, Packed),
}

impl From<Body> for PackedBody {
    fn from(body: Body) -> Self {
        match body {
            Body::Empty => Self::Empty,
            Body::Piece(blob) => Self::Piece(blob.into()),
            Body::List(level, blob) => Self::List(level, blob.into()),
        }
    }
}

impl PackedBody {
    /// Once all packs are whole, or as a page says it that goes into the pack that is being filled.
    pub(crate) fn at(&self) -> Option<Packed> {
        match self {
            Self::Empty => None,
            Self::Piece(packed) | Self::List(_, packed) => Some(*packed),
        }
    }

    pub(crate) fn body(&self, blob: Option<BlobRef>) -> Body {
        match (self, blob) {
            (Self::Piece(_), Some(blob)) => Body::Piece(blob),
            (Self::List(level, _), Some(blob)) => Body::List(*level, blob),
            _ => Body::Empty,
        }
    }
}

/// What is known of the file that was there before: pieces and lists that need not be sent again.
#[derive(Default)]
pub(crate) struct Before {
    pieces: HashMap<BlobName, BlobRef>,
    lists: HashMap<BlobName, Vec<(PartList, BlobRef)>>,
    read: HashSet<(BlobName, u8)>,
}

impl Before {
    /// Reads the lists of a body.
    pub(crate) fn of(fetcher: &Fetcher, body: &Body, len: u64) -> Result<Self, WorkspaceError> {
        let mut before = Self::default();
        match body {
            Body::Empty => {}
            Body::Piece(blob) => drop(before.pieces.insert(blob.name, *blob)),
            Body::List(level, blob) => before.read(fetcher, *level, blob, len)?,
        }
        Ok(before)
    }

    /// Each list once, however often it is named: a few that name each other would make a file of any length.
    fn read(&mut self, fetcher: &Fetcher, level: u8, blob: &BlobRef, len: u64) -> Result<(), WorkspaceError> {
        if !self.read.insert((blob.name, level)) {
            return Ok(());
        }
        let list = read_list(fetcher, level, blob, len)?;
        for part in &list.parts {
            match level {
                0 => drop(self.pieces.insert(part.blob.name, part.blob)),
                _ => self.read(fetcher, level - 1, &part.blob, part.len)?,
            }
        }
        if let Some(first) = list.parts.first() {
            self.lists.entry(first.blob.name).or_default().push((list, *blob));
        }
        Ok(())
    }

    /// The packs that its pieces and lists are in.
    pub(crate) fn packs(&self) -> BTreeSet<Digest> {
        let lists = self.lists.values().flatten().map(|(_, blob)| blob.pack);
        self.pieces.values().map(|blob| blob.pack).chain(lists).collect()
    }

    /// Forgets what is in these packs: it is sent again.
    pub(crate) fn forget(&mut self, packs: &[Digest]) {
        self.pieces.retain(|_, blob| !packs.contains(&blob.pack));
        self.lists
            .values_mut()
            .for_each(|lists| lists.retain(|(_, blob)| !packs.contains(&blob.pack)));
    }

    /// Where the same list is.
    fn list(&self, level: u8, parts: &[(u64, Packed)]) -> Option<BlobRef> {
        let (_, first) = parts.first()?;
        let is_same = |list: &PartList| {
            list.level == level
                && list.parts.len() == parts.len()
                && list
                    .parts
                    .iter()
                    .zip(parts)
                    .all(|(part, (len, at))| part.len == *len && Packed::from(part.blob) == *at)
        };
        let lists = self.lists.get(first.name())?;
        lists
            .iter()
            .find_map(|(list, blob)| is_same(list).then_some(*blob))
    }
}

/// The list that is there, if it is one of so many bytes.
fn read_list(fetcher: &Fetcher, level: u8, blob: &BlobRef, len: u64) -> Result<PartList, WorkspaceError> {
    let list = PartList::decode(&fetcher.page(BlobKind::List, blob)?, blob.pack, level)?;
    match list.len() == len {
        true => Ok(list),
        false => Err(BlobError::Damaged.into()),
    }
}

/// Sends a file's bytes; they have to be `file`.
pub(crate) fn send(
    packer: &mut Packer,
    seed: u64,
    file: &File,
    before: &Before,
    from: &mut dyn Read,
) -> Result<PackedBody, WorkspaceError> {
    let mut hasher = blake3::Hasher::new();
    let mut pieces = Vec::new();
    let mut add = |bytes: &[u8], len: &mut u64| -> Result<(), WorkspaceError> {
        hasher.update(bytes);
        *len += bytes.len() as u64;
        if *len > file.len {
            return Err(WorkspaceError::OtherContent);
        }
        let known = |name: &BlobName| before.pieces.get(name).copied();
        pieces.push((bytes.len() as u64, packer.add(BlobKind::Data, bytes, &known)?));
        Ok(())
    };
    let mut len = 0;
    if file.len <= limits::WHOLE {
        let mut bytes = Vec::with_capacity(file.len as usize);
        from.take(file.len + 1)
            .read_to_end(&mut bytes)
            .map_err(WorkspaceError::Read)?;
        if !bytes.is_empty() {
            add(&bytes, &mut len)?;
        }
    } else {
        for piece in cutter(from, seed, file.len) {
            let piece = piece.map_err(|error| WorkspaceError::Read(read_error(error)))?;
            add(&piece.data, &mut len)?;
        }
    }
    if len != file.len || Content(*hasher.finalize().as_bytes()) != file.content {
        return Err(WorkspaceError::OtherContent);
    }
    lists(packer, before, pieces)
}

/// Cuts a file of so many bytes, if it is not of one piece.
pub(crate) fn cutter<R: Read>(from: R, seed: u64, len: u64) -> StreamCDC<R> {
    let [shortest, usual, longest] = match len > limits::LONG {
        true => limits::LONG_PIECE,
        false => limits::PIECE,
    };
    StreamCDC::with_level_and_seed(from, shortest, usual, longest, Normalization::Level1, seed)
}

fn read_error(error: CutError) -> io::Error {
    match error {
        CutError::IoError(error) => error,
        error => io::Error::other(error),
    }
}

/// Makes lists until there is one.
fn lists(
    packer: &mut Packer,
    before: &Before,
    mut parts: Vec<(u64, Packed)>,
) -> Result<PackedBody, WorkspaceError> {
    let mut level = 0;
    match &parts[..] {
        [] => return Ok(PackedBody::Empty),
        [(_, piece)] => return Ok(PackedBody::Piece(*piece)),
        _ => {}
    }
    loop {
        let mut above = Vec::new();
        let cut = Cut {
            most: limits::LIST,
            is_end: &|(_, part): &(u64, Packed)| part.name().is_end(limits::LIST_END),
            weight: &|_| 0,
        };
        for (list, _) in cut.groups(&parts) {
            above.push((
                list.iter().map(|(len, _)| len).sum(),
                add_list(packer, before, level, list)?,
            ));
        }
        if let [(_, list)] = &above[..] {
            return Ok(PackedBody::List(level, *list));
        }
        parts = above;
        level += 1;
    }
}

fn add_list(
    packer: &mut Packer,
    before: &Before,
    level: u8,
    parts: &[(u64, Packed)],
) -> Result<Packed, WorkspaceError> {
    if let Some(blob) = before.list(level, parts) {
        return Ok(blob.into());
    }
    let refs: Vec<Packed> = parts.iter().map(|(_, part)| *part).collect();
    packer.add_page(BlobKind::List, &refs, &|blobs| {
        let parts = blobs.iter().zip(parts).map(|(blob, (len, _))| Part {
            len: *len,
            blob: *blob,
        });
        let parts = parts.collect();
        PartList { level, parts }.encode()
    })
}

/// Reads a file's bytes. That they are those that were sent is seen at their end, by whoever knows their digest.
pub struct FileReader {
    fetcher: Arc<Fetcher>,
    /// What is still to be read, next last.
    ahead: Vec<(Option<u8>, Part)>,
    piece: io::Cursor<Vec<u8>>,
    /// What is here of it already.
    former: Option<Box<Pieces>>,
    error: Option<WorkspaceError>,
}

impl FileReader {
    pub(crate) fn new(fetcher: Arc<Fetcher>, body: &Body, len: u64) -> Self {
        let ahead = match body {
            Body::Empty => Vec::new(),
            Body::Piece(blob) => vec![(None, Part { len, blob: *blob })],
            Body::List(level, blob) => vec![(Some(*level), Part { len, blob: *blob })],
        };
        Self {
            fetcher,
            ahead,
            piece: io::Cursor::default(),
            former: None,
            error: None,
        }
    }

    /// Pieces that this other version of the file has are not got; asked for only if there are several.
    pub fn beside(&mut self, former: impl FnOnce() -> Option<Box<dyn Former>>) {
        if let Some((Some(_), part)) = self.ahead.first()
            && let Some(former) = former()
        {
            self.former = Some(Box::new(Pieces::new(former, &self.fetcher.keys, part.len)));
        }
    }

    /// Why it could not be read on: whoever reads knows only that.
    pub fn take_error(&mut self) -> Option<WorkspaceError> {
        self.error.take()
    }

    /// Goes past the next piece if it is zeros and nothing else, and says how many: of a file with holes these need not be written.
    pub fn skip_zeros(&mut self) -> io::Result<u64> {
        if !self.is_piece_left() && !self.advance()? {
            return Ok(0);
        }
        let at = self.piece.position() as usize;
        let rest = &self.piece.get_ref()[at..];
        if rest.iter().any(|byte| *byte != 0) {
            return Ok(0);
        }
        let count = rest.len() as u64;
        self.piece = io::Cursor::default();
        Ok(count)
    }

    fn is_piece_left(&self) -> bool {
        self.piece.position() < self.piece.get_ref().len() as u64
    }

    /// As [`next`](Self::next), for those who know only that it failed.
    fn advance(&mut self) -> io::Result<bool> {
        self.next().map_err(|error| {
            let text = error.to_string();
            self.error = Some(error);
            io::Error::other(text)
        })
    }

    /// Makes the next piece ready; `false` at the end.
    fn next(&mut self) -> Result<bool, WorkspaceError> {
        while let Some((list, part)) = self.ahead.pop() {
            let Some(level) = list else {
                let keys = &self.fetcher.keys;
                let here = self.former.as_mut().and_then(|former| former.piece(keys, &part));
                let parts = self.former.as_ref().map_or(1, |former| former.parts());
                let piece = match here {
                    Some(piece) => piece,
                    None => self.fetcher.piece(&part.blob, parts)?,
                };
                if piece.len() as u64 != part.len {
                    return Err(BlobError::Damaged.into());
                }
                self.piece = io::Cursor::new(piece);
                return Ok(true);
            };
            let list = read_list(&self.fetcher, level, &part.blob, part.len)?;
            let below = level.checked_sub(1);
            self.ahead
                .extend(list.parts.into_iter().rev().map(|part| (below, part)));
        }
        Ok(false)
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(read);
            }
        }
    }
}
