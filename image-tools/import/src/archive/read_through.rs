//! A tar archive read to its end, for what it holds as a whole: the way of fuzzing to the reader.

use std::io::Read;

use super::TarStream;
use crate::entry::{EntryStream as _, ReadError};

/// Of a longer file only the beginning is read, bytes: a sparse one may claim to be endless.
const MOST_OF_A_FILE: usize = 1 << 20;

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveContent {
    /// Its members.
    pub entries: u64,
    /// Bytes read of its files, holes included.
    pub content_bytes: u64,
}

/// Reads a whole tar archive, and at most a MiB of each file in it.
pub fn read_archive(input: impl Read) -> Result<ArchiveContent, ReadError> {
    let mut stream = TarStream::new(input, "archive".to_owned(), true);
    let mut seen = ArchiveContent::default();
    let mut buffer = [0; 4096];
    while stream.next_entry()?.is_some() {
        seen.entries += 1;
        let mut left = MOST_OF_A_FILE;
        while left > 0 {
            let read = stream.read_content(&mut buffer)?;
            if read == 0 {
                break;
            }
            seen.content_bytes += read as u64;
            left = left.saturating_sub(read);
        }
    }
    stream.finish()?;
    Ok(seen)
}
