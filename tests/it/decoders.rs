//! No decoder of the format panics, whatever bytes it gets: noise, and valid bytes with a few of them changed.
//!
//! Most of what a decoder sees is authentic before it is parsed, so the bytes inside a seal are altered too, and sealed
//! again: checkpoints here, headers and records in the vectors.

use gobag_format::{
    checkpoint::{Checkpoint, CheckpointCipher, CheckpointHead},
    crypto::Key,
    escrow,
    header::HeaderSlot,
    ids::{BundleId, ImageId, OrgId, PackId, VolumeId},
    limits::HEADER_SLOT_LEN,
    log::{Lead, Place, RecordHeader, SegmentCipher, SegmentHead, UnitDecoder, UnitEncoder},
    org::{OrgPublic, OrgSecrets},
};
use proptest::prelude::*;

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
