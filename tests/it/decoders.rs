//! No decoder of the format panics, whatever bytes it gets: noise, and valid bytes with a few of them changed.
//!
//! Most of what a decoder sees is authentic before it is parsed, so the bytes inside a seal are altered too, and sealed
//! again: checkpoints, manifests and maps here, headers and records in the vectors. What a decoder takes of memory is
//! bounded, too.

use gobag_format::{
    checkpoint::{Checkpoint, CheckpointCipher, CheckpointHead},
    chunk::ChunkDecoder,
    crypto::Key,
    digest::Digest,
    escrow,
    header::HeaderSlot,
    ids::{BundleId, ImageId, OrgId, PackId, VolumeId},
    limits::{CHUNK_LEN, HEADER_SLOT_LEN},
    log::{Lead, Place, RecordHeader, SegmentCipher, SegmentHead, UnitDecoder, UnitEncoder},
    manifest,
    map::{MapCipher, MapRef},
    org::{OrgPublic, OrgSecrets},
    pack::{PACK_FOOTER_LEN, PACK_HEADER_LEN, PackCipher, PackHeader},
};
use proptest::prelude::*;

use crate::vectors::{image, manifest_payload, manifest_with, map_entries, map_with};

/// A few bytes of `valid` are replaced, and perhaps its end cut off.
fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = valid.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 1..8);
    (changes, prop_oneof![3 => Just(len), 1 => 0..len]).prop_map(move |(changes, end)| {
        let mut bytes = valid.clone();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes.truncate(end);
        bytes
    })
}

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn valid_checkpoint() -> Vec<u8> {
    crate::vectors::checkpoint_body()
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(HEADER_SLOT_LEN, 0);
    let end = HEADER_SLOT_LEN - 32;
    let checksum = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(checksum.as_bytes());
    bytes
}

/// More than a decoder may take of memory for some kilobytes, argon2 and zstd's own tables included.
const MOST_MEMORY: u64 = 16 << 20;

/// Runs `decode`; panics when it takes too much memory.
fn bounded(decode: impl FnOnce()) {
    let memory = allocation_counter::measure(decode);
    assert!(
        memory.bytes_max < MOST_MEMORY,
        "took {} bytes of memory",
        memory.bytes_max
    );
}

fn valid_pack() -> &'static [u8] {
    &image::GOOD.pack
}

/// Gives the bytes to every decoder of packs, as if they were the part that it reads.
fn decode_packs(bytes: &[u8]) {
    let (id, key) = (
        image::GOOD.manifest.packs[0].id,
        &image::GOOD.manifest.packs[0].key,
    );
    let cipher = PackCipher::new(id, key);
    let good = PackHeader::parse(valid_pack().first_chunk().unwrap(), valid_pack().len() as u64).unwrap();
    let mut header = [0; PACK_HEADER_LEN];
    let len = bytes.len().min(PACK_HEADER_LEN);
    header[..len].copy_from_slice(&bytes[..len]);
    let _ = PackHeader::parse(&header, 1 << 20).map(|header| header.open_owner_slot(&key.clone()).is_ok());
    let mut footer = [0; PACK_FOOTER_LEN];
    footer[..len].copy_from_slice(&bytes[..len]);
    let _ = cipher.open_footer(footer, 1 << 20);
    let footer = cipher.open_footer(*valid_pack().last_chunk().unwrap(), valid_pack().len() as u64);
    let _ = cipher.open_directory(&footer.unwrap(), &good, &mut bytes.to_vec());
    let _ = cipher.open_frame(4096, &mut bytes.to_vec());
    if bytes.len() != CHUNK_LEN {
        let _ = ChunkDecoder::new().decode(bytes, &mut vec![0; CHUNK_LEN]);
    }
}

/// Gives the bytes to every decoder of maps; the manifest vouches for them.
fn decode_maps(bytes: &[u8]) {
    let cipher = MapCipher::new(&image::image_key(), image::IMAGE, 0);
    let _ = bytes
        .first_chunk()
        .map(|header| cipher.check_header(header).is_ok());
    let (root_offset, len) = (4096, bytes.len() as u64);
    let place = MapRef {
        len_bytes: root_offset + len,
        root_offset,
        root_digest: Digest::of(bytes),
    };
    for size_bytes in [1, image::SYSTEM_BYTES, len << 20, u64::MAX] {
        let _ = cipher.open_root(&place, size_bytes, &mut bytes.to_vec());
    }
    let (good, file) = map_with(&map_entries());
    let mut root = file[good.root_offset as usize..].to_vec();
    let root = cipher.open_root(&good, image::SYSTEM_BYTES, &mut root).unwrap();
    let _ = cipher.open_leaf(&root, 0, &mut bytes.to_vec());
}

/// Gives the bytes to everything that reads what lies on a medium.
fn decode_everything(bytes: &[u8]) {
    let cipher = SegmentCipher::new(&key(), 0, &[1; 32]);
    let _ = HeaderSlot::decode(bytes).map(|slot| slot.open(&key()).is_ok());
    let _ = SegmentCipher::open_head(&key(), 0, bytes);
    let _ = Lead::open(&cipher, 4096, bytes);
    let lead = Lead {
        header_len: 101,
        body_len: 4096,
        seq: 1,
    };
    let _ = RecordHeader::open(&cipher, 4096, &lead, bytes);
    let _ = UnitDecoder::new().decode(bytes);
    let _ = CheckpointCipher::open_head(&key(), 0, bytes);
    let _ = Checkpoint::decode(bytes, 128 << 10);
    let identity = age::x25519::Identity::generate();
    let _ = escrow::open(BundleId([1; 16]), bytes, &identity);
    let _ = OrgPublic::parse(bytes);
    let _ = OrgSecrets::open(bytes, "passphrase", OrgId([1; 16]));
    let _ = manifest::open(bytes, &image::image_key(), &image::trust(None));
    let _ = manifest::open_image_key(&key(), bytes);
    decode_packs(bytes);
    decode_maps(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (BundleId::parse(text), ImageId::parse(text), PackId::parse(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_panics_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        decode_everything(&bytes);
    }

    #[test]
    fn altered_manifests_do_not_open(bytes in mutated(image::GOOD.manifest_file.clone())) {
        let whole = bytes == image::GOOD.manifest_file;
        bounded(|| {
            let opened = manifest::open(&bytes, &image::image_key(), &image::trust(None));
            assert_eq!(opened.is_ok(), whole);
        });
    }

    #[test]
    fn signed_manifests_panic_nowhere(payload in mutated(manifest_payload())) {
        let file = manifest_with(&payload);
        bounded(|| {
            let _ = manifest::open(&file, &image::image_key(), &image::trust(None));
        });
    }

    #[test]
    fn sealed_map_entries_are_places_or_refused(entries in mutated(map_entries())) {
        let (place, file) = map_with(&entries);
        let cipher = MapCipher::new(&image::image_key(), image::IMAGE, 0);
        let mut root = file[place.root_offset as usize..].to_vec();
        let root = cipher.open_root(&place, image::SYSTEM_BYTES, &mut root).unwrap();
        let leaf = root.leaf(0).unwrap();
        let mut sealed = file[leaf.offset as usize..][..leaf.len].to_vec();
        bounded(|| {
            if let Ok(leaf) = cipher.open_leaf(&root, 0, &mut sealed) {
                let frames = leaf.entries().iter().flatten().map(|entry| entry.frame);
                assert_eq!(leaf.entries().len() * 24, entries.len());
                assert!(frames.clone().all(|frame| frame.offset() >= 4096 && frame.payload_len() <= CHUNK_LEN));
            }
        });
    }

    #[test]
    fn altered_packs_and_maps_panic_nowhere(
        pack in mutated(valid_pack()[..PACK_HEADER_LEN].to_vec()),
        map in mutated(image::GOOD.maps[0].clone()),
    ) {
        bounded(|| {
            decode_packs(&pack);
            decode_maps(&map);
        });
    }

    #[test]
    fn headers_with_a_right_checksum_panic_nowhere(noise in prop::collection::vec(any::<u8>(), 1200)) {
        let mut bytes = noise;
        bytes[..8].copy_from_slice(b"GOBAGHDR");
        bytes[8..10].copy_from_slice(&[1, 0]);
        bytes[16..24].fill(0);
        let slot = HeaderSlot::decode(&with_checksum(bytes)).unwrap();
        prop_assert!(slot.open(&key()).is_err());
    }

    #[test]
    fn altered_checkpoints_panic_nowhere(bytes in mutated(valid_checkpoint())) {
        let _ = Checkpoint::decode(&bytes, 128 << 10);
    }

    #[test]
    fn altered_heads_do_not_open(bytes in mutated(sealed_head())) {
        let opened = SegmentCipher::open_head(&key(), 0, &bytes).is_ok();
        prop_assert_eq!(opened, bytes == sealed_head());
        decode_everything(&bytes);
    }

    #[test]
    fn altered_checkpoint_heads_do_not_open(bytes in mutated(sealed_area_head())) {
        let opened = CheckpointCipher::open_head(&key(), 0, &bytes).is_ok();
        prop_assert_eq!(opened, bytes == sealed_area_head());
    }

    #[test]
    fn altered_records_do_not_open(bytes in mutated(sealed_record())) {
        let cipher = SegmentCipher::new(&key(), 0, &[1; 32]);
        let whole = bytes == sealed_record();
        let opened = Lead::open(&cipher, 4096, &bytes)
            .and_then(|lead| RecordHeader::open(&cipher, 4096, &lead, &bytes[32..]));
        prop_assert_eq!(opened.is_ok(), whole);
    }

    #[test]
    fn altered_units_are_blocks_or_refused(bytes in mutated(valid_unit())) {
        if let Ok(blocks) = UnitDecoder::new().decode(&bytes) {
            prop_assert!(blocks.len() % 4096 == 0 && blocks.len() <= 16 * 4096);
        }
    }

    #[test]
    fn words_are_places_or_refused(word in any::<u64>()) {
        if let Some(place) = Place::unpack(word) {
            prop_assert_eq!(place.pack(), word);
        }
    }

    #[test]
    fn altered_public_files_panic_nowhere(bytes in mutated(b"{\"format\":1,\"id\":\"01010101010101010101010101010101\"}".to_vec())) {
        let _ = OrgPublic::parse(&bytes);
    }
}

fn sealed_head() -> Vec<u8> {
    let head = SegmentHead {
        incarnation: 1,
        previous: None,
        first_seq: 1,
        prev_tag: [0; 16],
        durable_seq: 0,
    };
    SegmentCipher::new(&key(), 0, &[1; 32]).seal_head(&[1; 32], &head)
}

fn sealed_area_head() -> Vec<u8> {
    let head = CheckpointHead {
        generation: 1,
        body_len: 5,
    };
    CheckpointCipher::new(&key(), 0, &[1; 32]).seal_head(&[1; 32], &head)
}

fn sealed_record() -> Vec<u8> {
    let header = RecordHeader {
        seq: 1,
        batch: 1,
        commit: true,
        relocation: false,
        clock_s: 0,
        durable_seq: 0,
        prev_tag: [0; 16],
        body_hash: [0; 32],
        units: Vec::new(),
        trims: vec![gobag_format::log::TrimEntry {
            volume: VolumeId(0),
            kind: gobag_format::log::TrimKind::Zero,
            first_block: 1,
            blocks: 2,
        }],
    };
    let cipher = SegmentCipher::new(&key(), 0, &[1; 32]);
    header.seal(&cipher, 4096, 0).0
}

fn valid_unit() -> Vec<u8> {
    UnitEncoder::new().encode(&[7; 4 * 4096]).to_vec()
}
