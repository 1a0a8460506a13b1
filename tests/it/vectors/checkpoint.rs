//! Checkpoint areas.
//!
//! A vector is the content of area 0; the other areas hold noise. The outcome says what decoding makes of it, and, behind
//! an arrow, what opening the log with it comes to.

use std::sync::{Arc, LazyLock};

use gobag_bundle::medium::FileRef;
use gobag_format::{
    checkpoint::{
        CHECKPOINT_HEAD_LEN, Checkpoint, CheckpointCipher, CheckpointHead, DirtyMap, LEAF_BLOCKS, LeafRef,
        PIECE_LEN, Position, SegmentUse,
    },
    crypto::TAG_LEN,
    ids::VolumeId,
    limits::MAX_COUNT,
    log::Place,
};
use gobag_tests::sim::SimMedium;

use super::{Vectors, bundle_key, flipped, log, other_key};

const HOME: VolumeId = VolumeId(0);
const HOME_BYTES: u64 = 8 * 4096;
const SALT: [u8; 32] = [3; 32];

static NOISE: LazyLock<SimMedium> = LazyLock::new(|| {
    let shape = log::shape();
    let segments = (0..shape.segments).map(|n| (FileRef::Segment(n), u64::from(shape.segment_len)));
    let areas = (0..shape.checkpoints).map(|n| (FileRef::Checkpoint(n), 1 << 20));
    SimMedium::new(&segments.chain(areas).collect::<Vec<_>>(), 1)
});

/// What a reader makes of the area.
pub(super) fn open(bytes: &[u8]) -> String {
    let medium = Arc::new(NOISE.copy());
    medium.overwrite(FileRef::Checkpoint(0), 0, bytes);
    format!("{} -> {}", decode(bytes), log::outcome(medium))
}

fn decode(bytes: &[u8]) -> String {
    let Ok((cipher, head)) = CheckpointCipher::open_head(&key(), 0, bytes) else {
        return "head does not open".to_owned();
    };
    let mut body = Vec::new();
    let (mut at, mut nth) = (CHECKPOINT_HEAD_LEN, 0);
    while (body.len() as u64) < head.body_len {
        let len = PIECE_LEN.min((head.body_len - body.len() as u64) as usize) + TAG_LEN;
        let mut piece = bytes.get(at..at + len).unwrap_or_default().to_vec();
        match cipher.open_piece(nth, &mut piece) {
            Ok(plain) => body.extend_from_slice(plain),
            Err(_) => return format!("piece {nth} does not open"),
        }
        (at, nth) = (at + len, nth + 1);
    }
    match Checkpoint::decode(&body, log::shape().segment_len) {
        Ok((checkpoint, _)) if checkpoint.generation != head.generation => "another generation".to_owned(),
        Ok((checkpoint, _)) => format!("generation {}", checkpoint.generation),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

fn key() -> gobag_format::crypto::Key {
    bundle_key().derive("checkpoint", &[])
}

type Leaves = Vec<(u32, [u64; LEAF_BLOCKS])>;

/// What a checkpoint's body is made from.
struct Parts {
    checkpoint: Checkpoint,
    /// Number, size and leaves of each.
    volumes: Vec<(VolumeId, u64, Leaves)>,
}

fn place(segment: u16, offset: u32, sealed_len: u32, block: u8) -> u64 {
    let place = Place::Unit {
        segment,
        offset,
        sealed_len,
        block,
    };
    place.pack()
}

/// Segments 0 and 1 used, the log's end in 1, the rest free but for 7, which rests; block 0 of home is in segment 0.
fn parts() -> Parts {
    let current = |incarnation| {
        let salt = [incarnation as u8; 32];
        Some(SegmentUse { incarnation, salt })
    };
    let mut leaf = [Place::BASE; LEAF_BLOCKS];
    leaf[0] = place(0, 4096 + 160, 100, 0);
    let checkpoint = Checkpoint {
        generation: 9,
        closed: false,
        clock_s: 1_700_000_000,
        position: Position {
            segment: Some((1, 2)),
            offset: 8192,
            seq: 5,
            tag: [4; 16],
        },
        next_incarnation: 3,
        next_batch: 4,
        segments: vec![current(1), current(2), None, None, None, None, None, None],
        free: vec![2, 3, 4, 5, 6],
        resting: vec![7],
        dirty: vec![DirtyMap {
            replica: 0,
            volume: HOME,
            bits: vec![1],
        }],
    };
    Parts {
        checkpoint,
        volumes: vec![(HOME, HOME_BYTES, vec![(0, leaf)])],
    }
}

pub(super) fn good_body() -> Vec<u8> {
    parts().body()
}

impl Parts {
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.checkpoint.encode(self.volumes.len(), &mut body);
        for (volume, size, leaves) in &self.volumes {
            let leaves = leaves
                .iter()
                .map(|(number, words)| (*number, LeafRef::Words(words)));
            Checkpoint::encode_volume(*volume, *size, leaves, &mut body);
        }
        body
    }
}

fn area(body: &[u8], number: u8, key: &gobag_format::crypto::Key, head: CheckpointHead) -> Vec<u8> {
    let cipher = CheckpointCipher::new(key, number, &SALT);
    let mut out = cipher.seal_head(&SALT, &head);
    for (nth, piece) in body.chunks(PIECE_LEN).enumerate() {
        let from = out.len();
        out.extend_from_slice(piece);
        cipher.seal_piece(nth as u64, &mut out, from);
    }
    out
}

fn with_body(body: &[u8]) -> Vec<u8> {
    let head = CheckpointHead {
        generation: 9,
        body_len: body.len() as u64,
    };
    area(body, 0, &key(), head)
}

fn with(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = parts();
    change(&mut parts);
    with_body(&parts.body())
}

const LOST: &str = "-> store.no-checkpoint";

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    // The unit that block 0 points to is noise, so it is said to be damaged.
    all.add("good", with(|_| {}), "generation 9 -> 0 records: !.......");
    areas(&mut all);
    malformed(&mut all);
    segments(&mut all);
    positions(&mut all);
    volumes(&mut all);
    all
}

fn areas(all: &mut Vectors) {
    let good = with(|_| {});
    let head = format!("head does not open {LOST}");
    let piece = format!("piece 0 does not open {LOST}");
    all.add("empty", Vec::new(), head.clone());
    all.add("head-flipped-salt", flipped(&good, 0), head.clone());
    all.add("head-flipped-content", flipped(&good, 40), head.clone());
    all.add(
        "head-torn",
        [&good[..512], &vec![0; good.len() - 512]].concat(),
        head.clone(),
    );
    let sizes = CheckpointHead {
        generation: 9,
        body_len: parts().body().len() as u64,
    };
    let other = |number, key: &gobag_format::crypto::Key, head| area(&parts().body(), number, key, head);
    all.add("of-another-area", other(1, &key(), sizes), head.clone());
    let theirs = other_key().derive("checkpoint", &[]);
    all.add("of-another-bundle", other(0, &theirs, sizes), head.clone());
    let absurd = |body_len, generation| other(0, &key(), CheckpointHead { generation, body_len });
    all.add("body-length-absurd", absurd(u64::MAX, 9), head.clone());
    all.add(
        "body-length-beyond-the-limit",
        absurd((4 << 30) + 1, 9),
        head.clone(),
    );
    all.add("generation-absurd", absurd(sizes.body_len, u64::MAX), head);
    all.add("body-longer-than-the-area", absurd(4 << 30, 9), piece.clone());
    all.add(
        "body-shorter-than-it-is",
        absurd(sizes.body_len - 1, 9),
        piece.clone(),
    );
    all.add(
        "generation-differs",
        absurd(sizes.body_len, 8),
        format!("another generation {LOST}"),
    );
    all.add(
        "body-none",
        absurd(0, 9),
        format!("checkpoint.malformed: checkpoint is malformed {LOST}"),
    );
    all.add(
        "piece-flipped",
        flipped(&good, CHECKPOINT_HEAD_LEN + 5),
        piece.clone(),
    );
    all.add(
        "piece-torn",
        [
            &good[..CHECKPOINT_HEAD_LEN + 100],
            &vec![0; good.len() - CHECKPOINT_HEAD_LEN - 100],
        ]
        .concat(),
        piece.clone(),
    );
    all.add("piece-of-an-older-writing", older_piece(&good), piece);
}

/// The head is of this writing, the piece of one before.
fn older_piece(good: &[u8]) -> Vec<u8> {
    let cipher = CheckpointCipher::new(&key(), 0, &[8; 32]);
    let mut older = parts().body();
    cipher.seal_piece(0, &mut older, 0);
    [&good[..CHECKPOINT_HEAD_LEN], &older].concat()
}

fn malformed(all: &mut Vectors) {
    let bad = format!("checkpoint.malformed: checkpoint is malformed {LOST}");
    let body = parts().body();
    let at = |at: usize, value: &[u8]| {
        let mut body = body.clone();
        body[at..at + value.len()].copy_from_slice(value);
        with_body(&body)
    };
    // Where fields are in the body: a fixed part of 71 bytes, then the segments.
    const SEGMENTS: usize = 71;
    const FREE: usize = SEGMENTS + 2 + 2 * 41 + 6;
    const RESTING: usize = FREE + 2 + 2 * 5;
    const DIRTY: usize = RESTING + 2 + 2;
    const VOLUMES: usize = DIRTY + 2 + 7;
    const LEAF: usize = VOLUMES + 1 + 13;
    all.add("body-cut-short", with_body(&body[..body.len() - 1]), bad.clone());
    all.add("body-of-its-first-byte", with_body(&body[..1]), bad.clone());
    all.add(
        "body-something-behind",
        with_body(&[&body[..], &[0]].concat()),
        bad.clone(),
    );
    all.add("segments-absurd", at(SEGMENTS, &[0xff; 2]), bad.clone());
    all.add("free-list-absurd", at(FREE, &[0xff; 2]), bad.clone());
    all.add("resting-list-absurd", at(RESTING, &[0xff; 2]), bad.clone());
    all.add("dirty-maps-absurd", at(DIRTY, &[0xff; 2]), bad.clone());
    all.add("dirty-length-absurd", at(DIRTY + 4, &[0xff; 4]), bad.clone());
    all.add("volumes-absurd", at(VOLUMES, &[0xff]), bad.clone());
    all.add("volume-size-absurd", at(VOLUMES + 2, &[0xff; 8]), bad.clone());
    all.add("leaves-absurd", at(VOLUMES + 10, &[0xff; 4]), bad.clone());
    all.add("leaf-number-beyond-the-volume", at(LEAF, &[1]), bad.clone());
    all.add("leaf-number-absurd", at(LEAF, &[0xff; 4]), bad.clone());
    all.add("leaf-kind-unknown", at(LEAF + 4, &[3]), bad.clone());
    all.add("leaf-runs-absurd", at(LEAF + 5, &[0xff; 2]), bad.clone());
    all.add("run-beyond-the-leaf", at(LEAF + 7, &[0xff, 1, 2]), bad.clone());
    all.add("run-of-nothing", at(LEAF + 9, &[0, 0]), bad.clone());
    all.add("run-longer-than-a-unit", at(LEAF + 9, &[17]), bad.clone());
    all.add("word-of-unknown-kind", at(LEAF + 18, &[0xf8]), bad.clone());
    let mut overlapping = body.clone();
    overlapping[LEAF + 5] = 2;
    overlapping.extend_from_within(LEAF + 7..);
    all.add("runs-overlap", with_body(&overlapping), bad.clone());
    all.add(
        "free-list-names-no-segment",
        with(|parts| parts.checkpoint.free[0] = 8),
        bad,
    );
}

fn nonsense(what: &str) -> String {
    format!("checkpoint.inconsistent: checkpoint makes no sense: {what} {LOST}")
}

fn segments(all: &mut Vectors) {
    let twice = nonsense("a segment is listed twice, or listed and used");
    all.add(
        "segment-free-twice",
        with(|parts| parts.checkpoint.free[1] = 2),
        twice.clone(),
    );
    all.add(
        "segment-resting-twice",
        with(|parts| parts.checkpoint.resting = vec![7, 7]),
        twice.clone(),
    );
    all.add(
        "segment-free-and-resting",
        with(|parts| parts.checkpoint.resting = vec![2]),
        twice.clone(),
    );
    all.add(
        "segment-free-and-used",
        with(|parts| parts.checkpoint.free[0] = 0),
        twice.clone(),
    );
    all.add(
        "segment-resting-and-used",
        with(|parts| parts.checkpoint.resting[0] = 1),
        twice,
    );
    let higher = nonsense("a segment's use is numbered higher than the next");
    all.add(
        "use-not-below-the-next",
        with(|parts| parts.checkpoint.next_incarnation = 2),
        higher,
    );
    let beyond = nonsense("a number is beyond all counting");
    all.add(
        "next-use-absurd",
        with(|parts| parts.checkpoint.next_incarnation = u64::MAX),
        beyond.clone(),
    );
    all.add(
        "next-batch-absurd",
        with(|parts| parts.checkpoint.next_batch = MAX_COUNT + 1),
        beyond.clone(),
    );
    all.add(
        "record-number-absurd",
        with(|parts| parts.checkpoint.position.seq = u64::MAX),
        beyond,
    );
    let fewer = with(|parts| {
        parts.checkpoint.segments.pop();
        parts.checkpoint.resting.clear();
    });
    all.add(
        "segments-fewer-than-the-header-has",
        fewer,
        "generation 9 -> store.mismatch",
    );
}

fn positions(all: &mut Vectors) {
    let at = |segment, offset| {
        with(|parts| {
            parts.checkpoint.position.segment = segment;
            parts.checkpoint.position.offset = offset;
        })
    };
    let outside = nonsense("the log's end lies outside its segment");
    all.add("end-in-the-head", at(Some((1, 2)), 0), outside.clone());
    all.add(
        "end-beyond-the-segment",
        at(Some((1, 2)), (128 << 10) + 4096),
        outside.clone(),
    );
    all.add("end-absurd", at(Some((1, 2)), u32::MAX), outside.clone());
    all.add("end-not-at-a-record", at(Some((1, 2)), 8193), outside);
    let missing = nonsense("the log's end is in a segment that does not exist");
    all.add("end-in-no-segment", at(Some((8, 2)), 8192), missing);
    let unused = nonsense("the log's end is in a use that does not count");
    all.add("end-in-a-free-segment", at(Some((2, 2)), 8192), unused.clone());
    all.add("end-in-another-use", at(Some((1, 1)), 8192), unused);
    all.add(
        "good-end-at-the-segments-end",
        at(Some((1, 2)), 128 << 10),
        "generation 9 -> 0 records: !.......",
    );
    let closed = with(|parts| {
        parts.checkpoint.closed = true;
        parts.checkpoint.position.segment = Some((2, 2));
    });
    all.add(
        "good-closed-and-emptied",
        closed,
        "generation 9 -> 0 records: !.......",
    );
    let later = with(|parts| {
        parts.checkpoint.closed = true;
        parts.checkpoint.position.segment = Some((2, 3));
    });
    all.add(
        "end-in-a-use-still-to-come",
        later,
        nonsense("the log's end is in a use numbered higher than the next"),
    );
}

fn volumes(all: &mut Vectors) {
    let word = |at: usize, word: u64| with(move |parts| parts.volumes[0].2[0].1[at] = word);
    let outside = nonsense("a place is outside its segment");
    all.add(
        "place-in-the-head",
        word(0, place(0, 4080, 100, 0)),
        outside.clone(),
    );
    all.add(
        "place-beyond-the-segment",
        word(0, place(0, (128 << 10) - 16, 100, 0)),
        outside.clone(),
    );
    all.add(
        "place-of-no-bytes",
        word(0, place(0, 8192, 0, 0)),
        outside.clone(),
    );
    all.add(
        "place-of-too-many-bytes",
        word(0, place(0, 8192, 65_554, 0)),
        outside,
    );
    let unused = nonsense("a place is in a segment that does not count");
    all.add(
        "place-in-a-free-segment",
        word(0, place(2, 8192, 100, 0)),
        unused.clone(),
    );
    all.add(
        "place-in-no-segment",
        word(0, place(60_000, 8192, 100, 0)),
        unused,
    );
    let foreign = nonsense("a place belongs to no block of the volume");
    all.add(
        "place-beyond-the-volume",
        word(8, place(0, 8192, 100, 0)),
        foreign.clone(),
    );
    all.add(
        "place-of-a-block-before-the-volume",
        word(0, place(0, 8192, 100, 1)),
        foreign,
    );
    let twice = with(|parts| parts.volumes.push((HOME, HOME_BYTES, Vec::new())));
    all.add("volume-twice", twice, nonsense("a volume is there twice"));
    let large = |numbers: [u32; 2]| {
        with(move |parts| {
            let leaf = parts.volumes[0].2[0].1;
            parts.volumes.push((
                VolumeId(1),
                4 << 20,
                numbers.map(|number| (number, leaf)).to_vec(),
            ));
        })
    };
    all.add(
        "good-with-a-volume-the-header-has-not",
        large([0, 1]),
        "generation 9 -> 0 records: !.......",
    );
    let order = nonsense("leaves of a volume are not in order");
    all.add("leaf-twice", large([0, 0]), order.clone());
    all.add("leaves-out-of-order", large([1, 0]), order);
    let resized = with(|parts| parts.volumes[0].1 = HOME_BYTES - 4096);
    all.add(
        "volume-of-another-size",
        resized,
        "generation 9 -> store.mismatch",
    );
    let dirty = nonsense("a dirty map does not fit its volume");
    all.add(
        "dirty-map-empty",
        with(|parts| parts.checkpoint.dirty[0].bits.clear()),
        dirty.clone(),
    );
    all.add(
        "dirty-map-too-long",
        with(|parts| parts.checkpoint.dirty[0].bits.push(0)),
        dirty,
    );
    let again = with(|parts| parts.checkpoint.dirty.extend(parts.checkpoint.dirty.clone()));
    all.add("dirty-map-twice", again, nonsense("a dirty map is there twice"));
}

/// Pieces cannot be swapped, left out or put elsewhere; one area of two pieces shows it without a file for each.
#[test]
fn pieces_open_only_in_their_order() {
    let body: Vec<u8> = (0..PIECE_LEN * 2).map(|at| (at % 251) as u8).collect();
    let good = with_body(&body);
    assert!(decode(&good).starts_with("checkpoint."), "both pieces open");
    let (head, pieces) = good.split_at(CHECKPOINT_HEAD_LEN);
    let (first, second) = pieces.split_at(PIECE_LEN + TAG_LEN);
    let swapped = [head, second, first].concat();
    let repeated = [head, first, first].concat();
    let cut = [head, first].concat();
    assert_eq!(decode(&swapped), "piece 0 does not open");
    assert_eq!(decode(&repeated), "piece 1 does not open");
    assert_eq!(decode(&cut), "piece 1 does not open");
}
