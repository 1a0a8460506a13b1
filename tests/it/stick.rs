//! A whole small stick in a folder, as IT makes one: an image built from a raw disk, its packs, and a personal part.
//!
//! Randomness and the clock are fixed, so that the same seed makes the same stick, except for the escrow file.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gobag_bundle::{
    Ambient, Bundle, OpenError, Secret, Session, SessionOptions,
    build::{BuildOptions, ImageDescription, VolumeSource, build},
    provision::{Provision, ProvisionImage, image_record, provision},
    repository::{Access, Repository},
    stick::{StickOptions, write_sticks},
};
use gobag_format::{
    Silent,
    crypto::Random,
    keyslot::KdfCost,
    limits::CHUNK_LEN,
    manifest::VolumeKind,
    memory::{REMEMBER_ON_HOST, Remember},
    org::{OrgProfile, OrgSecrets},
};
use gobag_tests::{
    rng::{FixedRandom, Rng},
    work::draw_data,
};
use tempfile::TempDir;

/// Opens every stick made here.
pub(crate) const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// The least that is allowed: what a guess costs is not what these tests look at.
pub(crate) const CHEAP: KdfCost = KdfCost {
    memory_kib: 64 << 10,
    passes: 1,
    lanes: 2,
};

/// How large a stick's parts are.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Chunks of the system volume's base; a part of one more follows.
    pub(crate) base_chunks: usize,
    /// The home volume, bytes.
    pub(crate) home: u64,
    /// Room for changes to the system volume, bytes.
    pub(crate) system_space: u64,
    /// A log segment, bytes.
    pub(crate) segment: u32,
}

/// A stick in a folder of its own.
pub(crate) struct Stick {
    folder: TempDir,
    ambient: Ambient,
    /// Its organisation's.
    pub(crate) secrets: OrgSecrets,
}

impl Stick {
    /// Makes one.
    pub(crate) fn new(seed: u64, sizes: Sizes) -> Self {
        Self::of(Arc::new(FixedRandom::new(seed)), seed, sizes, Vec::new())
    }

    /// Makes one that computers remember by this rule.
    pub(crate) fn remembered(seed: u64, sizes: Sizes, rule: Remember) -> Self {
        Self::remembered_by(seed, sizes, &[rule])
    }

    /// The same with one image for each rule: `office`, `lab`.
    pub(crate) fn remembered_by(seed: u64, sizes: Sizes, rules: &[Remember]) -> Self {
        let policies = rules
            .iter()
            .map(|rule| serde_json::json!({ REMEMBER_ON_HOST: rule.word() }));
        let random = Arc::new(FixedRandom::new(seed));
        Self::with(random, seed, sizes, Vec::new(), policies.collect())
    }

    /// Makes one with this randomness for keys and salts; `escrow` can open it too.
    pub(crate) fn of(
        random: Arc<dyn Random>,
        seed: u64,
        sizes: Sizes,
        escrow: Vec<&dyn age::Recipient>,
    ) -> Self {
        Self::with(random, seed, sizes, escrow, vec![serde_json::Value::Null])
    }

    fn with(
        random: Arc<dyn Random>,
        seed: u64,
        sizes: Sizes,
        escrow: Vec<&dyn age::Recipient>,
        policies: Vec<serde_json::Value>,
    ) -> Self {
        let ambient = ambient(random);
        let folder = TempDir::new().unwrap();
        let office = TempDir::new().unwrap();
        let content = disk(&mut Rng::new(seed), sizes.base_chunks);
        let raw = office.path().join("system.raw");
        write(&raw, &content);
        let secrets = OrgSecrets::generate(OrgProfile::default(), &*ambient.random);
        let place = office.path().join("repository");
        Repository::create(&place, secrets.org).unwrap();
        let repository = Repository::open(&place, secrets.org, Access::Shared).unwrap();
        let source = VolumeSource {
            name: "system".to_owned(),
            kind: VolumeKind::Base,
            path: raw,
            size_bytes: content.len() as u64,
        };
        let options = BuildOptions {
            pack_len_bytes: 1 << 20,
            ..BuildOptions::default()
        };
        let random = &*ambient.random;
        let sources = [source];
        let images = ["office", "lab"].into_iter().zip(policies).map(|(name, policy)| {
            let description = ImageDescription {
                name: name.to_owned(),
                created_s: 1_700_000_000,
                policy,
                ..ImageDescription::default()
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
                .open_image(&repository.find(name).unwrap(), &secrets)
                .unwrap();
            let targets = [folder.path().to_owned()];
            let written =
                write_sticks(&repository, &image, &targets, &StickOptions::default(), &Silent).unwrap();
            written
                .into_iter()
                .for_each(|outcome| assert!(outcome.result.is_ok(), "{outcome:?}"));
            let manifest = &image.manifest;
            ProvisionImage {
                record: image_record(
                    manifest.image,
                    &manifest.name,
                    manifest.version,
                    image.manifest_digest,
                    image.key.clone(),
                ),
                system: Some((0, content.len() as u64)),
            }
        });
        let spec = Provision {
            org: secrets.org,
            org_name: "Example".into(),
            publisher: secrets.signing_key().verifying_key(),
            user: "alice".into(),
            images: images.collect(),
            home_bytes: sizes.home,
            system_space_bytes: sizes.system_space,
            initial_home: None,
            passphrase: PASSPHRASE,
            cost: CHEAP,
            segment_len: sizes.segment,
            escrow,
        };
        provision(folder.path(), &spec, false, &ambient, &Silent).unwrap();
        Self {
            folder,
            ambient,
            secrets,
        }
    }

    /// Its root folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Unlocks it and opens its image.
    pub(crate) fn open(&self, writable: bool) -> Session {
        open(self.path(), PASSPHRASE, writable, self.ambient.clone())
    }
}

/// A clock that stands still, and this randomness.
pub(crate) fn ambient(random: Arc<dyn Random>) -> Ambient {
    let clock = Arc::new(|| 1_700_000_000);
    Ambient { random, clock }
}

/// Unlocks the stick in `folder` and opens its image.
pub(crate) fn open(folder: &Path, passphrase: &[u8], writable: bool, ambient: Ambient) -> Session {
    let bundle = unlock(folder, &Secret::Passphrase(passphrase), writable, ambient).unwrap();
    Session::open(Arc::new(bundle), &SessionOptions::default()).unwrap()
}

/// Unlocks the stick in `folder`.
pub(crate) fn unlock(
    folder: &Path,
    secret: &Secret<'_>,
    writable: bool,
    ambient: Ambient,
) -> Result<Bundle, OpenError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Bundle::open(folder, secret, writable, ambient.clone()) {
            // The thread of a session that was dropped without being closed may hold the lock a moment longer.
            Err(OpenError::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            opened => return opened,
        }
    }
}

/// Everything a session's volume reads as.
pub(crate) fn content(session: &Session, name: &str) -> Vec<u8> {
    let volume = session
        .volumes()
        .iter()
        .find(|volume| volume.name == name)
        .unwrap();
    let mut content = vec![0xee; volume.volume.size_bytes() as usize];
    volume.volume.read_at(0, &mut content).unwrap();
    content
}

/// A disk with noise, text, repetitions, holes and an odd end.
fn disk(rng: &mut Rng, chunks: usize) -> Vec<u8> {
    let repeated = draw_data(rng, CHUNK_LEN);
    let mut disk = Vec::new();
    for nth in 0..chunks {
        match nth % 4 {
            0 => disk.extend(&repeated),
            1 => disk.resize(disk.len() + CHUNK_LEN, 0),
            _ => disk.extend(draw_data(rng, CHUNK_LEN)),
        }
    }
    disk.extend(draw_data(rng, 9 << 10));
    disk
}

#[expect(clippy::disallowed_methods, reason = "tests prepare their input")]
pub(crate) fn write(path: &PathBuf, content: &[u8]) {
    fs::write(path, content).unwrap();
}
