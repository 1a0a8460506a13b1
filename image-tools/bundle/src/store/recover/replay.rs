//! Following the chain: records applied in order, heads entered.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use gobag_format::{
    checkpoint::{Position, SegmentUse},
    header::LogGeometry,
    log::{ChainTag, RecordHeader, SEGMENT_HEAD_LEN, SegmentCipher, SegmentHead, TrimEntry, UNIT_ALIGN},
};

use super::Recovery;
use crate::{
    medium::{FileRef, Medium},
    store::{
        LogKeys, StoreError,
        record::{read, read_record, settle},
        state::{OpenUse, Placed, State},
        writer::MAX_PASSED_OVER,
    },
};

pub(super) struct Replay<'a> {
    pub(super) medium: &'a dyn Medium,
    pub(super) keys: &'a LogKeys,
    pub(super) geometry: &'a LogGeometry,
    pub(super) state: State,
    /// Segments the log may have gone on to, in order.
    pub(super) queue: VecDeque<u16>,
    /// End of the last batch that counts.
    pub(super) counted: Position,
    /// End of the last record that opens.
    pub(super) seen: Position,
    pub(super) last_record: Option<u32>,
    pub(super) last_clock_s: u64,
    /// The batch being collected.
    pub(super) batch: Vec<(Vec<TrimEntry>, Vec<Placed>)>,
    /// Heads with a lower number were there before the checkpoint and are history.
    pub(super) oldest_incarnation: u64,
    pub(super) next_incarnation: u64,
    pub(super) next_batch: u64,
    /// Highest sequence number that some readable record or head calls durable.
    pub(super) evidence: u64,
    pub(super) build_on_it: bool,
    pub(super) accept_earlier: bool,
    /// Segments whose readable bytes are durable.
    pub(super) settled: HashSet<u16>,
    pub(super) unreadable: HashSet<u16>,
    pub(super) report: Recovery,
}

/// A head that continues the chain.
pub(super) struct Next {
    pub(super) number: u16,
    pub(super) head: SegmentHead,
    pub(super) open: Arc<OpenUse>,
}

/// A record that opens.
pub(super) struct Found {
    pub(super) header: RecordHeader,
    pub(super) tag: ChainTag,
    pub(super) len: u32,
    pub(super) body_at: u32,
}

impl Replay<'_> {
    pub(super) fn run(&mut self, closed: bool) -> Result<(), StoreError> {
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
    pub(super) fn learn(&mut self, head: &SegmentHead) {
        self.evidence = self.evidence.max(head.durable_seq);
        self.next_incarnation = self.next_incarnation.max(head.incarnation + 1);
    }

    pub(super) fn is_news(&self, head: &SegmentHead) -> bool {
        head.incarnation >= self.oldest_incarnation
            && self
                .seen
                .segment
                .is_none_or(|(_, current)| head.incarnation > current)
    }

    pub(super) fn read_head(&mut self, number: u16) -> Result<Option<Next>, StoreError> {
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

    pub(super) fn read_record(
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
    pub(super) fn read(&mut self, number: u16, offset: u32, buffer: &mut [u8]) -> Result<bool, StoreError> {
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
