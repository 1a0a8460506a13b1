//! Appending to the log: the only code that writes records.
//!
//! Order of events for one batch, and why a crash anywhere leaves the state before or after it:
//! 1. Units are compressed, laid out and sealed; records are written one after another. A batch may cross
//!    into further segments; before the head of the next segment is written, the one before is flushed.
//! 2. The last record carries the commit flag. Replay counts a batch only when it has seen that record, and
//!    records are chained, so any missing or torn record before it hides the whole batch.
//! 3. The last segment is flushed. Only then is the index changed and the caller told.
//!
//! After any error the segment is never continued: its remaining bytes may hold half a batch under nonces
//! that must not be used again. The next attempt starts a fresh use of another segment and chains to the
//! last batch that counts. Whatever the failed attempt left behind is dead, for each use of a segment gets a
//! higher number than all before, failed ones included, and replay follows the highest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gobag_format::{
    checkpoint::{Position, SegmentUse},
    crypto::{Random, random_bytes},
    limits::{MAX_RECORD_BODY_LEN, MAX_RECORD_UNITS},
    log::{
        RECORD_ALIGN, RecordHeader, SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead, TrimEntry, UNIT_ALIGN,
        UnitEntry, body_hash,
    },
};

use super::{
    Log, StoreError, lock,
    state::{OpenUse, Placed},
    units::Unit,
};
use crate::medium::FileRef;

/// A segment that failed so often is passed over while another failed less.
const FAILURES_PER_SEGMENT: u32 = 3;
/// How many segments of the queue may be passed over; replay looks at one more.
pub(super) const MAX_PASSED_OVER: usize = 7;

/// What only the writer knows; whoever holds it may append.
pub(super) struct Writer {
    /// End of the last batch that counts.
    pub(super) position: Position,
    /// Where its last record begins; to recognise the stick when it comes back.
    pub(super) last_record: Option<u32>,
    pub(super) next_incarnation: u64,
    /// Number of this writer's first use of a segment; all from here on are its own.
    pub(super) first_incarnation: u64,
    pub(super) next_batch: u64,
    /// Last record known durable.
    pub(super) durable_seq: u64,
    /// Whether the current segment may not be continued.
    pub(super) must_roll: bool,
    pub(super) free: VecDeque<u16>,
    pub(super) resting: Vec<u16>,
    /// Emptied since the last checkpoint.
    pub(super) cleaned: Vec<u16>,
    pub(super) bytes_since_checkpoint: u64,
    /// Generation of each checkpoint area; 0 where it does not open.
    pub(super) areas: Vec<u64>,
    /// Generation of the last checkpoint tried.
    pub(super) generation: u64,
    /// The medium failed: whether it is still the same must be seen before anything more is written.
    pub(super) suspect: bool,
    /// How often writing to a segment failed.
    pub(super) failures: HashMap<u16, u32>,
}

/// What a batch adds.
pub(super) struct Batch {
    pub(super) units: Vec<Unit>,
    pub(super) trims: Vec<TrimEntry>,
    pub(super) relocation: bool,
}

/// A batch in the making: becomes the writer's state when it counts.
struct Cursor {
    position: Position,
    last_record: Option<u32>,
    open: Option<Arc<OpenUse>>,
    durable_seq: u64,
    /// Segments begun for this batch.
    begun: Vec<(u16, Arc<OpenUse>)>,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(recovered: Position, segments: usize, areas: Vec<u64>) -> Self {
        debug_assert!(segments > 0);
        Self {
            position: recovered,
            last_record: None,
            next_incarnation: 1,
            first_incarnation: 1,
            next_batch: 1,
            durable_seq: recovered.seq,
            must_roll: true,
            free: VecDeque::new(),
            resting: Vec::new(),
            cleaned: Vec::new(),
            bytes_since_checkpoint: 0,
            generation: areas.iter().copied().max().unwrap_or(0),
            areas,
            suspect: false,
            failures: HashMap::new(),
        }
    }

    /// The segment to begin next: the first in line, unless it failed more often than one a little behind.
    fn next_segment(&self, begun: &[(u16, Arc<OpenUse>)]) -> Option<u16> {
        let is_begun = |number: u16| begun.iter().any(|(begun, _)| *begun == number);
        let in_line = self.free.iter().copied().filter(|number| !is_begun(*number));
        let failures = |number: &u16| self.failures.get(number).copied().unwrap_or(0) / FAILURES_PER_SEGMENT;
        in_line.take(MAX_PASSED_OVER + 1).min_by_key(failures)
    }
}

impl Log {
    /// Writes a batch, flushes it, and points the index to it.
    pub(super) fn append(&self, writer: &mut Writer, batch: &Batch) -> Result<(), StoreError> {
        if batch.units.is_empty() && batch.trims.is_empty() {
            return Ok(());
        }
        self.ensure_same(writer)?;
        match self.try_append(writer, batch) {
            Ok((cursor, placed)) => {
                self.adopt(writer, cursor, batch, &placed);
                Ok(())
            }
            Err(error) => {
                writer.must_roll = true;
                writer.suspect = true;
                if let StoreError::Medium {
                    file: FileRef::Segment(number),
                    ..
                } = &error
                {
                    *writer.failures.entry(*number).or_default() += 1;
                }
                Err(error)
            }
        }
    }

    fn try_append(&self, writer: &mut Writer, batch: &Batch) -> Result<(Cursor, Vec<Placed>), StoreError> {
        let open = writer.position.segment.filter(|_| !writer.must_roll);
        let mut cursor = Cursor {
            position: writer.position,
            last_record: writer.last_record,
            open: open.and_then(|(segment, _)| self.read_state().uses[usize::from(segment)].clone()),
            durable_seq: writer.durable_seq,
            begun: Vec::new(),
            bytes: 0,
        };
        let mut placed = Vec::with_capacity(batch.units.len());
        let (mut units, mut trims) = (&batch.units[..], &batch.trims[..]);
        while !units.is_empty() || !trims.is_empty() {
            let room = match cursor.open {
                Some(_) => self.geometry.segment_len as usize - cursor.position.offset as usize,
                None => 0,
            };
            let (take_units, take_trims) = fit(units, trims, room);
            if take_units + take_trims == 0 {
                self.roll(writer, &mut cursor)?;
                continue;
            }
            let (now, later) = units.split_at(take_units);
            let (trims_now, trims_later) = trims.split_at(take_trims);
            let commit = later.is_empty() && trims_later.is_empty();
            self.write_record(
                writer,
                &mut cursor,
                now,
                trims_now,
                batch.relocation,
                commit,
                &mut placed,
            )?;
            (units, trims) = (later, trims_later);
        }
        self.flush_segment(&mut cursor)?;
        Ok((cursor, placed))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one record needs all of them, and only one caller builds it"
    )]
    fn write_record(
        &self,
        writer: &Writer,
        cursor: &mut Cursor,
        units: &[Unit],
        trims: &[TrimEntry],
        relocation: bool,
        commit: bool,
        placed: &mut Vec<Placed>,
    ) -> Result<(), StoreError> {
        let (Some(open), Some((segment, _))) = (cursor.open.clone(), cursor.position.segment) else {
            return Err(StoreError::Full);
        };
        let offset = cursor.position.offset;
        let body_at = RecordHeader::body_at(units.len(), trims.len());
        let mut body = Vec::with_capacity(body_len(units));
        let mut entries = Vec::with_capacity(units.len());
        for unit in units {
            let from = body.len();
            let unit_offset = offset + (body_at + from) as u32;
            body.extend_from_slice(&unit.payload);
            open.cipher
                .seal_unit(unit_offset.into(), unit.volume, unit.first_block, &mut body, from);
            let sealed_len = (body.len() - from) as u32;
            pad(&mut body, UNIT_ALIGN, &*self.random);
            let (volume, first_block, blocks) = (unit.volume, unit.first_block, unit.blocks);
            entries.push(UnitEntry {
                volume,
                blocks,
                sealed_len,
                first_block,
            });
            placed.push(Placed {
                volume,
                first_block,
                blocks,
                segment,
                offset: unit_offset,
                sealed_len,
                relocation,
            });
        }
        let header = RecordHeader {
            seq: cursor.position.seq + 1,
            batch: writer.next_batch,
            commit,
            relocation,
            clock_s: (self.clock)(),
            durable_seq: cursor.durable_seq,
            prev_tag: cursor.position.tag,
            body_hash: body_hash(&body),
            units: entries,
            trims: trims.to_vec(),
        };
        let (mut record, tag) = header.seal(&open.cipher, offset.into(), body.len());
        pad(&mut record, UNIT_ALIGN, &*self.random);
        debug_assert_eq!(record.len(), body_at);
        record.extend_from_slice(&body);
        pad(&mut record, RECORD_ALIGN, &*self.random);
        let file = FileRef::Segment(segment);
        self.medium
            .write_at(file, offset.into(), &record)
            .map_err(StoreError::medium("write", file))?;
        cursor.last_record = Some(offset);
        cursor.bytes += record.len() as u64;
        cursor.position.offset = offset + record.len() as u32;
        cursor.position.seq = header.seq;
        cursor.position.tag = tag;
        Ok(())
    }

    /// Begins a fresh use of the next free segment.
    fn roll(&self, writer: &mut Writer, cursor: &mut Cursor) -> Result<(), StoreError> {
        if cursor.open.is_some() {
            self.flush_segment(cursor)?;
        }
        let number = writer.next_segment(&cursor.begun).ok_or(StoreError::Full)?;
        let incarnation = writer.next_incarnation;
        writer.next_incarnation += 1;
        let salt = random_bytes(&*self.random);
        lock(&self.known).insert(salt);
        let cipher = SegmentCipher::new(&self.log_key, number, &salt);
        let head = SegmentHead {
            incarnation,
            previous: cursor.position.segment,
            first_seq: cursor.position.seq + 1,
            prev_tag: cursor.position.tag,
            durable_seq: cursor.durable_seq,
        };
        let file = FileRef::Segment(number);
        self.medium
            .write_at(file, 0, &cipher.seal_head(&salt, &head))
            .map_err(StoreError::medium("write", file))?;
        let current = SegmentUse { incarnation, salt };
        let open = Arc::new(OpenUse { current, cipher });
        cursor.begun.push((number, Arc::clone(&open)));
        cursor.open = Some(open);
        cursor.position.segment = Some((number, incarnation));
        cursor.position.offset = SEGMENT_HEAD_LEN as u32;
        cursor.bytes += SEGMENT_HEAD_LEN as u64;
        Ok(())
    }

    fn flush_segment(&self, cursor: &mut Cursor) -> Result<(), StoreError> {
        if let Some((segment, _)) = cursor.position.segment {
            let file = FileRef::Segment(segment);
            self.medium
                .flush(file)
                .map_err(StoreError::medium("flush", file))?;
            cursor.durable_seq = cursor.position.seq;
        }
        Ok(())
    }

    /// Makes a written and flushed batch count.
    fn adopt(&self, writer: &mut Writer, cursor: Cursor, batch: &Batch, placed: &[Placed]) {
        let begun: Vec<u16> = cursor.begun.iter().map(|(number, _)| *number).collect();
        writer.free.retain(|number| !begun.contains(number));
        writer.position = cursor.position;
        writer.last_record = cursor.last_record;
        writer.durable_seq = cursor.durable_seq;
        writer.next_batch += 1;
        writer.must_roll = false;
        writer.bytes_since_checkpoint += cursor.bytes;
        let mut state = self.write_state();
        for (number, open) in cursor.begun {
            state.uses[usize::from(number)] = Some(open);
        }
        batch.trims.iter().for_each(|trim| state.trim(trim));
        placed.iter().for_each(|placed| state.place(placed));
    }
}

/// Fills up to a multiple of `align` with noise: what is not sealed must not show either.
fn pad(bytes: &mut Vec<u8>, align: usize, random: &dyn Random) {
    let used = bytes.len();
    bytes.resize(used.next_multiple_of(align), 0);
    random.fill(&mut bytes[used..]);
}

/// Bytes the units take in a body.
fn body_len(units: &[Unit]) -> usize {
    units.iter().map(sealed_and_aligned).sum()
}

fn sealed_and_aligned(unit: &Unit) -> usize {
    (unit.payload.len() + gobag_format::crypto::TAG_LEN).next_multiple_of(UNIT_ALIGN)
}

/// How many units and trims go into one record of at most `room` bytes. Trims go first: they count before
/// all units of their batch.
fn fit(units: &[Unit], trims: &[TrimEntry], room: usize) -> (usize, usize) {
    let mut take_trims = trims.len().min(MAX_RECORD_UNITS);
    let record_len = |units: usize, trims: usize, body: usize| {
        (RecordHeader::body_at(units, trims) + body).next_multiple_of(RECORD_ALIGN)
    };
    while take_trims > 0 && record_len(0, take_trims, 0) > room {
        take_trims /= 2;
    }
    if take_trims < trims.len() {
        return (0, take_trims);
    }
    let (mut take_units, mut body) = (0, 0);
    for unit in units.iter().take(MAX_RECORD_UNITS) {
        let longer = body + sealed_and_aligned(unit);
        if longer > MAX_RECORD_BODY_LEN || record_len(take_units + 1, take_trims, longer) > room {
            break;
        }
        (take_units, body) = (take_units + 1, longer);
    }
    (take_units, take_trims)
}
