//! What lies behind the end of the chain, and may prove that confirmed changes are gone.

use gobag_format::log::{Lead, RECORD_ALIGN, SegmentCipher};

use super::replay::Replay;
use crate::store::{StoreError, writer::MAX_PASSED_OVER};

impl Replay<'_> {
    /// Looks for heads beyond the end, which would prove that the log went on: also where it is called closed, for
    /// checkpoints of earlier may have been put back beside it. Heads older than the last segment's do not count: an
    /// attempt that failed left them. When an older checkpoint had to be used, all segments are looked at.
    pub(super) fn look_at_heads(&mut self) -> Result<(), StoreError> {
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
    pub(super) fn look_behind(&mut self) -> Result<(), StoreError> {
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
}
