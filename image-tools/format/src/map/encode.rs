//! Writing a map: entries come in disk order, bytes go out in file order.

use zstd::bulk;

use crate::crypto::{Cipher, Key, position_nonce};
use crate::digest::Digest;
use crate::ids::ImageId;

use super::{
    ENTRY_LEN, LEAF_DOMAIN, LEAF_ENTRIES, MAGIC, MAP_FORMAT, MapEntry, MapRef, ROOT_DOMAIN, associated_data,
    map_key,
};

/// Compresses tables of mostly random ids; a higher level gains under one percent.
const LEVEL: i32 = 3;

/// Seals the map of one volume. The image id must be fresh for this writing: it makes the key fresh.
pub struct MapEncoder {
    image: ImageId,
    volume: u8,
    cipher: Cipher,
    context: bulk::Compressor<'static>,
    offset: u64,
    leaves: u64,
    leaf: Vec<u8>,
    leaf_entries: usize,
    leaf_is_zero: bool,
    root: Vec<u8>,
}

impl MapEncoder {
    /// Begins the map of the `volume`-th volume of `image` and puts its header into `out`.
    pub fn new(image_key: &Key, image: ImageId, volume: u8, out: &mut Vec<u8>) -> Self {
        let from = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&MAP_FORMAT.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&image.0);
        Self {
            image,
            volume,
            cipher: Cipher::gcm(&map_key(image_key, image, volume)),
            context: bulk::Compressor::new(LEVEL).expect("a zstd context needs only memory"),
            offset: (out.len() - from) as u64,
            leaves: 0,
            leaf: Vec::with_capacity(LEAF_ENTRIES * ENTRY_LEN),
            leaf_entries: 0,
            leaf_is_zero: true,
            root: Vec::new(),
        }
    }

    /// Places the next chunk; `None` is a chunk of zeros. Appends to `out` whenever a leaf is full.
    pub fn push(&mut self, entry: Option<MapEntry>, out: &mut Vec<u8>) {
        match entry {
            Some(entry) => {
                let (offset, payload_len_less_one) = entry.frame.to_parts();
                self.leaf.extend_from_slice(&entry.chunk.0);
                self.leaf.extend_from_slice(&entry.pack.to_le_bytes());
                self.leaf.extend_from_slice(&payload_len_less_one.to_le_bytes());
                self.leaf.extend_from_slice(&offset.to_le_bytes());
                self.leaf_is_zero = false;
            }
            // No frame lies at offset 0, so an entry of zeros cannot be mistaken.
            None => self.leaf.resize(self.leaf.len() + ENTRY_LEN, 0),
        }
        self.leaf_entries += 1;
        if self.leaf_entries == LEAF_ENTRIES {
            self.end_leaf(out);
        }
    }

    /// Appends what is left and the root; the file is complete with them.
    pub fn finish(mut self, out: &mut Vec<u8>) -> MapRef {
        if self.leaf_entries > 0 {
            self.end_leaf(out);
        }
        let root_offset = self.offset;
        let aad = associated_data(self.image, self.volume, self.leaves);
        self.cipher
            .seal(position_nonce(ROOT_DOMAIN, root_offset), &aad, &mut self.root, 0);
        let root_digest = Digest::of(&self.root);
        let len_bytes = root_offset + self.root.len() as u64;
        out.append(&mut self.root);
        MapRef {
            len_bytes,
            root_offset,
            root_digest,
        }
    }

    fn end_leaf(&mut self, out: &mut Vec<u8>) {
        let (mut len, mut digest) = (0, Digest([0; 32]));
        let offset = if self.leaf_is_zero { 0 } else { self.offset };
        if !self.leaf_is_zero {
            let from = out.len();
            let leaf = self
                .context
                .compress(&self.leaf)
                .expect("zstd allots what its own bound asks for");
            out.extend_from_slice(&leaf);
            let aad = associated_data(self.image, self.volume, self.leaves);
            self.cipher
                .seal(position_nonce(LEAF_DOMAIN, self.offset), &aad, out, from);
            len = out.len() - from;
            digest = Digest::of(&out[from..]);
            self.offset += len as u64;
        }
        self.root.extend_from_slice(&offset.to_le_bytes());
        self.root.extend_from_slice(&(len as u32).to_le_bytes());
        self.root.extend_from_slice(&digest.0);
        self.leaves += 1;
        self.leaf.clear();
        self.leaf_entries = 0;
        self.leaf_is_zero = true;
    }
}
