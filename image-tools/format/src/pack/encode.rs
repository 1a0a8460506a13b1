//! Writing a pack: bytes come out in file order, once.

use crate::chunk::ChunkId;
use crate::crypto::{Cipher, Key, NONCE_LEN, Random, TAG_LEN, position_nonce};
use crate::digest::Digest;
use crate::ids::PackId;
use crate::limits::MAX_PACK_LEN;

use super::{
    DIRECTORY_DOMAIN, ENTRY_LEN, FOOTER_DOMAIN, FRAME_DOMAIN, FrameAddress, MAGIC, OWNER_LABEL,
    PACK_FOOTER_LEN, PACK_FORMAT, PACK_GRAIN, PACK_HEADER_LEN, READABLE_LEN, associated_data, directory_len,
};

/// Seals frames into one pack. Whatever it hands out must be written in that order into one new file; when
/// that fails, the file and this encoder are thrown away together.
pub struct PackEncoder {
    id: PackId,
    key: Key,
    cipher: Cipher,
    header_digest: Digest,
    limit_bytes: u64,
    offset: u64,
    frames: u32,
    directory: Vec<u8>,
}

/// What is known of a pack once its last byte is out.
pub struct FinishedPack {
    /// The pack's id.
    pub id: PackId,
    /// Its key.
    pub key: Key,
    /// Length of the file, bytes.
    pub len_bytes: u64,
    /// Frames in it.
    pub frames: u32,
}

impl PackEncoder {
    /// Begins a pack of at most `limit_bytes` (rounded down to a MiB, [`MAX_PACK_LEN`] at most) that the
    /// holder of `owner_key` can read alone, and puts its header into `out`.
    pub fn new(owner_key: &Key, limit_bytes: u64, random: &dyn Random, out: &mut Vec<u8>) -> Self {
        let id = PackId::generate(random);
        let key = Key::generate(random);
        let from = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&PACK_FORMAT.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&id.0);
        // The slot's key is derived for this pack id alone and seals once.
        let slot = Cipher::gcm(&owner_key.derive(OWNER_LABEL, &id.0));
        let readable = out[from..from + READABLE_LEN].to_vec();
        out.extend_from_slice(key.expose());
        slot.seal([0; NONCE_LEN], &readable, out, from + READABLE_LEN);
        out.resize(from + PACK_HEADER_LEN, 0);
        Self {
            id,
            cipher: Cipher::gcm(&key),
            key,
            header_digest: Digest::of(&out[from..]),
            limit_bytes: limit_bytes.clamp(PACK_GRAIN, MAX_PACK_LEN) / PACK_GRAIN * PACK_GRAIN,
            offset: PACK_HEADER_LEN as u64,
            frames: 0,
            directory: Vec::new(),
        }
    }

    /// The pack's id.
    pub fn id(&self) -> PackId {
        self.id
    }

    /// The pack's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether no frame is in it yet.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Seals one payload (see [`crate::chunk`]) and appends the frame to `out`; `None`, and nothing
    /// appended, when the pack is full.
    pub fn push(&mut self, chunk: &ChunkId, payload: &[u8], out: &mut Vec<u8>) -> Option<FrameAddress> {
        let sealed_end = self.offset + (payload.len() + TAG_LEN) as u64;
        let len = sealed_end + directory_len(u64::from(self.frames) + 1) + PACK_FOOTER_LEN as u64;
        if len > self.limit_bytes {
            return None;
        }
        let address = FrameAddress::new(u32::try_from(self.offset).ok()?, payload.len())?;
        let from = out.len();
        out.extend_from_slice(payload);
        let aad = associated_data(self.id, self.offset);
        self.cipher
            .seal(position_nonce(FRAME_DOMAIN, self.offset), &aad, out, from);
        self.directory
            .extend_from_slice(&address.to_parts().1.to_le_bytes());
        self.directory.extend_from_slice(&chunk.0);
        self.offset = sealed_end;
        self.frames += 1;
        Some(address)
    }

    /// Appends directory and footer to `out`; the file is complete with them.
    pub fn finish(mut self, out: &mut Vec<u8>) -> FinishedPack {
        let least = self.offset + directory_len(u64::from(self.frames)) + PACK_FOOTER_LEN as u64;
        let len_bytes = least.next_multiple_of(PACK_GRAIN);
        let footer_offset = len_bytes - PACK_FOOTER_LEN as u64;
        let sealed_len = footer_offset - self.offset;
        debug_assert_eq!(self.directory.len(), self.frames as usize * ENTRY_LEN);
        self.directory.resize(sealed_len as usize - TAG_LEN, 0);
        let aad = associated_data(self.id, self.offset);
        let nonce = position_nonce(DIRECTORY_DOMAIN, self.offset);
        self.cipher.seal(nonce, &aad, &mut self.directory, 0);

        let mut footer = Vec::with_capacity(PACK_FOOTER_LEN);
        footer.extend_from_slice(&self.frames.to_le_bytes());
        // Both fit: a pack is at most 1 GiB long.
        footer.extend_from_slice(&(self.offset as u32).to_le_bytes());
        footer.extend_from_slice(&(sealed_len as u32).to_le_bytes());
        footer.extend_from_slice(&self.header_digest.0);
        footer.extend_from_slice(&Digest::of(&self.directory).0);
        footer.resize(PACK_FOOTER_LEN - TAG_LEN, 0);
        let aad = associated_data(self.id, footer_offset);
        self.cipher
            .seal(position_nonce(FOOTER_DOMAIN, footer_offset), &aad, &mut footer, 0);

        out.append(&mut self.directory);
        out.append(&mut footer);
        FinishedPack {
            id: self.id,
            key: self.key,
            len_bytes,
            frames: self.frames,
        }
    }
}
