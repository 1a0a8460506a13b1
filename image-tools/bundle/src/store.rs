//! The log store: volumes that can be written, on a medium that only ever sees large ordered writes.
//!
//! [`Store`] owns the log of a bundle. Writes are collected in memory ([`pending`]), sealed and appended in
//! batches ([`writer`]), found again through an index ([`state`]), recorded now and then ([`checkpoint`]),
//! replayed when a bundle is opened ([`recover`]) and copied forward when space is needed ([`clean`]).
//!
//! Locks, always taken in this order: `writer` (whoever appends), `pending` (writes not yet appended),
//! `state` (index and segment keys). A reader looks into `pending` first and the index second; the writer
//! changes the index first and drops the batch second; so a reader never misses an acknowledged write.

mod checkpoint;
mod clean;
mod dirty;
mod error;
mod index;
mod moment;
mod pending;
mod read;
mod record;
mod recover;
mod resume;
mod room;
mod snapshot;
mod state;
mod units;
mod verify;
mod volume;
mod volumes;
mod writer;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gobag_format::{
    checkpoint::Position,
    crypto::{Key, Random},
    header::LogGeometry,
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::{TrimEntry, TrimKind, UnitDecoder, UnitEncoder},
};

pub use error::StoreError;
pub use recover::Recovery;
pub use snapshot::{Snapshot, SnapshotContent, SnapshotError, SnapshotRun};
pub use volume::{Base, StoreVolume};

use crate::{medium::Medium, pool::Pool};
pub(crate) use moment::Judge;
use pending::Pending;
use read::{UnitCache, unit_cache};
use state::State;
use units::Units;
use writer::{Batch, Writer};

/// Log bytes between two checkpoints: what a crash makes the next opening replay at most.
const CHECKPOINT_EVERY: u64 = 256 << 20;

/// Seconds since 1970 UTC, asked whenever a record is written.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The keys of a log.
pub struct LogKeys {
    log: Key,
    checkpoint: Key,
}

impl LogKeys {
    /// The keys that belong to a bundle.
    pub fn of_bundle(bundle_key: &Key) -> Self {
        Self {
            log: bundle_key.derive("log", &[]),
            checkpoint: bundle_key.derive("checkpoint", &[]),
        }
    }
}

/// A volume whose changes are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogVolume {
    /// Its number.
    pub id: VolumeId,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Whether something lies below it, so that zeros must be remembered.
    pub has_base: bool,
}

/// How a store is opened.
pub struct StoreOptions {
    /// Shape of the log, from the header.
    pub geometry: LogGeometry,
    /// Volumes, from the header.
    pub volumes: Vec<LogVolume>,
    /// What happens to writes.
    pub mode: StoreMode,
    /// Take an intact earlier state when confirmed changes are gone.
    pub accept_earlier: bool,
    /// Bytes of decoded log units kept in memory.
    pub cache_bytes: u64,
}

/// What happens to writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// Writes are refused, nothing on the medium changes.
    ReadOnly,
    /// Writes are kept.
    Keep,
    /// Writes go to free segments under a key that only this process knows; nothing of them is kept.
    Throwaway,
}

/// The log of one bundle; see the module's documentation.
pub struct Store {
    log: Log,
    writer: Mutex<Writer>,
    pending: Mutex<Buffers>,
    work: Condvar,
    recovery: Recovery,
}

/// The parts that work without the buffer of pending writes.
struct Log {
    medium: Arc<dyn Medium>,
    random: Arc<dyn Random>,
    clock: Clock,
    geometry: LogGeometry,
    /// For what is written from now on.
    log_key: Key,
    /// For what was there before; differs in a throwaway session only.
    kept_key: Key,
    checkpoint_key: Key,
    state: RwLock<State>,
    cache: UnitCache,
    encoders: Pool<UnitEncoder>,
    decoders: Pool<UnitDecoder>,
    mode: StoreMode,
    /// Salts of the checkpoints found when opening, and of every use of a segment or area begun since, also of
    /// those that failed.
    known: Mutex<HashSet<[u8; 32]>>,
}

#[derive(Default)]
struct Buffers {
    active: Pending,
    /// The batch being appended; still the truth for its blocks until it is in the index.
    appending: Option<Arc<Pending>>,
    /// Counts appended batches: a block read for a partial write is stale when this has moved.
    batches: u64,
    stopping: bool,
    closed: bool,
}

/// Figures about a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StoreStatus {
    /// Bytes of changes that count.
    pub used_bytes: u64,
    /// Bytes of changes there is room for.
    pub quota_bytes: u64,
    /// Bytes acknowledged but not yet on the medium.
    pub pending_bytes: u64,
    /// Segments free at this moment.
    pub free_segments: u64,
    /// All segments.
    pub segments: u64,
}

impl Store {
    /// Opens the log if `judge` agrees to its last record; it is asked before anything is written.
    pub(crate) fn open_judged(
        medium: Arc<dyn Medium>,
        keys: LogKeys,
        random: Arc<dyn Random>,
        clock: Clock,
        options: StoreOptions,
        judge: Judge<'_>,
    ) -> Result<Self, StoreError> {
        let recovered = recover::recover(&*medium, &keys, &options)?;
        let last = recovered.writer.position;
        judge(last.seq, last.tag)?;
        let (mut writer, recovery) = (recovered.writer, recovered.report);
        let log_key = match options.mode {
            StoreMode::Throwaway => Key::generate(&*random),
            StoreMode::Keep | StoreMode::ReadOnly => keys.log.clone(),
        };
        let log = Log {
            medium,
            random,
            clock,
            geometry: options.geometry,
            log_key,
            kept_key: keys.log,
            checkpoint_key: keys.checkpoint,
            state: RwLock::new(recovered.state),
            cache: unit_cache(options.cache_bytes),
            encoders: Pool::default(),
            decoders: Pool::default(),
            mode: options.mode,
            known: Mutex::new(recovered.salts),
        };
        if options.mode == StoreMode::Keep && !recovery.clean {
            log.checkpoint(&mut writer)?;
        }
        Ok(Self {
            log,
            writer: Mutex::new(writer),
            pending: Mutex::default(),
            work: Condvar::new(),
            recovery,
        })
    }

    /// Writes the first checkpoints of an empty log; part of provisioning.
    pub fn format(
        medium: Arc<dyn Medium>,
        keys: LogKeys,
        random: Arc<dyn Random>,
        clock: Clock,
        geometry: LogGeometry,
    ) -> Result<(), StoreError> {
        let segments = usize::from(geometry.segments);
        let areas = vec![0; usize::from(geometry.checkpoints)];
        let mut writer = Writer::new(Position::default(), segments, areas);
        writer.free = (0..geometry.segments).collect();
        let state = State {
            volumes: Vec::new(),
            uses: (0..segments).map(|_| None).collect(),
            live: vec![0; segments],
            occupied: 0,
            dirty: Vec::new(),
            sent: Vec::new(),
            doubts: 0,
        };
        let log = Log {
            medium,
            random,
            clock,
            geometry,
            log_key: keys.log.clone(),
            kept_key: keys.log,
            checkpoint_key: keys.checkpoint,
            state: RwLock::new(state),
            cache: unit_cache(0),
            encoders: Pool::default(),
            decoders: Pool::default(),
            mode: StoreMode::Keep,
            known: Mutex::default(),
        };
        for _ in 0..geometry.checkpoints {
            log.checkpoint(&mut writer)?;
        }
        Ok(())
    }

    /// What happens to writes.
    pub fn mode(&self) -> StoreMode {
        self.log.mode
    }

    /// What opening found.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Figures for `status`.
    pub fn status(&self) -> StoreStatus {
        let free = lock(&self.writer).free.len();
        let pending = {
            let buffers = lock(&self.pending);
            buffers.active.bytes() + buffers.appending.as_ref().map_or(0, |batch| batch.bytes())
        };
        StoreStatus {
            used_bytes: self.log.read_state().occupied * BLOCK_LEN as u64,
            quota_bytes: self.log.geometry.quota_blocks * BLOCK_LEN as u64,
            pending_bytes: pending as u64,
            free_segments: free as u64,
            segments: self.log.geometry.segments.into(),
        }
    }

    /// Returns once every write acknowledged before this call is on the medium. Callers that wait for each
    /// other share one append.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        self.append_pending(&mut writer)
    }

    /// Lets a volume read as its base again, or as zeros where it has none; durable when this returns.
    pub fn reset(&self, volume: VolumeId) -> Result<(), StoreError> {
        self.writable()?;
        let mut writer = lock(&self.writer);
        self.append_pending(&mut writer)?;
        let blocks = self
            .log
            .read_state()
            .volume(volume)
            .map_or(0, index::VolumeIndex::blocks);
        let trim = TrimEntry {
            volume,
            kind: TrimKind::Base,
            first_block: 0,
            blocks,
        };
        let batch = Batch {
            units: Units::Blocks(Vec::new()),
            trims: vec![trim],
            relocation: false,
        };
        self.log.make_room(&mut writer, &batch)?;
        self.log.append(&mut writer, batch)?;
        self.checkpoint_when_due(&mut writer);
        Ok(())
    }

    /// Flushes and records that everything is in order; afterwards the store refuses writes.
    /// On an error it stays open: nothing acknowledged is lost, and the call can be made again.
    pub fn close(&self) -> Result<(), StoreError> {
        self.stop_background();
        if self.log.mode != StoreMode::Keep {
            return Ok(());
        }
        let mut writer = lock(&self.writer);
        lock(&self.pending).closed = true;
        let closed = self.close_log(&mut writer);
        lock(&self.pending).closed = closed.is_ok();
        closed
    }

    fn close_log(&self, writer: &mut Writer) -> Result<(), StoreError> {
        self.append_pending(writer)?;
        let untouched = writer.must_roll && writer.bytes_since_checkpoint == 0 && writer.bytes_confirmed == 0;
        writer.must_roll = true;
        if untouched {
            Ok(())
        } else {
            self.log.checkpoint(writer)
        }
    }

    fn writable(&self) -> Result<(), StoreError> {
        if self.log.mode == StoreMode::ReadOnly || lock(&self.pending).closed {
            return Err(StoreError::ReadOnly);
        }
        Ok(())
    }

    /// Appends pending writes before they grow large or old; runs on a thread of its own until
    /// [`Store::close`]. `every` is the longest a write stays in memory only.
    pub fn background(&self, every: std::time::Duration) {
        let mut buffers = lock(&self.pending);
        while !buffers.stopping {
            let (guard, timeout) = self
                .work
                .wait_timeout(buffers, every)
                .unwrap_or_else(PoisonError::into_inner);
            buffers = guard;
            let due = timeout.timed_out() || buffers.active.bytes() >= self.log.pending_soon();
            if due && !buffers.active.is_empty() && !buffers.stopping {
                drop(buffers);
                if let Err(error) = self.flush() {
                    // Nothing is lost: the batch stays in memory, and the guest's next flush reports it.
                    tracing::debug!(%error, "background append failed");
                }
                buffers = lock(&self.pending);
            }
        }
    }

    /// Ends [`Store::background`].
    pub fn stop_background(&self) {
        lock(&self.pending).stopping = true;
        self.work.notify_all();
    }

    /// Appends what is pending when the call begins, and first a batch that failed before.
    fn append_pending(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let failed_before = lock(&self.pending).appending.is_some();
        for _ in 0..=usize::from(failed_before) {
            let Some(pending) = self.next_batch() else { break };
            let batch = Batch {
                units: Units::Blocks(pending.runs()),
                trims: pending.trims().collect(),
                relocation: false,
            };
            self.log.make_room(writer, &batch)?;
            self.log.append(writer, batch)?;
            let mut buffers = lock(&self.pending);
            buffers.appending = None;
            buffers.batches += 1;
        }
        self.checkpoint_when_due(writer);
        Ok(())
    }

    fn checkpoint_when_due(&self, writer: &mut Writer) {
        let geometry = &self.log.geometry;
        let every = CHECKPOINT_EVERY.min(u64::from(geometry.segments) * u64::from(geometry.segment_len) / 4);
        let due = writer.bytes_since_checkpoint >= every || writer.bytes_confirmed >= CHECKPOINT_EVERY;
        if self.log.mode == StoreMode::Keep && due {
            // The writes are durable; a checkpoint that fails is tried again after the next batch.
            if let Err(error) = self.log.checkpoint(writer) {
                tracing::warn!(%error, "checkpoint failed");
            }
        }
    }

    /// The batch to append next: one that failed, else everything pending.
    fn next_batch(&self) -> Option<Arc<Pending>> {
        let mut buffers = lock(&self.pending);
        if let Some(failed) = &buffers.appending {
            return Some(Arc::clone(failed));
        }
        if buffers.active.is_empty() {
            return None;
        }
        let batch = Arc::new(std::mem::take(&mut buffers.active));
        buffers.appending = Some(Arc::clone(&batch));
        Some(batch)
    }
}

impl Log {
    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
