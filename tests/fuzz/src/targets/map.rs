//! Chunk maps: the root and its leaves, both behind their seal.

use gobag_format::{
    chunk::ShortChunkId,
    crypto::{Cipher, TAG_LEN, position_nonce},
    digest::Digest,
    limits::CHUNK_LEN,
    map::{MAP_HEADER_LEN, MAX_LEAF_LEN, MapCipher, MapEntry, MapRef, leaf_count, root_len},
    pack::FrameAddress,
};

use crate::fixture::{IMAGE, key, split};

const LEAF: u8 = 1;
const ROOT: u8 = 2;
const ENTRY_LEN: usize = 24;

fn cipher() -> Cipher {
    Cipher::gcm(&key(4).derive("map", &[&IMAGE.0[..], &[0]].concat()))
}

fn aad(number: u64) -> Vec<u8> {
    [&IMAGE.0[..], &[0], &number.to_le_bytes()].concat()
}

/// Seals a root that lies at `root_offset` of a volume of `size_bytes`.
fn sealed_root(plain: &[u8], root_offset: u64, size_bytes: u64) -> (MapRef, Vec<u8>) {
    let mut sealed = plain.to_vec();
    let nonce = position_nonce(ROOT, root_offset);
    cipher().seal(nonce, &aad(leaf_count(size_bytes)), &mut sealed, 0);
    let place = MapRef {
        len_bytes: root_offset.wrapping_add(root_len(size_bytes)),
        root_offset,
        root_digest: Digest::of(&sealed),
    };
    (place, sealed)
}

/// Size of the volume, place of the root, then the root's plaintext.
pub(super) fn root(input: &[u8]) {
    let (size_bytes, rest) = split(input);
    let (root_offset, plain) = split(rest);
    // No volume is longer; leaf_count() of more is a number that nothing is made of.
    let size_bytes = u64::from_le_bytes(size_bytes) % (1 << 45);
    let root_offset = u64::from(u32::from_le_bytes(root_offset));
    let (place, mut sealed) = sealed_root(plain, root_offset, size_bytes);
    let opener = MapCipher::new(&key(4), IMAGE, 0);
    let Ok(root) = opener.open_root(&place, size_bytes, &mut sealed) else {
        return;
    };
    assert_eq!(
        (root.leaves(), root.size_bytes()),
        (leaf_count(size_bytes), size_bytes)
    );
    for leaf in (0..root.leaves()).filter_map(|number| root.leaf(number)) {
        let end = leaf.offset + leaf.len as u64;
        assert!(leaf.offset >= MAP_HEADER_LEN as u64 && end <= root_offset && leaf.len <= MAX_LEAF_LEN);
    }
    assert!(root.leaf(root.leaves()).is_none());
}

pub(super) fn roots() -> Vec<Vec<u8>> {
    let mut input = (100 * CHUNK_LEN as u64).to_le_bytes().to_vec();
    input.extend_from_slice(&132u32.to_le_bytes());
    input.extend_from_slice(&32u64.to_le_bytes());
    input.extend_from_slice(&100u32.to_le_bytes());
    input.extend_from_slice(&[7; 32]);
    let mut empty = (2000 * CHUNK_LEN as u64).to_le_bytes().to_vec();
    empty.extend_from_slice(&32u32.to_le_bytes());
    empty.extend_from_slice(&[0; 88]);
    vec![input, empty]
}

/// Chunks of the volume, a flag, then one leaf: its entries, or with an odd flag the zstd frame of them.
pub(super) fn leaf(input: &[u8]) {
    let (chunks, rest) = split(input);
    let ([flag], leaf) = split(rest);
    let chunks = u64::from(u16::from_le_bytes(chunks)) % 1024 + 1;
    let packed = if flag % 2 == 1 {
        leaf.to_vec()
    } else {
        zstd::bulk::compress(leaf, 1).expect("zstd allots what its own bound asks for")
    };
    let at = MAP_HEADER_LEN as u64;
    let mut sealed = packed;
    cipher().seal(position_nonce(LEAF, at), &aad(0), &mut sealed, 0);
    let mut plain = at.to_le_bytes().to_vec();
    plain.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
    plain.extend_from_slice(&Digest::of(&sealed).0);
    let size_bytes = chunks * CHUNK_LEN as u64;
    let (place, mut sealed_root) = sealed_root(&plain, at + sealed.len() as u64, size_bytes);
    let opener = MapCipher::new(&key(4), IMAGE, 0);
    let Ok(root) = opener.open_root(&place, size_bytes, &mut sealed_root) else {
        assert!(sealed.len() > MAX_LEAF_LEN);
        return;
    };
    if let Ok(opened) = opener.open_leaf(&root, 0, &mut sealed) {
        assert_eq!(opened.entries().len() as u64, chunks);
        let written: Vec<u8> = opened
            .entries()
            .iter()
            .flat_map(|entry| written(*entry))
            .collect();
        assert!(
            flag % 2 == 1 || written == leaf,
            "a leaf says another thing when written again"
        );
    }
}

fn written(entry: Option<MapEntry>) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    if let Some(MapEntry {
        chunk: ShortChunkId(id),
        pack,
        frame,
    }) = entry
    {
        assert!(FrameAddress::new(frame.offset() as u32, frame.payload_len()).is_some());
        let (offset, payload_len_less_one) = frame.to_parts();
        bytes[..16].copy_from_slice(&id);
        bytes[16..18].copy_from_slice(&pack.to_le_bytes());
        bytes[18..20].copy_from_slice(&payload_len_less_one.to_le_bytes());
        bytes[20..].copy_from_slice(&offset.to_le_bytes());
    }
    bytes
}

pub(super) fn leaves() -> Vec<Vec<u8>> {
    let frame = FrameAddress::new(4096, 1000).expect("it is behind the header");
    let entry = written(Some(MapEntry {
        chunk: ShortChunkId([5; 16]),
        pack: 0,
        frame,
    }));
    let entries = [&entry[..], &[0; ENTRY_LEN], &entry[..]].concat();
    let packed = zstd::bulk::compress(&entries, 3).expect("zstd allots what its own bound asks for");
    assert!(packed.len() + TAG_LEN < MAX_LEAF_LEN);
    vec![
        [&[2, 0, 0], &entries[..]].concat(),
        [&[2, 0, 1], &packed[..]].concat(),
    ]
}
