//! How much fits: into memory before it is appended, into a batch, into the log.
//!
//! The promise is made when a write is admitted: as long as no more blocks count than the quota allows, cleaning
//! can always free the segments that the batch in memory needs, and two more for its own copies. That holds
//! because a batch is never larger than a sixteenth of the log, and a log is planned with a quarter more room
//! than its quota. So "full" is said to the write that would be too many, and never to a flush.

use gobag_format::{header::LogGeometry, limits::BLOCK_LEN};

use super::{
    Log, StoreError,
    clean::Goals,
    writer::{Batch, Writer},
};

/// Acknowledged writes kept in memory before they are appended even without a flush; less in a small log.
const PENDING_LIMIT: usize = 32 << 20;
/// Longest stretch of a write admitted at once.
const SPAN: usize = 1 << 20;
/// Segments that only cleaning may use.
const RESERVE: usize = 2;
/// Cleaning begins while this many checkpoints' bytes are free.
const SPARE_CHECKPOINTS: u64 = 8;
/// What a segment may lose: its head, the end that the next unit does not fit into, record heads, padding.
const SEGMENT_LOSS: usize = 84 << 10;
/// What a unit of one block that does not compress takes, with its share of the record's head.
const COPIED_BLOCK: usize = BLOCK_LEN + 64;

impl Log {
    /// Bytes admitted to memory at most.
    pub(super) fn pending_limit(&self) -> usize {
        let log = u64::from(self.geometry.segments) * u64::from(self.geometry.segment_len);
        PENDING_LIMIT.min((log / 16) as usize)
    }

    /// From here on the background thread starts appending, so that writers seldom wait.
    pub(super) fn pending_soon(&self) -> usize {
        self.pending_limit() / 4
    }

    /// Longest stretch handled under one look at the locks.
    pub(super) fn span(&self) -> usize {
        SPAN.min(self.geometry.segment_len as usize / 4)
    }

    /// Makes sure the batch fits and cleaning keeps its reserve.
    pub(super) fn make_room(&self, writer: &mut Writer, batch: &Batch<'_>) -> Result<(), StoreError> {
        // A unit's seal, alignment and entry; a trim's entry; and a twentieth for record heads and padding.
        let units = batch.units.most_bytes() + batch.units.len() * 64;
        let bytes = (units + batch.trims.len() * 32) * 21 / 20;
        // One more where the batch before left the current segment nearly full.
        let needed = segments_for(&self.geometry, bytes) + 1;
        let spare = self.spare(writer);
        if writer.free.len() >= needed + RESERVE + spare {
            return Ok(());
        }
        let goals = Goals {
            needed: needed + RESERVE,
            wanted: needed + RESERVE + 2 * spare,
            comfortable: usize::from(self.geometry.segments) / 8,
        };
        let cleaned = self.clean(writer, &goals);
        if writer.free.len() < needed {
            return cleaned.and(Err(StoreError::Full));
        }
        // There is room: what cannot be cleaned stays as it is, and a medium that is gone says so when it is written.
        if let Err(error) = cleaned {
            tracing::warn!(%error, "cleaning failed");
        }
        Ok(())
    }

    /// Free segments below which cleaning begins before it must. What a round frees can be used after two checkpoints,
    /// and a round can empty only as much as its copies find room: where a checkpoint is long and cleaning waited until
    /// nothing was left, checkpoints would be most of what the medium is given.
    fn spare(&self, writer: &Writer) -> usize {
        let checkpoints = SPARE_CHECKPOINTS * writer.checkpoint_bytes / u64::from(self.geometry.segment_len);
        usize::from(self.geometry.segments / 16).min(checkpoints as usize)
    }

    /// Whether the copies of `live` blocks fit into the free segments.
    pub(super) fn fits_copies(&self, writer: &Writer, live: u32) -> bool {
        live == 0 || segments_for(&self.geometry, live as usize * COPIED_BLOCK) <= writer.free.len()
    }
}

/// Fresh segments that hold `bytes` in any case.
fn segments_for(geometry: &LogGeometry, bytes: usize) -> usize {
    bytes.div_ceil(geometry.segment_len as usize - SEGMENT_LOSS)
}
