//! Building an image version: raw volumes in, packs, maps and a signed manifest out.
//!
//! ```text
//! reader ──batches of 1 MiB──▶ workers: hash ──▶ assembler: dedup, in disk order
//!                              workers: compress ◀──new chunks──┘
//!                                   └──payloads──▶ assembler: seal, write packs and maps in disk order
//! ```
//!
//! A fixed number of batch buffers travels this round, so memory is bounded whatever the image's size, and
//! every byte of the source is read once. The assembler alone decides and writes; because it does both in
//! disk order, a chunk that repeats is always written before the map needs its place.
//!
//! An interrupted build loses at most the pack it was writing: finished packs stay, the next build finds
//! their chunks in the index and only reads the source again.

mod assembler;
mod output;
mod reader;
#[cfg(test)]
mod tests;
mod worker;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gobag_format::Monitor;
use gobag_format::crypto::{Key, Random};
use gobag_format::ids::{ImageId, PackId};
use gobag_format::limits::{MAX_PACK_LEN, MAX_VOLUMES};
use gobag_format::manifest::{
    self, Boot, ContainerEntry, Features, MANIFEST_FORMAT, Manifest, ManifestError, VolumeKind,
    seal_image_key,
};
use gobag_format::org::OrgSecrets;
use serde::Serialize;
use thiserror::Error;

use crate::files::{self, FileError};
use crate::parallel;
use crate::repository::{self, ChunkIndex, ImageSummary, Repository, RepositoryError};

use assembler::{Assembled, assemble};

/// A raw file that becomes a volume.
#[derive(Clone, Debug)]
pub struct VolumeSource {
    /// Name of the volume, unique in the image.
    pub name: String,
    /// What it is for.
    pub kind: VolumeKind,
    /// The file or block device.
    pub path: PathBuf,
    /// Size of the volume; what the file lacks of it reads as zero.
    pub size_bytes: u64,
}

/// What an image version is called and how it starts.
#[derive(Clone, Debug, Default)]
pub struct ImageDescription {
    /// Name of the image.
    pub name: String,
    /// Version; the next one when none is given.
    pub version: Option<u64>,
    /// Now, seconds since 1970.
    pub created_s: u64,
    /// How a virtual machine starts it.
    pub boot: Boot,
    /// How a container starts it.
    pub container: Option<ContainerEntry>,
    /// Name of the operating system.
    pub os_name: Option<String>,
    /// What it asks of a computer.
    pub requirements: serde_json::Value,
    /// What IT allows and asks.
    pub policy: serde_json::Value,
}

/// How to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// zstd level of the chunks.
    pub level: i32,
    /// Threads that hash and compress; all cores when none is given.
    pub threads: Option<NonZeroUsize>,
    /// Longest pack, bytes.
    pub pack_len_bytes: u64,
    /// Whether chunks of other versions are used again. Without, the version's packs hold nothing but
    /// its own chunks: smaller sticks after many versions, at the price of a larger repository.
    pub reuse: bool,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            threads: None,
            pack_len_bytes: MAX_PACK_LEN,
            reuse: true,
        }
    }
}

/// Measured in `docs/performance.md`, "Levels": higher ones cost the office hours to save sticks minutes.
pub const DEFAULT_LEVEL: i32 = 5;

/// What was built.
#[derive(Clone, Debug, Serialize)]
pub struct BuildReport {
    /// Id of the version.
    pub image: ImageId,
    /// Name of the image.
    pub name: String,
    /// The version.
    pub version: u64,
    /// Sum of the volumes' sizes.
    pub size_bytes: u64,
    /// Bytes read from the sources; holes are not read.
    pub read_bytes: u64,
    /// Chunks of zeros, which are not stored.
    pub zero_chunks: u64,
    /// Chunks the repository held already.
    pub reused_chunks: u64,
    /// Chunks stored now.
    pub new_chunks: u64,
    /// Bytes those take in packs.
    pub new_stored_bytes: u64,
    /// Packs written now.
    pub new_packs: u64,
    /// Packs a stick needs.
    pub packs: u64,
    /// Their length: what a stick needs for the image.
    pub packs_len_bytes: u64,
    /// Bytes in those packs that this version does not use.
    pub unused_bytes: u64,
    /// Packs that could not be read and were therefore not used.
    pub refused_packs: Vec<PackId>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Volume bytes handled a second, holes included.
    pub bytes_per_s: u64,
}

/// Why nothing was built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The image is described in a way that no manifest allows.
    #[error("image `{name}` cannot be built")]
    Manifest {
        /// Name of the image.
        name: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// No image or volume may be called that.
    #[error("`{name}` cannot name an image or a volume: lower-case letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// The version is not higher than all before it.
    #[error("version {version} of image `{name}` cannot be built: the next one is {next}")]
    VersionTaken {
        /// Name of the image.
        name: String,
        /// Version asked for.
        version: u64,
        /// Lowest possible version.
        next: u64,
    },
    /// The image needs more packs than a map can name.
    #[error("the image needs more than 65535 packs")]
    TooManyPacks,
    /// More volumes than an image has.
    #[error("{count} volumes are more than {MAX_VOLUMES}")]
    TooManyVolumes {
        /// Number of volumes.
        count: usize,
    },
    /// The person asked to stop; finished packs are kept.
    #[error("stopped; what is stored already will be used by the next build")]
    Cancelled,
}

impl BuildError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Manifest { source, .. } => source.code(),
            Self::Name { .. } => "build.name",
            Self::VersionTaken { .. } => "build.version-taken",
            Self::TooManyPacks => "build.too-many-packs",
            Self::TooManyVolumes { .. } => "build.too-many-volumes",
            Self::Cancelled => "build.cancelled",
        }
    }
}

/// Builds a version of an image from `volumes` into `repository`.
pub fn build(
    repository: &Repository,
    secrets: &OrgSecrets,
    description: &ImageDescription,
    volumes: &[VolumeSource],
    options: &BuildOptions,
    random: &dyn Random,
    monitor: &dyn Monitor,
) -> Result<BuildReport, BuildError> {
    let started = Instant::now();
    let _alone = repository.lock_for_building()?;
    repository.clear_work()?;
    let (version, parent) = check(repository, secrets, description, volumes)?;
    let mut refused_packs = Vec::new();
    let index = if options.reuse {
        monitor.phase("reading what is stored already", None);
        ChunkIndex::load(repository, &secrets.repository_key, |id, _| {
            refused_packs.push(id)
        })?
    } else {
        ChunkIndex::default()
    };
    let job = Job {
        repository,
        secrets,
        volumes,
        options,
        random,
        monitor,
    };
    let image = NewImage {
        id: ImageId::generate(random),
        key: Key::generate(random),
    };
    let folder = repository.layout().unfinished_image(image.id);
    files::make_folder(&folder)?;
    let finished = assemble(&job, &image, &folder, index).and_then(|assembled| {
        let manifest = new_manifest(&image, secrets, description, version, parent, &assembled);
        write_manifest(&job, &image, &folder, &manifest)?;
        put_in_place(repository, &folder, &manifest)?;
        Ok((assembled, manifest))
    });
    let (assembled, manifest) = finished.inspect_err(|_| {
        // What stays would only take room until the next build; the error at hand is what matters.
        if let Err(error) = repository.clear_work() {
            tracing::warn!(%error, "an unfinished build is left behind");
        }
    })?;

    let size_bytes = volumes.iter().map(|volume| volume.size_bytes).sum();
    let elapsed = started.elapsed();
    Ok(BuildReport {
        image: image.id,
        name: manifest.name.clone(),
        version,
        size_bytes,
        packs: manifest.packs.len() as u64,
        packs_len_bytes: manifest.packs_len_bytes(),
        unused_bytes: manifest
            .packs_len_bytes()
            .saturating_sub(assembled.counts.used_bytes),
        read_bytes: assembled.counts.read_bytes,
        zero_chunks: assembled.counts.zero_chunks,
        reused_chunks: assembled.counts.reused_chunks,
        new_chunks: assembled.counts.new_chunks,
        new_stored_bytes: assembled.counts.new_stored_bytes,
        new_packs: assembled.counts.new_packs,
        refused_packs,
        elapsed_ms: elapsed.as_millis() as u64,
        bytes_per_s: (size_bytes as f64 / elapsed.as_secs_f64().max(1e-3)) as u64,
    })
}

/// What the parts of a build share.
struct Job<'a> {
    repository: &'a Repository,
    secrets: &'a OrgSecrets,
    volumes: &'a [VolumeSource],
    options: &'a BuildOptions,
    random: &'a dyn Random,
    monitor: &'a dyn Monitor,
}

impl Job<'_> {
    fn threads(&self) -> NonZeroUsize {
        self.options.threads.unwrap_or_else(parallel::all_cores)
    }
}

struct NewImage {
    id: ImageId,
    key: Key,
}

fn check(
    repository: &Repository,
    secrets: &OrgSecrets,
    description: &ImageDescription,
    volumes: &[VolumeSource],
) -> Result<(u64, Option<ImageId>), BuildError> {
    let mut names = volumes
        .iter()
        .map(|volume| &volume.name)
        .chain([&description.name]);
    if let Some(name) = names.find(|name| !manifest::is_name(name)) {
        return Err(BuildError::Name { name: name.clone() });
    }
    if volumes.len() > MAX_VOLUMES {
        return Err(BuildError::TooManyVolumes { count: volumes.len() });
    }
    let name = &description.name;
    let next = repository.next_version(name)?;
    let version = description.version.unwrap_or(next);
    if version < next {
        return Err(BuildError::VersionTaken {
            name: name.clone(),
            version,
            next,
        });
    }
    // The parent is a remark for people; that it does not open must not keep IT from building.
    let newest = repository.versions(name)?.last().copied();
    let newest = newest.map(|version| ImageSummary {
        name: name.clone(),
        version,
    });
    let parent = newest.and_then(|newest| repository.open_image(&newest, secrets).ok());
    Ok((version, parent.map(|parent| parent.manifest.image)))
}

fn new_manifest(
    image: &NewImage,
    secrets: &OrgSecrets,
    description: &ImageDescription,
    version: u64,
    parent: Option<ImageId>,
    assembled: &Assembled,
) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        features: Features::default(),
        org: secrets.org,
        name: description.name.clone(),
        image: image.id,
        version,
        parent,
        created_s: description.created_s,
        chunk_key: secrets.chunk_key.clone(),
        volumes: assembled.volumes.clone(),
        packs: assembled.packs.clone(),
        boot: description.boot.clone(),
        container: description.container.clone(),
        os_name: description.os_name.clone(),
        requirements: description.requirements.clone(),
        policy: description.policy.clone(),
    }
}

fn write_manifest(
    job: &Job<'_>,
    image: &NewImage,
    folder: &Path,
    manifest: &Manifest,
) -> Result<(), BuildError> {
    let bytes =
        manifest::seal(manifest, &job.secrets.signing_key(), &image.key, job.random).map_err(|source| {
            BuildError::Manifest {
                name: manifest.name.clone(),
                source,
            }
        })?;
    files::create(&repository::layout::manifest(folder), &bytes)?;
    let key = seal_image_key(&job.secrets.repository_key, image.id, &image.key);
    Ok(files::create(&repository::layout::image_key(folder), &key)?)
}

/// All packs are durable by now; the rename makes the version exist.
fn put_in_place(repository: &Repository, folder: &Path, manifest: &Manifest) -> Result<(), FileError> {
    let layout = repository.layout();
    let parent = layout.image(&manifest.name);
    files::make_folder(&parent)?;
    files::sync_folder(&layout.images())?;
    files::sync_folder(folder)?;
    files::rename(folder, &layout.version(&manifest.name, manifest.version))?;
    files::sync_folder(&parent)
}
