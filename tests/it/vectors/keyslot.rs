//! Passphrase slots: the 128 bytes, as slot 0 of the bundle.

use gobag_format::{
    header::HeaderSlot,
    ids::BundleId,
    keyslot::{KdfCost, KeySlot, PassphraseSlot, Root, SHARE_NAME_LEN, Share, ShareName, SharedSlot},
    limits::HEADER_SLOT_LEN,
};

use super::{Quiet, Vectors, bundle, bundle_key, flipped};
use crate::stick::CHEAP;

const PASSPHRASE: &[u8] = b"correct horse";
const NAME: ShareName = ShareName([1; SHARE_NAME_LEN]);

/// What the passphrase finds in the slot.
pub(super) fn open(bytes: &[u8]) -> String {
    match decode(bytes) {
        KeySlot::Empty => "empty".to_owned(),
        KeySlot::Unknown(kept) => format!("unknown, kept: {}", kept[..] == *bytes),
        KeySlot::Share(share) => format!("a share: {}", share == self::share(1)),
        KeySlot::ShareName(name) => format!("a share's name: {}", name == NAME),
        KeySlot::Shared(slot) => {
            let root = slot.harden(PASSPHRASE);
            match root.and_then(|root| slot.open(bundle(), 0, &root, &share(1))) {
                Ok(key) => format!("ok: the bundle key: {}", key.expose() == bundle_key().expose()),
                Err(error) => error.code().to_owned(),
            }
        }
        KeySlot::Passphrase(slot) => match slot.open(bundle(), 0, PASSPHRASE) {
            Ok(key) => format!("ok: the bundle key: {}", key.expose() == bundle_key().expose()),
            Err(error) => error.code().to_owned(),
        },
    }
}

/// A key slot is read only within a header.
fn decode(bytes: &[u8]) -> KeySlot {
    let mut header = vec![0; HEADER_SLOT_LEN];
    header[..8].copy_from_slice(b"GOBAGHDR");
    header[8] = 1;
    header[64..64 + 128].copy_from_slice(bytes);
    let end = HEADER_SLOT_LEN - 32;
    let checksum = blake3::hash(&header[..end]);
    header[end..].copy_from_slice(checksum.as_bytes());
    HeaderSlot::decode(&header).unwrap().key_slots.swap_remove(0)
}

fn slot(bundle: BundleId, number: u8, passphrase: &[u8]) -> Vec<u8> {
    let random = Quiet::new(number.into());
    let slot = PassphraseSlot::create(bundle, number, &bundle_key(), passphrase, CHEAP, &random).unwrap();
    KeySlot::Passphrase(slot).encode().to_vec()
}

fn share(seed: u8) -> Share {
    Share::from_bytes([seed; 32])
}

/// A slot that wants a share.
fn shared(bundle: BundleId, number: u8, passphrase: &[u8], share: &Share) -> Vec<u8> {
    let root = Root::new(passphrase, CHEAP, &Quiet::new(number.into())).unwrap();
    let slot = SharedSlot::create(bundle, number, &bundle_key(), &root, share);
    KeySlot::Shared(slot).encode().to_vec()
}

fn with_shares(all: &mut Vectors) {
    let good = shared(bundle(), 0, PASSPHRASE, &share(1));
    all.add("shared-good", good.clone(), "ok: the bundle key: true");
    let wrong = "keyslot.wrong-passphrase";
    all.add(
        "shared-another-share",
        shared(bundle(), 0, PASSPHRASE, &share(2)),
        wrong,
    );
    all.add(
        "shared-another-passphrase",
        shared(bundle(), 0, b"battery staple", &share(1)),
        wrong,
    );
    all.add(
        "shared-taken-for-passphrase-alone",
        [&[1], &good[1..]].concat(),
        wrong,
    );
    all.add("shared-flipped-commitment", flipped(&good, 79), wrong);
    let damaged = "keyslot.damaged";
    all.add("shared-flipped-tag", flipped(&good, 127), damaged);
    all.add(
        "shared-slot-of-another-number",
        shared(bundle(), 1, PASSPHRASE, &share(1)),
        damaged,
    );
    let absurd = KdfCost {
        memory_kib: u32::MAX,
        ..CHEAP
    };
    all.add(
        "shared-memory-absurd",
        with_cost(good, absurd),
        "keyslot.cost-out-of-bounds",
    );
    let kept = KeySlot::Share(share(1)).encode().to_vec();
    all.add("share-good", kept.clone(), "a share: true");
    all.add("share-flipped", flipped(&kept, 16), "a share: false");
    let name = KeySlot::ShareName(NAME).encode().to_vec();
    all.add("share-name-good", name.clone(), "a share's name: true");
    all.add("share-name-flipped", flipped(&name, 103), "a share's name: false");
}

fn with_cost(mut bytes: Vec<u8>, cost: KdfCost) -> Vec<u8> {
    for (at, value) in [(4, cost.memory_kib), (8, cost.passes), (12, cost.lanes)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    let good = slot(bundle(), 0, PASSPHRASE);
    all.add("good", good.clone(), "ok: the bundle key: true");
    all.add(
        "good-with-reserved-bytes-set",
        flipped(&good, 1),
        "ok: the bundle key: true",
    );
    with_shares(&mut all);
    all.add("empty", vec![0; 128], "empty");
    all.add(
        "kind-of-later",
        [&[7], &good[1..]].concat(),
        "unknown, kept: true",
    );
    let wrong = "keyslot.wrong-passphrase";
    all.add("another-passphrase", slot(bundle(), 0, b"battery staple"), wrong);
    all.add("flipped-salt", flipped(&good, 16), wrong);
    all.add("flipped-commitment", flipped(&good, 79), wrong);
    let other_cost = KdfCost { passes: 2, ..CHEAP };
    all.add(
        "cost-altered-within-limits",
        with_cost(good.clone(), other_cost),
        wrong,
    );
    let damaged = "keyslot.damaged";
    all.add("flipped-key", flipped(&good, 80), damaged);
    all.add("flipped-tag", flipped(&good, 127), damaged);
    all.add("slot-of-another-number", slot(bundle(), 1, PASSPHRASE), damaged);
    all.add(
        "slot-of-another-bundle",
        slot(BundleId([7; 16]), 0, PASSPHRASE),
        damaged,
    );
    let cost = |memory_kib, passes, lanes| KdfCost {
        memory_kib,
        passes,
        lanes,
    };
    let absurd = [
        ("memory-none", cost(0, 1, 2)),
        ("memory-too-small", cost((64 << 10) - 1, 1, 2)),
        ("memory-too-large", cost((1 << 20) + 1, 1, 2)),
        ("memory-absurd", cost(u32::MAX, 1, 2)),
        ("passes-none", cost(64 << 10, 0, 2)),
        ("passes-too-many", cost(64 << 10, 17, 2)),
        ("passes-absurd", cost(64 << 10, u32::MAX, 2)),
        ("lanes-none", cost(64 << 10, 1, 0)),
        ("lanes-too-many", cost(64 << 10, 1, 17)),
        ("lanes-absurd", cost(64 << 10, 1, u32::MAX)),
    ];
    for (name, cost) in absurd {
        all.add(name, with_cost(good.clone(), cost), "keyslot.cost-out-of-bounds");
    }
    all
}
