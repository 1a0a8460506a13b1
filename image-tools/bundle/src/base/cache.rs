//! Verified chunks in memory, bounded in bytes; one thread reads what many ask for.

use std::iter;
use std::sync::Arc;

use gobag_format::chunk::{ChunkDecoder, ShortChunkId};
use gobag_format::limits::CHUNK_LEN;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

use crate::pool::Pool;

/// The share of the memory kept for chunks that were asked for more than once. The rest must hold what is read ahead
/// until its reader comes, for which the library's 3 % are too few.
const ASKED_TWICE: f64 = 0.6;

/// Chunks by id, and what is needed to open them.
pub(super) struct ChunkCache {
    chunks: Cache<ShortChunkId, Arc<[u8]>>,
    zero: Arc<[u8]>,
    openers: Pool<ChunkOpener>,
}

/// What opening a chunk needs, used again for the next.
#[derive(Default)]
pub(super) struct ChunkOpener {
    decoder: ChunkDecoder,
    sealed: Vec<u8>,
}

impl ChunkOpener {
    /// The decoder, and a buffer of `len` bytes.
    pub(super) fn parts(&mut self, len: usize) -> (&mut ChunkDecoder, &mut [u8]) {
        if self.sealed.len() < len {
            self.sealed.resize(len, 0);
        }
        (&mut self.decoder, &mut self.sealed[..len])
    }
}

impl ChunkCache {
    /// All chunks have one length, so a number of items bounds the bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / CHUNK_LEN as u64)
            .unwrap_or(usize::MAX)
            .max(1);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(items as u64)
            .hot_allocation(ASKED_TWICE)
            .build()
            .expect("capacity and number of items are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            chunks: Cache::with_options(options, UnitWeighter, hasher, lifecycle),
            zero: empty_chunk(),
            openers: Pool::default(),
        }
    }

    /// The chunk of zeros.
    pub(super) fn zero(&self) -> Arc<[u8]> {
        Arc::clone(&self.zero)
    }

    pub(super) fn get(&self, id: &ShortChunkId) -> Option<Arc<[u8]>> {
        self.chunks.get(id)
    }

    pub(super) fn contains(&self, id: &ShortChunkId) -> bool {
        self.chunks.contains_key(id)
    }

    /// The chunk `id`, from memory or from `read`; others who ask meanwhile wait for this one reading.
    pub(super) fn get_or_read<E>(
        &self,
        id: &ShortChunkId,
        read: impl FnOnce(&mut ChunkOpener) -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<[u8]>, E> {
        self.chunks.get_or_insert_with(id, || self.openers.with(read))
    }
}

/// A chunk to be filled, in its final place.
pub(super) fn empty_chunk() -> Arc<[u8]> {
    iter::repeat_n(0, CHUNK_LEN).collect()
}
