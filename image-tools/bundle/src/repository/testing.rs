//! Test help: a repository with keys in a temporary folder, and sources with every kind of content.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gobag_format::limits::CHUNK_LEN;
use gobag_format::manifest::VolumeKind;
use gobag_format::org::{OrgProfile, OrgSecrets};
use gobag_format::{Monitor, Silent};
use tempfile::TempDir;

use super::{Access, ImageSummary, Repository, RepositoryMedium, StoredImage};
use crate::ambient::SystemRandom;
use crate::base::{BaseImage, BaseOptions};
use crate::build::{BuildError, BuildOptions, BuildReport, ImageDescription, VolumeSource, build};

/// A repository and its owner.
pub(crate) struct Office {
    pub(crate) folder: TempDir,
    pub(crate) secrets: OrgSecrets,
}

impl Office {
    pub(crate) fn new() -> Self {
        let (folder, secrets) = (
            TempDir::new().unwrap(),
            OrgSecrets::generate(OrgProfile::default(), &SystemRandom),
        );
        Repository::create(&folder.path().join("repository"), secrets.org).unwrap();
        Self { folder, secrets }
    }

    pub(crate) fn repository(&self, access: Access) -> Repository {
        Repository::open(&self.folder.path().join("repository"), self.secrets.org, access).unwrap()
    }

    pub(crate) fn source(&self, name: &str, content: &[u8]) -> VolumeSource {
        let path = self.folder.path().join(format!("{name}.raw"));
        let file =
            File::create_new(&path).or_else(|_| File::options().write(true).truncate(true).open(&path));
        let file = file.unwrap();
        file.set_len(content.len() as u64).unwrap();
        // Zeros stay holes, in pieces that no chunk border knows.
        for (n, piece) in content.chunks(4096).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, n as u64 * 4096).unwrap();
            }
        }
        let size_bytes = content.len() as u64;
        VolumeSource {
            name: name.to_owned(),
            kind: VolumeKind::Base,
            path,
            size_bytes,
        }
    }

    pub(crate) fn build(&self, name: &str, volumes: &[VolumeSource]) -> BuildReport {
        self.build_with(name, volumes, &small_packs(), &Silent).unwrap()
    }

    pub(crate) fn build_with(
        &self,
        name: &str,
        volumes: &[VolumeSource],
        options: &BuildOptions,
        monitor: &dyn Monitor,
    ) -> Result<BuildReport, BuildError> {
        let repository = self.repository(Access::Shared);
        let description = ImageDescription {
            name: name.to_owned(),
            created_s: 1,
            ..ImageDescription::default()
        };
        build(
            &repository,
            &self.secrets,
            &description,
            volumes,
            options,
            &SystemRandom,
            monitor,
        )
    }

    pub(crate) fn image(&self, name: &str, version: u64) -> StoredImage {
        let summary = ImageSummary {
            name: name.to_owned(),
            version,
        };
        self.repository(Access::Shared)
            .open_image(&summary, &self.secrets)
            .unwrap()
    }

    /// The image as a reader sees it.
    pub(crate) fn base(&self, image: &StoredImage, options: &BaseOptions) -> BaseImage {
        let medium = Arc::new(RepositoryMedium::new(&self.repository(Access::Shared), image));
        BaseImage::from_manifest(medium, Arc::new(image.manifest.clone()), &image.key, options)
    }

    /// A whole volume.
    pub(crate) fn read(&self, image: &StoredImage, volume: u8) -> Vec<u8> {
        let base = self.base(image, &BaseOptions::default());
        let volume = base.volume(volume).unwrap();
        let mut content = vec![0xee; volume.size_bytes() as usize];
        volume.read_at(0, &mut content).unwrap();
        content
    }

    pub(crate) fn pack_files(&self) -> Vec<PathBuf> {
        let repository = self.repository(Access::Shared);
        repository
            .packs()
            .unwrap()
            .into_iter()
            .map(|id| repository.layout().pack(id))
            .collect()
    }
}

/// Packs of 2 MiB, so that small images have several.
pub(crate) fn small_packs() -> BuildOptions {
    BuildOptions {
        pack_len_bytes: 2 << 20,
        ..BuildOptions::default()
    }
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A disk with noise, text, holes, repetitions and an odd end.
pub(crate) fn disk(seed: u64, chunks: usize) -> Vec<u8> {
    let mut disk = Vec::new();
    for n in 0..chunks {
        let part = seed.wrapping_add(n as u64);
        match n % 7 {
            0 | 4 => disk.extend(noise(part, CHUNK_LEN)),
            1 | 5 => {
                disk.extend(format!("line {part}\n").repeat(CHUNK_LEN).into_bytes()[..CHUNK_LEN].to_vec())
            }
            2 => disk.extend(noise(7, CHUNK_LEN)),
            _ => disk.extend(vec![0; CHUNK_LEN]),
        }
    }
    disk.extend(noise(seed, 5000));
    disk
}

/// Asks to stop once so many bytes are done.
pub(crate) struct StopAfter {
    left: AtomicU64,
}

impl StopAfter {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            left: AtomicU64::new(bytes),
        }
    }
}

impl Monitor for StopAfter {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(bytes), Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// Flips a bit: another byte would be the one that is there already in one run of 256.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}
