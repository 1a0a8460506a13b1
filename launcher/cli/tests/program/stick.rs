//! A stick in a folder, made as IT makes one, with everything as small as it gets.

#![expect(clippy::disallowed_methods, reason = "prepares files for tests")]

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gobag_bundle::{
    Ambient, Bundle, OpenError, Secret, Session, SessionOptions,
    build::{BuildOptions, ImageDescription, VolumeSource, build},
    medium::{BUNDLE_FOLDER, FileRef},
    provision::{Provision, ProvisionImage, image_record, provision},
    repository::{Access, Repository},
    stick::{StickOptions, write_sticks},
};
use gobag_format::{
    Silent,
    crypto::Random,
    ids::{BundleId, ImageId},
    keyslot::KdfCost,
    manifest::{Boot, DirectKernel, VolumeKind},
    org::{OrgProfile, OrgSecrets},
};
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
pub(crate) const HOME_BYTES: u64 = 4 << 20;

/// The least that is allowed: what a guess costs is not what these tests look at.
const CHEAP: KdfCost = KdfCost {
    memory_kib: 64 << 10,
    passes: 1,
    lanes: 2,
};

/// What makes one stick unlike another.
#[derive(Default)]
pub(crate) struct Contents {
    /// A kernel and an initial RAM disk that the machine starts with.
    pub(crate) kernel: Option<(PathBuf, PathBuf)>,
    pub(crate) requirements: serde_json::Value,
    pub(crate) policy: serde_json::Value,
}

/// A stick; gone when dropped.
pub(crate) struct Stick {
    folder: TempDir,
    pub(crate) bundle: BundleId,
    pub(crate) image: ImageId,
    /// Its organisation's.
    pub(crate) secrets: OrgSecrets,
}

impl Stick {
    pub(crate) fn new(contents: &Contents) -> Self {
        let (folder, office, ambient) = (folder(), folder(), Ambient::system());
        let random: &dyn Random = &*ambient.random;
        let raw = office.path().join("system.raw");
        fs::write(&raw, noise(1 << 20)).unwrap();
        let mut sources = vec![source("system", VolumeKind::Base, &raw)];
        let mut boot = Boot::default();
        if let Some((kernel, initrd)) = &contents.kernel {
            sources.push(source("kernel", VolumeKind::Blob, kernel));
            sources.push(source("initrd", VolumeKind::Blob, initrd));
            boot.kernel = Some(DirectKernel {
                kernel: "kernel".to_owned(),
                initrd: Some("initrd".to_owned()),
                cmdline: "console=ttyS0 quiet loglevel=1 panic=-1".to_owned(),
            });
        }
        let secrets = OrgSecrets::generate(OrgProfile::default(), random);
        let place = office.path().join("repository");
        Repository::create(&place, secrets.org).unwrap();
        let repository = Repository::open(&place, secrets.org, Access::Shared).unwrap();
        let description = ImageDescription {
            name: "office".to_owned(),
            created_s: 1_700_000_000,
            boot,
            requirements: contents.requirements.clone(),
            policy: contents.policy.clone(),
            ..ImageDescription::default()
        };
        let options = BuildOptions {
            level: 1,
            ..BuildOptions::default()
        };
        build(
            &repository,
            &secrets,
            &description,
            &sources,
            &options,
            random,
            &Silent,
        )
        .unwrap();
        let image = repository
            .open_image(&repository.find("office").unwrap(), &secrets)
            .unwrap();
        let targets = [folder.path().to_owned()];
        for outcome in write_sticks(&repository, &image, &targets, &StickOptions::default(), &Silent).unwrap()
        {
            assert!(outcome.result.is_ok(), "{outcome:?}");
        }
        let manifest = &image.manifest;
        let record = image_record(
            manifest.image,
            &manifest.name,
            manifest.version,
            image.manifest_digest,
            image.key.clone(),
        );
        let spec = Provision {
            org: secrets.org,
            org_name: "Example".into(),
            publisher: secrets.signing_key().verifying_key(),
            user: "alice".into(),
            images: vec![ProvisionImage {
                record,
                system: Some((0, 1 << 20)),
            }],
            home_bytes: HOME_BYTES,
            system_space_bytes: 1 << 20,
            initial_home: None,
            passphrase: PASSPHRASE.as_bytes(),
            cost: CHEAP,
            segment_len: 512 << 10,
            escrow: Vec::new(),
        };
        provision(folder.path(), &spec, false, &ambient, &Silent).unwrap();
        let bundle = Bundle::identify(folder.path()).unwrap();
        Self {
            folder,
            bundle,
            image: manifest.image,
            secrets,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where one of the bundle's files lies.
    pub(crate) fn file(&self, file: FileRef) -> PathBuf {
        self.path().join(BUNDLE_FOLDER).join(file.path())
    }

    /// The only pack.
    pub(crate) fn pack(&self) -> PathBuf {
        let mut packs = fs::read_dir(self.path().join(BUNDLE_FOLDER).join("PACKS")).unwrap();
        packs.next().unwrap().unwrap().path()
    }

    /// All of the home volume.
    pub(crate) fn home(&self) -> Vec<u8> {
        let session = self.open();
        let home = session.volumes().iter().find(|volume| volume.name == "home");
        let mut content = vec![0; HOME_BYTES as usize];
        home.unwrap().volume.read_at(0, &mut content).unwrap();
        content
    }

    fn open(&self) -> Session {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let secret = Secret::Passphrase(PASSPHRASE.as_bytes());
            match Bundle::open(self.path(), &secret, false, Ambient::system()) {
                // A program that was killed may hold the lock a moment longer.
                Err(OpenError::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
                opened => {
                    return Session::open(
                        Arc::new(opened.unwrap()),
                        &SessionOptions {
                            mode: gobag_bundle::store::StoreMode::ReadOnly,
                            ..SessionOptions::default()
                        },
                    )
                    .unwrap();
                }
            }
        }
    }
}

/// A folder with a short path: sockets lie in some, and their paths have 107 bytes.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("gobag-t-")
        .tempdir_in("/tmp")
        .unwrap()
}

/// Changes one bit of a file.
pub(crate) fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn source(name: &str, kind: VolumeKind, path: &Path) -> VolumeSource {
    VolumeSource {
        name: name.to_owned(),
        kind,
        path: path.to_owned(),
        size_bytes: fs::metadata(path).unwrap().len(),
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(len / 8).flatten().collect()
}
