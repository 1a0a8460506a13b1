//! Working with a bundle: its image's volumes, served from base and log, until it is closed.

use std::{path::Path, sync::Arc, thread, time::Duration};

use gobag_format::{
    header::{ImageRecord, VolumeRole},
    ids::VolumeId,
    manifest::{Manifest, Trust, VolumeKind},
};
use thiserror::Error;

use crate::{
    Bundle, ReplicaSource, Volume, VolumeError,
    base::{BaseError, BaseImage, BaseOptions, BaseVolume},
    headers::{Headers, UnlockError},
    medium::StickMedium,
    memory::{Refused, Watched, Witness},
    store::{
        Base, Judge, LogKeys, LogVolume, Recovery, Store, StoreError, StoreMode, StoreOptions, StoreStatus,
        StoreVolume,
    },
};

/// Memory for an image of which only the manifest is wanted.
const LITTLE: u64 = 1 << 20;
/// The longest an acknowledged write without a flush stays in memory only.
const APPEND_EVERY: Duration = Duration::from_secs(2);

/// How a session is opened.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Image to work with; the first on the stick when none is named.
    pub image: Option<String>,
    /// What happens to writes.
    pub mode: StoreMode,
    /// Go on from an intact earlier state when confirmed changes are gone.
    pub accept_earlier: bool,
    /// Memory for decoded data, bytes; half for the base, half for changes.
    pub cache_bytes: u64,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            image: None,
            mode: StoreMode::Keep,
            accept_earlier: false,
            cache_bytes: 96 << 20,
        }
    }
}

/// Why a session could not be opened, or not be continued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The stick has no such image.
    #[error("the stick has no image named `{name}`")]
    NoSuchImage {
        /// The name asked for.
        name: String,
    },
    /// The stick has no image at all.
    #[error("the stick has no image")]
    NoImage,
    /// The image does not open.
    #[error("image `{name}` does not open")]
    Image {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: BaseError,
    },
    /// The log does not open.
    #[error("the saved changes do not open")]
    Store(#[source] StoreError),
    /// The stick is in another state than a witness outside of it remembers.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The header cannot be read again.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The stick cannot be reached.
    #[error("cannot open the stick at {stick}")]
    Medium {
        /// Where it was looked for.
        stick: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl SessionError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchImage { .. } => "session.no-such-image",
            Self::NoImage => "session.no-image",
            Self::Image { source, .. } => source.code(),
            Self::Store(error) => error.code(),
            Self::Refused(refused) => refused.code(),
            Self::Unlock(error) => error.code(),
            Self::Medium { .. } => "session.medium",
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refused) => Self::Refused(refused),
            other => Self::Store(other),
        }
    }
}

/// What a volume of a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumePurpose {
    /// The disk with the operating system: base and the user's changes.
    System,
    /// The user's own data.
    Home,
    /// A file for the launcher, such as a kernel; read-only.
    Blob,
}

/// A volume of a session.
pub struct SessionVolume {
    /// Name: the image's for its volumes, `home` for the user's.
    pub name: String,
    /// What it is for.
    pub purpose: VolumePurpose,
    /// The volume.
    pub volume: Arc<dyn Volume>,
}

/// An image at work. Dropping it without [`Session::close`] loses nothing that was flushed.
pub struct Session {
    bundle: Arc<Bundle>,
    image: BaseImage,
    store: Arc<Store>,
    volumes: Vec<SessionVolume>,
    system: Option<VolumeId>,
    background: Option<thread::JoinHandle<()>>,
    watched: Watched,
    replica: Option<ReplicaSource>,
}

impl Session {
    /// Opens an image of `bundle`.
    pub fn open(bundle: Arc<Bundle>, options: &SessionOptions) -> Result<Self, SessionError> {
        Self::open_before(bundle, options, None)
    }

    /// Opens an image of `bundle`, if it shows what the witness remembers, who is then told what happens.
    pub fn open_before(
        bundle: Arc<Bundle>,
        options: &SessionOptions,
        witness: Option<Arc<Witness>>,
    ) -> Result<Self, SessionError> {
        let record = choose(&bundle, options.image.as_deref())?;
        let image = open_image(&bundle, record, options.cache_bytes / 2)?;
        let mode = if bundle.writable {
            options.mode
        } else {
            StoreMode::ReadOnly
        };
        let watched = Watched::new(&bundle, mode, witness);
        let judge = |sequence, tag| watched.judge(&bundle, (sequence, tag), options.accept_earlier);
        let store = Arc::new(open_store_judged(&bundle, mode, options, &judge)?);
        let source = || ReplicaSource::new(Arc::clone(&bundle), Arc::clone(&store));
        let replica = (mode == StoreMode::Keep).then(source);
        if let Some(replica) = &replica {
            replica.doubt_if_set_back()?;
        }
        watched.remember(store.last_record());
        let (volumes, system) = volumes(&bundle, record, &image, &store)?;
        let background = (mode != StoreMode::ReadOnly).then(|| {
            let store = Arc::clone(&store);
            let thread = thread::Builder::new().name("gobag-append".to_owned());
            // Without the thread writes still reach the stick with each flush and when memory is full.
            thread.spawn(move || store.background(APPEND_EVERY)).ok()
        });
        Ok(Self {
            bundle,
            image,
            store,
            volumes,
            system,
            background: background.flatten(),
            watched,
            replica,
        })
    }

    /// The bundle it is open on.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The image's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.image.manifest()
    }

    /// Its volumes.
    pub fn volumes(&self) -> &[SessionVolume] {
        &self.volumes
    }

    /// What opening the log found.
    pub fn recovery(&self) -> Recovery {
        self.store.recovery()
    }

    /// Figures of the log.
    pub fn status(&self) -> StoreStatus {
        self.store.status()
    }

    /// What sends the volumes to the company; none where writes are not kept.
    pub fn replica(&self) -> Option<ReplicaSource> {
        self.replica.clone()
    }

    /// Gives the system volume back its base; `home` stays.
    pub fn reset_system(&self) -> Result<(), SessionError> {
        match self.system {
            Some(system) => Ok(self.store.reset(system)?),
            None => Ok(()),
        }
    }

    /// Goes on after the stick was gone and came back at `stick`. Refuses another bundle, and the same one
    /// in another state, or with a later header: what this session knows of it would undo a new passphrase. What was acknowledged meanwhile is still in
    /// memory and is written with the next flush.
    pub fn reattach(&self, stick: &Path) -> Result<(), SessionError> {
        let headers = Headers::read(&StickMedium::peek(stick))?;
        let found = headers.bundle().map_err(UnlockError::Header)?;
        if found != self.bundle.id() || headers.are_later(&self.bundle.unlocked) {
            return Err(StoreError::OtherState.into());
        }
        self.store.distrust();
        let failed = |source| SessionError::Medium {
            stick: stick.display().to_string(),
            source,
        };
        self.bundle.medium.reattach(stick).map_err(failed)?;
        Ok(self.store.resume()?)
    }

    /// Tells the witness how far the log is; to be called about once a minute.
    pub fn remember(&self) {
        self.watched.tick(self.store.last_record());
    }

    /// Writes everything down. On an error nothing is lost yet: re-attach the stick and call again.
    pub fn close(&mut self) -> Result<(), SessionError> {
        self.store.close()?;
        if let Some(thread) = self.background.take() {
            // A panic there has been printed; the log itself is closed in order.
            let _ = thread.join();
        }
        self.watched.remember(self.store.last_record());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.store.stop_background();
        if let Some(thread) = self.background.take() {
            // It holds the store, and with it the stick's lock: who opens the stick next must not find it busy.
            let _ = thread.join();
        }
    }
}

impl Bundle {
    /// The manifest of an image, the first on the stick when none is named, without opening anything else.
    pub fn manifest(&self, image: Option<&str>) -> Result<Manifest, SessionError> {
        let image = open_image(self, choose(self, image)?, LITTLE)?;
        Ok(image.manifest().clone())
    }
}

fn choose<'a>(bundle: &'a Bundle, name: Option<&str>) -> Result<&'a ImageRecord, SessionError> {
    let images = &bundle.record().images;
    match name {
        None => images.first().ok_or(SessionError::NoImage),
        Some(name) => {
            images
                .iter()
                .find(|image| image.name == name)
                .ok_or_else(|| SessionError::NoSuchImage {
                    name: name.to_owned(),
                })
        }
    }
}

impl Bundle {
    /// The policy of the image that the stick starts with; null where it states none.
    pub fn first_policy(&self) -> Result<serde_json::Value, SessionError> {
        let Some(record) = self.record().images.first() else {
            return Ok(serde_json::Value::Null);
        };
        open_image(self, record, 0).map(|image| image.manifest().policy.clone())
    }
}

/// Opens and verifies an image of the bundle.
pub(crate) fn open_image(
    bundle: &Bundle,
    record: &ImageRecord,
    cache_bytes: u64,
) -> Result<BaseImage, SessionError> {
    let trust = Trust {
        image: record.id,
        publisher: bundle.record().publisher,
        min_version: record.version,
        digest: Some(record.manifest),
    };
    let options = BaseOptions {
        cache_bytes,
        ..BaseOptions::default()
    };
    BaseImage::open(bundle.medium(), &record.image_key, &trust, &options).map_err(|source| {
        SessionError::Image {
            name: record.name.clone(),
            source,
        }
    })
}

/// Opens the bundle's log.
pub(crate) fn open_store(
    bundle: &Bundle,
    mode: StoreMode,
    options: &SessionOptions,
) -> Result<Store, StoreError> {
    open_store_judged(bundle, mode, options, &|_, _| Ok(()))
}

fn open_store_judged(
    bundle: &Bundle,
    mode: StoreMode,
    options: &SessionOptions,
    judge: Judge<'_>,
) -> Result<Store, StoreError> {
    let record = bundle.record();
    let volumes = record.volumes.iter().map(|volume| LogVolume {
        id: volume.id,
        size_bytes: volume.size_bytes,
        has_base: matches!(volume.role, VolumeRole::System { .. }),
    });
    let options = StoreOptions {
        geometry: record.log,
        volumes: volumes.collect(),
        mode,
        accept_earlier: options.accept_earlier,
        cache_bytes: options.cache_bytes / 2,
    };
    let keys = LogKeys::of_bundle(&bundle.unlocked.key);
    let (random, clock) = (
        Arc::clone(&bundle.ambient.random),
        Arc::clone(&bundle.ambient.clock),
    );
    Store::open_judged(bundle.medium(), keys, random, clock, options, judge)
}

type Volumes = (Vec<SessionVolume>, Option<VolumeId>);

fn volumes(
    bundle: &Bundle,
    record: &ImageRecord,
    image: &BaseImage,
    store: &Arc<Store>,
) -> Result<Volumes, SessionError> {
    let open = |number| {
        image.volume(number).map_err(|source| SessionError::Image {
            name: record.name.clone(),
            source,
        })
    };
    let mut volumes = Vec::new();
    let mut system = None;
    for volume in &bundle.record().volumes {
        let (name, purpose, base) = match volume.role {
            VolumeRole::Home => ("home".to_owned(), VolumePurpose::Home, None),
            VolumeRole::System {
                image: of,
                volume: number,
            } if of == record.id => {
                system = Some(volume.id);
                let base: Arc<dyn Base> = Arc::new(open(number)?);
                let entry = image.manifest().volumes.get(usize::from(number));
                let name = entry.map_or_else(|| "system".to_owned(), |entry| entry.name.clone());
                (name, VolumePurpose::System, Some(base))
            }
            VolumeRole::System { .. } => continue,
        };
        let volume = Arc::new(StoreVolume::new(Arc::clone(store), volume.id, base));
        volumes.push(SessionVolume {
            name,
            purpose,
            volume,
        });
    }
    for (number, entry) in image.manifest().volumes.iter().enumerate() {
        if entry.kind == VolumeKind::Blob {
            let volume = Arc::new(Blob(open(number as u8)?));
            volumes.push(SessionVolume {
                name: entry.name.clone(),
                purpose: VolumePurpose::Blob,
                volume,
            });
        }
    }
    Ok((volumes, system))
}

impl Base for BaseVolume {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        // The log works in whole blocks, so the last one may reach past the base's end.
        let inside = self.size_bytes().saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (inside, past) = buffer.split_at_mut(inside);
        past.fill(0);
        BaseVolume::read_at(self, offset, inside)
    }
}

/// A base volume served by itself.
struct Blob(BaseVolume);

impl Volume for Blob {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, _offset: u64, _len: u64) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }
}
