//! Manifests. Each is opened twice: as a stick does, whose header has recorded the digest of the good one, and by its
//! signature alone, as when a new version arrives.

use std::sync::Arc;

use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    medium::FileRef,
};
use gobag_format::{
    crypto::{Cipher, Key, NONCE_LEN},
    digest::Digest,
    ids::ImageId,
    manifest::{self, Trust},
    sign::SigningKey,
};
use gobag_tests::rng::FixedRandom;
use serde_json::{Value, json};

use super::{
    Vectors, flipped,
    image::{Files, GOOD, IMAGE, image_key, signer, trust},
};

/// Magic, format, features, image id, salt.
const HEADER_LEN: usize = 64;

/// What a reader of the image says to this file.
pub(crate) fn open(bytes: &[u8]) -> String {
    let recorded = said(bytes, trust(Some(Digest::of(&GOOD.manifest_file))));
    let signed = said(bytes, trust(None));
    match recorded == signed {
        true => recorded,
        false => format!("{recorded}, by its signature {signed}"),
    }
}

fn said(bytes: &[u8], trust: Trust) -> String {
    let mut files = Files::default();
    files.0.insert(FileRef::Manifest(IMAGE), bytes.to_vec());
    match BaseImage::open(Arc::new(files), &image_key(), &trust, &BaseOptions::default()) {
        Ok(image) => {
            let manifest = image.manifest();
            format!(
                "ok: {} {} of {} volumes and {} packs",
                manifest.name,
                manifest.version,
                manifest.volumes.len(),
                manifest.packs.len()
            )
        }
        Err(error) => error.code().to_owned(),
    }
}

/// A manifest file with this payload, rightly signed and sealed.
pub(crate) fn with_payload(payload: &[u8]) -> Vec<u8> {
    sealed(payload, &signer(), payload.len() as u32)
}

/// A signed payload in a file that says it has `len` bytes of it.
fn sealed(payload: &[u8], signer: &SigningKey, len: u32) -> Vec<u8> {
    let mut plain = len.to_le_bytes().to_vec();
    plain.extend_from_slice(&signer.sign("manifest", payload));
    plain.extend_from_slice(payload);
    around(GOOD.manifest_file[..HEADER_LEN].to_vec(), plain)
}

/// Seals `plain` behind `header` under the key of its salt.
fn around(header: Vec<u8>, mut plain: Vec<u8>) -> Vec<u8> {
    let len = (HEADER_LEN + plain.len() + 16).next_multiple_of(4096);
    plain.resize(len - HEADER_LEN - 16, 0);
    let mut file = header.clone();
    file.extend_from_slice(&plain);
    let cipher = Cipher::gcm(&image_key().derive("manifest", &header[32..]));
    cipher.seal([0; NONCE_LEN], &header, &mut file, HEADER_LEN);
    file
}

pub(crate) fn good_payload() -> Vec<u8> {
    serde_json::to_vec(&GOOD.manifest).unwrap()
}

/// The good payload with a change.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(&GOOD.manifest).unwrap();
    change(&mut value);
    with_payload(&serde_json::to_vec(&value).unwrap())
}

/// The good file with other bytes at `at` of its header.
fn header(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = GOOD.manifest_file.clone();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

const NOT_RECORDED: &str = "manifest.not-the-recorded";

pub(crate) fn make() -> Vectors {
    let mut all = Vectors::default();
    let good = &GOOD.manifest_file;
    let by_signature = |code: &str| format!("{NOT_RECORDED}, by its signature {code}");
    all.add("good", good.clone(), "ok: office 3 of 2 volumes and 1 packs");
    bytes(&mut all, good, &by_signature);
    signatures(&mut all, &by_signature);

    let ok = |what: &str| by_signature(&format!("ok: office {what}"));
    let next = changed(|value| value["version"] = json!(4));
    all.add("next-version", next, ok("4 of 2 volumes and 1 packs"));
    let older = changed(|value| value["version"] = json!(2));
    all.add("older-version", older, by_signature("manifest.rolled-back"));
    let later = changed(|value| {
        value["features"]["compatible"] = json!(["boot-trace"]);
        value["of_a_later_version"] = json!({"deep": [1, 2, 3]});
    });
    all.add(
        "good-with-a-field-of-later",
        later,
        ok("3 of 2 volumes and 1 packs"),
    );
    let other = changed(|value| value["image"] = json!(ImageId([9; 16])));
    all.add(
        "payload-of-another-image",
        other,
        by_signature("manifest.other-image"),
    );
    let newer = with_payload(br#"{"format":2,"everything":"else"}"#);
    all.add(
        "payload-of-a-newer-format",
        newer,
        by_signature("manifest.newer-format"),
    );
    let unknown = changed(|value| value["features"]["incompatible"] = json!(["parity"]));
    all.add(
        "unknown-feature",
        unknown,
        by_signature("manifest.unknown-feature"),
    );
    for (name, change) in nonsense() {
        all.add(name, changed(change), by_signature("manifest.invalid"));
    }
    for (name, payload) in [
        ("payload-empty", Vec::new()),
        ("payload-no-json", b"office 3".to_vec()),
        ("payload-a-list", b"[]".to_vec()),
        (
            "payload-not-utf-8",
            b"{\"format\":1,\"name\":\"\xff\xfe\"}".to_vec(),
        ),
        (
            "payload-with-something-behind",
            [good_payload(), b"{}".to_vec()].concat(),
        ),
        (
            "payload-nested-deeply",
            [b"[".repeat(3_000), b"]".repeat(3_000)].concat(),
        ),
    ] {
        all.add(name, with_payload(&payload), by_signature("manifest.invalid"));
    }
    all
}

/// What anybody can do to the file.
fn bytes(all: &mut Vectors, good: &[u8], by_signature: &dyn Fn(&str) -> String) {
    for (name, at) in [
        ("flipped-salt", 40),
        ("flipped-payload-length", HEADER_LEN),
        ("flipped-signature", HEADER_LEN + 10),
        ("flipped-payload", HEADER_LEN + 100),
        ("flipped-padding", good.len() - 40),
        ("flipped-tag", good.len() - 1),
    ] {
        all.add(name, flipped(good, at), by_signature("manifest.sealed"));
    }
    all.add("flipped-magic", flipped(good, 0), "manifest.not-a-manifest");
    let newest = header(8, &u32::MAX.to_le_bytes());
    all.add(
        "newer-format",
        header(8, &2u32.to_le_bytes()),
        "manifest.newer-format",
    );
    all.add("newest-format-there-can-be", newest, "manifest.newer-format");
    let feature = header(12, &(1u32 << 31).to_le_bytes());
    all.add("unknown-header-feature", feature, "manifest.unknown-feature");
    all.add("of-another-image", header(16, &[9; 16]), "manifest.other-image");
    all.add("empty", Vec::new(), "manifest.not-a-manifest");
    all.add(
        "only-half-a-header",
        good[..40].to_vec(),
        "manifest.not-a-manifest",
    );
    all.add(
        "only-a-header",
        good[..HEADER_LEN].to_vec(),
        by_signature("manifest.sealed"),
    );
    let short = good[..good.len() - 1].to_vec();
    all.add("one-byte-short", short, by_signature("manifest.sealed"));
    let long = [good, &[0]].concat();
    all.add("one-byte-long", long, by_signature("manifest.sealed"));
    let salted = header(32, &[0x55; 32]);
    all.add(
        "header-of-another-writing",
        salted,
        by_signature("manifest.sealed"),
    );
    all.add(
        "larger-than-a-manifest",
        vec![0; (16 << 20) + 1],
        "manifest.too-large",
    );
    let mut largest = good.to_vec();
    largest.resize(16 << 20, 0);
    all.add(
        "largest-with-zeros-behind",
        largest,
        by_signature("manifest.sealed"),
    );
    let empty = around(good[..HEADER_LEN].to_vec(), Vec::new());
    all.add("nothing-sealed", empty, by_signature("manifest.bad-signature"));
}

/// Whoever has the image key, which a stolen passphrase gives, and not IT's signing key.
fn signatures(all: &mut Vectors, by_signature: &dyn Fn(&str) -> String) {
    let payload = good_payload();
    let bad = by_signature("manifest.bad-signature");
    let thief = SigningKey::from_seed(&Key::from_bytes([8; 32]));
    let forged = manifest::seal(&GOOD.manifest, &thief, &image_key(), &FixedRandom::new(0x21)).unwrap();
    all.add("signed-by-a-stranger", forged, bad.clone());
    let len = payload.len() as u32;
    all.add(
        "changed-after-signing",
        changed_without_signing(&payload),
        bad.clone(),
    );
    all.add(
        "length-shorter-than-signed",
        sealed(&payload, &signer(), len - 1),
        bad.clone(),
    );
    all.add(
        "length-longer-than-signed",
        sealed(&payload, &signer(), len + 1),
        bad,
    );
    let absurd = sealed(&payload, &signer(), u32::MAX);
    all.add("length-absurd", absurd, by_signature("manifest.sealed"));
    let other_purpose = {
        let mut plain = len.to_le_bytes().to_vec();
        plain.extend_from_slice(&signer().sign("policy", &payload));
        plain.extend_from_slice(&payload);
        around(GOOD.manifest_file[..HEADER_LEN].to_vec(), plain)
    };
    all.add(
        "signed-for-another-purpose",
        other_purpose,
        by_signature("manifest.bad-signature"),
    );
}

/// The signature of the good payload before another one of the same length.
fn changed_without_signing(payload: &[u8]) -> Vec<u8> {
    let mut plain = (payload.len() as u32).to_le_bytes().to_vec();
    plain.extend_from_slice(&signer().sign("manifest", payload));
    let text = String::from_utf8(payload.to_vec())
        .unwrap()
        .replace("\"version\":3", "\"version\":9");
    plain.extend_from_slice(text.as_bytes());
    around(GOOD.manifest_file[..HEADER_LEN].to_vec(), plain)
}

type Change = fn(&mut Value);

/// What IT could sign by mistake.
fn nonsense() -> [(&'static str, Change); 20] {
    [
        ("name-climbs-up", |value| value["name"] = json!("../../etc")),
        ("name-too-long", |value| value["name"] = json!("x".repeat(65))),
        ("version-negative", |value| value["version"] = json!(-3)),
        ("volume-named-oddly", |value| {
            value["volumes"][0]["name"] = json!("A B")
        }),
        ("volumes-named-alike", |value| {
            value["volumes"][0]["name"] = json!("kernel")
        }),
        ("volumes-too-many", |value| {
            let volume = value["volumes"][0].clone();
            value["volumes"] = Value::Array(vec![volume; 33]);
        }),
        ("volume-of-no-bytes", |value| {
            value["volumes"][0]["size_bytes"] = json!(0)
        }),
        ("volume-too-large", |value| {
            value["volumes"][0]["size_bytes"] = json!((1u64 << 44) + 1)
        }),
        ("volume-size-absurd", |value| {
            value["volumes"][0]["size_bytes"] = json!(u64::MAX)
        }),
        ("map-offset-absurd", |value| {
            value["volumes"][0]["map"]["root_offset"] = json!(u64::MAX)
        }),
        ("map-in-its-header", |value| {
            value["volumes"][0]["map"]["root_offset"] = json!(31)
        }),
        ("map-length-absurd", |value| {
            value["volumes"][0]["map"]["len_bytes"] = json!(u64::MAX)
        }),
        ("pack-twice", |value| {
            let pack = value["packs"][0].clone();
            value["packs"] = Value::Array(vec![pack; 2]);
        }),
        ("pack-too-long", |value| {
            value["packs"][0]["len_bytes"] = json!((1u64 << 30) + (1 << 20))
        }),
        ("pack-of-no-bytes", |value| {
            value["packs"][0]["len_bytes"] = json!(0)
        }),
        ("pack-key-short", |value| value["packs"][0]["key"] = json!("AAAA")),
        ("kernel-that-is-a-disk", |value| {
            value["boot"]["kernel"]["kernel"] = json!("system")
        }),
        ("kernel-that-is-not-there", |value| {
            value["boot"]["kernel"]["kernel"] = json!("vmlinuz")
        }),
        ("container-that-is-not-there", |value| {
            value["container"]["volume"] = json!("missing")
        }),
        ("container-outside-its-volume", |value| {
            value["container"]["file_system_offset_bytes"] = json!(u64::MAX)
        }),
    ]
}
