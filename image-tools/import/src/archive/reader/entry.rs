//! From a header and what was said before it to an entry.

use std::io::Read;

use super::{Content, Extensions, TarStream, padding};
use crate::{
    archive::{
        BLOCK,
        header::{Header, more_sparse_pieces},
        pax::{Records, decimal},
        sparse::{self, PaxSparse, SparseMap},
    },
    entry::{Entry, Kind, Meta, ReadError, Timestamp},
    limits::{MAX_ATTRIBUTE_BYTES, MAX_CONTENT_BYTES, MAX_SPARSE_PIECES, MAX_SYMLINK_BYTES},
    path::{ImagePath, printable},
};

impl<R: Read> TarStream<R> {
    fn path(&self, raw: &[u8]) -> Result<ImagePath, ReadError> {
        ImagePath::parse(raw).map_err(|source| ReadError::BadPath {
            name: self.name.clone(),
            path: printable(raw),
            source,
        })
    }

    /// Turns a header into an entry and sets the content up.
    pub(super) fn entry(&mut self, header: &Header, ext: Extensions) -> Result<Entry, ReadError> {
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
