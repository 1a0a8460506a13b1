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
use std::iter::Peekable;
use std::sync::Arc;

use gobag_format::{
    checkpoint::{Position, SegmentUse},
    crypto::random_bytes,
    limits::{MAX_RECORD_BODY_LEN, MAX_RECORD_UNITS},
    log::{
        RECORD_ALIGN, RecordHeader, SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead, TrimEntry, UNIT_ALIGN,
        UnitEntry, body_hash,
    },
};

use super::{
    Log, StoreError, lock,
    state::{OpenUse, Placed},
    units::{Unit, Units},
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
    /// [`super::state::State::doubts`] that the last checkpoint written here holds, and the one before it.
    pub(super) doubts_kept: [u64; 2],
    /// Bytes that replicas confirmed since then.
    pub(super) bytes_confirmed: u64,
    /// Length of the last checkpoint written here; 0 before the first.
    pub(super) checkpoint_bytes: u64,
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
pub(super) struct Batch<'a> {
    pub(super) units: Units<'a>,
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
    /// Where the units of this batch will be found.
    placed: Vec<Placed>,
    /// The record being built.
    record: Vec<u8>,
    /// What is between sealed parts: one system call a batch instead of one a gap.
    noise: blake3::OutputReader,
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
            doubts_kept: [0; 2],
            bytes_confirmed: 0,
            checkpoint_bytes: 0,
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
    pub(super) fn append(&self, writer: &mut Writer, batch: Batch<'_>) -> Result<(), StoreError> {
        let Batch {
            units,
            trims,
            relocation,
        } = batch;
        if units.len() == 0 && trims.is_empty() {
            return Ok(());
        }
        self.ensure_same(writer)?;
        let mut cursor = self.cursor(writer, units.len());
        // Until the batch counts, and so also should something panic, the segment holds what must not be continued.
        writer.must_roll = true;
        let written = units.hand_to(&self.encoders, |units| {
            self.write_batch(writer, &mut cursor, units.peekable(), &trims, relocation)
        });
        match written {
            Ok(()) => {
                self.adopt(writer, cursor, &trims);
                Ok(())
            }
            Err(error) => {
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

    fn cursor(&self, writer: &Writer, units: usize) -> Cursor {
        let open = writer.position.segment.filter(|_| !writer.must_roll);
        Cursor {
            position: writer.position,
            last_record: writer.last_record,
            open: open.and_then(|(segment, _)| self.read_state().uses[usize::from(segment)].clone()),
            durable_seq: writer.durable_seq,
            begun: Vec::new(),
            bytes: 0,
            placed: Vec::with_capacity(units),
            record: Vec::new(),
            noise: blake3::Hasher::new_keyed(&random_bytes(&*self.random)).finalize_xof(),
        }
    }

    fn write_batch(
        &self,
        writer: &mut Writer,
        cursor: &mut Cursor,
        mut units: Peekable<impl Iterator<Item = Unit>>,
        mut trims: &[TrimEntry],
        relocation: bool,
    ) -> Result<(), StoreError> {
        while units.peek().is_some() || !trims.is_empty() {
            let room = match cursor.open {
                Some(_) => self.geometry.segment_len as usize - cursor.position.offset as usize,
                None => 0,
            };
            // Trims go first: they count before all units of their batch.
            let (trims_now, trims_later) = trims.split_at(fitting_trims(trims, room));
            let units_now = match trims_later {
                [] => fitting_units(&mut units, trims_now.len(), room),
                _ => Vec::new(),
            };
            if units_now.is_empty() && trims_now.is_empty() {
                self.roll(writer, cursor)?;
                continue;
            }
            let header = RecordHeader {
                seq: cursor.position.seq + 1,
                batch: writer.next_batch,
                commit: trims_later.is_empty() && units.peek().is_none(),
                relocation,
                clock_s: (self.clock)(),
                durable_seq: cursor.durable_seq,
                prev_tag: cursor.position.tag,
                body_hash: [0; 32],
                units: Vec::with_capacity(units_now.len()),
                trims: trims_now.to_vec(),
            };
            self.write_record(cursor, header, units_now)?;
            trims = trims_later;
        }
        self.flush_segment(cursor)
    }

    /// Seals `units` as the body of a record, completes its header and writes it.
    fn write_record(
        &self,
        cursor: &mut Cursor,
        mut header: RecordHeader,
        units: Vec<Unit>,
    ) -> Result<(), StoreError> {
        let (Some(open), Some((segment, _))) = (&cursor.open, cursor.position.segment) else {
            return Err(StoreError::Full);
        };
        let offset = cursor.position.offset;
        let body_at = RecordHeader::body_at(units.len(), header.trims.len());
        let (record, noise) = (&mut cursor.record, &mut cursor.noise);
        record.clear();
        record.resize(body_at, 0);
        for unit in units {
            let (from, volume, first_block, blocks) =
                (record.len(), unit.volume, unit.first_block, unit.blocks);
            let unit_offset = offset + from as u32;
            record.extend_from_slice(&unit.payload);
            open.cipher
                .seal_unit(unit_offset.into(), volume, first_block, record, from);
            let sealed_len = (record.len() - from) as u32;
            pad(record, UNIT_ALIGN, noise);
            header.units.push(UnitEntry {
                volume,
                blocks,
                sealed_len,
                first_block,
            });
            cursor.placed.push(Placed {
                volume,
                first_block,
                blocks,
                segment,
                offset: unit_offset,
                sealed_len,
                relocation: header.relocation,
            });
        }
        header.body_hash = body_hash(&record[body_at..]);
        let (mut front, tag) = header.seal(&open.cipher, offset.into(), record.len() - body_at);
        pad(&mut front, UNIT_ALIGN, noise);
        record[..body_at].copy_from_slice(&front);
        pad(record, RECORD_ALIGN, noise);
        let file = FileRef::Segment(segment);
        self.medium
            .write_at(file, offset.into(), record)
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
    fn adopt(&self, writer: &mut Writer, cursor: Cursor, trims: &[TrimEntry]) {
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
        trims.iter().for_each(|trim| state.trim(trim));
        cursor.placed.iter().for_each(|placed| state.place(placed));
    }
}

/// Fills up to a multiple of `align` with noise: what is not sealed must not show either.
fn pad(bytes: &mut Vec<u8>, align: usize, noise: &mut blake3::OutputReader) {
    let used = bytes.len();
    bytes.resize(used.next_multiple_of(align), 0);
    noise.fill(&mut bytes[used..]);
}

/// How many of `trims` go into one record of at most `room` bytes.
fn fitting_trims(trims: &[TrimEntry], room: usize) -> usize {
    let mut take = trims.len().min(MAX_RECORD_UNITS);
    while take > 0 && record_len(0, take, 0) > room {
        take /= 2;
    }
    take
}

/// Takes the units that go into one record of at most `room` bytes beside so many trims.
fn fitting_units(units: &mut Peekable<impl Iterator<Item = Unit>>, trims: usize, room: usize) -> Vec<Unit> {
    let (mut taken, mut body) = (Vec::new(), 0);
    while taken.len() < MAX_RECORD_UNITS {
        let fits = |unit: &Unit| {
            let longer = body + sealed_and_aligned(unit);
            longer <= MAX_RECORD_BODY_LEN && record_len(taken.len() + 1, trims, longer) <= room
        };
        let Some(unit) = units.next_if(fits) else { break };
        body += sealed_and_aligned(&unit);
        taken.push(unit);
    }
    taken
}

fn sealed_and_aligned(unit: &Unit) -> usize {
    (unit.payload.len() + gobag_format::crypto::TAG_LEN).next_multiple_of(UNIT_ALIGN)
}

fn record_len(units: usize, trims: usize, body: usize) -> usize {
    (RecordHeader::body_at(units, trims) + body).next_multiple_of(RECORD_ALIGN)
}
