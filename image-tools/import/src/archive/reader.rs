//! A tar archive as a stream of entries.
//!
//! Any reader will do: nothing is sought, so compressed archives work the same way. Memory is one header at a time;
//! long names and pax records are bounded by [`MAX_EXTENSION_BYTES`] before they are read.

mod entry;

use std::io::{self, Read, Seek};

use super::{BLOCK, header::Header, pax::Records, sparse::SparseMap};
use crate::{
    entry::{Entry, EntryStream, ReadError},
    limits::{MAX_EXTENSION_BYTES, MAX_EXTENSION_HEADERS},
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
