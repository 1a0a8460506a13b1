//! Segments: their heads, records and units.
//!
//! A vector is the first 32 KiB of segment 0, and behind it, where there are more, those of segments 1 and 2. They are
//! laid over a freshly made log of eight segments full of noise, which is then opened for reading. The outcome names the
//! records replayed and what the first eight blocks of the volume hold: a letter, `.` for zeros, `!` for damage.

use std::sync::{Arc, LazyLock};

use gobag_bundle::{
    Volume as _, VolumeError,
    medium::FileRef,
    store::{LogKeys, LogVolume, Store, StoreMode, StoreOptions, StoreVolume},
};
use gobag_format::{
    header::LogGeometry,
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_COUNT},
    log::{RecordHeader, SegmentCipher, SegmentHead, TrimEntry, TrimKind, UnitEntry, body_hash},
};
use gobag_tests::{rig::geometry, rng::FixedRandom, sim::SimMedium};

use super::{Vectors, bundle_key, flipped, other_key};

/// Bytes of each segment that a vector has.
const PART: usize = 32 << 10;
const HOME: VolumeId = VolumeId(0);
const BLOCKS: u64 = 8;

/// A log in which nothing was ever written.
static FRESH: LazyLock<SimMedium> = LazyLock::new(|| {
    let geometry = shape();
    let segments = (0..geometry.segments).map(|n| (FileRef::Segment(n), u64::from(geometry.segment_len)));
    let areas = (0..geometry.checkpoints).map(|n| (FileRef::Checkpoint(n), geometry.checkpoint_len));
    let medium = Arc::new(SimMedium::new(&segments.chain(areas).collect::<Vec<_>>(), 1));
    let random = Arc::new(FixedRandom::new(1));
    let keys = LogKeys::of_bundle(&bundle_key());
    Store::format(medium.clone(), keys, random, Arc::new(|| 1_700_000_000), geometry).unwrap();
    medium.copy()
});

pub(super) fn shape() -> LogGeometry {
    geometry(8, 128, 64, 40)
}

/// What a reader finds in the log.
pub(super) fn open(bytes: &[u8]) -> String {
    let medium = Arc::new(FRESH.copy());
    for (number, part) in (0..).zip(bytes.chunks(PART)) {
        medium.overwrite(FileRef::Segment(number), 0, part);
    }
    outcome(medium)
}

/// Opens the log of `medium` and says what it holds.
pub(super) fn outcome(medium: Arc<SimMedium>) -> String {
    let volume = LogVolume {
        id: HOME,
        size_bytes: BLOCKS * BLOCK_LEN as u64,
        has_base: false,
    };
    let options = StoreOptions {
        geometry: shape(),
        volumes: vec![volume],
        mode: StoreMode::ReadOnly,
        accept_earlier: false,
        cache_bytes: 1 << 20,
    };
    let random = Arc::new(FixedRandom::new(2));
    let keys = LogKeys::of_bundle(&bundle_key());
    let store = match Store::open(medium, keys, random, Arc::new(|| 1_700_000_000), options) {
        Ok(store) => Arc::new(store),
        Err(error) => return error.code().to_owned(),
    };
    let records = store.recovery().replayed_records;
    let volume = StoreVolume::new(store, HOME, None);
    let blocks: String = (0..BLOCKS).map(|block| letter(&volume, block)).collect();
    format!("{records} records: {blocks}")
}

fn letter(volume: &StoreVolume, block: u64) -> char {
    let mut content = [1; BLOCK_LEN];
    match volume.read_at(block * BLOCK_LEN as u64, &mut content) {
        Ok(()) if content.iter().any(|byte| *byte != content[0]) => '?',
        Ok(()) if content[0] == 0 => '.',
        Ok(()) => char::from(content[0]),
        Err(VolumeError::Damaged { .. }) => '!',
        Err(error) => panic!("block {block}: {error}"),
    }
}

/// A segment in the making.
struct Segment {
    cipher: SegmentCipher,
    bytes: Vec<u8>,
}

/// A record to be written; what is not said is taken from the record before.
#[derive(Clone)]
struct Record {
    header: RecordHeader,
    /// Plaintext of each unit, and the block it is sealed for.
    units: Vec<(u64, Vec<u8>)>,
}

impl Record {
    /// Record `seq`, a batch of its own, that puts `letter` into block `seq` - 1.
    fn new(seq: u64, letter: u8) -> Self {
        let header = RecordHeader {
            seq,
            batch: seq,
            commit: true,
            relocation: false,
            clock_s: 1_700_000_000 + seq,
            durable_seq: 0,
            prev_tag: [0; 16],
            body_hash: [0; 32],
            units: vec![entry(seq - 1, 1)],
            trims: Vec::new(),
        };
        Self {
            header,
            units: vec![(seq - 1, plain(letter))],
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn trimming(trim: TrimEntry) -> Self {
        Self::new(2, 0).with(|record| {
            record.header.units.clear();
            record.units.clear();
            record.header.trims.push(trim);
        })
    }
}

fn entry(first_block: u64, blocks: u8) -> UnitEntry {
    UnitEntry {
        volume: HOME,
        blocks,
        sealed_len: (1 + BLOCK_LEN + 16) as u32,
        first_block,
    }
}

/// A raw unit of one block.
fn plain(letter: u8) -> Vec<u8> {
    [&[0][..], &[letter; BLOCK_LEN]].concat()
}

fn zstd_unit(content: &[u8]) -> Vec<u8> {
    [&[1][..], &zstd::bulk::compress(content, 1).unwrap()].concat()
}

fn head() -> SegmentHead {
    SegmentHead {
        incarnation: 1,
        previous: None,
        first_seq: 1,
        prev_tag: [0; 16],
        durable_seq: 0,
    }
}

impl Segment {
    fn new(number: u16, head: &SegmentHead) -> Self {
        let salt = [number as u8 + 1; 32];
        let cipher = SegmentCipher::new(&bundle_key().derive("log", &[]), number, &salt);
        let bytes = cipher.seal_head(&salt, head);
        Self { cipher, bytes }
    }

    /// Appends a record as its header says, but for tag and body hash, which `lie` may alter still; returns its tag.
    fn put_with(
        &mut self,
        mut record: Record,
        prev_tag: [u8; 16],
        lie: impl FnOnce(&mut RecordHeader, &mut Vec<u8>, &mut usize),
    ) -> [u8; 16] {
        let offset = self.bytes.len();
        let body_at = RecordHeader::body_at(record.header.units.len(), record.header.trims.len());
        let mut body = Vec::new();
        for (first_block, plain) in &record.units {
            let from = body.len();
            body.extend_from_slice(plain);
            let at = (offset + body_at + from) as u64;
            self.cipher.seal_unit(at, HOME, *first_block, &mut body, from);
            body.resize(body.len().next_multiple_of(16), 0);
        }
        record.header.prev_tag = prev_tag;
        record.header.body_hash = body_hash(&body);
        let mut body_len = body.len();
        lie(&mut record.header, &mut body, &mut body_len);
        let (sealed, tag) = record.header.seal(&self.cipher, offset as u64, body_len);
        self.bytes.extend_from_slice(&sealed);
        self.bytes.resize(offset + body_at.max(sealed.len()), 0);
        self.bytes.extend_from_slice(&body);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_LEN), 0);
        tag
    }

    fn put(&mut self, record: Record, prev_tag: [u8; 16]) -> [u8; 16] {
        self.put_with(record, prev_tag, |_, _, _| {})
    }

    fn part(mut self) -> Vec<u8> {
        self.bytes.resize(PART, 0);
        self.bytes
    }
}

/// A, then `second`, then C; with `durable` each record calls the one before durable.
fn three(
    second: Record,
    durable: bool,
    lie: impl FnOnce(&mut RecordHeader, &mut Vec<u8>, &mut usize),
) -> Vec<u8> {
    let mut segment = Segment::new(0, &head());
    let tag = segment.put(Record::new(1, b'A'), [0; 16]);
    let tag = segment.put_with(second, tag, lie);
    let third = Record::new(3, b'C').with(|record| record.header.durable_seq = if durable { 2 } else { 0 });
    segment.put(third, tag);
    segment.part()
}

fn good(durable: bool) -> Vec<u8> {
    three(Record::new(2, b'B'), durable, |_, _, _| {})
}

/// Where the second record of [`good`] begins: head, and a record of two blocks.
const SECOND: usize = 3 * BLOCK_LEN;

const ONE: &str = "1 records: A.......";
const NONE: &str = "0 records: ........";
const EARLIER: &str = "store.earlier-state";

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    all.add("good", good(true), "3 records: ABC.....");
    heads(&mut all);
    torn(&mut all);
    records(&mut all);
    units(&mut all);
    trims(&mut all);
    batches(&mut all);
    further_segments(&mut all);
    all
}

fn heads(all: &mut Vectors) {
    let with = |change: fn(&mut SegmentHead)| {
        let mut head = head();
        change(&mut head);
        let mut segment = Segment::new(0, &head);
        segment.put(Record::new(1, b'A'), [0; 16]);
        segment.part()
    };
    all.add("head-flipped-salt", flipped(&good(true), 0), NONE);
    all.add("head-flipped-content", flipped(&good(true), 40), NONE);
    all.add("head-flipped-tag", flipped(&good(true), BLOCK_LEN - 1), NONE);
    all.add(
        "head-torn",
        [
            &good(true)[..512],
            &vec![0; BLOCK_LEN - 512],
            &good(true)[BLOCK_LEN..],
        ]
        .concat(),
        NONE,
    );
    all.add("head-of-another-segment", Segment::new(1, &head()).part(), NONE);
    let cipher = SegmentCipher::new(&other_key().derive("log", &[]), 0, &[1; 32]);
    all.add(
        "head-of-another-bundle",
        cipher.seal_head(&[1; 32], &head()),
        NONE,
    );
    all.add(
        "head-after-another-segment",
        with(|head| head.previous = Some((3, 9))),
        NONE,
    );
    all.add("head-of-an-earlier-use", with(|head| head.incarnation = 0), NONE);
    all.add(
        "head-use-beyond-counting",
        with(|head| head.incarnation = MAX_COUNT + 1),
        NONE,
    );
    all.add("head-use-absurd", with(|head| head.incarnation = u64::MAX), NONE);
    all.add("head-first-record-0", with(|head| head.first_seq = 0), NONE);
    all.add("head-first-record-later", with(|head| head.first_seq = 2), NONE);
    all.add(
        "head-first-record-absurd",
        with(|head| head.first_seq = u64::MAX),
        NONE,
    );
    all.add(
        "head-previous-tag-wrong",
        with(|head| head.prev_tag = [1; 16]),
        NONE,
    );
    all.add(
        "head-calls-durable-what-is-not-here",
        with(|head| head.durable_seq = 9),
        EARLIER,
    );
}

fn torn(all: &mut Vectors) {
    for (durable, after) in [(true, EARLIER), (false, ONE)] {
        let good = good(durable);
        let behind = if durable {
            "behind-it-one-that-calls-it-durable"
        } else {
            "nothing-confirmed-behind"
        };
        all.add(format!("lead-flipped-{behind}"), flipped(&good, SECOND), after);
        all.add(
            format!("header-flipped-{behind}"),
            flipped(&good, SECOND + 40),
            after,
        );
        all.add(
            format!("body-flipped-{behind}"),
            flipped(&good, SECOND + 200),
            after,
        );
        all.add(
            format!("body-torn-{behind}"),
            zeroed(&good, SECOND + 512, SECOND + 1024),
            after,
        );
        all.add(
            format!("record-missing-{behind}"),
            zeroed(&good, SECOND, SECOND + 2 * BLOCK_LEN),
            after,
        );
    }
    let good = good(true);
    all.add(
        "lead-torn-last-record",
        zeroed(&good, SECOND + 2 * BLOCK_LEN + 16, good.len()),
        "2 records: AB......",
    );
    all.add(
        "body-torn-last-record",
        zeroed(&good, SECOND + 3 * BLOCK_LEN, good.len()),
        "2 records: AB......",
    );
    all.add(
        "padding-altered",
        flipped(&good, SECOND + 2 * BLOCK_LEN - 1),
        "3 records: ABC.....",
    );
    let shifted = [
        &good[..SECOND],
        &good[SECOND + 2 * BLOCK_LEN..],
        &good[SECOND..SECOND + 2 * BLOCK_LEN],
    ]
    .concat();
    all.add("records-swapped", shifted, ONE);
}

fn zeroed(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[from..to].fill(0);
    bytes
}

fn records(all: &mut Vectors) {
    let lying = |lie: fn(&mut RecordHeader, &mut usize)| {
        three(Record::new(2, b'B'), false, |header, _, body_len| {
            lie(header, body_len)
        })
    };
    all.add(
        "record-previous-tag-wrong",
        lying(|header, _| header.prev_tag = [1; 16]),
        ONE,
    );
    all.add("record-number-skipped", lying(|header, _| header.seq = 3), ONE);
    all.add("record-number-repeated", lying(|header, _| header.seq = 1), ONE);
    all.add(
        "record-number-absurd",
        lying(|header, _| header.seq = u64::MAX),
        ONE,
    );
    all.add(
        "record-durable-absurd",
        lying(|header, _| header.durable_seq = u64::MAX),
        ONE,
    );
    all.add(
        "record-batch-absurd",
        lying(|header, _| header.batch = u64::MAX),
        ONE,
    );
    all.add(
        "record-calls-itself-durable-and-more",
        lying(|header, _| header.durable_seq = 99),
        EARLIER,
    );
    all.add(
        "body-hash-wrong",
        lying(|header, _| header.body_hash = [1; 32]),
        ONE,
    );
    all.add(
        "body-longer-than-it-is",
        lying(|_, body_len| *body_len += 16),
        ONE,
    );
    all.add(
        "body-longer-than-the-segment",
        lying(|_, body_len| *body_len = 1 << 20),
        ONE,
    );
    all.add(
        "body-longer-than-the-limit",
        lying(|_, body_len| *body_len = (1 << 20) + 1),
        ONE,
    );
    all.add(
        "body-length-absurd",
        lying(|_, body_len| *body_len = u32::MAX as usize),
        ONE,
    );
    all.add("body-none", lying(|_, body_len| *body_len = 0), ONE);
    all.add("record-of-another-use", of_another_use(), ONE);
    all.add("record-sealed-for-another-place", elsewhere(), ONE);
    let units = |units: usize| {
        let second = Record::new(2, b'B').with(|record| {
            record.header.units = vec![entry(1, 1); units];
            record.units.clear();
        });
        three(second, false, |_, _, _| {})
    };
    all.add("units-beyond-the-body", units(2), ONE);
    all.add("units-too-many", units(2049), ONE);
    raw_headers(all);
}

/// The second record is sealed under the key of another use of this segment.
fn of_another_use() -> Vec<u8> {
    let mut segment = Segment::new(0, &head());
    let tag = segment.put(Record::new(1, b'A'), [0; 16]);
    let old = SegmentCipher::new(&bundle_key().derive("log", &[]), 0, &[99; 32]);
    let new = std::mem::replace(&mut segment.cipher, old);
    let tag = segment.put(Record::new(2, b'B'), tag);
    segment.cipher = new;
    segment.put(Record::new(3, b'C'), tag);
    segment.part()
}

/// The second record is sealed for the place of the third.
fn elsewhere() -> Vec<u8> {
    let mut segment = Segment::new(0, &head());
    let tag = segment.put(Record::new(1, b'A'), [0; 16]);
    let from = segment.bytes.len();
    segment.bytes.resize(from + 2 * BLOCK_LEN, 0);
    segment.put(Record::new(2, b'B'), tag);
    let moved = segment.bytes.split_off(from + 2 * BLOCK_LEN);
    segment.bytes[from..].copy_from_slice(&moved);
    segment.part()
}

/// Headers that [`RecordHeader`] cannot write: the sealed plaintext is altered.
fn raw_headers(all: &mut Vectors) {
    let altered = |change: fn(&mut Vec<u8>)| {
        let mut segment = Segment::new(0, &head());
        let tag = segment.put(Record::new(1, b'A'), [0; 16]);
        let from = segment.bytes.len();
        segment.put(Record::new(2, b'B'), tag);
        reseal(&mut segment, from, change);
        segment.part()
    };
    // Where fields are in the header's plaintext.
    const FLAGS: usize = 16;
    const COUNTS: usize = 81;
    const UNIT: usize = 85;
    all.add("header-untouched", altered(|_| {}), "2 records: AB......");
    all.add("header-unknown-flag", altered(|plain| plain[FLAGS] |= 4), ONE);
    all.add(
        "header-more-units-than-it-has",
        altered(|plain| plain[COUNTS] = 2),
        ONE,
    );
    all.add(
        "header-fewer-units-than-it-has",
        altered(|plain| plain[COUNTS] = 0),
        ONE,
    );
    all.add(
        "header-more-trims-than-it-has",
        altered(|plain| plain[COUNTS + 2] = 1),
        ONE,
    );
    all.add(
        "header-counts-absurd",
        altered(|plain| plain[COUNTS..COUNTS + 4].fill(0xff)),
        ONE,
    );
    all.add("header-cut-short", altered(|plain| plain.truncate(UNIT)), ONE);
    all.add("header-something-behind", altered(|plain| plain.push(0)), ONE);
    all.add("header-empty", altered(Vec::clear), ONE);
    all.add("unit-of-no-blocks", altered(|plain| plain[UNIT + 1] = 0), ONE);
    all.add("unit-of-17-blocks", altered(|plain| plain[UNIT + 1] = 17), ONE);
    all.add(
        "unit-length-0",
        altered(|plain| plain[UNIT + 2..UNIT + 6].fill(0)),
        ONE,
    );
    all.add(
        "unit-length-absurd",
        altered(|plain| plain[UNIT + 2..UNIT + 6].fill(0xff)),
        ONE,
    );
    all.add(
        "unit-first-block-absurd",
        altered(|plain| plain[UNIT + 6..UNIT + 14].fill(0xff)),
        ONE,
    );
}

/// Opens the header of the record at `from`, lets `change` alter it, and seals lead and header again.
fn reseal(segment: &mut Segment, from: usize, change: fn(&mut Vec<u8>)) {
    use gobag_format::crypto::{Cipher, position_nonce};
    let mut context = 0u16.to_le_bytes().to_vec();
    context.extend_from_slice(&[1; 32]);
    let cipher = Cipher::gcm_siv(&bundle_key().derive("log", &[]).derive("log segment", &context));
    let lead_at = from..from + 32;
    let mut lead = segment.bytes[lead_at.clone()].to_vec();
    let lead = cipher
        .open(position_nonce(1, from as u64), &[], &mut lead)
        .unwrap();
    let length = u32::from_le_bytes(lead[..4].try_into().unwrap()) as usize;
    let mut header = segment.bytes[from + 32..from + 32 + length].to_vec();
    let mut plain = cipher
        .open(position_nonce(2, from as u64), &[], &mut header)
        .unwrap()
        .to_vec();
    change(&mut plain);
    let mut new_lead = ((plain.len() + 16) as u32).to_le_bytes().to_vec();
    new_lead.extend_from_slice(&lead[4..]);
    cipher.seal(position_nonce(1, from as u64), &[], &mut new_lead, 0);
    cipher.seal(position_nonce(2, from as u64), &[], &mut plain, 0);
    segment.bytes[lead_at].copy_from_slice(&new_lead);
    segment.bytes[from + 32..from + 32 + plain.len()].copy_from_slice(&plain);
}

fn units(all: &mut Vectors) {
    let with = |change: fn(&mut Record)| three(Record::new(2, b'B').with(change), true, |_, _, _| {});
    let whole = "3 records: A!C.....";
    all.add(
        "unit-sealed-for-another-block",
        with(|record| record.units[0].0 = 5),
        whole,
    );
    all.add(
        "unit-length-lies",
        with(|record| record.header.units[0].sealed_len -= 16),
        whole,
    );
    all.add(
        "unit-of-fewer-blocks-than-it-says",
        with(|record| {
            record.header.units[0] = UnitEntry {
                blocks: 3,
                ..entry(4, 1)
            }
        }),
        "3 records: A.C.!!!.",
    );
    all.add(
        "unit-outside-the-volume",
        with(|record| record.header.units[0].first_block = BLOCKS),
        "3 records: A.C.....",
    );
    all.add(
        "unit-of-a-volume-that-is-not",
        with(|record| record.header.units[0].volume = VolumeId(9)),
        "3 records: A.C.....",
    );
    let content = |content: &[u8]| {
        let second = Record::new(2, b'B').with(|record| {
            record.header.units[0].sealed_len = (content.len() + 16) as u32;
            record.units[0].1 = content.to_vec();
        });
        three(second, true, |_, _, _| {})
    };
    all.add(
        "good-compressed-unit",
        content(&zstd_unit(&[b'Z'; BLOCK_LEN])),
        "3 records: AZC.....",
    );
    all.add(
        "unit-codec-unknown",
        content(&[&[2][..], &[b'B'; BLOCK_LEN]].concat()),
        whole,
    );
    all.add(
        "unit-not-whole-blocks",
        content(&[&[0][..], &[b'B'; 100]].concat()),
        whole,
    );
    all.add("unit-codec-only", content(&[0]), whole);
    all.add(
        "unit-zstd-garbage",
        content(&[&[1][..], &[b'B'; 100]].concat()),
        whole,
    );
    all.add(
        "unit-zstd-17-blocks",
        content(&zstd_unit(&vec![b'B'; 17 * BLOCK_LEN])),
        whole,
    );
    all.add("unit-zstd-bomb", content(&zstd_unit(&vec![0; 256 << 20])), whole);
    all.add(
        "unit-zstd-truncated",
        content(&zstd_unit(&[b'Z'; BLOCK_LEN])[..12]),
        whole,
    );
}

fn trims(all: &mut Vectors) {
    let trim = |first_block, blocks| TrimEntry {
        volume: HOME,
        kind: TrimKind::Zero,
        first_block,
        blocks,
    };
    let with = |trim: TrimEntry| three(Record::trimming(trim), false, |_, _, _| {});
    all.add("good-trim", with(trim(0, 1)), "3 records: ..C.....");
    all.add(
        "trim-beyond-the-volume",
        with(trim(0, 1 << 30)),
        "3 records: ..C.....",
    );
    all.add(
        "trim-outside-the-volume",
        with(trim(1 << 30, 5)),
        "3 records: A.C.....",
    );
    all.add("trim-of-nothing", with(trim(0, 0)), "3 records: A.C.....");
    all.add(
        "trim-of-a-volume-that-is-not",
        with(TrimEntry {
            volume: VolumeId(9),
            ..trim(0, 1)
        }),
        "3 records: A.C.....",
    );
    all.add("trim-of-all-blocks-there-can-be", with(trim(0, u64::MAX)), ONE);
    all.add("trim-ends-beyond-numbers", with(trim(u64::MAX, 2)), ONE);
    all.add("trim-one-block-beyond-any-volume", with(trim(1 << 32, 1)), ONE);
}

fn batches(all: &mut Vectors) {
    let open = |seq, letter| Record::new(seq, letter).with(|record| record.header.commit = false);
    let two = |first: Record, second: Record| {
        let mut segment = Segment::new(0, &head());
        let tag = segment.put(first, [0; 16]);
        segment.put(second, tag);
        segment.part()
    };
    let in_batch_1 = |record: Record| record.with(|record| record.header.batch = 1);
    all.add(
        "good-batch-of-two",
        two(open(1, b'A'), in_batch_1(Record::new(2, b'B'))),
        "2 records: AB......",
    );
    all.add(
        "batch-without-its-end",
        two(open(1, b'A'), in_batch_1(open(2, b'B'))),
        "2 records: ........",
    );
    all.add(
        "batch-given-up-for-another",
        two(open(1, b'A'), Record::new(2, b'B')),
        "2 records: .B......",
    );
}

/// Segment 0 holds A; segment 1 goes on.
fn further_segments(all: &mut Vectors) {
    let with = |change: fn(&mut SegmentHead), number: u16| {
        let mut first = Segment::new(0, &head());
        let tag = first.put(Record::new(1, b'A'), [0; 16]);
        let mut next = SegmentHead {
            incarnation: 2,
            previous: Some((0, 1)),
            first_seq: 2,
            prev_tag: tag,
            durable_seq: 1,
        };
        change(&mut next);
        let mut second = Segment::new(number, &next);
        second.put(Record::new(2, b'B'), tag);
        (first.part(), second.part())
    };
    let joined = |(first, second): (Vec<u8>, Vec<u8>)| [first, second].concat();
    let skipping = |(first, second): (Vec<u8>, Vec<u8>)| [first, vec![0; PART], second].concat();
    all.add(
        "good-second-segment",
        joined(with(|_| {}, 1)),
        "2 records: AB......",
    );
    all.add(
        "good-one-segment-passed-over",
        skipping(with(|_| {}, 2)),
        "2 records: AB......",
    );
    all.add("second-segment-head-of-another", joined(with(|_| {}, 2)), ONE);
    all.add(
        "second-segment-after-another-use",
        joined(with(|head| head.previous = Some((0, 7)), 1)),
        ONE,
    );
    all.add(
        "second-segment-use-not-higher",
        joined(with(|head| head.incarnation = 1, 1)),
        ONE,
    );
    all.add(
        "second-segment-names-another-tag",
        joined(with(|head| head.prev_tag = [1; 16], 1)),
        ONE,
    );
    all.add(
        "second-segment-names-a-later-record",
        joined(with(|head| head.first_seq = 3, 1)),
        ONE,
    );
    let lost = with(|head| (head.first_seq, head.durable_seq) = (3, 2), 1);
    all.add(
        "second-segment-names-a-later-durable-record",
        joined(lost),
        EARLIER,
    );
    // The head names nothing before it, so what segment 0 holds was given up.
    let fresh = with(
        |head| (head.first_seq, head.prev_tag, head.durable_seq) = (1, [0; 16], 0),
        1,
    );
    all.add("good-attempt-made-again", joined(fresh), "0 records: ........");
}
