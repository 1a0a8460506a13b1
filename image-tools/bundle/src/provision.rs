//! Making the personal part of a stick: header, ledger, escrow file, empty log, first content of `home`.
//!
//! Every file is written end to end once, with random bytes where nothing is yet, so that in daily use none
//! has to grow, and use does not show. Order: the header comes last; a stick without a header is no bundle,
//! so an interrupted run leaves nothing that could be mistaken for one.

use std::{
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gobag_format::{
    Monitor,
    chunk::is_zero,
    crypto::Key,
    escrow::EscrowError,
    header::{HeaderError, HeaderRecord, ImageRecord, LogGeometry, VolumeRecord, VolumeRole},
    ids::{BundleId, ImageId, OrgId, VolumeId},
    keyslot::{KdfCost, KeySlotError},
    ledger::StickKeys,
    limits::{BLOCK_LEN, HEADER_FILE_LEN, LEDGER_FILE_LEN},
    sign::VerifyingKey,
};
use thiserror::Error;

use crate::{
    Ambient, Bundle, OpenError, Volume, VolumeError,
    bundle::escrow_file,
    files::{self, FileError},
    headers::{ReplaceError, UnlockError, Unlocked, passphrase_slots, replace_all, unchanged},
    ledger::{self, LedgerAccessError},
    medium::{BUNDLE_FOLDER, FileRef, Medium, StickMedium},
    store::{LogKeys, LogVolume, Store, StoreError, StoreMode, StoreOptions, StoreVolume},
};

/// Size of the pieces in which files are pre-written and copied.
const PIECE: usize = 4 << 20;
const HOME: VolumeId = VolumeId(0);
/// Fewer bytes say nothing about a stick's speed.
const LEAST_MEASURED: u64 = 256 << 20;

/// What a personal stick is made from.
pub struct Provision<'a> {
    /// The organisation.
    pub org: OrgId,
    /// Its name, for people.
    pub org_name: String,
    /// Key its manifests are signed with.
    pub publisher: VerifyingKey,
    /// Whom the stick is for.
    pub user: String,
    /// Images, already copied to the stick.
    pub images: Vec<ProvisionImage>,
    /// Size of the `home` volume, bytes.
    pub home_bytes: u64,
    /// Room for changes to system volumes, bytes.
    pub system_space_bytes: u64,
    /// First content of `home`: a raw image of at most its size.
    pub initial_home: Option<PathBuf>,
    /// The user's first passphrase.
    pub passphrase: &'a [u8],
    /// What a guess of it shall cost.
    pub cost: KdfCost,
    /// Bytes of a log segment: [`SEGMENT_LEN`](gobag_format::limits::SEGMENT_LEN) on sticks; tests have smaller ones.
    pub segment_len: u32,
    /// Who can open the stick besides the user.
    pub escrow: Vec<&'a dyn age::Recipient>,
}

/// An image a stick is made with.
pub struct ProvisionImage {
    /// The header's record of it.
    pub record: ImageRecord,
    /// Number and size of the volume the user works on.
    pub system: Option<(u8, u64)>,
}

/// What was made.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Provisioned {
    /// Id of the new bundle.
    pub bundle: BundleId,
    /// What is known of the stick's own keys.
    pub keys: StickKeys,
    /// Bytes of header, ledger, log and checkpoints.
    pub personal_bytes: u64,
}

/// Why a personal part could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// The folder holds a bundle already.
    #[error("{stick} already holds a bundle")]
    AlreadyABundle {
        /// The stick.
        stick: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The first content of `home` cannot be used.
    #[error("cannot use {} as first content of home", path.display())]
    InitialHome {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The first content of `home` is larger than `home`.
    #[error("{} has {len} bytes, more than home's {home_bytes}", path.display())]
    InitialHomeTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        len: u64,
        /// The size of home.
        home_bytes: u64,
    },
    /// The passphrase cannot be used.
    #[error(transparent)]
    KeySlot(#[from] KeySlotError),
    /// The escrow file cannot be made.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// The log cannot be made.
    #[error("cannot make the log")]
    Store(#[from] StoreError),
    /// The first content of `home` cannot be written.
    #[error("cannot fill the home volume")]
    Home(#[from] VolumeError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerAccessError),
    /// The header cannot be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The person asked to stop.
    #[error("stopped; the stick is unfinished")]
    Cancelled,
}

impl ProvisionError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyABundle { .. } => "provision.already-a-bundle",
            Self::File(error) => error.code(),
            Self::InitialHome { .. } => "provision.initial-home",
            Self::InitialHomeTooLarge { .. } => "provision.initial-home-too-large",
            Self::KeySlot(error) => error.code(),
            Self::Escrow(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Home(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Replace(error) => error.code(),
            Self::Cancelled => "provision.cancelled",
        }
    }
}

impl Provision<'_> {
    fn volumes(&self) -> Vec<VolumeRecord> {
        let systems = self.images.iter().zip(1u8..).filter_map(|(image, number)| {
            let (volume, size_bytes) = image.system?;
            let role = VolumeRole::System {
                image: image.record.id,
                volume,
            };
            Some(volume_record(VolumeId(number), role, size_bytes))
        });
        let home = (self.home_bytes > 0).then(|| volume_record(HOME, VolumeRole::Home, self.home_bytes));
        home.into_iter().chain(systems).collect()
    }

    fn geometry(&self) -> LogGeometry {
        let blocks = |bytes: u64| bytes.div_ceil(BLOCK_LEN as u64);
        // The areas keep their length for good, and an update may bring a larger system.
        let in_time = |volume: &VolumeRecord| match volume.role {
            VolumeRole::Home => volume.size_bytes,
            VolumeRole::System { .. } => volume.size_bytes / 2 * 3,
        };
        let volume_blocks = self.volumes().iter().map(|volume| blocks(in_time(volume))).sum();
        LogGeometry::plan(
            blocks(self.home_bytes + self.system_space_bytes),
            volume_blocks,
            self.segment_len,
        )
    }

    /// Bytes the personal part takes on the stick; known before anything is written.
    pub fn personal_bytes(&self) -> u64 {
        files_of(&self.geometry()).iter().map(|(_, len)| len).sum()
    }
}

/// Whether somebody's work may be on the stick, also if this program cannot open it: a damaged bundle may still be rescued,
/// and one of a later version is in good order. Only what an interrupted run left is nobody's: the first header
/// file, which is written last, is not there, and no copy of the header is in the second.
pub fn is_taken(stick: &Path) -> bool {
    let first = stick.join(BUNDLE_FOLDER).join(FileRef::Header(0).path());
    match Bundle::identify(stick) {
        Ok(_) => true,
        Err(OpenError::NotFound { .. }) => false,
        Err(OpenError::Unlock(UnlockError::Header(HeaderError::Damaged | HeaderError::NotAHeader))) => {
            // What cannot be looked at counts as there.
            first.try_exists().unwrap_or(true)
        }
        Err(_) => true,
    }
}

/// Makes the personal part of the stick mounted at `stick`. `replace` allows a bundle that is there to be
/// overwritten, with everything its user saved.
pub fn provision(
    stick: &Path,
    spec: &Provision<'_>,
    replace: bool,
    ambient: &Ambient,
    monitor: &dyn Monitor,
) -> Result<Provisioned, ProvisionError> {
    if !replace && is_taken(stick) {
        return Err(ProvisionError::AlreadyABundle {
            stick: stick.display().to_string(),
        });
    }
    let folder = stick.join(BUNDLE_FOLDER);
    let header = folder.join(FileRef::Header(0).path());
    if header.exists() {
        files::delete(&header)?;
    }
    let geometry = spec.geometry();
    let (bundle, key) = (
        BundleId::generate(&*ambient.random),
        Key::generate(&*ambient.random),
    );
    let mut files = files_of(&geometry);
    // The first header file is written last of all: it is what makes a bundle of the folder.
    let first_header = files.remove(0);
    monitor.phase("preparing personal space", Some(spec.personal_bytes()));
    let (began, mut written) = (Instant::now(), 0);
    for (file, len) in &files {
        prewrite(&folder.join(file.path()), *len, ambient, monitor)?;
        written += len;
    }
    let speed = bytes_per_s(written, began.elapsed());
    let escrow = (!spec.escrow.is_empty()).then_some(0);
    if let Some(number) = escrow {
        let path = folder.join(FileRef::Escrow(number).path());
        files::make_folder(path.parent().unwrap_or(&folder))?;
        files::replace(&path, &escrow_file(bundle, &key, &spec.escrow)?)?;
    }
    fill_log(&folder, spec, geometry, &key, ambient, monitor)?;
    let medium = StickMedium::unfinished(&folder);
    let record = ledger::begin(&medium, bundle, &key, speed, &*ambient.random)?;
    let header = HeaderRecord {
        org: spec.org,
        org_name: spec.org_name.clone(),
        publisher: spec.publisher,
        user: spec.user.clone(),
        created_s: (ambient.clock)(),
        images: spec.images.iter().map(|image| image.record.clone()).collect(),
        volumes: spec.volumes(),
        log: geometry,
        escrow,
        later: serde_json::Map::new(),
    };
    let key_slots = passphrase_slots(bundle, &key, spec.passphrase, spec.cost, &ambient.random)?;
    let unlocked = Unlocked::first(bundle, key, header, key_slots);
    prewrite(
        &folder.join(first_header.0.path()),
        first_header.1,
        ambient,
        monitor,
    )?;
    replace_all(&medium, &unlocked, &ambient.random, unchanged)?;
    Ok(Provisioned {
        bundle,
        keys: record.public_keys(),
        personal_bytes: spec.personal_bytes(),
    })
}

/// A speed, where enough was written for one: a stick's own memory takes the first bytes fast.
fn bytes_per_s(bytes: u64, time: Duration) -> Option<u64> {
    let millis = u64::try_from(time.as_millis())
        .ok()
        .filter(|millis| *millis > 0)?;
    (bytes >= LEAST_MEASURED).then(|| bytes.saturating_mul(1000) / millis)
}

/// Files of the personal part and their sizes; the first header file first.
fn files_of(geometry: &LogGeometry) -> Vec<(FileRef, u64)> {
    let headers = (0..2).map(|number| (FileRef::Header(number), HEADER_FILE_LEN));
    let segments =
        (0..geometry.segments).map(|number| (FileRef::Segment(number), geometry.segment_len.into()));
    let areas =
        (0..geometry.checkpoints).map(|number| (FileRef::Checkpoint(number), geometry.checkpoint_len));
    let ledger = ledger::files().map(|file| (file, LEDGER_FILE_LEN));
    headers.chain(ledger).chain(segments).chain(areas).collect()
}

/// Writes a file full of bytes that nothing can tell from sealed ones.
fn prewrite(path: &Path, len: u64, ambient: &Ambient, monitor: &dyn Monitor) -> Result<(), ProvisionError> {
    files::prewrite(path, len, &*ambient.random, monitor)?.ok_or(ProvisionError::Cancelled)
}

/// Writes the first checkpoints and the first content of `home`.
fn fill_log(
    folder: &Path,
    spec: &Provision<'_>,
    geometry: LogGeometry,
    key: &Key,
    ambient: &Ambient,
    monitor: &dyn Monitor,
) -> Result<(), ProvisionError> {
    let medium: Arc<dyn Medium> = Arc::new(StickMedium::unfinished(folder));
    let (random, clock) = (&ambient.random, &ambient.clock);
    let open_keys = || LogKeys::of_bundle(key);
    Store::format(
        Arc::clone(&medium),
        open_keys(),
        Arc::clone(random),
        Arc::clone(clock),
        geometry,
    )?;
    let Some(path) = &spec.initial_home else {
        return Ok(());
    };
    let volumes = spec.volumes();
    let volumes = volumes.iter().map(|volume| LogVolume {
        id: volume.id,
        size_bytes: volume.size_bytes,
        has_base: volume.role != VolumeRole::Home,
    });
    let options = StoreOptions {
        geometry,
        volumes: volumes.collect(),
        mode: StoreMode::Keep,
        accept_earlier: false,
        cache_bytes: 1 << 20,
    };
    let store = Arc::new(Store::open(
        medium,
        open_keys(),
        Arc::clone(random),
        Arc::clone(clock),
        options,
    )?);
    copy_home(path, &StoreVolume::new(Arc::clone(&store), HOME, None), monitor)?;
    Ok(store.close()?)
}

fn copy_home(path: &Path, home: &StoreVolume, monitor: &dyn Monitor) -> Result<(), ProvisionError> {
    let unusable = |source| ProvisionError::InitialHome {
        path: path.to_owned(),
        source,
    };
    let source = gobag_checklists::regular::open(path).map_err(unusable)?;
    let len = source.metadata().map_err(unusable)?.len();
    let home_bytes = home.size_bytes();
    if len > home_bytes {
        return Err(ProvisionError::InitialHomeTooLarge {
            path: path.to_owned(),
            len,
            home_bytes,
        });
    }
    monitor.phase("filling home", Some(len));
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < len {
        if monitor.is_cancelled() {
            return Err(ProvisionError::Cancelled);
        }
        let take = PIECE.min((len - at) as usize);
        source.read_exact_at(&mut piece[..take], at).map_err(unusable)?;
        for (nth, block) in piece[..take].chunks(16 * BLOCK_LEN).enumerate() {
            if !is_zero(block) {
                home.write_at(at + (nth * 16 * BLOCK_LEN) as u64, block)?;
            }
        }
        at += take as u64;
        monitor.advance(take as u64);
    }
    Ok(home.flush()?)
}

fn volume_record(id: VolumeId, role: VolumeRole, size_bytes: u64) -> VolumeRecord {
    VolumeRecord {
        id,
        role,
        size_bytes,
        later: serde_json::Map::new(),
    }
}

/// The header's record of an image.
pub fn image_record(
    id: ImageId,
    name: &str,
    version: u64,
    manifest: gobag_format::digest::Digest,
    image_key: Key,
) -> ImageRecord {
    ImageRecord {
        id,
        name: name.to_owned(),
        version,
        manifest,
        image_key,
        later: serde_json::Map::new(),
    }
}
