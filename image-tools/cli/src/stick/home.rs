//! The first content of home volumes: the image's own `/home`, or an empty file system.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gobag_bundle::{
    base::{BaseError, BaseImage, BaseOptions, ExportError},
    repository::{Repository, RepositoryMedium, StoredImage},
};
use gobag_engine::{
    ext4::{self, Ext4Error, Ext4Options},
    run::{Run, RunError},
    tools::{self, NotFound},
};
use gobag_format::{
    Monitor,
    crypto::random_bytes,
    limits::BLOCK_LEN,
    manifest::{VolumeEntry, VolumeKind},
};
use gobag_import::HOME_LABEL;
use gobag_term::CliError;
use tempfile::TempDir;
use thiserror::Error;

use crate::{environment::Environment, error::OrExplain, progress::Progress};

/// Size of home when neither the command nor the image says anything.
const DEFAULT_BYTES: u64 = 4 << 30;
/// Below this there is no room for a file system with a journal.
const LEAST_BYTES: u64 = 32 << 20;
/// Growing writes little; longer than this means that something hangs.
const RESIZE_DEADLINE: Duration = Duration::from_secs(600);

/// The home volume of a run, as a raw file that goes away with this value.
pub(crate) struct Home {
    size_bytes: u64,
    file: Option<(TempDir, PathBuf)>,
}

/// Why there is no first content.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum HomeError {
    /// No file system fits in.
    #[error("a home volume of {size_bytes} bytes is too small: {LEAST_BYTES} at least, or 0 for none")]
    Tiny {
        /// Size asked for.
        size_bytes: u64,
    },
    /// The template is larger than the volume.
    #[error("the image's own /home takes {template_bytes} bytes, more than {size_bytes}")]
    TooSmall {
        /// Size of the template.
        template_bytes: u64,
        /// Size asked for.
        size_bytes: u64,
    },
    /// No temporary folder.
    #[error("cannot make a temporary folder in {}", folder.display())]
    Folder {
        /// Where.
        folder: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The template cannot be opened.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The template cannot be written out.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The file cannot be made larger.
    #[error("cannot enlarge {}", path.display())]
    Enlarge {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The tool that grows file systems is missing.
    #[error(transparent)]
    Tool(#[from] NotFound),
    /// The file system cannot be grown.
    #[error("cannot grow the file system of home")]
    Resize(#[source] RunError),
    /// The empty file system cannot be made.
    #[error("cannot make the file system of home")]
    Empty(#[source] Ext4Error),
}

impl HomeError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Tiny { .. } => "home.tiny",
            Self::TooSmall { .. } => "home.too-small",
            Self::Folder { .. } => "home.folder",
            Self::Base(error) => error.code(),
            Self::Export(error) => error.code(),
            Self::Enlarge { .. } => "home.enlarge",
            Self::Tool(error) => error.code(),
            Self::Resize(error) => error.code(),
            Self::Empty(error) => error.code(),
        }
    }
}

impl Home {
    /// Size of the volume; 0 when there is none.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The raw file.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|(_, path)| path.clone())
    }

    /// Bytes that filling the volume goes through.
    pub(super) fn content_bytes(&self) -> u64 {
        if self.file.is_some() { self.size_bytes } else { 0 }
    }
}

/// Makes the home volume for sticks of `image`; without `wanted` it is as large as the image's own.
pub(super) fn prepare(
    wanted: Option<u64>,
    repository: &Repository,
    image: &StoredImage,
    environment: &Environment,
    progress: &Progress,
) -> Result<Home, CliError> {
    let volumes = (0u8..).zip(&image.manifest.volumes);
    let template = volumes
        .into_iter()
        .find(|(_, volume)| volume.kind == VolumeKind::HomeTemplate);
    let size_bytes =
        wanted.unwrap_or_else(|| template.map_or(DEFAULT_BYTES, |(_, volume)| volume.size_bytes));
    let size_bytes = size_bytes.next_multiple_of(BLOCK_LEN as u64);
    if size_bytes == 0 {
        return Ok(Home {
            size_bytes,
            file: None,
        });
    }
    if size_bytes < LEAST_BYTES {
        return Err(HomeError::Tiny { size_bytes }).or_explain();
    }
    let folder = repository.import_folder().or_explain()?;
    let folder = TempDir::with_prefix_in(".gobag-home-", &folder)
        .map_err(|source| HomeError::Folder { folder, source })
        .or_explain()?;
    let path = folder.path().join("home.raw");
    match template {
        Some((number, volume)) => {
            let made = from_template(
                repository,
                image,
                number,
                volume,
                size_bytes,
                &path,
                environment,
                progress,
            );
            made.or_explain()?;
        }
        None => empty(size_bytes, &path, environment).or_explain()?,
    }
    Ok(Home {
        size_bytes,
        file: Some((folder, path)),
    })
}

#[expect(clippy::too_many_arguments, reason = "each is one thing, used once")]
fn from_template(
    repository: &Repository,
    image: &StoredImage,
    number: u8,
    volume: &VolumeEntry,
    size_bytes: u64,
    path: &Path,
    environment: &Environment,
    monitor: &Progress,
) -> Result<(), HomeError> {
    let template_bytes = volume.size_bytes;
    if template_bytes > size_bytes {
        return Err(HomeError::TooSmall {
            template_bytes,
            size_bytes,
        });
    }
    monitor.phase("preparing home", Some(template_bytes));
    let medium = Arc::new(RepositoryMedium::new(repository, image));
    let manifest = Arc::new(image.manifest.clone());
    let base = BaseImage::from_manifest(medium, manifest, &image.key, &BaseOptions::default());
    base.volume(number)?.export(path, monitor)?;
    if template_bytes < size_bytes {
        grow(path, size_bytes, environment, monitor)?;
    }
    Ok(())
}

/// Enlarges the file, then the file system in it.
fn grow(
    path: &Path,
    size_bytes: u64,
    environment: &Environment,
    monitor: &dyn Monitor,
) -> Result<(), HomeError> {
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_len(size_bytes))
        .map_err(|source| HomeError::Enlarge {
            path: path.to_owned(),
            source,
        })?;
    let tool = tools::find("resize2fs", environment.path.as_deref())?;
    let cancel = || monitor.is_cancelled();
    // It was made here a moment ago: forcing only skips the demand for a check beforehand.
    let run = Run::new(&tool)
        .arg("-f")
        .arg(path)
        .deadline(RESIZE_DEADLINE)
        .cancel(&cancel);
    run.success().map(drop).map_err(HomeError::Resize)
}

fn empty(size_bytes: u64, path: &Path, environment: &Environment) -> Result<(), HomeError> {
    let options = Ext4Options {
        label: HOME_LABEL.to_owned(),
        size_bytes: Some(size_bytes),
        uuid: random_bytes(&*environment.ambient.random),
        epoch_seconds: environment.now_s().max(1),
        block_size: BLOCK_LEN as u32,
    };
    ext4::make_empty(&options, path)
        .map(drop)
        .map_err(HomeError::Empty)
}
