//! An office with two images in two versions, and a stick that has the first of both.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_bundle::{
    Ambient, Bundle, OpenError, Secret, Session, SessionOptions,
    build::{BuildOptions, ImageDescription, VolumeSource, build},
    medium::{BUNDLE_FOLDER, FileRef},
    provision::{Provision, ProvisionImage, image_record, provision},
    repository::{Access, ImageSummary, Repository, StoredImage},
    stick::{StickOptions, write_sticks},
    store::StoreMode,
    update::{self, UpdateError, UpdateReport},
};
use gobag_format::{
    Silent,
    limits::{CHUNK_LEN, HEADER_SLOT_LEN, HEADER_SLOT_STRIDE},
    manifest::VolumeKind,
    org::{OrgProfile, OrgSecrets},
};
use gobag_tests::{
    rng::{FixedRandom, Rng},
    work::draw_data,
};
use tempfile::TempDir;

use crate::stick::{CHEAP, PASSPHRASE, ambient, content, write};

const HOME_BYTES: u64 = 1 << 20;
const CHUNKS: usize = 24;

/// IT's side.
pub(crate) struct Office {
    folder: PathBuf,
    _keep: Option<TempDir>,
    secrets: OrgSecrets,
    pub(crate) identity: age::x25519::Identity,
    random: Arc<FixedRandom>,
    seed: u64,
}

/// What the volumes of a stick must read as.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) system: Vec<u8>,
    pub(crate) home: Vec<u8>,
    pub(crate) lab: Vec<u8>,
}

impl Office {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = fast_folder();
        let office = Self::at(folder.path(), seed, age::x25519::Identity::generate());
        Repository::create(&office.place(), office.secrets.org).unwrap();
        Self {
            _keep: Some(folder),
            ..office
        }
    }

    /// The office of that seed, whose repository is in `folder` already.
    pub(crate) fn at(folder: &Path, seed: u64, identity: age::x25519::Identity) -> Self {
        let random = Arc::new(FixedRandom::new(seed));
        Self {
            folder: folder.to_owned(),
            _keep: None,
            secrets: OrgSecrets::generate(OrgProfile::default(), &*random),
            identity,
            random,
            seed,
        }
    }

    /// Where its repository is.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.join("repository")
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::open(&self.place(), self.secrets.org, Access::Shared).unwrap()
    }

    /// Builds the next version of an image; half of its disk is that of every other.
    pub(crate) fn release(&self, name: &str, version: u64) -> Vec<u8> {
        let mut disk = Vec::new();
        for half in [
            Rng::new(self.seed),
            Rng::new(self.seed + version + name.len() as u64),
        ] {
            let mut half = half;
            for _ in 0..CHUNKS / 2 {
                disk.extend(draw_data(&mut half, CHUNK_LEN));
            }
        }
        let raw = self.folder.join(format!("{name}.raw"));
        write(&raw, &disk);
        let source = VolumeSource {
            name: "system".to_owned(),
            kind: VolumeKind::Base,
            path: raw,
            size_bytes: disk.len() as u64,
        };
        let description = ImageDescription {
            name: name.to_owned(),
            created_s: 1_700_000_000,
            ..ImageDescription::default()
        };
        let options = BuildOptions {
            pack_len_bytes: 1 << 20,
            ..BuildOptions::default()
        };
        build(
            &self.repository(),
            &self.secrets,
            &description,
            &[source],
            &options,
            &*self.random,
            &Silent,
        )
        .unwrap();
        disk
    }

    pub(crate) fn image(&self, name: &str, version: u64) -> StoredImage {
        let name = name.to_owned();
        let summary = ImageSummary { name, version };
        self.repository().open_image(&summary, &self.secrets).unwrap()
    }

    /// A stick with version 1 of `office` and `lab`, on which somebody worked with both.
    pub(crate) fn stick(&self) -> (TempDir, Held) {
        let stick = fast_folder();
        let recipient = self.identity.to_public();
        let images = ["office", "lab"].map(|name| {
            let (image, targets) = (self.image(name, 1), [stick.path().to_owned()]);
            let options = StickOptions::default();
            let written = write_sticks(&self.repository(), &image, &targets, &options, &Silent);
            assert!(written.unwrap()[0].result.is_ok());
            let manifest = &image.manifest;
            let (digest, key) = (image.manifest_digest, image.key.clone());
            let system = manifest
                .base()
                .map(|(number, volume)| (number, volume.size_bytes));
            let record = image_record(manifest.image, name, 1, digest, key);
            ProvisionImage { record, system }
        });
        let spec = Provision {
            org: self.secrets.org,
            org_name: "Example".into(),
            publisher: self.secrets.signing_key().verifying_key(),
            user: "alice".into(),
            images: images.into(),
            home_bytes: HOME_BYTES,
            system_space_bytes: 1 << 20,
            initial_home: None,
            passphrase: PASSPHRASE,
            cost: CHEAP,
            segment_len: 128 << 10,
            escrow: vec![&recipient],
        };
        provision(stick.path(), &spec, false, &self.ambient(1), &Silent).unwrap();
        let mut rng = Rng::new(self.seed ^ 0x776f_726b);
        for (name, close) in [("lab", true), ("office", false)] {
            let mut session = self.session(stick.path(), name, true).unwrap();
            for volume in session.volumes().iter().filter(|volume| volume.name != "boot") {
                for _ in 0..20 {
                    let at = rng.below(volume.volume.size_bytes() - 20_000);
                    let data = draw_data(&mut rng, 12_000);
                    volume.volume.write_at(at, &data).unwrap();
                }
                volume.volume.flush().unwrap();
            }
            // The second one is pulled: an update has to replay first.
            if close {
                session.close().unwrap();
            }
        }
        blank(&stick.path().join(BUNDLE_FOLDER));
        let held = self.held(stick.path()).unwrap();
        (stick, held)
    }

    pub(crate) fn ambient(&self, seed: u64) -> Ambient {
        ambient(Arc::new(FixedRandom::new(seed)))
    }

    pub(crate) fn open(&self, stick: &Path, writable: bool, seed: u64) -> Result<Bundle, OpenError> {
        let secret = Secret::Escrow(&self.identity);
        crate::stick::unlock(stick, &secret, writable, self.ambient(seed))
    }

    /// A session, or why there is none.
    pub(crate) fn session(&self, stick: &Path, image: &str, writable: bool) -> Result<Session, String> {
        let bundle = self.open(stick, writable, 3).map_err(|error| error.to_string())?;
        let options = SessionOptions {
            image: Some(image.to_owned()),
            mode: if writable {
                StoreMode::Keep
            } else {
                StoreMode::ReadOnly
            },
            ..SessionOptions::default()
        };
        Session::open(Arc::new(bundle), &options).map_err(|error| format!("{error}: {error:?}"))
    }

    /// What all volumes read as.
    pub(crate) fn held(&self, stick: &Path) -> Result<Held, String> {
        let office = self.session(stick, "office", false)?;
        let (system, home) = (content(&office, "system"), content(&office, "home"));
        drop(office);
        let lab = content(&self.session(stick, "lab", false)?, "system");
        Ok(Held { system, home, lab })
    }

    /// Updates a stick to `version` of `office`.
    pub(crate) fn update(&self, stick: &Path, version: u64, seed: u64) -> Result<UpdateReport, UpdateError> {
        let images = [self.image("office", version)];
        let mut bundle = self.open(stick, true, seed).unwrap();
        let plan = update::plan(&bundle, &self.repository(), &images)?;
        update::update(&mut bundle, &plan, &Silent)
    }
}

/// Where copies cost little; nothing here asks what a real disk makes of a flush.
pub(crate) fn fast_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

/// Makes zeros of the noise that nobody ever reads, so that a copy takes less: between the header's slots, and far behind
/// what small checkpoints need.
fn blank(bundle: &Path) {
    let wipe = |file: FileRef, from: u64, to: u64| {
        let file = File::options()
            .write(true)
            .open(bundle.join(file.path()))
            .unwrap();
        file.write_all_at(&vec![0; (to - from) as usize], from).unwrap();
    };
    for file in (0..2).map(FileRef::Header) {
        for slot in 0..4 {
            let (from, to) = (
                slot * HEADER_SLOT_STRIDE + HEADER_SLOT_LEN as u64,
                (slot + 1) * HEADER_SLOT_STRIDE,
            );
            wipe(file, from, to);
        }
    }
    for file in (0..3).map(FileRef::Checkpoint) {
        let len = bundle.join(file.path()).metadata().unwrap().len();
        wipe(file, 256 << 10, len);
    }
}

/// All files below a stick's images and packs.
pub(crate) fn image_files(stick: &Path) -> Vec<PathBuf> {
    let folders = ["IMAGES", "PACKS"].map(|name| stick.join(BUNDLE_FOLDER).join(name));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().file_name().into()).collect();
    files.sort();
    files
}
