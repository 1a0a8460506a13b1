//! Header slots, key slots and the header's record.

use gobag_format::{
    crypto::Key,
    header::{HeaderRecord, HeaderSlot, LogGeometry, VolumeRecord, VolumeRole},
    ids::{OrgId, VolumeId},
    keyslot::{KEY_SLOT_LEN, KdfCost, KeySlot, KeySlotError, PassphraseSlot},
    limits::{HEADER_SLOT_LEN, MAX_KDF_LANES, MAX_KDF_MEMORY_KIB, MAX_KDF_PASSES, MIN_KDF_MEMORY_KIB},
    sign::VerifyingKey,
};

use crate::fixture::{BUNDLE, Counting, key, split};

const KEY_SLOTS_AT: usize = 64;
const MAC_AT: usize = HEADER_SLOT_LEN - 64;
const CHECKSUM_AT: usize = HEADER_SLOT_LEN - 32;

/// A flag, then the slot's beginning: the rest is zeros. Its checksum is right, and with an odd flag its MAC.
pub(super) fn slot(input: &[u8]) {
    let ([flag], start) = split(input);
    check_slot(start, flag % 2 == 1);
}

/// One key slot, in a header that is otherwise good.
pub(super) fn key_slot(input: &[u8]) {
    let (bytes, _) = split::<KEY_SLOT_LEN>(input);
    let mut start = b"GOBAGHDR\x01".to_vec();
    start.resize(40, 0);
    start.extend_from_slice(&BUNDLE.0);
    start.resize(KEY_SLOTS_AT, 0);
    start.extend_from_slice(&bytes);
    let slot = check_slot(&start, false).expect("key slots do not make a header unreadable");
    check_key_slot(&slot.key_slots[0], &bytes);
}

fn check_slot(start: &[u8], authentic: bool) -> Option<HeaderSlot> {
    let mut bytes = start.to_vec();
    bytes.resize(HEADER_SLOT_LEN, 0);
    if authentic {
        let mac = key(1).derive("header mac", &[]).mac(&bytes[..MAC_AT]);
        bytes[MAC_AT..CHECKSUM_AT].copy_from_slice(mac.as_bytes());
    }
    let checksum = checksum(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum);
    let slot = HeaderSlot::decode(&bytes).ok()?;
    let stored = bytes[KEY_SLOTS_AT..].chunks_exact(KEY_SLOT_LEN);
    for (slot, stored) in slot.key_slots.iter().zip(stored) {
        check_key_slot(slot, stored);
    }
    let opened = slot.open(&key(1));
    assert!(authentic || opened.is_err(), "a header was trusted without a MAC");
    Some(slot)
}

fn checksum(bytes: &[u8]) -> [u8; 32] {
    *gobag_format::log::body_hash(bytes)
        .first_chunk()
        .expect("a hash has 32 bytes")
}

/// A slot says the same when it is written again, and asks for no work outside the limits.
fn check_key_slot(slot: &KeySlot, stored: &[u8]) {
    match slot {
        KeySlot::Empty => assert_eq!(stored[0], 0),
        KeySlot::Unknown(bytes) => assert_eq!(bytes[..], *stored),
        KeySlot::Share(share) => {
            assert_eq!((stored[0], &stored[16..48]), (3, &share.expose()[..]));
        }
        KeySlot::ShareName(name) => {
            assert_eq!((stored[0], &stored[16..16 + name.0.len()]), (4, &name.0[..]));
        }
        KeySlot::Shared(shared) => {
            let written = slot.encode();
            assert_eq!((written[0], &written[4..]), (stored[0], &stored[4..]));
            let cost = shared.cost();
            if !is_allowed(cost) {
                let refused = shared.harden(b"passphrase").err();
                assert_eq!(refused, Some(KeySlotError::CostOutOfBounds { cost }));
            }
        }
        KeySlot::Passphrase(passphrase) => {
            let written = slot.encode();
            assert_eq!((written[0], &written[4..]), (stored[0], &stored[4..]));
            let cost = passphrase.cost();
            if !is_allowed(cost) {
                let refused = passphrase.open(BUNDLE, 0, b"passphrase").err();
                assert_eq!(refused, Some(KeySlotError::CostOutOfBounds { cost }));
            }
        }
    }
}

fn is_allowed(cost: KdfCost) -> bool {
    (MIN_KDF_MEMORY_KIB..=MAX_KDF_MEMORY_KIB).contains(&cost.memory_kib)
        && (1..=MAX_KDF_PASSES).contains(&cost.passes)
        && (1..=MAX_KDF_LANES).contains(&cost.lanes)
}

/// The JSON inside a header's seal.
pub(super) fn record(input: &[u8]) {
    let Ok(record) = HeaderRecord::from_json(input) else {
        return;
    };
    // Longer than the limit once written: JSON may spell a number shorter than we do.
    let Ok(written) = record.to_json() else { return };
    let again = HeaderRecord::from_json(&written).expect("what we write we can read");
    assert_eq!(again.to_json().ok(), Some(written));
}

fn good_record() -> HeaderRecord {
    let home = VolumeRecord {
        id: VolumeId(0),
        role: VolumeRole::Home,
        size_bytes: 1 << 20,
        later: serde_json::Map::new(),
    };
    HeaderRecord {
        org: OrgId([1; 16]),
        org_name: "Example".into(),
        publisher: VerifyingKey([2; 32]),
        user: "alice".into(),
        created_s: 1_700_000_000,
        images: Vec::new(),
        volumes: vec![home],
        log: LogGeometry {
            segments: 17,
            segment_len: 128 << 10,
            checkpoints: 3,
            checkpoint_len: 384 << 10,
            quota_blocks: 256,
        },
        escrow: Some(1),
        later: serde_json::Map::new(),
    }
}

/// A slot with the cheapest passphrase slot there is.
fn good() -> Vec<u8> {
    static GOOD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let cost = KdfCost {
            memory_kib: MIN_KDF_MEMORY_KIB,
            passes: 1,
            lanes: 1,
        };
        let (bundle_key, random): (Key, _) = (key(1), Counting::new());
        let slot = PassphraseSlot::create(BUNDLE, 0, &bundle_key, b"passphrase", cost, &random);
        let slots = [KeySlot::Passphrase(slot.expect("the cost is allowed"))];
        HeaderSlot::encode(BUNDLE, 5, &slots, &good_record(), &bundle_key, &random)
            .expect("the record is short")
    });
    GOOD.clone()
}

pub(super) fn slots() -> Vec<Vec<u8>> {
    [0, 1].map(|flag| [&[flag], &good()[..2048]].concat()).to_vec()
}

pub(super) fn key_slots() -> Vec<Vec<u8>> {
    let passphrase = good()[KEY_SLOTS_AT..][..KEY_SLOT_LEN].to_vec();
    let of_kind = |kind: u8| [&[kind], &passphrase[1..]].concat();
    vec![passphrase.clone(), of_kind(2), of_kind(3)]
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let json = good_record().to_json().expect("the record is short");
    let text = String::from_utf8_lossy(&json);
    let image = r#""images":[{"id":"1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a","name":"office","version":3,"manifest":"0000000000000000000000000000000000000000000000000000000000000000","image_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","x":1.5}]"#;
    let with_image = text.replacen(r#""images":[]"#, image, 1);
    vec![json.to_vec(), with_image.into_bytes()]
}
