//! Deleting image versions, and the packs nobody needs any more.
//!
//! Order: the version number is recorded as used; the version's folder is renamed away, which is the moment
//! it is gone; then packs that no remaining manifest lists are deleted. A crash in between leaves packs too
//! many, never too few. If a single manifest does not open, nothing is deleted: what it needs is unknown.

use std::collections::HashSet;
use std::fs;

use gobag_format::Monitor;
use gobag_format::ids::PackId;
use gobag_format::org::OrgSecrets;
use serde::Serialize;
use thiserror::Error;

use super::{ImageSummary, Repository, RepositoryError};
use crate::files::{self, At, FileError};

/// How to remove.
#[derive(Clone, Debug, Default)]
pub struct RemoveOptions {
    /// Only say what would be deleted.
    pub dry_run: bool,
}

/// What was deleted, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemoveReport {
    /// Image versions.
    pub images: Vec<ImageSummary>,
    /// Number of packs.
    pub packs: u64,
    /// Their length.
    pub freed_bytes: u64,
    /// Sticks of the register that still carry one of these versions.
    pub sticks: u64,
}

/// Why nothing more was deleted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A file could not be deleted.
    #[error(transparent)]
    File(#[from] FileError),
    /// An image version that stays does not open, so what it needs is unknown.
    #[error("`{image}` cannot be read, so it is not known which packs it needs; nothing was deleted")]
    Unreadable {
        /// `NAME@VERSION`.
        image: String,
        /// Why it does not open.
        #[source]
        source: RepositoryError,
    },
}

impl RemoveError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Unreadable { .. } => "remove.unreadable-image",
        }
    }
}

/// Deletes `images` and every pack no other image version needs. The repository must be open with
/// [`super::Access::Exclusive`].
pub fn remove(
    repository: &Repository,
    secrets: &OrgSecrets,
    images: &[ImageSummary],
    options: &RemoveOptions,
    monitor: &dyn Monitor,
) -> Result<RemoveReport, RemoveError> {
    let needed = packs_needed(repository, secrets, images)?;
    let mut report = RemoveReport {
        images: images.to_vec(),
        ..RemoveReport::default()
    };
    report.sticks = sticks_with(repository, images)?;
    if !options.dry_run {
        repository.clear_work()?;
        repository.clear_import()?;
        for image in images {
            remove_version(repository, image)?;
        }
    }
    monitor.phase("deleting packs nobody needs", None);
    for id in repository.packs()? {
        if needed.contains(&id) {
            continue;
        }
        let path = repository.layout().pack(id);
        let len_bytes = fs::metadata(&path).at("read", &path)?.len();
        if !options.dry_run {
            files::delete(&path)?;
        }
        monitor.advance(len_bytes);
        report.packs += 1;
        report.freed_bytes += len_bytes;
    }
    Ok(report)
}

fn packs_needed(
    repository: &Repository,
    secrets: &OrgSecrets,
    without: &[ImageSummary],
) -> Result<HashSet<PackId>, RemoveError> {
    let mut needed = HashSet::new();
    for image in repository.images()? {
        if without.contains(&image) {
            continue;
        }
        let opened = repository
            .open_image(&image, secrets)
            .map_err(|source| RemoveError::Unreadable {
                image: format!("{}@{}", image.name, image.version),
                source,
            })?;
        needed.extend(opened.manifest.packs.iter().map(|pack| pack.id));
    }
    Ok(needed)
}

fn sticks_with(repository: &Repository, images: &[ImageSummary]) -> Result<u64, RepositoryError> {
    let carries = |name: &str, version| {
        images
            .iter()
            .any(|image| (image.name.as_str(), image.version) == (name, version))
    };
    let sticks = repository.sticks()?;
    Ok(sticks
        .iter()
        .filter(|stick| carries(&stick.image, stick.version))
        .count() as u64)
}

fn remove_version(repository: &Repository, image: &ImageSummary) -> Result<(), RemoveError> {
    repository.record_removed(&image.name, image.version)?;
    let layout = repository.layout();
    let folder = layout.version(&image.name, image.version);
    let away = layout
        .work()
        .join(format!("removed-{}-{}", image.name, image.version));
    files::rename(&folder, &away)?;
    files::sync_folder(&layout.image(&image.name))?;
    files::delete_folder(&away)?;
    Ok(())
}
