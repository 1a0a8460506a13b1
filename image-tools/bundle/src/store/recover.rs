//! Opening the log: from the newest checkpoint forward to the last batch that counts. Reads only.
//!
//! The log is a chain: each record names the tag of the one before, each segment's head names the segment
//! and record before it. Replay follows the chain and stops where it breaks. What it has applied then is the
//! state after some batch, never a mixture, for a batch counts only with its last record.
//!
//! A break is normal after a pulled stick: the last records were never confirmed. It is not normal when a
//! later record is there and says that something past the break was durable. Then the medium lied about a
//! flush or lost data, and [`StoreError::EarlierState`] asks a person before the earlier state is taken.
//! A break with nothing readable behind it cannot be told from a cut; only a memory elsewhere (server, host)
//! could (`docs/threat-model.md`).
//!
//! What is read here is built upon, so it must be on the medium and not only in the system's cache, where a
//! program that was killed may have left it: unless nothing will be written, each file is flushed and its
//! cached copy dropped before it is read.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use gobag_format::{
    checkpoint::{DirtyMap, Position, SegmentUse},
    header::LogGeometry,
    log::{
        ChainTag, Lead, RECORD_ALIGN, RecordHeader, SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead, TrimEntry,
        UNIT_ALIGN,
    },
};

use super::{
    LogKeys, StoreError, StoreMode, StoreOptions,
    checkpoint::{self, Salt},
    index::VolumeIndex,
    record::{read, read_record, settle},
    state::{OpenUse, Placed, State},
    writer::{MAX_PASSED_OVER, Writer},
};
use crate::medium::{FileRef, Medium};

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// Whether nothing had to be replayed: the bundle was closed in order, or nothing was written.
    pub clean: bool,
    /// Records replayed after the checkpoint.
    pub replayed_records: u64,
    /// Bytes of log replayed.
    pub replayed_bytes: u64,
    /// Records found behind the last batch that counts; they were never confirmed.
    pub dropped_records: u64,
    /// A newer checkpoint was torn or damaged; the one before was used.
    pub checkpoint_fell_back: bool,
    /// Segments that could not be read; the log may have gone on there.
    pub unreadable_segments: u16,
    /// Set when confirmed changes are gone and the earlier state was accepted: the first lost record.
    pub lost_from: Option<u64>,
}

/// What was found, ready to go on from.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) writer: Writer,
    pub(super) report: Recovery,
    /// Salts of the checkpoints.
    pub(super) salts: HashSet<Salt>,
}

/// Replays the log. With `accept_earlier`, lost confirmed changes and segments that cannot be read are
/// reported instead of refused.
pub(super) fn recover(
    medium: &dyn Medium,
    keys: &LogKeys,
    options: &StoreOptions,
) -> Result<Recovered, StoreError> {
    let (geometry, volumes) = (&options.geometry, &options.volumes);
    let build_on_it = options.mode == StoreMode::Keep;
    if build_on_it {
        for area in 0..geometry.checkpoints {
            // What it cannot tell now it will tell when it is read or written.
            let _ = settle(medium, FileRef::Checkpoint(area));
        }
    }
    let loaded = checkpoint::load(medium, &keys.checkpoint, geometry)?;
    let start = &loaded.checkpoint;
    if start.segments.len() != usize::from(geometry.segments) {
        return Err(StoreError::Mismatch {
            what: "number of segments",
        });
    }
    let open = |(number, current): (usize, &Option<SegmentUse>)| {
        current.map(|current| {
            let cipher = SegmentCipher::new(&keys.log, number as u16, &current.salt);
            Arc::new(OpenUse { current, cipher })
        })
    };
    // A volume that is gone has nothing to be received.
    let is_there = |map: &&DirtyMap| volumes.iter().any(|volume| volume.id == map.volume);
    let dirty: Vec<DirtyMap> = start.dirty.iter().filter(is_there).cloned().collect();
    let mut state = State {
        volumes: volumes
            .iter()
            .map(|v| VolumeIndex::new(v.id, v.size_bytes, v.has_base))
            .collect(),
        uses: start.segments.iter().enumerate().map(open).collect(),
        live: vec![0; start.segments.len()],
        occupied: 0,
        told: dirty.iter().map(|map| vec![0; map.bits.len()]).collect(),
        dirty,
    };
    for map in loaded.volumes {
        if let Some(index) = state.volumes.iter_mut().find(|index| index.volume == map.volume) {
            if index.size_bytes != map.size_bytes {
                return Err(StoreError::Mismatch {
                    what: "size of a volume",
                });
            }
            index.load(map);
        }
    }
    state.recount();
    let mut replay = Replay {
        medium,
        keys,
        geometry,
        state,
        queue: start.free.iter().chain(&start.resting).copied().collect(),
        counted: start.position,
        seen: start.position,
        last_record: None,
        last_clock_s: start.clock_s,
        batch: Vec::new(),
        oldest_incarnation: start.next_incarnation,
        next_incarnation: start.next_incarnation,
        next_batch: start.next_batch,
        evidence: 0,
        build_on_it,
        accept_earlier: options.accept_earlier,
        settled: HashSet::new(),
        unreadable: HashSet::new(),
        report: Recovery {
            checkpoint_fell_back: loaded.fell_back,
            ..Recovery::default()
        },
    };
    replay.run(start.closed)?;
    if !replay.unreadable.is_empty() {
        // Single segments that fail are one thing, a medium that is gone another.
        checkpoint::load(medium, &keys.checkpoint, geometry)?;
        replay.report.unreadable_segments = replay.unreadable.len() as u16;
    }
    let lost = replay.evidence > replay.seen.seq;
    if lost {
        if !options.accept_earlier {
            return Err(StoreError::EarlierState {
                lost_from: replay.seen.seq + 1,
                written_to: replay.evidence,
                last_clock_s: replay.last_clock_s,
            });
        }
        replay.report.lost_from = Some(replay.counted.seq + 1);
    }
    let mut writer = Writer::new(replay.counted, replay.state.uses.len(), loaded.areas);
    writer.generation = loaded.generation;
    writer.last_record = replay.last_record;
    writer.next_incarnation = replay.next_incarnation;
    writer.first_incarnation = replay.next_incarnation;
    writer.next_batch = replay.next_batch;
    // Of the queue, what the checkpoint called resting was free for its successor only.
    let resting = |number: &u16| start.resting.contains(number);
    writer.resting = replay.queue.iter().copied().filter(resting).collect();
    writer.free = replay
        .queue
        .iter()
        .copied()
        .filter(|number| !resting(number))
        .collect();
    // Unreadable ones last: the next opening should not meet them.
    let readable = |number: &u16| !replay.unreadable.contains(number);
    writer
        .free
        .make_contiguous()
        .sort_by_key(|number| !readable(number));
    writer.bytes_since_checkpoint = replay.report.replayed_bytes;
    Ok(Recovered {
        state: replay.state,
        writer,
        report: replay.report,
        salts: loaded.salts,
    })
}

struct Replay<'a> {
    medium: &'a dyn Medium,
    keys: &'a LogKeys,
    geometry: &'a LogGeometry,
    state: State,
    /// Segments the log may have gone on to, in order.
    queue: VecDeque<u16>,
    /// End of the last batch that counts.
    counted: Position,
    /// End of the last record that opens.
    seen: Position,
    last_record: Option<u32>,
    last_clock_s: u64,
    /// The batch being collected.
    batch: Vec<(Vec<TrimEntry>, Vec<Placed>)>,
    /// Heads with a lower number were there before the checkpoint and are history.
    oldest_incarnation: u64,
    next_incarnation: u64,
    next_batch: u64,
    /// Highest sequence number that some readable record or head calls durable.
    evidence: u64,
    build_on_it: bool,
    accept_earlier: bool,
    /// Segments whose readable bytes are durable.
    settled: HashSet<u16>,
    unreadable: HashSet<u16>,
    report: Recovery,
}

/// A head that continues the chain.
struct Next {
    number: u16,
    head: SegmentHead,
    open: Arc<OpenUse>,
}

/// A record that opens.
struct Found {
    header: RecordHeader,
    tag: ChainTag,
    len: u32,
    body_at: u32,
}

impl Replay<'_> {
    fn run(&mut self, closed: bool) -> Result<(), StoreError> {
        // Nothing was appended to a closed segment after the checkpoint, only to further ones.
        let mut skip = closed;
        let mut went_on = false;
        loop {
            let next = self.find_next()?;
            if !skip {
                self.replay_segment(next.as_ref().map(|next| next.head.first_seq - 1))?;
            }
            skip = false;
            let Some(next) = next else { break };
            self.learn(&next.head);
            if (self.seen.seq + 1, self.seen.tag) != (next.head.first_seq, next.head.prev_tag) {
                break;
            }
            self.enter(&next);
            went_on = true;
        }
        self.look_at_heads()?;
        // Where the log went on, there was a record: should it be damaged, those behind it tell.
        let is_all = self.evidence <= self.seen.seq;
        self.report.clean = closed && !went_on && is_all && !self.report.checkpoint_fell_back;
        if !self.report.clean {
            self.look_behind()?;
        }
        self.report.dropped_records += self.batch.len() as u64;
        Ok(())
    }

    /// The head, among the next segments in line, that says it follows the current use of the current
    /// segment. When an attempt failed and was made again there can be several; the latest counts.
    fn find_next(&mut self) -> Result<Option<Next>, StoreError> {
        let mut best: Option<Next> = None;
        let candidates: Vec<u16> = self.queue.iter().copied().take(MAX_PASSED_OVER + 1).collect();
        for number in candidates {
            let Some(next) = self.read_head(number)? else {
                continue;
            };
            let follows = next.head.previous == self.seen.segment
                && next.head.first_seq > 0
                && self.is_news(&next.head);
            if follows
                && best
                    .as_ref()
                    .is_none_or(|best| next.head.incarnation > best.head.incarnation)
            {
                best = Some(next);
            }
        }
        Ok(best)
    }

    /// Takes from a head how far the log once was, and which numbers are used.
    fn learn(&mut self, head: &SegmentHead) {
        self.evidence = self.evidence.max(head.durable_seq);
        self.next_incarnation = self.next_incarnation.max(head.incarnation + 1);
    }

    fn is_news(&self, head: &SegmentHead) -> bool {
        head.incarnation >= self.oldest_incarnation
            && self
                .seen
                .segment
                .is_none_or(|(_, current)| head.incarnation > current)
    }

    fn read_head(&mut self, number: u16) -> Result<Option<Next>, StoreError> {
        let mut bytes = vec![0; SEGMENT_HEAD_LEN];
        if !self.read(number, 0, &mut bytes)? {
            return Ok(None);
        }
        Ok(SegmentCipher::open_head(&self.keys.log, number, &bytes)
            .ok()
            .map(|(cipher, salt, head)| {
                let current = SegmentUse {
                    incarnation: head.incarnation,
                    salt,
                };
                Next {
                    number,
                    head,
                    open: Arc::new(OpenUse { current, cipher }),
                }
            }))
    }

    fn enter(&mut self, next: &Next) {
        self.queue.retain(|number| *number != next.number);
        self.state.uses[usize::from(next.number)] = Some(Arc::clone(&next.open));
        self.seen.segment = Some((next.number, next.head.incarnation));
        self.seen.offset = SEGMENT_HEAD_LEN as u32;
        if self.batch.is_empty() {
            self.counted = self.seen;
            self.last_record = None;
        }
    }

    /// Applies the current segment's records from where `seen` stands, up to record `last` if given.
    fn replay_segment(&mut self, last: Option<u64>) -> Result<(), StoreError> {
        let Some((number, _)) = self.seen.segment else {
            return Ok(());
        };
        let Some(open) = self.state.uses[usize::from(number)].clone() else {
            return Ok(());
        };
        while last.is_none_or(|last| self.seen.seq < last) {
            let Some(found) = self.read_record(number, &open.cipher, self.seen.offset)? else {
                break;
            };
            if found.header.seq != self.seen.seq + 1 || found.header.prev_tag != self.seen.tag {
                break;
            }
            self.take(number, found);
        }
        Ok(())
    }

    fn take(&mut self, segment: u16, found: Found) {
        let header = found.header;
        let record_at = self.seen.offset;
        self.evidence = self.evidence.max(header.durable_seq);
        self.report.replayed_records += 1;
        self.report.replayed_bytes += u64::from(found.len);
        self.last_clock_s = header.clock_s;
        if self.next_batch != header.batch {
            // A batch that was given up; its number was not used again only if a new attempt followed.
            self.report.dropped_records += self.batch.len() as u64;
            self.batch.clear();
            self.next_batch = header.batch;
        }
        let mut offset = record_at + found.body_at;
        let mut placed = Vec::with_capacity(header.units.len());
        for unit in &header.units {
            placed.push(Placed {
                volume: unit.volume,
                first_block: unit.first_block,
                blocks: unit.blocks,
                segment,
                offset,
                sealed_len: unit.sealed_len,
                relocation: header.relocation,
            });
            offset += unit.sealed_len.next_multiple_of(UNIT_ALIGN as u32);
        }
        self.batch.push((header.trims, placed));
        self.seen.offset = record_at + found.len;
        self.seen.seq = header.seq;
        self.seen.tag = found.tag;
        if header.commit {
            for (trims, placed) in self.batch.drain(..) {
                trims.iter().for_each(|trim| self.state.trim(trim));
                placed.iter().for_each(|placed| self.state.place(placed));
            }
            self.next_batch += 1;
            self.counted = self.seen;
            self.last_record = Some(record_at);
        }
    }

    /// Looks for heads beyond the end, which would prove that the log went on: also where it is called closed, for
    /// checkpoints of earlier may have been put back beside it. Heads older than the last segment's do not count: an
    /// attempt that failed left them. When an older checkpoint had to be used, all segments are looked at.
    fn look_at_heads(&mut self) -> Result<(), StoreError> {
        let heads: Vec<u16> = if self.report.checkpoint_fell_back {
            (0..self.geometry.segments).collect()
        } else {
            self.queue.iter().copied().take(2 * MAX_PASSED_OVER).collect()
        };
        for number in heads {
            if let Some(next) = self.read_head(number)?
                && self.is_news(&next.head)
            {
                self.learn(&next.head);
            }
        }
        Ok(())
    }

    /// Looks for readable records behind the end of the current segment, at every possible place; they would prove
    /// that confirmed ones are gone.
    fn look_behind(&mut self) -> Result<(), StoreError> {
        if let Some((number, _)) = self.seen.segment
            && let Some(open) = self.state.uses[usize::from(number)].clone()
        {
            self.scan_for_records(number, &open.cipher, self.seen.offset)?;
        }
        Ok(())
    }

    fn scan_for_records(&mut self, number: u16, cipher: &SegmentCipher, from: u32) -> Result<(), StoreError> {
        const WINDOW: u32 = 1 << 20;
        let mut window = vec![0; WINDOW as usize];
        let mut start = from;
        while start < self.geometry.segment_len {
            let len = WINDOW.min(self.geometry.segment_len - start);
            if self.read(number, start, &mut window[..len as usize])? {
                for at in (0..len).step_by(RECORD_ALIGN) {
                    if Lead::open(cipher, (start + at).into(), &window[at as usize..]).is_ok()
                        && let Some(found) = self.read_record(number, cipher, start + at)?
                    {
                        self.evidence = self.evidence.max(found.header.durable_seq);
                        self.report.dropped_records += 1;
                    }
                }
            }
            start += len;
        }
        Ok(())
    }

    fn read_record(
        &mut self,
        number: u16,
        cipher: &SegmentCipher,
        offset: u32,
    ) -> Result<Option<Found>, StoreError> {
        let found = self
            .settle(number)
            .and_then(|()| read_record(self.medium, self.geometry, number, cipher, offset));
        let found = self.unless_unreadable(number, found, None)?;
        Ok(found.map(|(header, tag, len, body_at)| Found {
            header,
            tag,
            len,
            body_at,
        }))
    }

    /// Fills `buffer`; false when this part of the file is missing.
    fn read(&mut self, number: u16, offset: u32, buffer: &mut [u8]) -> Result<bool, StoreError> {
        let found = self
            .settle(number)
            .and_then(|()| read(self.medium, number, offset, buffer));
        self.unless_unreadable(number, found, false)
    }

    fn settle(&mut self, number: u16) -> Result<(), StoreError> {
        if self.build_on_it && self.settled.insert(number) {
            settle(self.medium, FileRef::Segment(number))?;
        }
        Ok(())
    }

    fn unless_unreadable<T>(
        &mut self,
        number: u16,
        found: Result<T, StoreError>,
        nothing: T,
    ) -> Result<T, StoreError> {
        match found {
            Err(StoreError::Medium { .. }) if self.accept_earlier => {
                self.unreadable.insert(number);
                Ok(nothing)
            }
            found => found,
        }
    }
}
