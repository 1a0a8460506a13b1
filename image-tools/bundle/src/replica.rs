//! What of a session goes to the company: its volumes, as a replica is sent them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gobag_format::{
    ids::{BundleId, PointId, VolumeId},
    ledger::{LedgerRecord, NotedPoint},
    limits::BLOCK_LEN,
    memory::Moment,
    replica::{HeadImage, HeadVolume, ReplicaHead, ReplicaKeys},
    sign::SigningKey,
};
use thiserror::Error;

use crate::{
    Bundle,
    headers::read_escrow,
    ledger::LedgerAccessError,
    store::{Snapshot, Store, StoreError},
};

/// The company's number among replicas.
const COMPANY: u8 = 0;

/// What every age file begins with.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// A stick's escrow file.
pub enum EscrowFile {
    /// IT wants none.
    None,
    /// As it is.
    Whole(Vec<u8>),
    /// There should be one, and it cannot be read: whatever the company has is better.
    Lost,
}

/// Why the stick cannot note a point.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerAccessError),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The sending side of a stick's replica; lives as long as its session's store.
#[derive(Clone)]
pub struct ReplicaSource {
    bundle: Arc<Bundle>,
    store: Arc<Store>,
    /// The ledger still speaks of points from before the log lost records; of all sources of a session.
    is_to_forget: Arc<AtomicBool>,
}

impl ReplicaSource {
    pub(crate) fn new(bundle: Arc<Bundle>, store: Arc<Store>) -> Self {
        Self {
            bundle,
            store,
            is_to_forget: Arc::default(),
        }
    }

    /// Starts to remember what changes, if that was not begun before: then everything counts as changed.
    pub fn track(&self) -> Result<(), StoreError> {
        let mut volumes = self.volumes();
        volumes.try_for_each(|(id, _)| self.store.track(COMPANY, id))
    }

    /// What was not sent yet: see [`Store::snapshot`].
    pub fn snapshot(&self, most_bytes: u64) -> Result<Snapshot, StoreError> {
        self.store
            .snapshot(COMPANY, most_bytes.div_ceil(BLOCK_LEN as u64))
    }

    /// Bytes of changes that were not sent yet.
    pub fn unsent_bytes(&self) -> u64 {
        self.store.unsent_bytes(COMPANY)
    }

    /// Whether nothing waits, not even what takes no room: blocks that are zero now, or as in the image.
    pub fn is_all_sent(&self) -> bool {
        self.store.is_all_sent(COMPANY, self.volumes().map(|(id, _)| id))
    }

    /// Counts blocks as not sent: the company may not have them as they are.
    pub fn doubt(&self, volume: VolumeId, first_block: u64, blocks: u64) {
        self.store.doubt(COMPANY, volume, first_block, blocks);
    }

    /// Counts as not sent what was sent and not confirmed.
    pub fn reclaim(&self) {
        self.store.reclaim(COMPANY);
    }

    /// Counts everything as not sent.
    pub fn doubt_all(&self) {
        self.volumes()
            .for_each(|(id, size)| self.doubt(id, 0, size.div_ceil(BLOCK_LEN as u64)));
    }

    /// The last point by which something was confirmed.
    pub fn noted(&self) -> Result<Option<NotedPoint>, LedgerAccessError> {
        Ok(self.bundle.ledger()?.replica)
    }

    /// Complete points noted before that one, newest first.
    pub fn noted_before(&self) -> Result<Vec<NotedPoint>, LedgerAccessError> {
        let ledger = self.bundle.ledger()?;
        let counts = !self.is_to_forget.load(Ordering::Relaxed);
        Ok(ledger.noted_before().filter(|_| counts).collect())
    }

    /// Counts as not sent what may have changed since the log went on in this use of a segment.
    pub fn doubt_since(&self, segment_use: u64) {
        self.store.doubt_since(COMPANY, segment_use);
    }

    /// Everything that was sent is kept by the company at `point`: notes the point, then counts it as received.
    pub fn confirm(&self, point: NotedPoint) -> Result<(), NoteError> {
        // The noted point is what makes the next session trust the maps: they must say what is doubted first.
        self.store.keep_doubts()?;
        let is_to_forget = self.is_to_forget.load(Ordering::Relaxed);
        self.bundle.change_ledger(|ledger| {
            if is_to_forget {
                ledger.forget_before();
            }
            ledger.note(point);
        })?;
        self.is_to_forget.store(false, Ordering::Relaxed);
        self.store.confirm(COMPANY);
        Ok(())
    }

    /// Where the log ended before the company's point: the stick lost changes that the company has. Then everything counts as not
    /// sent, for the replica is to be what the stick is. So it does where nobody can say what the company has.
    pub(crate) fn doubt_if_set_back(&self) -> Result<(), StoreError> {
        let ledger = match self.bundle.ledger() {
            Ok(ledger) => ledger,
            // A stick without a ledger was never replicated.
            Err(LedgerAccessError::None) => return Ok(()),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the ledger cannot be read: everything is sent to the company again"
                );
                self.is_to_forget.store(true, Ordering::Relaxed);
                self.doubt_all();
                return self.store.keep_doubts();
            }
        };
        let Some(noted) = ledger.replica else {
            return Ok(());
        };
        let recovery = self.store.recovery();
        let lost = recovery.lost_from.is_some() || recovery.unreadable_segments > 0;
        if lost || self.store.last_record().0 < noted.sequence {
            if (!ledger.replica_before.is_empty() || noted.segment_use.is_some())
                && let Err(error) = self.bundle.change_ledger(LedgerRecord::forget_before)
            {
                // No reason to keep somebody from their work: the next note forgets them, or the next opening until the log is as far as it was.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the ledger cannot be written"
                );
                self.is_to_forget.store(true, Ordering::Relaxed);
            }
            self.doubt_all();
            self.store.keep_doubts()?;
        }
        Ok(())
    }

    /// The stick.
    pub fn bundle(&self) -> BundleId {
        self.bundle.id()
    }

    /// Seals and opens what belongs to the replica.
    pub fn keys(&self) -> ReplicaKeys {
        ReplicaKeys::of_bundle(&self.bundle.unlocked.key)
    }

    /// A fresh name for a point.
    pub fn draw(&self) -> PointId {
        PointId::generate(&*self.bundle.ambient.random)
    }

    /// The stick's own key, by which IT knows its points.
    pub fn signing_key(&self) -> Result<SigningKey, LedgerAccessError> {
        Ok(self.bundle.ledger()?.signing_key())
    }

    /// The escrow file, by which IT can open the replica.
    pub fn escrow(&self) -> EscrowFile {
        let Some(number) = self.bundle.record().escrow else {
            return EscrowFile::None;
        };
        match read_escrow(&*self.bundle.medium, number) {
            Ok(Some(file)) if file.starts_with(AGE) => EscrowFile::Whole(file),
            Ok(_) | Err(_) => EscrowFile::Lost,
        }
    }

    /// The head of a point that shows `snapshot`, without escrow and index.
    pub fn head(&self, point: PointId, snapshot: &Snapshot) -> ReplicaHead {
        let record = self.bundle.record();
        let (sequence, tag) = snapshot.last_record();
        let volumes = record.volumes.iter().map(|volume| HeadVolume {
            id: volume.id,
            role: volume.role.clone(),
            size_bytes: volume.size_bytes,
        });
        let images = record.images.iter().map(|image| HeadImage {
            id: image.id,
            name: image.name.clone(),
            version: image.version,
        });
        ReplicaHead {
            format: ReplicaHead::format(),
            bundle: self.bundle.id(),
            user: record.user.clone(),
            point,
            complete: snapshot.is_complete(),
            copied: snapshot.is_complete(),
            moment: Moment {
                generation: self.bundle.unlocked.generation(),
                sequence,
                tag,
            },
            taken_s: (self.bundle.ambient.clock)(),
            volumes: volumes.collect(),
            images: images.collect(),
            log: record.log,
            escrow: None,
            layers: Vec::new(),
        }
    }

    fn volumes(&self) -> impl Iterator<Item = (VolumeId, u64)> + '_ {
        self.bundle
            .record()
            .volumes
            .iter()
            .map(|volume| (volume.id, volume.size_bytes))
    }
}
