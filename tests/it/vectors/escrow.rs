//! Escrow files. `identity` opens those that are ours; it protects nothing.

use std::io::Write;

use gobag_format::{escrow, ids::BundleId};

use super::{Vectors, bundle, bundle_key, flipped};

const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn identity() -> age::x25519::Identity {
    IDENTITY.parse().unwrap()
}

/// What IT's identity finds in the file.
pub(super) fn open(bytes: &[u8]) -> String {
    match escrow::open(bundle(), bytes, &identity()) {
        Ok(key) => format!("ok: the bundle key: {}", key.expose() == bundle_key().expose()),
        Err(error) => error.code().to_owned(),
    }
}

fn file(bundle: BundleId) -> Vec<u8> {
    let recipient = identity().to_public();
    let recipients: [&dyn age::Recipient; 1] = [&recipient];
    escrow::seal(bundle, &bundle_key(), recipients.into_iter()).unwrap()
}

/// An age file with this text in it.
fn with_text(text: &[u8]) -> Vec<u8> {
    sealed(&identity().to_public(), text)
}

fn sealed(recipient: &dyn age::Recipient, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).unwrap();
    let mut writer = encryptor.wrap_output(&mut out).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap();
    out
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    let good = file(bundle());
    let key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
    let id = bundle();
    all.add("good", good.clone(), "ok: the bundle key: true");
    let text = format!("gobag-escrow-v1\nbundle: {id}\nkey: {key}\nnote: of a later version\n");
    all.add(
        "good-with-a-line-of-later",
        with_text(text.as_bytes()),
        "ok: the bundle key: true",
    );
    all.add(
        "of-another-bundle",
        file(BundleId([7; 16])),
        "escrow.other-bundle",
    );
    let texts = [
        ("payload-empty", String::new()),
        ("payload-something-else", "dear diary\n".to_owned()),
        (
            "payload-of-a-later-version",
            format!("gobag-escrow-v2\nbundle: {id}\nkey: {key}\n"),
        ),
        (
            "payload-without-a-key",
            format!("gobag-escrow-v1\nbundle: {id}\n"),
        ),
        (
            "payload-key-short",
            format!("gobag-escrow-v1\nbundle: {id}\nkey: a2tr\n"),
        ),
        (
            "payload-key-no-base64",
            format!("gobag-escrow-v1\nbundle: {id}\nkey: {}\n", key.replace('2', "?")),
        ),
        (
            "payload-bundle-no-id",
            format!("gobag-escrow-v1\nbundle: alice\nkey: {key}\n"),
        ),
        (
            "payload-swapped-lines",
            format!("gobag-escrow-v1\nkey: {key}\nbundle: {id}\n"),
        ),
        (
            "payload-too-long-a-line",
            format!("gobag-escrow-v1\nbundle: {}\nkey: {key}\n", "0".repeat(50_000)),
        ),
    ];
    for (name, text) in texts {
        all.add(name, with_text(text.as_bytes()), "escrow.not-escrow");
    }
    all.add(
        "payload-not-text",
        with_text(b"gobag-escrow-v1\nbundle: \xff\xfe\n"),
        "escrow.damaged",
    );
    all.add(
        "flipped-payload",
        flipped(&good, good.len() - 20),
        "escrow.damaged",
    );
    all.add(
        "truncated-payload",
        good[..good.len() - 1].to_vec(),
        "escrow.damaged",
    );
    all.add("truncated-header", good[..60].to_vec(), "escrow.decrypt");
    all.add("flipped-header", flipped(&good, 25), "escrow.decrypt");
    all.add("empty", Vec::new(), "escrow.decrypt");
    all.add(
        "no-age-file",
        b"-----BEGIN CERTIFICATE-----\n".to_vec(),
        "escrow.decrypt",
    );
    let stranger = age::x25519::Identity::generate().to_public();
    all.add(
        "for-another-identity",
        sealed(&stranger, b"gobag-escrow-v1\n"),
        "escrow.decrypt",
    );
    all.add(
        "too-large",
        [&good[..], &vec![0; 65_537 - good.len()]].concat(),
        "escrow.too-large",
    );
    all.add(
        "largest-with-noise-behind",
        [&good[..], &vec![0; 65_536 - good.len()]].concat(),
        "escrow.damaged",
    );
    all
}
