//! Going on after the medium was gone: is what came back what went?
//!
//! While the stick was away somebody may have used it elsewhere, or put another or an older one in its
//! place. Going on would mix two histories, so everything this writer knows about the end of the log is
//! compared with what the medium holds now. What a failed attempt of this very process left is known by its
//! salts and does not count as a difference.

use gobag_format::log::{SEGMENT_HEAD_LEN, SegmentCipher};

use super::{Store, StoreError, checkpoint, lock, recover, writer::MAX_PASSED_OVER, writer::Writer};
use crate::medium::FileRef;

impl Store {
    /// Checks that the medium, reached anew, holds exactly this log, and goes on. Call after the medium was
    /// re-attached and before anything is written to it.
    pub fn resume(&self) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let same = self.same_end(&writer)? && self.same_checkpoints(&writer)? && self.nothing_newer(&writer)?;
        if !same {
            return Err(StoreError::OtherState);
        }
        // What was cached of the lost medium is still right: it was authenticated. But the segment may hold
        // half a batch now.
        writer.must_roll = true;
        Ok(())
    }

    /// The current segment is in the use we know, and its last record is ours.
    fn same_end(&self, writer: &Writer) -> Result<bool, StoreError> {
        let Some((segment, incarnation)) = writer.position.segment else { return Ok(true) };
        let Some(open) = self.log.read_state().uses[usize::from(segment)].clone() else { return Ok(true) };
        let same_head = self.head(segment)?.is_some_and(|(salt, found)| (salt, found) == (open.current.salt, incarnation));
        let Some(offset) = writer.last_record.filter(|_| same_head) else { return Ok(same_head) };
        let (medium, geometry) = (&*self.log.medium, &self.log.geometry);
        let record = recover::read_record(medium, geometry, segment, &open.cipher, offset)?;
        Ok(record.is_some_and(|(header, tag, ..)| (header.seq, tag) == (writer.position.seq, writer.position.tag)))
    }

    /// No checkpoint was written but ours; one that failed here may have arrived whole all the same.
    fn same_checkpoints(&self, writer: &Writer) -> Result<bool, StoreError> {
        let newest = writer.areas.iter().copied().max().unwrap_or(0);
        let found = checkpoint::generations(&*self.log.medium, &self.log.checkpoint_key, &self.log.geometry)?;
        let same = |(known, found): (&u64, u64)| *known == found || (*known == 0 && found <= newest + 1);
        Ok(writer.areas.iter().zip(found).all(same))
    }

    /// None of the next segments was begun by anybody else.
    fn nothing_newer(&self, writer: &Writer) -> Result<bool, StoreError> {
        for number in writer.free.iter().take(MAX_PASSED_OVER + 1) {
            if let Some((salt, incarnation)) = self.head(*number)?
                && incarnation >= writer.next_incarnation
                && !lock(&self.log.attempts).contains(&salt)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn head(&self, number: u16) -> Result<Option<([u8; 32], u64)>, StoreError> {
        let file = FileRef::Segment(number);
        let mut bytes = vec![0; SEGMENT_HEAD_LEN];
        self.log.medium.read_at(file, 0, &mut bytes).map_err(StoreError::medium("read", file))?;
        let opened = [&self.log.log_key, &self.log.kept_key]
            .into_iter()
            .find_map(|key| SegmentCipher::open_head(key, number, &bytes).ok());
        Ok(opened.map(|(_, salt, head)| (salt, head.incarnation)))
    }
}
