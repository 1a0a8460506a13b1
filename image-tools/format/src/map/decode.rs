//! Reading a map: the root once, leaves on demand.

use zstd::bulk;

use crate::chunk::ShortChunkId;
use crate::crypto::{Cipher, Key, position_nonce};
use crate::digest::Digest;
use crate::ids::ImageId;
use crate::pack::FrameAddress;
use crate::reader::{Malformed, Reader};

use super::{
    ENTRY_LEN, LEAF_DOMAIN, LEAF_ENTRIES, MAGIC, MAP_FORMAT, MAP_HEADER_LEN, MAX_LEAF_LEN, MapEntry,
    MapError, MapRef, ROOT_DOMAIN, ROOT_ENTRY_LEN, associated_data, chunk_count, leaf_count, map_key,
};

/// Opens the parts of one volume's map.
pub struct MapCipher {
    image: ImageId,
    volume: u8,
    cipher: Cipher,
}

/// Where the leaves of a map lie.
pub struct MapRoot {
    size_bytes: u64,
    leaves: Vec<Option<LeafPlace>>,
}

/// Where one leaf lies, and what it must hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafPlace {
    /// First byte in the map file.
    pub offset: u64,
    /// Bytes of the sealed leaf.
    pub len: usize,
    digest: Digest,
}

/// Places of up to [`LEAF_ENTRIES`] chunks.
pub struct MapLeaf(Vec<Option<MapEntry>>);

impl MapCipher {
    /// Opens parts of the map of the `volume`-th volume of `image`.
    pub fn new(image_key: &Key, image: ImageId, volume: u8) -> Self {
        Self {
            image,
            volume,
            cipher: Cipher::gcm(&map_key(image_key, image, volume)),
        }
    }

    /// Checks that the file with this header is a map of the right image.
    pub fn check_header(&self, bytes: &[u8; MAP_HEADER_LEN]) -> Result<(), MapError> {
        let (magic, found, bits, image) = header_fields(bytes).map_err(|Malformed| MapError::NotAMap)?;
        if magic != MAGIC {
            return Err(MapError::NotAMap);
        }
        if found != MAP_FORMAT {
            return Err(MapError::NewerFormat {
                found,
                supported: MAP_FORMAT,
            });
        }
        if bits != 0 {
            return Err(MapError::UnknownFeature { bits });
        }
        if image != self.image {
            return Err(MapError::OtherImage {
                expected: self.image,
                found: image,
            });
        }
        Ok(())
    }

    /// Opens the root that the manifest describes in `place`, of a volume of `size_bytes`.
    pub fn open_root(&self, place: &MapRef, size_bytes: u64, sealed: &mut [u8]) -> Result<MapRoot, MapError> {
        if !place.fits(size_bytes) || Digest::of(sealed) != place.root_digest {
            return Err(MapError::Root);
        }
        let leaves = leaf_count(size_bytes);
        let aad = associated_data(self.image, self.volume, leaves);
        let nonce = position_nonce(ROOT_DOMAIN, place.root_offset);
        let plain = self
            .cipher
            .open(nonce, &aad, sealed)
            .map_err(|_| MapError::Root)?;
        if plain.len() as u64 != leaves * ROOT_ENTRY_LEN as u64 {
            return Err(MapError::Root);
        }
        let entries = plain.chunks_exact(ROOT_ENTRY_LEN);
        let leaves = entries.map(|entry| LeafPlace::parse(entry, place.root_offset));
        let leaves = leaves
            .collect::<Result<_, _>>()
            .map_err(|Malformed| MapError::Root)?;
        Ok(MapRoot { size_bytes, leaves })
    }

    /// Opens leaf number `leaf` of `root` in place.
    pub fn open_leaf(&self, root: &MapRoot, leaf: u64, sealed: &mut [u8]) -> Result<MapLeaf, MapError> {
        let damaged = MapError::Leaf { leaf };
        let Some(place) = root.leaf(leaf) else {
            return Ok(MapLeaf(vec![None; root.entries_of(leaf)]));
        };
        if Digest::of(sealed) != place.digest {
            return Err(damaged);
        }
        let aad = associated_data(self.image, self.volume, leaf);
        let nonce = position_nonce(LEAF_DOMAIN, place.offset);
        let Ok(packed) = self.cipher.open(nonce, &aad, sealed) else {
            return Err(damaged);
        };
        let len = root.entries_of(leaf) * ENTRY_LEN;
        let plain = match bulk::decompress(packed, len) {
            Ok(plain) if plain.len() == len => plain,
            _ => return Err(damaged),
        };
        let entries = plain
            .chunks_exact(ENTRY_LEN)
            .map(parse_entry)
            .collect::<Result<_, _>>();
        entries.map(MapLeaf).map_err(|Malformed| damaged)
    }
}

impl LeafPlace {
    fn parse(entry: &[u8], root_offset: u64) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader(entry);
        let (offset, len, digest) = (reader.u64()?, reader.u32()? as usize, Digest(reader.array()?));
        if (offset, len) == (0, 0) {
            return Ok(None);
        }
        let end = offset.checked_add(len as u64).ok_or(Malformed)?;
        if offset < MAP_HEADER_LEN as u64 || end > root_offset || len > MAX_LEAF_LEN {
            return Err(Malformed);
        }
        Ok(Some(Self { offset, len, digest }))
    }
}

impl MapRoot {
    /// Where leaf number `leaf` lies; `None` when all its chunks are zero or it is past the end.
    pub fn leaf(&self, leaf: u64) -> Option<LeafPlace> {
        self.leaves.get(usize::try_from(leaf).ok()?).copied().flatten()
    }

    /// Size of the volume.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Leaves of the map, absent ones included.
    pub fn leaves(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn entries_of(&self, leaf: u64) -> usize {
        let before = leaf.saturating_mul(LEAF_ENTRIES as u64);
        chunk_count(self.size_bytes)
            .saturating_sub(before)
            .min(LEAF_ENTRIES as u64) as usize
    }
}

impl MapLeaf {
    /// The entries; `None` is a chunk of zeros.
    pub fn entries(&self) -> &[Option<MapEntry>] {
        &self.0
    }
}

fn header_fields(bytes: &[u8]) -> Result<([u8; 8], u32, u32, ImageId), Malformed> {
    let mut reader = Reader(bytes);
    Ok((
        reader.array()?,
        reader.u32()?,
        reader.u32()?,
        ImageId(reader.array()?),
    ))
}

fn parse_entry(bytes: &[u8]) -> Result<Option<MapEntry>, Malformed> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let mut reader = Reader(bytes);
    let chunk = ShortChunkId(reader.array()?);
    let (pack, payload_len_less_one, offset) = (reader.u16()?, reader.u16()?, reader.u32()?);
    let frame = FrameAddress::from_parts(offset, payload_len_less_one).ok_or(Malformed)?;
    Ok(Some(MapEntry { chunk, pack, frame }))
}
