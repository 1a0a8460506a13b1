//! Checkpoints: an area's head behind its seal, and the body.

use gobag_format::{
    checkpoint::{
        CHECKPOINT_HEAD_LEN, Checkpoint, CheckpointCipher, CheckpointHead, DirtyMap, LEAF_BLOCKS, LeafRef,
        Position, SegmentUse, VolumeMap,
    },
    crypto::{Cipher, position_nonce},
    ids::VolumeId,
    log::Place,
};

use crate::fixture::{key, split};

const SALT: [u8; 32] = [1; 32];
const SEGMENT_LEN: u32 = 128 << 10;

/// The beginning of a head's plaintext; the rest is zeros.
pub(super) fn head(input: &[u8]) {
    let (plain, _) = split::<64>(input);
    let mut bytes = SALT.to_vec();
    bytes.extend_from_slice(&plain);
    bytes.resize(CHECKPOINT_HEAD_LEN - 16, 0);
    let context = [&[2][..], &SALT].concat();
    let cipher = Cipher::gcm_siv(&key(1).derive("checkpoint area", &context));
    cipher.seal(position_nonce(0, 0), &[], &mut bytes, SALT.len());
    let Ok((opened, head)) = CheckpointCipher::open_head(&key(1), 2, &bytes) else {
        return;
    };
    let is_plain = plain[18..].iter().all(|byte| *byte == 0);
    let written = opened.seal_head(&SALT, &head);
    assert!(
        !is_plain || written == bytes,
        "a head says another thing when written again"
    );
}

pub(super) fn heads() -> Vec<Vec<u8>> {
    let head = CheckpointHead {
        generation: 6,
        body_len: 300_000,
    };
    let mut plain = 1u16.to_le_bytes().to_vec();
    plain.extend_from_slice(&head.generation.to_le_bytes());
    plain.extend_from_slice(&head.body_len.to_le_bytes());
    vec![plain]
}

/// The body as the pieces of an area give it.
pub(super) fn body(input: &[u8]) {
    let Ok((checkpoint, volumes)) = Checkpoint::decode(input, SEGMENT_LEN) else {
        return;
    };
    let written = written(&checkpoint, &volumes);
    let (again, volumes_again) =
        Checkpoint::decode(&written, SEGMENT_LEN).expect("what we write we can read");
    assert_eq!(again, checkpoint);
    assert_eq!(self::written(&again, &volumes_again), written);
    for (map, again) in volumes.iter().zip(&volumes_again) {
        assert_eq!((map.volume, map.size_bytes), (again.volume, again.size_bytes));
        let words = |map: &VolumeMap| -> Vec<_> {
            let leaves = map.leaves.iter();
            leaves.map(|(number, leaf)| (*number, leaf.to_words())).collect()
        };
        assert_eq!(words(map), words(again));
    }
}

fn written(checkpoint: &Checkpoint, volumes: &[VolumeMap]) -> Vec<u8> {
    let mut out = Vec::new();
    checkpoint.encode(volumes.len(), &mut out);
    for map in volumes {
        Checkpoint::encode_volume_head(map.volume, map.size_bytes, map.leaves.len() as u32, &mut out);
        for (number, leaf) in &map.leaves {
            match leaf.common() {
                Some(Place::ZERO) => Checkpoint::encode_leaf(*number, LeafRef::Zero, &mut out),
                _ => Checkpoint::encode_leaf(*number, LeafRef::Words(&leaf.to_words()), &mut out),
            }
        }
    }
    out
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let used = |incarnation| {
        Some(SegmentUse {
            incarnation,
            salt: [incarnation as u8; 32],
        })
    };
    let checkpoint = Checkpoint {
        generation: 6,
        closed: false,
        clock_s: 1_700_000_000,
        position: Position {
            segment: Some((1, 2)),
            offset: 8192,
            seq: 9,
            tag: [3; 16],
        },
        next_incarnation: 3,
        next_batch: 5,
        segments: vec![used(1), used(2), None, None],
        free: vec![2],
        resting: vec![3],
        dirty: vec![DirtyMap {
            replica: 0,
            volume: VolumeId(0),
            bits: vec![1, 2, 3, 4, 5, 6, 7, 8],
        }],
    };
    let unit = |block: u8| {
        let place = Place::Unit {
            segment: 0,
            offset: 8192,
            sealed_len: 3000,
            block,
        };
        place.pack()
    };
    let mut words = [Place::BASE; LEAF_BLOCKS];
    (0..16).for_each(|at| words[usize::from(at)] = unit(at));
    words[100] = Place::ZERO;
    let mut out = Vec::new();
    checkpoint.encode(1, &mut out);
    Checkpoint::encode_volume_head(VolumeId(0), 4 << 20, 2, &mut out);
    Checkpoint::encode_leaf(0, LeafRef::Words(&words), &mut out);
    Checkpoint::encode_leaf(1, LeafRef::Zero, &mut out);
    assert!(
        Checkpoint::decode(&out, SEGMENT_LEN).is_ok(),
        "the seed is a checkpoint"
    );
    let fresh = Checkpoint {
        position: Position::default(),
        segments: vec![None; 4],
        free: vec![0, 1, 2, 3],
        resting: Vec::new(),
        dirty: Vec::new(),
        ..checkpoint
    };
    let mut empty = Vec::new();
    fresh.encode(0, &mut empty);
    assert!(
        Checkpoint::decode(&empty, SEGMENT_LEN).is_ok(),
        "the seed is a checkpoint"
    );
    vec![out, empty]
}
