//! What of a session goes to the company: its volumes, as a replica is sent them.

use std::sync::Arc;

use gobag_format::{
    ids::{BundleId, PointId, VolumeId},
    ledger::NotedPoint,
    limits::BLOCK_LEN,
    memory::Moment,
    replica::{HeadImage, HeadVolume, ReplicaHead, ReplicaKeys},
};

use crate::{
    Bundle, UnlockError,
    headers::read_escrow,
    ledger::LedgerAccessError,
    store::{Snapshot, Store, StoreError},
};

/// The company's number among replicas.
const COMPANY: u8 = 0;

/// The sending side of a stick's replica; lives as long as its session's store.
#[derive(Clone)]
pub struct ReplicaSource {
    bundle: Arc<Bundle>,
    store: Arc<Store>,
}

impl ReplicaSource {
    pub(crate) fn new(bundle: Arc<Bundle>, store: Arc<Store>) -> Self {
        Self { bundle, store }
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

    /// Counts blocks as not sent.
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

    /// Everything that was sent is kept by the company at `point`: notes the point, then counts it as received.
    pub fn confirm(&self, point: NotedPoint) -> Result<(), LedgerAccessError> {
        self.bundle.change_ledger(|ledger| ledger.replica = Some(point))?;
        self.store.confirm(COMPANY);
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

    /// The escrow file, by which IT can open the replica.
    pub fn escrow(&self) -> Result<Option<Vec<u8>>, UnlockError> {
        match self.bundle.record().escrow {
            Some(number) => read_escrow(&*self.bundle.medium, number),
            None => Ok(None),
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
                generation: self.bundle.unlocked.generation,
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
