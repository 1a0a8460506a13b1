//! The work that all cores share: hashing chunks and compressing new ones.

use crossbeam_channel::{Receiver, Sender};
use gobag_format::chunk::{ChunkEncoder, ChunkId, ChunkNamer, is_zero};
use gobag_format::limits::CHUNK_LEN;

use super::reader::{Batch, Content};
use crate::files::FileError;

/// Something to do.
pub(super) enum Task {
    /// Name the chunks of a batch.
    Hash(Batch),
    /// Compress those chunks of a batch whose position is listed.
    Compress(Hashed, Vec<usize>),
}

/// A batch whose chunks have names; `None` is a chunk of zeros.
pub(super) struct Hashed {
    pub(super) batch: Batch,
    pub(super) ids: Vec<Option<ChunkId>>,
}

/// Payloads of new chunks, one behind the other.
#[derive(Default)]
pub(super) struct Payloads {
    pub(super) bytes: Vec<u8>,
    /// Position in the batch and length of the payload, rising by position.
    pub(super) lens: Vec<(usize, usize)>,
}

/// Something that was done.
pub(super) enum Done {
    /// Names.
    Hashed(Hashed),
    /// Payloads.
    Compressed(Hashed, Payloads),
    /// A source could not be read.
    ReadFailed(FileError),
}

/// Takes tasks until there are none, or nobody wants results.
pub(super) fn work(tasks: &Receiver<Task>, results: &Sender<Done>, namer: &ChunkNamer, level: i32) {
    let mut encoder = ChunkEncoder::new(level);
    for task in tasks {
        let done = match task {
            Task::Hash(batch) => Done::Hashed(hash(batch, namer)),
            Task::Compress(hashed, new) => {
                let payloads = compress(&hashed, &new, &mut encoder);
                Done::Compressed(hashed, payloads)
            }
        };
        if results.send(done).is_err() {
            return;
        }
    }
}

fn hash(batch: Batch, namer: &ChunkNamer) -> Hashed {
    let name = |chunk: &[u8]| (!is_zero(chunk)).then(|| namer.id(chunk));
    let ids = match &batch.content {
        Content::Data { bytes, .. } => bytes.chunks_exact(CHUNK_LEN).map(name).collect(),
        Content::Hole { .. } => Vec::new(),
    };
    Hashed { batch, ids }
}

fn compress(hashed: &Hashed, new: &[usize], encoder: &mut ChunkEncoder) -> Payloads {
    let mut payloads = Payloads::default();
    let Content::Data { bytes, .. } = &hashed.batch.content else {
        return payloads;
    };
    for position in new {
        let payload = encoder.encode(&bytes[position * CHUNK_LEN..(position + 1) * CHUNK_LEN]);
        payloads.bytes.extend_from_slice(payload);
        payloads.lens.push((*position, payload.len()));
    }
    payloads
}
