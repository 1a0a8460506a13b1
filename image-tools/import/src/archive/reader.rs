//! A tar archive as a stream of entries.
//!
//! Any reader will do: nothing is sought, so compressed archives work the same way. Memory is one header at a time;
//! long names and pax records are bounded by [`MAX_EXTENSION_BYTES`] before they are read.

use std::io::{self, Read, Seek};

use super::{
    BLOCK,
    header::{Header, more_sparse_pieces},
    pax::{Records, decimal},
    sparse::{self, PaxSparse, SparseMap},
};
use crate::{
    entry::{Entry, EntryStream, Kind, Meta, ReadError, Timestamp},
    limits::{
        MAX_ATTRIBUTE_BYTES, MAX_CONTENT_BYTES, MAX_EXTENSION_BYTES, MAX_EXTENSION_HEADERS,
        MAX_SPARSE_PIECES, MAX_SYMLINK_BYTES,
    },
    path::{ImagePath, printable},
};

/// The entries of the tar archive that `R` gives the bytes of.
pub(crate) struct TarStream<R> {
    input: R,
    name: String,
    /// Whether an archive that ends without its end marker is taken for a truncated one. A digest over the whole makes
    /// that needless, and some layer writers leave the marker out.
    needs_end_marker: bool,
    entry: u64,
    globals: Records,
    content: Content,
    ended: bool,
    /// Bytes of the archive passed so far.
    position: u64,
    /// How to pass over bytes without reading them, where the input can.
    seek: Option<fn(&mut R, i64) -> io::Result<()>>,
}

/// Where we are in the data of the current entry.
struct Content {
    map: SparseMap,
    index: usize,
    position: u64,
    /// Bytes of the archive that still belong to this entry, padding included.
    left: u64,
}

/// What the extension headers before an entry said.
#[derive(Default)]
struct Extensions {
    records: Records,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: Read> TarStream<R> {
    /// Reads `input`, which is called `name` in messages.
    pub(crate) fn new(input: R, name: String, needs_end_marker: bool) -> Self {
        Self {
            input,
            name,
            needs_end_marker,
            entry: 0,
            globals: Records::default(),
            content: Content::none(),
            ended: false,
            position: 0,
            seek: None,
        }
    }

    /// Reads a complete archive that can be sought in: contents nobody asks for are not read.
    pub(crate) fn seekable(input: R, name: String) -> Self
    where
        R: Seek,
    {
        Self {
            seek: Some(|input, bytes| input.seek_relative(bytes)),
            ..Self::new(input, name, true)
        }
    }

    /// Where in the archive the content of the current entry starts; nothing when it is stored sparsely.
    pub(crate) fn content_offset(&self) -> Option<u64> {
        let dense = self.content.map.stored_bytes() == self.content.map.size_bytes();
        (dense && self.content.position == 0).then_some(self.position)
    }

    fn bad(&self, what: &'static str) -> ReadError {
        ReadError::BadHeader {
            name: self.name.clone(),
            entry: self.entry,
            what,
        }
    }

    fn limit(&self, what: &'static str, limit: u64) -> ReadError {
        ReadError::Limit {
            name: self.name.clone(),
            what,
            limit,
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.input.read(buffer) {
                Ok(read) => {
                    self.position += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::from_reader(&self.name, error)),
            }
        }
    }

    /// Fills the buffer; false at a clean end of input, an error when it ends inside.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(self.truncated()),
                read => filled += read,
            }
        }
        Ok(true)
    }

    fn truncated(&self) -> ReadError {
        ReadError::Truncated {
            name: self.name.clone(),
            entry: self.entry,
        }
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), ReadError> {
        if let (Some(seek), Ok(distance)) = (self.seek, i64::try_from(bytes)) {
            self.position += bytes;
            return seek(&mut self.input, distance)
                .map_err(|error| ReadError::from_reader(&self.name, error));
        }
        let mut buffer = [0u8; 16 * BLOCK];
        while bytes > 0 {
            let part = bytes.min(buffer.len() as u64) as usize;
            match self.read_some(&mut buffer[..part])? {
                0 => return Err(self.truncated()),
                read => bytes -= read as u64,
            }
        }
        Ok(())
    }

    /// The next header block; nothing at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        let mut block = [0u8; BLOCK];
        if !self.fill(&mut block)? {
            return match self.needs_end_marker {
                true => Err(self.truncated()),
                false => Ok(None),
            };
        }
        if block == [0; BLOCK] {
            return Ok(None);
        }
        let header = Header::checked(block).ok_or_else(|| self.bad("checksum"))?;
        Ok(Some(header))
    }

    /// The content of an extension header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ReadError> {
        let size = header.size().ok_or_else(|| self.bad("size"))?;
        if size > MAX_EXTENSION_BYTES {
            return Err(self.limit("the length of an extension header", MAX_EXTENSION_BYTES));
        }
        let mut data = vec![0u8; size as usize];
        if size > 0 && !self.fill(&mut data)? {
            return Err(self.truncated());
        }
        self.skip(padding(size))?;
        Ok(data)
    }

    fn records(&mut self, header: &Header) -> Result<Records, ReadError> {
        let data = self.extension(header)?;
        Records::parse(&data).ok_or_else(|| self.bad("pax records"))
    }

    /// The next header that stands for an entry, and what the extension headers before it said.
    fn entry_header(&mut self) -> Result<Option<(Header, Extensions)>, ReadError> {
        let mut extensions = Extensions::default();
        for extended in 0u64.. {
            let Some(header) = self.header()? else {
                break;
            };
            if extended > MAX_EXTENSION_HEADERS {
                return Err(self.limit("the extension headers of one entry", MAX_EXTENSION_HEADERS));
            }
            match header.kind() {
                b'x' | b'X' => extensions.records = self.records(&header)?,
                b'g' => {
                    let records = self.records(&header)?;
                    self.globals.extend(records);
                    // They stay for the rest of the archive, and every entry gets a copy.
                    if self.globals.bytes() as u64 > MAX_EXTENSION_BYTES {
                        return Err(self.limit("the global extension headers", MAX_EXTENSION_BYTES));
                    }
                }
                b'L' => extensions.path = Some(without_nul(self.extension(&header)?)),
                b'K' => extensions.link = Some(without_nul(self.extension(&header)?)),
                // A volume label: a name for the archive, nothing in it.
                b'V' => {}
                _ => {
                    let mut records = self.globals.clone();
                    records.extend(std::mem::take(&mut extensions.records));
                    extensions.records = records;
                    return Ok(Some((header, extensions)));
                }
            }
        }
        Ok(None)
    }

    fn path(&self, raw: &[u8]) -> Result<ImagePath, ReadError> {
        ImagePath::parse(raw).map_err(|source| ReadError::BadPath {
            name: self.name.clone(),
            path: printable(raw),
            source,
        })
    }

    /// Turns a header into an entry and sets the content up.
    fn entry(&mut self, header: &Header, ext: Extensions) -> Result<Entry, ReadError> {
        let records = &ext.records;
        let sparse_name = records.get("GNU.sparse.name").map(<[u8]>::to_vec);
        let raw_path = sparse_name
            .or_else(|| records.get("path").map(<[u8]>::to_vec))
            .or(ext.path)
            .unwrap_or_else(|| header.path());
        let path = self.path(&raw_path)?;
        let link = records
            .get("linkpath")
            .map(<[u8]>::to_vec)
            .or(ext.link)
            .unwrap_or_else(|| header.link_target());
        let meta = self.meta(header, records)?;
        let size = records
            .number("size")
            .ok()
            .and_then(|size| size.or_else(|| header.size()))
            .filter(|&size| size <= MAX_CONTENT_BYTES)
            .ok_or_else(|| self.bad("size"))?;
        let is_folder_name = raw_path.ends_with(b"/");

        let kind = match header.kind() {
            0 | b'0' | b'7' if is_folder_name => Kind::Folder,
            0 | b'0' | b'7' | b'S' => return self.file(header, records, path, meta, size),
            b'1' => Kind::HardLink {
                target: self.path(&link)?,
            },
            b'2' => Kind::Symlink {
                target: self.symlink_target(link)?,
            },
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            kind @ (b'3' | b'4') => {
                let (major, minor) = header.device().ok_or_else(|| self.bad("device"))?;
                Kind::Device {
                    block: kind == b'4',
                    major,
                    minor,
                }
            }
            kind => {
                return Err(ReadError::UnsupportedEntry {
                    name: self.name.clone(),
                    path: path.to_string(),
                    kind: char::from(kind),
                });
            }
        };
        // Only files have data, whatever size the header states (hard links often carry their target's).
        self.content = Content::none();
        Ok(Entry { path, kind, meta })
    }

    fn symlink_target(&self, target: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        if target.is_empty() || target.contains(&0) {
            return Err(self.bad("symbolic link target"));
        }
        if target.len() > MAX_SYMLINK_BYTES {
            return Err(self.limit("the length of a symbolic link target", MAX_SYMLINK_BYTES as u64));
        }
        Ok(target)
    }

    fn meta(&self, header: &Header, records: &Records) -> Result<Meta, ReadError> {
        let id = |key, field: Option<i64>| {
            let pax = records.number(key).map_err(|()| self.bad("owner"))?;
            let id = pax.or_else(|| field?.try_into().ok());
            id.and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| self.bad("owner"))
        };
        let modified = match records.modified().map_err(|()| self.bad("mtime"))? {
            Some(modified) => modified,
            None => Timestamp {
                seconds: header.modified().ok_or_else(|| self.bad("mtime"))?,
                nanos: 0,
            },
        };
        let passed_on = records.passed_on();
        if passed_on.iter().map(|(_, value)| value.len()).sum::<usize>() > MAX_ATTRIBUTE_BYTES {
            return Err(self.limit(
                "the size of an entry's extended attributes",
                MAX_ATTRIBUTE_BYTES as u64,
            ));
        }
        Ok(Meta {
            mode: header.mode().ok_or_else(|| self.bad("mode"))? as u32 & 0o7777,
            uid: id("uid", header.uid())?,
            gid: id("gid", header.gid())?,
            modified,
            records: passed_on,
        })
    }

    fn file(
        &mut self,
        header: &Header,
        records: &Records,
        path: ImagePath,
        meta: Meta,
        size: u64,
    ) -> Result<Entry, ReadError> {
        let pax = sparse::from_records(records).map_err(|what| self.bad(what))?;
        let (map, left) = match pax {
            PaxSparse::Map(map) => (map, size),
            PaxSparse::InData { size_bytes } => self.map_in_data(size_bytes, size)?,
            PaxSparse::None if header.kind() == b'S' => (self.old_gnu_map(header)?, size),
            PaxSparse::None => (SparseMap::dense(size), size),
        };
        if map.stored_bytes() != left || map.size_bytes() > MAX_CONTENT_BYTES {
            return Err(self.bad("sparse map"));
        }
        let kind = Kind::File {
            size_bytes: map.size_bytes(),
            stored_bytes: map.stored_bytes(),
        };
        self.content = Content {
            map,
            index: 0,
            position: 0,
            left: left + padding(left),
        };
        Ok(Entry { path, kind, meta })
    }

    fn old_gnu_map(&mut self, header: &Header) -> Result<SparseMap, ReadError> {
        let bad = "sparse header";
        let (mut pieces, mut more) = header.sparse_pieces().ok_or_else(|| self.bad(bad))?;
        while more {
            if pieces.len() > MAX_SPARSE_PIECES {
                return Err(self.limit("the pieces of a sparse file", MAX_SPARSE_PIECES as u64));
            }
            let mut block = [0u8; BLOCK];
            if !self.fill(&mut block)? {
                return Err(self.truncated());
            }
            let (next, again) = more_sparse_pieces(&block).ok_or_else(|| self.bad(bad))?;
            pieces.extend(next);
            more = again;
        }
        let size = header.real_size().ok_or_else(|| self.bad(bad))?;
        SparseMap::new(pieces, size).ok_or_else(|| self.bad(bad))
    }

    /// Pax format 1.0: decimal lines before the data, padded to a block. Gives the map and what is left of `size`.
    fn map_in_data(&mut self, size_bytes: u64, size: u64) -> Result<(SparseMap, u64), ReadError> {
        let mut left = size;
        let mut block = [0u8; BLOCK];
        let mut at = BLOCK;
        let mut digits = Vec::new();
        let line = || {
            digits.clear();
            loop {
                if at == BLOCK {
                    if left < BLOCK as u64 {
                        return Ok(None);
                    }
                    left -= BLOCK as u64;
                    if !self.fill(&mut block)? {
                        return Err(self.truncated());
                    }
                    at = 0;
                }
                let byte = block[at];
                at += 1;
                match byte {
                    b'\n' => return Ok(decimal(&digits)),
                    _ if digits.len() > 20 => return Ok(None),
                    _ => digits.push(byte),
                }
            }
        };
        let map = sparse::from_lines(size_bytes, line)?;
        Ok((map.ok_or_else(|| self.bad("sparse map"))?, left))
    }
}

impl Content {
    fn none() -> Self {
        Self {
            map: SparseMap::dense(0),
            index: 0,
            position: 0,
            left: 0,
        }
    }
}

impl<R: Read> EntryStream for TarStream<R> {
    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let left = std::mem::take(&mut self.content.left);
        self.skip(left)?;
        let Some((header, extensions)) = self.entry_header()? else {
            self.content = Content::none();
            self.ended = true;
            return Ok(None);
        };
        let entry = self.entry(&header, extensions)?;
        self.entry += 1;
        Ok(Some(entry))
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let content = &mut self.content;
        let rest = content.map.size_bytes() - content.position;
        let want = rest.min(buffer.len() as u64);
        if want == 0 {
            return Ok(0);
        }
        let piece = content.map.piece_at(content.position, &mut content.index);
        let read = match piece {
            Some((offset, length)) if content.position >= offset => {
                let want = want.min(offset + length - content.position) as usize;
                let read = self.read_some(&mut buffer[..want])?;
                if read == 0 {
                    return Err(self.truncated());
                }
                self.content.left -= read as u64;
                read as u64
            }
            hole => {
                let end = hole.map_or(u64::MAX, |(offset, _)| offset);
                let zeros = want.min(end - content.position);
                buffer[..zeros as usize].fill(0);
                zeros
            }
        };
        self.content.position += read;
        Ok(read as usize)
    }

    fn finish(&mut self) -> Result<(), ReadError> {
        while self.next_entry()?.is_some() {}
        let mut buffer = [0u8; 16 * BLOCK];
        while self.read_some(&mut buffer)? > 0 {}
        Ok(())
    }
}

/// From `size` to the next block.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|&byte| byte == 0) {
        name.truncate(end);
    }
    name
}
