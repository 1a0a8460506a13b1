//! Reading the sources in disk order, holes without touching them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use crossbeam_channel::{Receiver, Sender};
use gobag_format::limits::CHUNK_LEN;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::VolumeSource;
use super::worker::Task;
use crate::files::{At, FileError};

const CHUNK: u64 = CHUNK_LEN as u64;
/// Bytes of a full batch.
const BATCH_LEN: u64 = 1 << 20;

/// A piece of a volume on its way; `number` counts batches of the whole build, in disk order.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) volume: usize,
    pub(super) content: Content,
}

/// What a batch holds.
pub(super) enum Content {
    /// Whole chunks, the last one of a volume filled up with zeros; `read` bytes come from the source.
    Data { bytes: Vec<u8>, read: u64 },
    /// So many chunks of zeros that were not read.
    Hole { chunks: u64, buffer: Vec<u8> },
}

/// Reads all sources; ends early, without an error, when nobody takes the batches any more.
pub(super) fn read_all(
    sources: &[VolumeSource],
    buffers: &Receiver<Vec<u8>>,
    tasks: &Sender<Task>,
) -> Result<(), FileError> {
    let mut number = 0;
    for (volume, source) in sources.iter().enumerate() {
        let file = File::open(&source.path).at("open", &source.path)?;
        let mut offset = 0;
        while offset < source.size_bytes {
            let Ok(buffer) = buffers.recv() else { return Ok(()) };
            let content = next(&file, offset, source.size_bytes, buffer).at("read", &source.path)?;
            offset += match &content {
                Content::Data { bytes, .. } => bytes.len() as u64,
                Content::Hole { chunks, .. } => chunks * CHUNK,
            };
            if tasks
                .send(Task::Hash(Batch {
                    number,
                    volume,
                    content,
                }))
                .is_err()
            {
                return Ok(());
            }
            number += 1;
        }
    }
    Ok(())
}

/// What follows at `offset`, a multiple of the chunk length. Whole chunks of a hole are skipped; a chunk
/// with both hole and data is data.
fn next(file: &File, offset: u64, end: u64, mut buffer: Vec<u8>) -> io::Result<Content> {
    let data = next_data(file, offset, end)?;
    let whole = if data == end {
        data.div_ceil(CHUNK)
    } else {
        data / CHUNK
    };
    let chunks = whole.saturating_sub(offset / CHUNK);
    if chunks > 0 {
        return Ok(Content::Hole { chunks, buffer });
    }
    let read = fill(file, offset, BATCH_LEN.min(end - offset) as usize, &mut buffer)?;
    Ok(Content::Data { bytes: buffer, read })
}

/// The first byte at or after `offset` that is not in a hole, `end` when only holes follow. A file system
/// that does not tell says that everything is data.
fn next_data(file: &File, offset: u64, end: u64) -> io::Result<u64> {
    match seek(file.as_fd(), SeekFrom::Data(offset)) {
        Ok(data) => Ok(data.min(end)),
        Err(Errno::NXIO) => Ok(end),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(offset),
        Err(error) => Err(error.into()),
    }
}

/// Fills `buffer` with `len` bytes from `offset`, then with zeros to whole chunks. What lies past the end of
/// the file is zero.
fn fill(file: &File, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<u64> {
    buffer.resize(len.next_multiple_of(CHUNK_LEN), 0);
    let mut done = 0;
    while done < len {
        match file.read_at(&mut buffer[done..len], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer[done..].fill(0);
    Ok(done as u64)
}
