//! A header slot with its key slots, and the escrow file.

use gobag_format::{
    crypto::Key,
    escrow,
    header::{HeaderRecord, HeaderSlot, LogGeometry},
    ids::{BundleId, OrgId},
    keyslot::{KeySlot, PassphraseSlot},
    limits::HEADER_SLOT_LEN,
    sign::VerifyingKey,
};
use gobag_tests::{rng::FixedRandom, sweep::each};

use super::Tally;
use crate::stick::CHEAP;

const BUNDLE: BundleId = BundleId([7; 16]);
/// Length of the checksum at the end of a slot.
const CHECKSUM_LEN: usize = 32;

fn key() -> Key {
    Key::from_bytes([9; 32])
}

fn slot(generation: u64) -> Vec<u8> {
    let random = FixedRandom::new(generation);
    let record = HeaderRecord {
        org: OrgId([1; 16]),
        org_name: "Example".into(),
        publisher: VerifyingKey([2; 32]),
        user: "alice".into(),
        created_s: 1_700_000_000,
        images: Vec::new(),
        volumes: Vec::new(),
        log: LogGeometry::plan(100, 100, 128 << 10),
        escrow: None,
        later: serde_json::Map::new(),
    };
    let passphrase = PassphraseSlot::create(BUNDLE, 0, &key(), b"correct horse", CHEAP, &random).unwrap();
    let mut key_slots = vec![KeySlot::Passphrase(passphrase)];
    key_slots.resize(8, KeySlot::Empty);
    HeaderSlot::encode(BUNDLE, generation, &key_slots, &record, &key(), &random).unwrap()
}

/// Whether these bytes are taken for a header that the bundle key vouches for.
fn is_believed(bytes: &[u8]) -> bool {
    HeaderSlot::decode(bytes).is_ok_and(|slot| slot.authenticates(&key()) && slot.open(&key()).is_ok())
}

#[test]
fn no_flipped_bit_of_a_header_slot_is_believed() {
    let good = slot(1);
    assert!(is_believed(&good));
    let tally = Tally::default();
    each(HEADER_SLOT_LEN as u64, |at| {
        let (mut bytes, at) = (good.clone(), at as usize);
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(HeaderSlot::decode(&bytes).is_err(), "byte {at}, bit {bit}");
            tally.note(false);
            bytes[at] ^= 1 << bit;
        }
    });
    assert_eq!(
        tally.tell("header slot, flipped bits").0,
        8 * HEADER_SLOT_LEN as u64
    );
}

/// Who alters a slot can make its checksum fit; only the bundle key makes its MAC.
#[test]
fn no_altered_header_slot_with_a_fitting_checksum_is_believed() {
    let good = slot(1);
    let tally = Tally::default();
    let body = HEADER_SLOT_LEN - CHECKSUM_LEN;
    each(body as u64, |at| {
        let (mut bytes, at) = (good.clone(), at as usize);
        bytes[at] ^= 1 << (at % 8);
        let checksum = blake3::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(checksum.as_bytes());
        assert!(!is_believed(&bytes), "byte {at}");
        tally.note(false);
    });
    tally.tell("header slot, altered with a fitting checksum");
}

#[test]
fn no_header_slot_cut_short_or_put_together_from_two_is_believed() {
    let (one, other) = (slot(1), slot(2));
    let tally = Tally::default();
    for sector in 1..HEADER_SLOT_LEN / 512 {
        let cut = sector * 512;
        assert!(!is_believed(&one[..cut]));
        let torn = [&other[..cut], &one[cut..]].concat();
        assert!(!is_believed(&torn), "torn at {cut}");
        tally.note(false);
    }
    tally.tell("header slot, cut short and torn at every sector");
}

#[test]
fn no_harmed_escrow_file_gives_a_wrong_key() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let recipients: [&dyn age::Recipient; 1] = [&recipient];
    let good = escrow::seal(BUNDLE, &key(), recipients.into_iter()).unwrap();
    // Keys have no comparison of their own: the header slot tells whether it is the right one.
    let header = HeaderSlot::decode(&slot(1)).unwrap();
    let is_right = |file: &[u8]| escrow::open(BUNDLE, file, &identity).map(|key| header.authenticates(&key));
    assert!(is_right(&good).unwrap());
    let tally = Tally::default();
    each(good.len() as u64, |at| {
        let (mut bytes, at) = (good.clone(), at as usize);
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let opened = is_right(&bytes);
            assert!(!matches!(opened, Ok(false)), "byte {at}, bit {bit}: a wrong key");
            tally.note(opened.is_ok());
            bytes[at] ^= 1 << bit;
        }
        assert!(is_right(&good[..at]).is_err(), "cut at {at}");
        tally.note(false);
    });
    let (_, healed) = tally.tell("escrow file, flipped bits and every length");
    assert_eq!(healed, 0, "every byte of an age file counts");
}
