//! Bundles made in a folder: unlocking, new passphrases, escrow, damaged and foreign headers.

#![expect(clippy::disallowed_methods, reason = "the tests damage files on purpose")]

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use gobag_format::{Silent, header::HeaderError, limits::HEADER_SLOT_LEN};

use super::testing::{CHEAP, Stick};
use super::*;

fn read_slot((path, offset): &(PathBuf, u64)) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_SLOT_LEN];
    std::fs::File::open(path)
        .unwrap()
        .read_exact_at(&mut bytes, *offset)
        .unwrap();
    bytes
}

fn write_slot((path, offset): &(PathBuf, u64), bytes: &[u8]) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, *offset)
        .unwrap();
}

fn flip((path, offset): &(PathBuf, u64), byte: usize) {
    let mut bytes = read_slot(&(path.clone(), *offset));
    bytes[byte] ^= 1;
    write_slot(&(path.clone(), *offset), &bytes);
}

#[test]
fn only_the_passphrase_in_force_opens() {
    let stick = Stick::new();
    assert_eq!(stick.refusal("wrong"), "unlock.wrong-passphrase");
    let before: Vec<_> = stick.slots().iter().map(read_slot).collect();
    let mut bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.record().user, "alice");
    bundle.set_passphrase(b"battery staple", CHEAP).unwrap();
    drop(bundle);
    assert_eq!(stick.refusal("correct horse"), "unlock.wrong-passphrase");
    assert!(stick.open("battery staple").is_ok());
    // Old copies that flash or a crash left behind do not bring the old passphrase back.
    for (place, old) in stick.slots().iter().zip(&before).skip(1) {
        write_slot(place, old);
    }
    assert_eq!(stick.refusal("correct horse"), "unlock.passphrase-replaced");
    assert_eq!(stick.open("battery staple").unwrap().stale_header_slots(), 7);
}

#[test]
fn a_second_opening_is_refused_as_busy_and_allowed_after_the_first_ends() {
    let stick = Stick::new();
    let first = stick.open("correct horse").unwrap();
    assert_eq!(stick.refusal("correct horse"), "bundle.busy");
    assert_eq!(Bundle::identify(stick.path()).unwrap(), first.id());
    drop(first);
    assert!(stick.open("correct horse").is_ok());
}

#[test]
fn one_good_copy_of_the_header_is_enough() {
    let stick = Stick::new();
    let slots = stick.slots();
    for (nth, slot) in slots.iter().enumerate().skip(1) {
        flip(slot, nth * 997);
    }
    assert_eq!(stick.open("correct horse").unwrap().stale_header_slots(), 7);
    flip(&slots[0], 70);
    assert_eq!(stick.refusal("correct horse"), "header.damaged");
}

#[test]
fn a_header_altered_with_a_matching_checksum_is_not_authentic() {
    let stick = Stick::new();
    for slot in stick.slots() {
        let mut bytes = read_slot(&slot);
        // The generation: public, and outside every key slot.
        bytes[56] ^= 0x40;
        let end = HEADER_SLOT_LEN - 32;
        let checksum = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(checksum.as_bytes());
        write_slot(&slot, &bytes);
    }
    assert_eq!(stick.refusal("correct horse"), "header.not-authentic");
}

#[test]
fn a_newer_format_and_an_unknown_feature_are_refused_by_name() {
    for (byte, value, code) in [(8, 2, "header.newer-format"), (16, 1, "header.unknown-features")] {
        let stick = Stick::new();
        let slot = &stick.slots()[3];
        let mut bytes = read_slot(slot);
        bytes[byte] = value;
        let end = HEADER_SLOT_LEN - 32;
        let checksum = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(checksum.as_bytes());
        write_slot(slot, &bytes);
        assert_eq!(stick.refusal("correct horse"), code);
    }
}

#[test]
fn another_bundles_header_does_not_mix_in() {
    let (stick, other) = (Stick::new(), Stick::new());
    for (mine, theirs) in stick.slots().iter().zip(other.slots()).take(4) {
        write_slot(mine, &read_slot(&theirs));
    }
    // Both passphrases are the same, so the other bundle's key comes out first; its log is not here.
    let opened = stick.open("correct horse").unwrap();
    assert!(
        crate::session::open_store(&opened, crate::store::StoreMode::ReadOnly, &Default::default())
            .is_err_and(|error| error.code() == "store.no-checkpoint")
    );
}

#[test]
fn a_cost_beyond_the_limit_is_refused_before_it_is_paid() {
    let stick = Stick::new();
    for slot in stick.slots() {
        let mut bytes = read_slot(&slot);
        bytes[64 + 4..64 + 8].copy_from_slice(&(4u32 << 20).to_le_bytes());
        let end = HEADER_SLOT_LEN - 32;
        let checksum = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(checksum.as_bytes());
        write_slot(&slot, &bytes);
    }
    assert_eq!(stick.refusal("correct horse"), "keyslot.cost-out-of-bounds");
}

#[test]
fn escrow_opens_and_a_removed_recipient_does_not() {
    let stick = Stick::new();
    let by = |identity: &age::x25519::Identity| {
        Bundle::open(stick.path(), &Secret::Escrow(identity), true, Ambient::system())
    };
    let mut bundle = by(&stick.identity).unwrap();
    let other = age::x25519::Identity::generate();
    bundle.set_escrow(&[&other.to_public()]).unwrap();
    drop(bundle);
    assert_eq!(by(&stick.identity).err().unwrap().code(), "escrow.decrypt");
    let mut bundle = by(&other).unwrap();
    // Rescue: a new passphrase without the old one.
    bundle.set_passphrase(b"rescued", CHEAP).unwrap();
    bundle.set_escrow(&[]).unwrap();
    drop(bundle);
    assert!(stick.open("rescued").is_ok());
    assert_eq!(by(&other).err().unwrap().code(), "unlock.no-escrow");
}

#[test]
fn what_is_no_bundle_and_what_is_one_already_are_told_apart() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        Bundle::identify(empty.path()).err().unwrap().code(),
        "bundle.not-found"
    );
    let stick = Stick::new();
    let id = Bundle::identify(stick.path()).unwrap();
    assert_eq!(
        stick.provision(false).err().unwrap().code(),
        "provision.already-a-bundle"
    );
    assert_eq!(Bundle::identify(stick.path()).unwrap(), id);
    assert_ne!(stick.provision(true).unwrap(), id);
    std::fs::write(stick.file(FileRef::Header(0)), b"short").unwrap();
    std::fs::write(stick.file(FileRef::Header(1)), b"short").unwrap();
    let refused = Bundle::identify(stick.path()).err().unwrap();
    assert!(
        matches!(
            refused,
            OpenError::Unlock(UnlockError::Header(HeaderError::Damaged))
        ),
        "{refused}"
    );
}

/// Copies every slot, with its format version changed and its checksum right again.
fn make_newer(stick: &Stick) {
    for slot in stick.slots() {
        let mut bytes = read_slot(&slot);
        bytes[8..10].copy_from_slice(&2u16.to_le_bytes());
        let at = bytes.len() - 32;
        let sum = blake3::hash(&bytes[..at]);
        bytes[at..].copy_from_slice(sum.as_bytes());
        write_slot(&slot, &bytes);
    }
}

#[test]
fn a_bundle_that_cannot_be_opened_is_not_overwritten_unasked() {
    type Harm = fn(&Stick);
    let cases: [(&str, Harm); 3] = [
        ("newer, its first file lost", |stick| {
            make_newer(stick);
            std::fs::remove_file(stick.file(FileRef::Header(0))).unwrap();
        }),
        ("its first file lost", |stick| {
            std::fs::remove_file(stick.file(FileRef::Header(0))).unwrap();
        }),
        ("all copies of its header damaged", |stick| {
            for slot in stick.slots() {
                write_slot(&slot, &vec![9; HEADER_SLOT_LEN]);
            }
        }),
    ];
    for (name, harm) in cases {
        let stick = Stick::new();
        harm(&stick);
        let segment = std::fs::read(stick.file(FileRef::Segment(0))).unwrap();
        let refused = stick.provision(false).err();
        assert_eq!(
            refused.map(|error| error.code()),
            Some("provision.already-a-bundle"),
            "{name}"
        );
        assert!(
            std::fs::read(stick.file(FileRef::Segment(0))).unwrap() == segment,
            "{name}"
        );
        stick.provision(true).unwrap();
        assert!(stick.open("correct horse").is_ok(), "{name}");
    }
    // What an interrupted run left is nobody's.
    let stick = Stick::new();
    for slot in stick.slots() {
        write_slot(&slot, &vec![9; HEADER_SLOT_LEN]);
    }
    std::fs::remove_file(stick.file(FileRef::Header(0))).unwrap();
    stick.provision(false).unwrap();
}

#[test]
fn an_escrow_file_that_is_lost_or_harmed_is_found_and_said() {
    type Harm = fn(&Path);
    let cases: [(&str, Harm); 3] = [
        ("escrow.too-large", |file| {
            std::fs::write(file, vec![b'x'; (64 << 10) + 1]).unwrap()
        }),
        ("escrow.damaged", |file| {
            std::fs::write(file, b"age-encryption.org/v1\nrubbish").unwrap()
        }),
        ("escrow.missing", |file| std::fs::remove_file(file).unwrap()),
    ];
    for (expected, harm) in cases {
        let stick = Stick::new();
        harm(&stick.file(FileRef::Escrow(0)));
        let bundle = stick.open("correct horse").unwrap();
        let report = crate::verify::verify(&bundle, &Silent).unwrap();
        let codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [expected]);
        drop(bundle);
        let secret = Secret::Escrow(&stick.identity);
        let opened = Bundle::open(stick.path(), &secret, false, Ambient::system());
        let said = opened.err().unwrap().code();
        let expected = match expected {
            "escrow.damaged" => "escrow.decrypt",
            "escrow.missing" => "unlock.no-escrow",
            other => other,
        };
        assert_eq!(said, expected);
    }
}
