//! Memories of a stick: 256 bytes that a computer or a server gives back.

use gobag_format::{
    crypto::{Cipher, Key, position_nonce},
    ids::BundleId,
    memory::{MEMORY_LEN, Memory, MemoryKeys, Moment, Remember},
};

use super::{Quiet, Vectors, bundle, bundle_key, flipped, other_key};

const SEALED_AT: usize = 48;
const TAG_LEN: usize = 16;

/// What its bundle reads in it.
pub(super) fn open(bytes: &[u8]) -> String {
    match MemoryKeys::new(bundle(), &bundle_key()).open(bytes) {
        Ok(memory) => format!(
            "ok: change {}, header {}, tag of {}, {}, token {}, at {}",
            memory.moment.sequence,
            memory.moment.generation,
            memory.moment.tag[0],
            memory.rule.word(),
            memory.restored,
            memory.saved_s
        ),
        Err(error) => error.code().to_owned(),
    }
}

fn sealed(bundle: BundleId, key: &Key) -> Vec<u8> {
    let memory = Memory {
        moment: Moment {
            generation: 3,
            sequence: 41,
            tag: [7; 16],
        },
        rule: Remember::Token,
        restored: 1_800_000_000,
        saved_s: 1_800_000_001,
    };
    MemoryKeys::new(bundle, key).seal(&memory, &Quiet::new(1))
}

/// The good one with its plaintext changed, rightly sealed.
fn with(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = sealed(bundle(), &bundle_key());
    let key = bundle_key().derive("memory", &[]);
    let cipher = Cipher::gcm_siv(&key.derive("memory record", &bytes[16..SEALED_AT]));
    let aad = bytes[..16].to_vec();
    let nonce = position_nonce(0, 0);
    change(cipher.open(nonce, &aad, &mut bytes[SEALED_AT..]).unwrap());
    bytes.truncate(MEMORY_LEN - TAG_LEN);
    cipher.seal(nonce, &aad, &mut bytes, SEALED_AT);
    bytes
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    let good = sealed(bundle(), &bundle_key());
    let ok = "ok: change 41, header 3, tag of 7, token, token 1800000000, at 1800000001";
    all.add("good", good.clone(), ok);
    all.add("good-with-more-of-later", with(|plain| plain[65..].fill(9)), ok);
    all.add(
        "good-that-its-user-may-accept",
        with(|plain| plain[64] = 1),
        ok.replace("token, token", "ask, token"),
    );
    let (foreign, damaged) = ("memory.not-a-memory", "memory.damaged");
    all.add("empty", Vec::new(), foreign);
    all.add("flipped-magic", flipped(&good, 0), foreign);
    all.add(
        "version-none",
        {
            let mut bytes = good.clone();
            bytes[8] = 0;
            bytes
        },
        foreign,
    );
    all.add(
        "version-of-later",
        {
            let mut bytes = good.clone();
            bytes[8] = 2;
            bytes
        },
        "memory.newer-format",
    );
    all.add(
        "version-of-later-and-longer",
        {
            let mut bytes = good.clone();
            bytes[9] = 1;
            bytes.resize(4096, 0);
            bytes
        },
        "memory.newer-format",
    );
    all.add("cut-in-the-magic", good[..5].to_vec(), foreign);
    all.add("cut-in-the-salt", good[..40].to_vec(), damaged);
    all.add("cut-by-one-byte", good[..MEMORY_LEN - 1].to_vec(), damaged);
    all.add("one-byte-more", [&good[..], &[0]].concat(), damaged);
    for (name, at) in [
        ("flipped-reserved", 12),
        ("flipped-salt", 16),
        ("flipped-plaintext", SEALED_AT),
        ("flipped-tag", MEMORY_LEN - 1),
    ] {
        all.add(name, flipped(&good, at), damaged);
    }
    all.add(
        "of-another-bundle",
        sealed(BundleId([7; 16]), &bundle_key()),
        damaged,
    );
    all.add("of-another-key", sealed(bundle(), &other_key()), damaged);
    all.add("sealed-for-another-bundle", with(|plain| plain[0] ^= 1), damaged);
    all.add(
        "generation-absurd",
        with(|plain| plain[16..24].fill(0xff)),
        damaged,
    );
    all.add("sequence-absurd", with(|plain| plain[24..32].fill(0xff)), damaged);
    all.add("rule-none", with(|plain| plain[64] = 0), damaged);
    all.add("rule-unknown", with(|plain| plain[64] = 3), damaged);
    all
}
