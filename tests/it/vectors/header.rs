//! Header slots.

use std::sync::LazyLock;

use gobag_format::{
    crypto::{Cipher, Key, TAG_LEN, position_nonce},
    header::{HeaderRecord, HeaderSlot, LogGeometry, VolumeRecord, VolumeRole},
    ids::{BundleId, OrgId, VolumeId},
    keyslot::{KeySlot, PassphraseSlot},
    limits::MAX_HEADER_RECORD_LEN,
    sign::VerifyingKey,
};
use serde_json::{Value, json};

use super::{Quiet, Vectors, bundle, bundle_key, flipped, other_key};
use crate::stick::CHEAP;

const SALT_AT: usize = 1088;
const LENGTH_AT: usize = 1120;
const RECORD_AT: usize = 1124;
const MAC_AT: usize = 65_472;
const CHECKSUM_AT: usize = 65_504;
const GENERATION: u64 = 5;

/// What a reader with the right key finds.
pub(super) fn open(bytes: &[u8]) -> String {
    let slot = match HeaderSlot::decode(bytes) {
        Ok(slot) => slot,
        Err(error) => return error.code().to_owned(),
    };
    match slot.open(&bundle_key()) {
        Ok(record) => format!("ok: generation {}, {}", slot.generation, record.user),
        Err(error) => error.code().to_owned(),
    }
}

fn record() -> HeaderRecord {
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
        escrow: None,
        later: serde_json::Map::new(),
    }
}

fn slot(bundle: BundleId, key: &Key, generation: u64, seed: u64) -> Vec<u8> {
    let random = Quiet::new(seed);
    let passphrase = PassphraseSlot::create(bundle, 0, key, b"correct horse", CHEAP, &random).unwrap();
    let slots = [KeySlot::Passphrase(passphrase)];
    HeaderSlot::encode(bundle, generation, &slots, &record(), key, &random).unwrap()
}

fn good() -> Vec<u8> {
    // argon2 takes its time, and the result is the same.
    static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| slot(bundle(), &bundle_key(), GENERATION, 1));
    GOOD.clone()
}

/// Lets `change` alter the slot; then checksum, and with `key` the MAC too, are made to fit.
fn forged(key: Option<&Key>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = good();
    change(&mut bytes);
    if let Some(key) = key {
        let mac = key.derive("header mac", &[]).mac(&bytes[..MAC_AT]);
        bytes[MAC_AT..CHECKSUM_AT].copy_from_slice(mac.as_bytes());
    }
    let checksum = blake3::hash(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
    bytes
}

/// An authentic slot with this text as its record.
fn with_text(text: &[u8]) -> Vec<u8> {
    let key = bundle_key();
    forged(Some(&key), |bytes| {
        let salt = bytes[SALT_AT..LENGTH_AT].to_vec();
        let mut sealed = text.to_vec();
        let mut aad = bundle().0.to_vec();
        aad.extend_from_slice(&GENERATION.to_le_bytes());
        let nonce = position_nonce(0, GENERATION);
        Cipher::gcm_siv(&key.derive("header record", &salt)).seal(nonce, &aad, &mut sealed, 0);
        bytes[RECORD_AT..RECORD_AT + sealed.len()].copy_from_slice(&sealed);
        set_length(bytes, sealed.len() as u32);
    })
}

fn set_length(bytes: &mut [u8], length: u32) {
    let mask = bundle_key().derive("header record length", &bytes[SALT_AT..LENGTH_AT]);
    let masked = length
        .to_le_bytes()
        .into_iter()
        .zip(mask.expose())
        .map(|(byte, mask)| byte ^ mask);
    bytes[LENGTH_AT..RECORD_AT].copy_from_slice(&masked.collect::<Vec<_>>());
}

/// An authentic slot whose record has `value` at `pointer`.
fn with_value(pointer: &str, value: Value) -> Vec<u8> {
    let mut json = serde_json::to_value(record()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    with_text(json.to_string().as_bytes())
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    all.add("good", good(), "ok: generation 5, alice");
    features(&mut all);
    torn(&mut all);
    altered(&mut all);
    records(&mut all);
    all
}

fn features(all: &mut Vectors) {
    let key = bundle_key();
    let set = |at: usize, value: u8| forged(Some(&key), |bytes| bytes[at] = value);
    all.add(
        "good-with-an-unknown-compatible-feature",
        set(39, 0x80),
        "ok: generation 5, alice",
    );
    all.add(
        "good-with-an-unknown-read-only-feature",
        set(24, 1),
        "ok: generation 5, alice",
    );
    all.add(
        "good-with-an-unknown-key-slot",
        set(64 + 128, 9),
        "ok: generation 5, alice",
    );
    all.add(
        "unknown-incompatible-feature",
        set(16, 1),
        "header.unknown-features",
    );
    all.add(
        "unknown-incompatible-feature-highest",
        set(23, 0x80),
        "header.unknown-features",
    );
    all.add("newer-format", set(8, 2), "header.newer-format");
    all.add(
        "newest-format-there-can-be",
        forged(None, |bytes| bytes[8..10].fill(0xff)),
        "header.newer-format",
    );
}

fn torn(all: &mut Vectors) {
    let (new, old) = (good(), slot(bundle(), &bundle_key(), GENERATION - 1, 2));
    for at in [512, 1024, 1536, 4096, 65_024] {
        let torn = [&new[..at], &old[at..]].concat();
        all.add(format!("torn-at-{at}"), torn, "header.damaged");
        let begun = [&new[..at], &vec![0; new.len() - at]].concat();
        all.add(format!("torn-at-{at}-nothing-behind"), begun, "header.damaged");
    }
    all.add(
        "torn-first-sector-only-old",
        [&old[..512], &new[512..]].concat(),
        "header.damaged",
    );
    all.add(
        "first-sector-missing",
        [&vec![0; 512], &new[512..]].concat(),
        "header.not-a-header",
    );
    all.add("empty", Vec::new(), "header.not-a-header");
    all.add(
        "one-byte-short",
        new[..new.len() - 1].to_vec(),
        "header.not-a-header",
    );
    all.add("one-byte-long", [&new[..], &[0]].concat(), "header.not-a-header");
    all.add("all-zero", vec![0; new.len()], "header.not-a-header");
}

fn altered(all: &mut Vectors) {
    let fields = [
        ("version", 9),
        ("incompatible-features", 20),
        ("read-only-features", 28),
        ("compatible-features", 36),
        ("bundle-id", 40),
        ("generation", 56),
        ("key-slot-kind", 64),
        ("key-slot-cost", 68),
        ("key-slot-salt", 80),
        ("key-slot-commitment", 112),
        ("key-slot-key", 144),
        ("record-salt", SALT_AT),
        ("record-length", LENGTH_AT),
        ("record", RECORD_AT + 10),
        ("padding", MAC_AT - 1),
        ("mac", MAC_AT),
    ];
    all.add("flipped-magic", flipped(&good(), 0), "header.not-a-header");
    all.add(
        "flipped-checksum",
        flipped(&good(), CHECKSUM_AT),
        "header.damaged",
    );
    for (field, at) in fields {
        all.add(format!("flipped-{field}"), flipped(&good(), at), "header.damaged");
        let forged = forged(None, |bytes| bytes[at] ^= 1);
        let code = match field {
            "version" => "header.newer-format",
            "incompatible-features" => "header.unknown-features",
            _ => "header.not-authentic",
        };
        all.add(format!("forged-{field}"), forged, code);
    }
    let key = bundle_key();
    let other = forged(Some(&other_key()), |_| {});
    all.add("mac-of-another-bundle", other, "header.not-authentic");
    let theirs = slot(BundleId([7; 16]), &other_key(), GENERATION, 3);
    all.add("slot-of-another-bundle", theirs.clone(), "header.not-authentic");
    let mixed = [&good()[..64], &theirs[64..]].concat();
    let mixed = forged(None, |bytes| bytes.copy_from_slice(&mixed));
    all.add(
        "first-part-here-rest-of-another-bundle",
        mixed,
        "header.not-authentic",
    );
    let renumbered = forged(Some(&key), |bytes| bytes[56] += 1);
    all.add("record-of-another-generation", renumbered, "header.not-authentic");
    let renamed = forged(Some(&key), |bytes| bytes[40] ^= 1);
    all.add("record-of-another-bundle-id", renamed, "header.not-authentic");
}

fn records(all: &mut Vectors) {
    let length = |length: usize| forged(Some(&bundle_key()), |bytes| set_length(bytes, length as u32));
    all.add(
        "record-longer-than-a-slot",
        length(1 << 31),
        "header.not-authentic",
    );
    all.add(
        "record-one-byte-too-long",
        length(MAX_HEADER_RECORD_LEN + TAG_LEN + 1),
        "header.not-authentic",
    );
    all.add("record-without-a-tag", length(15), "header.not-authentic");
    all.add("record-of-no-bytes", length(0), "header.not-authentic");
    let bad = "header.malformed-record";
    all.add("record-empty", with_text(b""), bad);
    all.add("record-no-json", with_text(b"{\"user\":"), bad);
    all.add("record-a-list", with_text(b"[]"), bad);
    all.add("record-nested-deeply", with_text(&[b'['; 40_000]), bad);
    all.add(
        "record-with-something-behind",
        with_text(&[&serde_json::to_vec(&record()).unwrap()[..], b"{}"].concat()),
        bad,
    );
    all.add("record-not-utf-8", with_value_bytes(), bad);
    let absurd = [
        ("segments-none", "/log/segments", json!(0)),
        ("segments-too-few", "/log/segments", json!(7)),
        ("segments-more-than-numbers", "/log/segments", json!(65_536)),
        ("segment-length-odd", "/log/segment_len", json!(131_073)),
        ("segment-length-too-small", "/log/segment_len", json!(65_536)),
        ("segment-length-too-large", "/log/segment_len", json!(128 << 20)),
        ("segment-length-negative", "/log/segment_len", json!(-1)),
        ("checkpoints-none", "/log/checkpoints", json!(0)),
        ("checkpoints-too-many", "/log/checkpoints", json!(9)),
        ("checkpoint-length-too-small", "/log/checkpoint_len", json!(4096)),
        (
            "checkpoint-length-too-large",
            "/log/checkpoint_len",
            json!(1u64 << 62),
        ),
        ("quota-beyond-the-log", "/log/quota_blocks", json!(u64::MAX)),
        (
            "volume-too-large",
            "/volumes/0/size_bytes",
            json!((1u64 << 44) + 1),
        ),
        ("volume-number-too-high", "/volumes/0/id", json!(256)),
        ("volume-of-unknown-role", "/volumes/0/role", json!("swap")),
        ("publisher-short", "/publisher", json!("AAAA")),
        ("organisation-not-an-id", "/org", json!("x")),
        ("escrow-number-negative", "/escrow", json!(-1)),
    ];
    for (name, pointer, value) in absurd {
        all.add(name, with_value(pointer, value), bad);
    }
    let volume = serde_json::to_value(&record().volumes[0]).unwrap();
    all.add(
        "volumes-too-many",
        with_value("/volumes", json!(vec![volume.clone(); 33])),
        bad,
    );
    all.add(
        "volume-twice",
        with_value("/volumes", json!([volume, volume])),
        bad,
    );
    let mut more = serde_json::to_value(record()).unwrap();
    more["later_field"] = json!({"any": ["thing"]});
    all.add(
        "good-with-a-field-of-later",
        with_text(more.to_string().as_bytes()),
        "ok: generation 5, alice",
    );
}

fn with_value_bytes() -> Vec<u8> {
    let text = serde_json::to_string(&record())
        .unwrap()
        .replace("alice", "ali\u{1}e");
    with_text(
        &text
            .bytes()
            .map(|byte| if byte == 1 { 0xff } else { byte })
            .collect::<Vec<_>>(),
    )
}
