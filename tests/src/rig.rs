//! A store on a simulated stick, with two small volumes: one over a base, one without.

use std::sync::Arc;

use gobag_bundle::{
    Volume as _, VolumeError,
    medium::FileRef,
    store::{Base, Clock, LogKeys, LogVolume, Store, StoreError, StoreMode, StoreOptions, StoreVolume},
};
use gobag_format::{crypto::Key, header::LogGeometry, ids::VolumeId, limits::BLOCK_LEN};

use crate::{
    model::{Model, Op, Seen},
    rng::{FixedRandom, Rng, hash},
    sim::SimMedium,
};

/// Everything that stays the same while a stick lives.
#[derive(Clone)]
pub struct Rig {
    /// Shape of the log.
    pub geometry: LogGeometry,
    /// Volumes.
    pub volumes: Vec<LogVolume>,
    base: Arc<PatternBase>,
    key: Key,
    random: Arc<FixedRandom>,
}

/// An open store with its volumes.
pub struct Session {
    /// The store.
    pub store: Arc<Store>,
    /// Its volumes, in the rig's order.
    pub volumes: Vec<StoreVolume>,
}

/// A base with a known pattern that ends before the volume does.
struct PatternBase(Vec<u8>);

impl PatternBase {
    fn below(volume: &LogVolume) -> Self {
        let mut bytes = vec![0; volume.size_bytes as usize / 4 * 3];
        Rng::new(volume.size_bytes).fill(&mut bytes);
        Self(bytes)
    }
}

impl Base for PatternBase {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let below = self.0.get(offset as usize..).unwrap_or_default();
        let len = below.len().min(buffer.len());
        buffer[..len].copy_from_slice(&below[..len]);
        buffer[len..].fill(0);
        Ok(())
    }
}

/// A geometry for tests: `segments` of `segment_kib`, areas of `checkpoint_kib`, room for `quota_blocks`.
pub fn geometry(segments: u16, segment_kib: u32, checkpoint_kib: u64, quota_blocks: u64) -> LogGeometry {
    LogGeometry {
        segments,
        segment_len: segment_kib << 10,
        checkpoints: 3,
        checkpoint_len: checkpoint_kib << 10,
        quota_blocks,
    }
}

impl Rig {
    /// A formatted stick: volume 0 of `over_base` bytes lies over a base, volume 1 of `bare` bytes over nothing.
    pub fn new(seed: u64, geometry: LogGeometry, over_base: u64, bare: u64) -> (Self, Arc<SimMedium>) {
        let mut rng = Rng::new(seed);
        let segments = (0..geometry.segments).map(|n| (FileRef::Segment(n), u64::from(geometry.segment_len)));
        let areas = (0..geometry.checkpoints).map(|n| (FileRef::Checkpoint(n), geometry.checkpoint_len));
        let files: Vec<_> = segments.chain(areas).collect();
        let medium = Arc::new(SimMedium::new(&files, rng.next()));
        let volume = |id, size_bytes, has_base| LogVolume {
            id: VolumeId(id),
            size_bytes,
            has_base,
        };
        let mut key = [0; 32];
        rng.fill(&mut key);
        let volumes = vec![volume(1, over_base, true), volume(2, bare, false)];
        let rig = Self {
            geometry,
            base: Arc::new(PatternBase::below(&volumes[0])),
            volumes,
            key: Key::from_bytes(key),
            random: Arc::new(FixedRandom::new(rng.next())),
        };
        let keys = LogKeys::of_bundle(&rig.key);
        Store::format(medium.clone(), keys, rig.random.clone(), clock(), geometry)
            .unwrap_or_else(|error| panic!("format: {error}"));
        medium.next_session();
        (rig, medium)
    }

    /// A model of the volumes as they are before the first write.
    pub fn model(&self) -> Model {
        let pristine = |volume: &LogVolume| {
            let mut content = vec![0; volume.size_bytes as usize];
            if volume.has_base {
                self.base
                    .read_at(0, &mut content)
                    .unwrap_or_else(|error| panic!("{error}"));
            }
            content
        };
        Model::new(self.volumes.iter().map(pristine).collect(), self.span())
    }

    /// Longest stretch of a write that is acknowledged as one: a quarter of a segment, at most 1 MiB.
    fn span(&self) -> usize {
        (self.geometry.segment_len as usize / 4).min(1 << 20)
    }

    /// Opens the store on `medium`.
    pub fn open(
        &self,
        medium: &Arc<SimMedium>,
        mode: StoreMode,
        accept_earlier: bool,
    ) -> Result<Session, StoreError> {
        let options = StoreOptions {
            geometry: self.geometry,
            volumes: self.volumes.clone(),
            mode,
            accept_earlier,
            cache_bytes: 64 << 10,
        };
        let keys = LogKeys::of_bundle(&self.key);
        let store = Arc::new(Store::open(
            medium.clone(),
            keys,
            self.random.clone(),
            clock(),
            options,
        )?);
        let volume = |volume: &LogVolume| {
            let base: Option<Arc<dyn Base>> = match volume.has_base {
                true => Some(self.base.clone()),
                false => None,
            };
            StoreVolume::new(store.clone(), volume.id, base)
        };
        let volumes = self.volumes.iter().map(volume).collect();
        Ok(Session { store, volumes })
    }

    /// Opens the store for keeps on an honest medium, where nothing can be wrong.
    pub fn open_sound(&self, medium: &Arc<SimMedium>) -> Session {
        self.open(medium, StoreMode::Keep, false)
            .unwrap_or_else(|error| panic!("open: {error}: {}", source(&error)))
    }
}

/// The cause of an error, for panic messages.
pub fn source(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

fn clock() -> Clock {
    Arc::new(|| 1_700_000_000)
}

impl Session {
    /// Carries out `op`.
    pub fn run(&self, op: &Op) -> Result<(), VolumeError> {
        match op {
            Op::Write { volume, offset, data } => self.volumes[*volume].write_at(*offset, data),
            Op::Trim { volume, offset, len } => self.volumes[*volume].trim(*offset, *len),
            Op::Reset { volume } => Ok(self.store.reset(VolumeId(*volume as u8 + 1))?),
            Op::Flush => self.volumes[0].flush(),
        }
    }

    /// Reads everything. Damage leaves a block without a hash; any other error panics.
    pub fn look(&self) -> Vec<Seen> {
        self.volumes.iter().map(look).collect()
    }
}

fn look(volume: &StoreVolume) -> Seen {
    let mut content = vec![0; volume.size_bytes() as usize];
    if volume.read_at(0, &mut content).is_ok() {
        let hashes = content.chunks(BLOCK_LEN).map(|block| Some(hash(block))).collect();
        return Seen { content, hashes };
    }
    let mut hashes = Vec::new();
    for (nth, block) in content.chunks_mut(BLOCK_LEN).enumerate() {
        match volume.read_at((nth * BLOCK_LEN) as u64, block) {
            Ok(()) => hashes.push(Some(hash(block))),
            Err(error) => {
                assert!(is_damage(&error), "reading block {nth}: {error}");
                block.fill(0);
                hashes.push(None);
            }
        }
    }
    Seen { content, hashes }
}

/// Whether an error speaks of damaged or missing bytes rather than of a medium that is gone.
pub fn is_damage(error: &VolumeError) -> bool {
    use std::io::ErrorKind::{NotFound, UnexpectedEof};
    match error {
        VolumeError::Damaged { .. } => true,
        VolumeError::Medium(cause) => matches!(cause.kind(), NotFound | UnexpectedEof),
        _ => false,
    }
}
