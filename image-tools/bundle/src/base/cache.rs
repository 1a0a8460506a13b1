//! Verified chunks in memory, bounded in bytes; one thread reads what many ask for.

use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

use gobag_format::chunk::{ChunkDecoder, ShortChunkId};
use gobag_format::limits::CHUNK_LEN;
use quick_cache::sync::Cache;

/// Chunks by id, and decompression contexts for whoever fills it.
pub(super) struct ChunkCache {
    chunks: Cache<ShortChunkId, Arc<[u8]>>,
    zero: Arc<[u8]>,
    decoders: Mutex<Vec<ChunkDecoder>>,
}

impl ChunkCache {
    /// All chunks have one length, so a number of items bounds the bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / CHUNK_LEN as u64)
            .unwrap_or(usize::MAX)
            .max(1);
        Self {
            chunks: Cache::new(items),
            zero: empty_chunk(),
            decoders: Mutex::default(),
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
        read: impl FnOnce(&mut ChunkDecoder) -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<[u8]>, E> {
        self.chunks.get_or_insert_with(id, || {
            let mut decoder = self.lock_decoders().pop().unwrap_or_default();
            let chunk = read(&mut decoder);
            self.lock_decoders().push(decoder);
            chunk
        })
    }

    fn lock_decoders(&self) -> std::sync::MutexGuard<'_, Vec<ChunkDecoder>> {
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk to be filled, in its final place.
pub(super) fn empty_chunk() -> Arc<[u8]> {
    iter::repeat_n(0, CHUNK_LEN).collect()
}
