//! The log behind its seals: segment heads, record leads and headers, units.

use std::cell::RefCell;

use gobag_format::{
    crypto::{Cipher, position_nonce},
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::{
        Lead, RecordHeader, SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead, TrimEntry, TrimKind, UnitDecoder,
        UnitEncoder, UnitEntry,
    },
};

use crate::fixture::{key, split};

const SALT: [u8; 32] = [1; 32];
const NUMBER: u16 = 3;
/// Where the record lies in its segment.
const AT: u64 = 4096;

fn cipher() -> Cipher {
    let context = [&NUMBER.to_le_bytes()[..], &SALT].concat();
    Cipher::gcm_siv(&key(1).derive("log segment", &context))
}

/// The beginning of a head's plaintext; the rest is zeros.
pub(super) fn head(input: &[u8]) {
    let (plain, _) = split::<128>(input);
    let mut bytes = SALT.to_vec();
    bytes.extend_from_slice(&plain);
    bytes.resize(SEGMENT_HEAD_LEN - 16, 0);
    cipher().seal(position_nonce(0, 0), &[], &mut bytes, SALT.len());
    let Ok((opened, salt, head)) = SegmentCipher::open_head(&key(1), NUMBER, &bytes) else {
        return;
    };
    assert_eq!(salt, SALT);
    let written = opened.seal_head(&SALT, &head);
    let (_, _, again) = SegmentCipher::open_head(&key(1), NUMBER, &written)
        .map_err(|_| ())
        .expect("what we write we can read");
    assert_eq!(again, head);
    // Sealing is a function of the plaintext: equal in, equal out. What the head has not is zero when we write it.
    let is_plain =
        plain[52..].iter().all(|byte| *byte == 0) && (head.previous.is_some() || plain[12..20] == [0; 8]);
    assert!(
        !is_plain || written == bytes,
        "a head says another thing when written again"
    );
}

pub(super) fn heads() -> Vec<Vec<u8>> {
    let plain = |previous| {
        let head = SegmentHead {
            incarnation: 7,
            previous,
            first_seq: 20,
            prev_tag: [4; 16],
            durable_seq: 19,
        };
        let mut bytes = SegmentCipher::new(&key(1), NUMBER, &SALT).seal_head(&SALT, &head);
        let opened = cipher().open(position_nonce(0, 0), &[], &mut bytes[SALT.len()..]);
        opened.expect("it was just sealed")[..52].to_vec()
    };
    vec![plain(None), plain(Some((2, 6)))]
}

/// Lengths and number of the lead, then the header's plaintext.
pub(super) fn record(input: &[u8]) {
    let (lead, plain) = split::<16>(input);
    let mut bytes = lead.to_vec();
    cipher().seal(position_nonce(1, AT), &[], &mut bytes, 0);
    let from = bytes.len();
    bytes.extend_from_slice(plain);
    cipher().seal(position_nonce(2, AT), &[], &mut bytes, from);
    let opener = SegmentCipher::new(&key(1), NUMBER, &SALT);
    let Ok(lead) = Lead::open(&opener, AT, &bytes) else {
        return;
    };
    assert!(lead.record_len() % 4096 == 0 && lead.body_at() + lead.body_len as usize <= lead.record_len());
    let Ok((header, tag)) = RecordHeader::open(&opener, AT, &lead, &bytes[from..]) else {
        return;
    };
    let ends = header
        .units
        .iter()
        .map(|unit| (unit.first_block, unit.blocks.into()));
    let ends = ends.chain(header.trims.iter().map(|trim| (trim.first_block, trim.blocks)));
    for (first, blocks) in ends {
        assert!(
            first
                .checked_add(blocks)
                .is_some_and(|end: u64| end <= (1 << 44) / 4096)
        );
    }
    let written = header.seal(&opener, AT, lead.body_len as usize);
    assert_eq!(written, (bytes[..from + lead.header_len as usize].to_vec(), tag));
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let unit = UnitEntry {
        volume: VolumeId(0),
        blocks: 2,
        sealed_len: 1017,
        first_block: 8,
    };
    let trim = TrimEntry {
        volume: VolumeId(1),
        kind: TrimKind::Base,
        first_block: 1,
        blocks: 1 << 20,
    };
    let with = |units: &[UnitEntry], trims: &[TrimEntry]| {
        let header = RecordHeader {
            seq: 9,
            batch: 4,
            commit: true,
            relocation: units.len() > 1,
            clock_s: 1_700_000_000,
            durable_seq: 8,
            prev_tag: [3; 16],
            body_hash: [2; 32],
            units: units.to_vec(),
            trims: trims.to_vec(),
        };
        let opener = SegmentCipher::new(&key(1), NUMBER, &SALT);
        let (mut sealed, _) = header.seal(&opener, AT, units.len() * 1024);
        let (lead, header) = sealed.split_at_mut(32);
        let lead = cipher()
            .open(position_nonce(1, AT), &[], lead)
            .expect("it was just sealed");
        let header = cipher()
            .open(position_nonce(2, AT), &[], header)
            .expect("it was just sealed");
        [lead, header].concat()
    };
    vec![
        with(&[], &[]),
        with(&[unit], &[trim]),
        with(&[unit; 5], &[trim; 3]),
    ]
}

thread_local! {
    static WORKER: RefCell<(UnitDecoder, UnitEncoder)> =
        RefCell::new((UnitDecoder::new(), UnitEncoder::new()));
}

/// A unit's plaintext: codec and data.
pub(super) fn unit(input: &[u8]) {
    WORKER.with_borrow_mut(|(decoder, encoder)| {
        let Ok(blocks) = decoder.decode(input) else { return };
        assert!(!blocks.is_empty() && blocks.len() % BLOCK_LEN == 0 && blocks.len() <= 16 * BLOCK_LEN);
        let written = encoder.encode(&blocks);
        let again = decoder.decode(&written).expect("what we write we can read");
        assert!(
            again[..] == blocks[..],
            "a unit says another thing when written again"
        );
    });
}

pub(super) fn units() -> Vec<Vec<u8>> {
    let mut encoder = UnitEncoder::new();
    let counted: Vec<u8> = (0..2 * BLOCK_LEN).map(|at| (at / 30) as u8).collect();
    let raw = [&[0][..], &[7; BLOCK_LEN]].concat();
    vec![
        encoder.encode(&[7; BLOCK_LEN]).to_vec(),
        encoder.encode(&counted).to_vec(),
        raw,
    ]
}
