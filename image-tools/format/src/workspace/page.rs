//! Pages of the tree: entries in the order of their keys, cut where their keys say.
//!
//! A key is the path of the folder, a zero byte, the name: so what is in one folder stands together.

use crate::{
    digest::Digest,
    limits::{MAX_KEY_LEN, MAX_LINK_LEN, MAX_LIST_LEVEL, MAX_PAGE_ENTRIES, MAX_TREE_LEVEL},
    reader::{Malformed, Reader, put_varint},
};

use super::{
    BlobError, BlobRef,
    refs::{RefReader, RefWriter, count, ended},
};

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There are none.
    Empty,
    /// In one piece.
    Piece(BlobRef),
    /// In those of a list of this level.
    List(u8, BlobRef),
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A symbolic link with its text.
    Link(Vec<u8>),
    /// A file.
    File {
        /// Whether its owner may run it.
        executable: bool,
        /// Bytes.
        len: u64,
        /// BLAKE3 of them.
        content: [u8; 32],
        /// Last modification: seconds since 1970 UTC and nanoseconds.
        mtime: (i64, u32),
        /// Who may do what with it, as the nine bits of Unix.
        mode: u32,
        /// Where they are.
        body: Body,
    },
}

/// A path and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// See the module.
    pub key: Vec<u8>,
    /// What is there.
    pub kind: EntryKind,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaf {
    /// In the order of their keys.
    pub entries: Vec<Entry>,
}

/// A page below a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeChild {
    /// Its first key.
    pub first: Vec<u8>,
    /// Entries below it.
    pub entries: u64,
    /// Where it is.
    pub blob: BlobRef,
}

/// A page of pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// In the order of their first keys.
    pub children: Vec<NodeChild>,
}

impl Leaf {
    /// What is sealed.
    pub fn encode(&self) -> Vec<u8> {
        let (mut refs, mut out) = (RefWriter::default(), Vec::new());
        put_varint(&mut out, self.entries.len() as u64);
        let mut before: &[u8] = &[];
        for entry in &self.entries {
            put_key(&mut out, before, &entry.key);
            before = &entry.key;
            put_kind(&mut out, &mut refs, &entry.kind);
        }
        refs.finish(&out)
    }

    /// Reads it out of the pack `own`: keys in order, each once.
    pub fn decode(plain: &[u8], own: Digest) -> Result<Self, BlobError> {
        let mut reader = Reader(plain);
        let refs = RefReader::begin(&mut reader, own)?;
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..entries_of_page(&mut reader)? {
            let key = key(&mut reader, entries.last().map(|entry| &entry.key[..]))?;
            let kind = kind(&mut reader, &refs)?;
            entries.push(Entry { key, kind });
        }
        ended(&reader, Self { entries })
    }
}

impl Node {
    /// What is sealed; `level` 1 is right above the leaves.
    pub fn encode(&self, level: u8) -> Vec<u8> {
        let (mut refs, mut out) = (RefWriter::default(), vec![level]);
        put_varint(&mut out, self.children.len() as u64);
        let mut before: &[u8] = &[];
        for child in &self.children {
            put_key(&mut out, before, &child.first);
            before = &child.first;
            put_varint(&mut out, child.entries);
            refs.put(&mut out, &child.blob);
        }
        refs.finish(&out)
    }

    /// Reads it out of the pack `own`; it has to be of this level.
    pub fn decode(plain: &[u8], own: Digest, level: u8) -> Result<Self, BlobError> {
        let mut reader = Reader(plain);
        let refs = RefReader::begin(&mut reader, own)?;
        if reader.u8()? != level || level > MAX_TREE_LEVEL {
            return Err(BlobError::Damaged);
        }
        let mut children: Vec<NodeChild> = Vec::new();
        let mut total: u64 = 0;
        for _ in 0..entries_of_page(&mut reader)? {
            let first = key(&mut reader, children.last().map(|child| &child.first[..]))?;
            let entries = reader.varint()?;
            total = total.checked_add(entries).ok_or(BlobError::Damaged)?;
            let blob = refs.get(&mut reader)?;
            children.push(NodeChild { first, entries, blob });
        }
        ended(&reader, Self { children })
    }
}

/// How many there are: one at least, so that no page leads to any number of others.
fn entries_of_page(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    match count(reader)? {
        entries @ 1..=MAX_PAGE_ENTRIES => Ok(entries),
        _ => Err(Malformed),
    }
}

/// What it shares with the key before, then the rest.
fn put_key(out: &mut Vec<u8>, before: &[u8], key: &[u8]) {
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    put_varint(out, shared as u64);
    put_varint(out, (key.len() - shared) as u64);
    out.extend_from_slice(&key[shared..]);
}

fn key(reader: &mut Reader<'_>, before: Option<&[u8]>) -> Result<Vec<u8>, Malformed> {
    let mut number = || usize::try_from(reader.varint()?).map_err(|_| Malformed);
    let (shared, rest) = (number()?, number()?);
    let start = before.unwrap_or(&[]).get(..shared).ok_or(Malformed)?;
    if rest > MAX_KEY_LEN || shared + rest > MAX_KEY_LEN {
        return Err(Malformed);
    }
    let key = [start, reader.bytes(rest)?].concat();
    match before.is_none_or(|before| before < &key[..]) {
        true => Ok(key),
        false => Err(Malformed),
    }
}

fn put_kind(out: &mut Vec<u8>, refs: &mut RefWriter, kind: &EntryKind) {
    match kind {
        EntryKind::Folder => out.push(0),
        EntryKind::Link(text) => {
            out.push(1);
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text);
        }
        EntryKind::File {
            executable,
            len,
            content,
            mtime: (seconds, nanoseconds),
            mode,
            body,
        } => {
            out.push(2 + u8::from(*executable));
            put_varint(out, *len);
            out.extend_from_slice(content);
            // The sign in the lowest bit.
            put_varint(out, ((seconds << 1) ^ (seconds >> 63)).cast_unsigned());
            put_varint(out, (*nanoseconds).into());
            put_varint(out, (*mode).into());
            match body {
                Body::Empty => out.push(0),
                Body::Piece(blob) => {
                    out.push(1);
                    refs.put(out, blob);
                }
                Body::List(level, blob) => {
                    out.push(2 + level);
                    refs.put(out, blob);
                }
            }
        }
    }
}

fn kind(reader: &mut Reader<'_>, refs: &RefReader<'_>) -> Result<EntryKind, Malformed> {
    let tag = reader.u8()?;
    match tag {
        0 => Ok(EntryKind::Folder),
        1 => {
            let len = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
            if len > MAX_LINK_LEN {
                return Err(Malformed);
            }
            Ok(EntryKind::Link(reader.bytes(len)?.to_vec()))
        }
        2 | 3 => {
            let len = reader.varint()?;
            let content = reader.array()?;
            let seconds = reader.varint()?;
            let seconds = (seconds >> 1).cast_signed() ^ -((seconds & 1).cast_signed());
            let short = |number| u32::try_from(number).map_err(|_| Malformed);
            let nanoseconds = short(reader.varint()?)?;
            let mode = short(reader.varint()?)?;
            let body = match reader.u8()? {
                0 => Body::Empty,
                1 => Body::Piece(refs.get(reader)?),
                level if level - 2 <= MAX_LIST_LEVEL => Body::List(level - 2, refs.get(reader)?),
                _ => return Err(Malformed),
            };
            let is_whole = (len == 0) == (body == Body::Empty);
            if nanoseconds >= 1_000_000_000 || mode > 0o777 || !is_whole {
                return Err(Malformed);
            }
            Ok(EntryKind::File {
                executable: tag == 3,
                len,
                content,
                mtime: (seconds, nanoseconds),
                mode,
                body,
            })
        }
        _ => Err(Malformed),
    }
}
