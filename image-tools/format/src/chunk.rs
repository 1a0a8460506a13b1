//! Chunks: 64 KiB pieces of a volume, their ids and their codec.
//!
//! A chunk's id is a keyed hash of its plaintext, so equal chunks meet in one place within an organisation
//! and tell nothing to anybody without the key. What a frame holds (its *payload*) is either the chunk itself
//! or its zstd form; the length alone says which, because zstd is kept only when it saves an eighth.

use std::fmt;

use zstd::bulk;

use crate::crypto::{Key, OpenError};
use crate::limits::CHUNK_LEN;

/// Longest compressed payload, bytes; a payload of [`CHUNK_LEN`] is the chunk itself, nothing lies between.
pub const MAX_COMPRESSED_LEN: usize = CHUNK_LEN / 8 * 7;

/// The full id of a chunk, as pack directories list it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId(pub [u8; 32]);

impl ChunkId {
    /// The part that maps carry and readers verify: 128 bits, so a forger faces a second preimage.
    pub fn short(&self) -> ShortChunkId {
        let mut short = [0; 16];
        short.copy_from_slice(&self.0[..16]);
        ShortChunkId(short)
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first half of a [`ChunkId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortChunkId(pub [u8; 16]);

impl fmt::Debug for ShortChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Names chunks under one organisation's key.
pub struct ChunkNamer(Key);

impl ChunkNamer {
    /// Uses the organisation's chunk id key.
    pub fn new(key: Key) -> Self {
        Self(key)
    }

    /// The id of `chunk`.
    pub fn id(&self, chunk: &[u8]) -> ChunkId {
        ChunkId(*self.0.mac(chunk).as_bytes())
    }
}

/// Whether every byte is zero; such a chunk is never stored.
pub fn is_zero(chunk: &[u8]) -> bool {
    // Whole lines are folded without a branch, which the compiler turns into vector code.
    let (lines, rest) = chunk.as_chunks::<128>();
    lines
        .iter()
        .all(|line| line.iter().fold(0, |seen, byte| seen | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// Turns chunks into payloads; one per worker, because the compression context is large.
pub struct ChunkEncoder {
    context: bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl ChunkEncoder {
    /// Compresses at zstd's `level`.
    pub fn new(level: i32) -> Self {
        let mut context = bulk::Compressor::new(level).expect("a zstd context needs only memory");
        context
            .set_parameter(zstd::zstd_safe::CParameter::ContentSizeFlag(false))
            .expect("zstd knows the content size flag");
        Self {
            context,
            buffer: vec![0; MAX_COMPRESSED_LEN],
        }
    }

    /// The payload of `chunk`, which must have [`CHUNK_LEN`] bytes.
    pub fn encode<'a>(&'a mut self, chunk: &'a [u8]) -> &'a [u8] {
        debug_assert_eq!(chunk.len(), CHUNK_LEN);
        // The buffer ends where keeping zstd stops being worth it, so "does not fit" means "store it raw".
        match self.context.compress_to_buffer(chunk, self.buffer.as_mut_slice()) {
            Ok(len) => &self.buffer[..len],
            Err(_) => chunk,
        }
    }
}

/// Turns payloads back into chunks; one per worker.
pub struct ChunkDecoder(bulk::Decompressor<'static>);

impl ChunkDecoder {
    /// Prepares a context.
    pub fn new() -> Self {
        Self(bulk::Decompressor::new().expect("a zstd context needs only memory"))
    }

    /// Fills `chunk`, which must have [`CHUNK_LEN`] bytes; never writes more, whatever the payload claims.
    pub fn decode(&mut self, payload: &[u8], chunk: &mut [u8]) -> Result<(), OpenError> {
        debug_assert_eq!(chunk.len(), CHUNK_LEN);
        if payload.len() == CHUNK_LEN {
            chunk.copy_from_slice(payload);
            return Ok(());
        }
        match self.0.decompress_to_buffer(payload, chunk) {
            Ok(CHUNK_LEN) => Ok(()),
            _ => Err(OpenError),
        }
    }
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a payload may have this length.
pub fn is_payload_len(len: usize) -> bool {
    (1..=MAX_COMPRESSED_LEN).contains(&len) || len == CHUNK_LEN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(chunk: &[u8]) -> usize {
        let mut encoder = ChunkEncoder::new(3);
        let payload = encoder.encode(chunk).to_vec();
        assert!(is_payload_len(payload.len()));
        let mut back = vec![0xaa; CHUNK_LEN];
        ChunkDecoder::new().decode(&payload, &mut back).unwrap();
        assert_eq!(back, chunk);
        payload.len()
    }

    #[test]
    fn a_chunk_that_does_not_shrink_is_stored_as_it_is() {
        let mut noise = vec![0; CHUNK_LEN];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert_eq!(round_trip(&noise), CHUNK_LEN);
        // Saving just under an eighth is not worth a decompression either.
        noise[..CHUNK_LEN / 10].fill(0);
        assert_eq!(round_trip(&noise), CHUNK_LEN);
        noise[..CHUNK_LEN / 7].fill(0);
        assert!(round_trip(&noise) <= MAX_COMPRESSED_LEN);
    }

    #[test]
    fn a_payload_that_expands_past_the_chunk_is_refused() {
        let bomb = bulk::compress(&vec![0; CHUNK_LEN + 1], 3).unwrap();
        let short = bulk::compress(&vec![0; CHUNK_LEN - 1], 3).unwrap();
        let mut chunk = vec![0; CHUNK_LEN];
        assert_eq!(ChunkDecoder::new().decode(&bomb, &mut chunk), Err(OpenError));
        assert_eq!(ChunkDecoder::new().decode(&short, &mut chunk), Err(OpenError));
        assert_eq!(ChunkDecoder::new().decode(b"no zstd", &mut chunk), Err(OpenError));
    }

    #[test]
    fn zero_is_told_from_nearly_zero() {
        let mut chunk = vec![0; CHUNK_LEN];
        assert!(is_zero(&chunk));
        for at in [0, 1, 127, 128, CHUNK_LEN - 1] {
            chunk[at] = 1;
            assert!(!is_zero(&chunk), "byte {at}");
            chunk[at] = 0;
        }
        assert!(is_zero(&[]) && is_zero(&[0; 5]) && !is_zero(&[0, 0, 1]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn encoding_and_decoding_is_the_identity(runs in prop::collection::vec((any::<u8>(), 1usize..9000), 1..40)) {
            let mut chunk: Vec<u8> = runs.iter().flat_map(|(byte, len)| vec![*byte; *len]).collect();
            chunk.resize(CHUNK_LEN, 7);
            round_trip(&chunk);
        }
    }
}
