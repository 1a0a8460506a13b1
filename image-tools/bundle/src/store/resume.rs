//! Going on after the medium was gone: is what came back what went?
//!
//! While the stick was away somebody may have used it elsewhere, or put another or an older one in its
//! place. Going on would mix two histories, so everything this writer knows about the end of the log is
//! compared with what the medium holds now. What a failed attempt of this very process left is known by its
//! salts and does not count as a difference.
//!
//! [`Store::resume`] asks on purpose. Nobody has to remember to: after any failure the writer asks by itself
//! before it writes again.

use gobag_format::log::{SEGMENT_HEAD_LEN, SegmentCipher};

use super::{
    Log, Store, StoreError,
    checkpoint::{self, Salt},
    lock,
    record::read_record,
    writer::{MAX_PASSED_OVER, Writer},
};
use crate::medium::FileRef;

impl Store {
    /// From now on nothing is written before the medium was looked at. Call before the medium is re-attached,
    /// so that a background append cannot come between that and [`Store::resume`].
    pub fn distrust(&self) {
        lock(&self.writer).suspect = true;
    }

    /// Checks that the medium, reached anew, holds exactly this log, and goes on.
    pub fn resume(&self) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        writer.suspect = true;
        self.log.ensure_same(&mut writer)?;
        // What was cached of the lost medium is still right: it was authenticated. But the segment may hold
        // half a batch now. And that writes failed was nobody's fault.
        writer.must_roll = true;
        writer.failures.clear();
        Ok(())
    }
}

impl Log {
    /// Where the medium failed since the last look: makes sure that it is still the same.
    pub(super) fn ensure_same(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.suspect {
            let same =
                self.same_end(writer)? && self.same_checkpoints(writer)? && self.nothing_newer(writer)?;
            if !same {
                return Err(StoreError::OtherState);
            }
            writer.suspect = false;
        }
        Ok(())
    }

    /// The current segment is in the use we know, and its last record is ours.
    fn same_end(&self, writer: &Writer) -> Result<bool, StoreError> {
        let Some((segment, incarnation)) = writer.position.segment else {
            return Ok(true);
        };
        let Some(open) = self.read_state().uses[usize::from(segment)].clone() else {
            return Ok(true);
        };
        let head = self.head(segment)?;
        let same_head = head == Some((open.current.salt, incarnation));
        let Some(offset) = writer.last_record.filter(|_| same_head) else {
            return Ok(same_head);
        };
        let record = read_record(&*self.medium, &self.geometry, segment, &open.cipher, offset)?;
        Ok(record
            .is_some_and(|(header, tag, ..)| (header.seq, tag) == (writer.position.seq, writer.position.tag)))
    }

    /// No checkpoint was written but ours, and the newest is there. One that failed here may have arrived whole
    /// all the same, and what could not be read before need not be readable now.
    fn same_checkpoints(&self, writer: &Writer) -> Result<bool, StoreError> {
        for (area, known) in (0u8..).zip(&writer.areas) {
            let found = match checkpoint::read_head(&*self.medium, &self.checkpoint_key, area) {
                Err(_) if *known == 0 => continue,
                found => found?,
            };
            let same = match &found {
                None => *known == 0,
                Some(found) => {
                    lock(&self.known).contains(&found.salt)
                        && (*known == 0 || *known == found.head.generation)
                }
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// None of the next segments was begun by anybody else.
    fn nothing_newer(&self, writer: &Writer) -> Result<bool, StoreError> {
        for number in writer.free.iter().take(MAX_PASSED_OVER + 1) {
            if let Some((salt, incarnation)) = self.head(*number)?
                && incarnation >= writer.first_incarnation
                && !lock(&self.known).contains(&salt)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn head(&self, number: u16) -> Result<Option<(Salt, u64)>, StoreError> {
        let file = FileRef::Segment(number);
        let mut bytes = vec![0; SEGMENT_HEAD_LEN];
        self.medium
            .read_at(file, 0, &mut bytes)
            .map_err(StoreError::medium("read", file))?;
        let opened = [&self.log_key, &self.kept_key]
            .into_iter()
            .find_map(|key| SegmentCipher::open_head(key, number, &bytes).ok());
        Ok(opened.map(|(_, salt, head)| (salt, head.incarnation)))
    }
}
