//! Writing the shared part of sticks: packs, maps and manifest of an image, the launcher, the start page.
//!
//! The repository is read once, however many sticks are written side by side; every stick has a thread of
//! its own, and one that fails does not hold up the others. Steps, for all sticks together:
//!
//! 1. what lies on a stick already is hashed, and kept when it is right: so an interrupted run goes on;
//! 2. space is checked, the personal part included, before the first byte is written;
//! 3. files are written end to end under their final names and synced. Nothing refers to them yet: only the
//!    header, written last by [`crate::provision`], makes a bundle of them;
//! 4. every written file is read back from the medium itself and compared. A stick that returns other bytes
//!    than it was given is failing or a fake, and is said to be.

pub(crate) mod content;
pub(crate) mod survey;
pub(crate) mod write;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use gobag_format::digest::Digest;
use gobag_format::{Monitor, Silent};
use serde::Serialize;
use thiserror::Error;

use crate::files::{self, At, FileError};
use crate::repository::{Repository, StoredImage};

pub use content::{ExtraContent, ExtraFile};

use content::{Item, items_of};
use survey::{Survey, survey};
use write::{Streamed, read_back_all, stream};

/// How to write sticks.
#[derive(Clone, Debug, Default)]
pub struct StickOptions {
    /// Further files, such as the launcher and the start page.
    pub extras: Vec<ExtraFile>,
    /// Room the personal part will need, bytes.
    pub reserve_bytes: u64,
    /// Delete packs, maps and manifests of other images, to make room. Only for sticks whose bundle is
    /// replaced.
    pub remove_others: bool,
    /// Only check what would be done.
    pub dry_run: bool,
}

/// What happened to one stick.
#[derive(Debug)]
pub struct StickOutcome {
    /// Where it is mounted.
    pub target: PathBuf,
    /// What was done, or why it failed.
    pub result: Result<StickReport, StickError>,
}

/// What was done to one stick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StickReport {
    /// Files written, and read back.
    pub written_files: u64,
    /// Their length.
    pub written_bytes: u64,
    /// Files that were there and right.
    pub kept_files: u64,
    /// Their length.
    pub kept_bytes: u64,
    /// Files of other images that were deleted.
    pub removed_files: u64,
    /// Room left for the personal part, bytes.
    pub free_bytes: u64,
}

/// Why the shared part of a stick is not complete. What is right on it is kept when it is tried again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StickError {
    /// The target is no folder.
    #[error("{} is not a folder", target.display())]
    NotAFolder {
        /// The target.
        target: PathBuf,
    },
    /// Not enough room.
    #[error("{} has {free_bytes} bytes free and needs {needed_bytes}", target.display())]
    NoSpace {
        /// The target.
        target: PathBuf,
        /// Bytes still to be written, personal part included.
        needed_bytes: u64,
        /// Bytes free, or to be freed.
        free_bytes: u64,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The source is damaged; no stick gets it.
    #[error("{} is damaged in the repository", path.display())]
    SourceDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The stick returned other bytes than were written.
    #[error("{} reads back differently: the stick is failing or has less room than it says", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
    },
    /// Another stick of the same run has to be put right first; nothing was written.
    #[error("{} was not written because of another target", target.display())]
    HeldUp {
        /// The target.
        target: PathBuf,
    },
    /// The person asked to stop.
    #[error("stopped; what is on the stick already will be kept by the next run")]
    Cancelled,
}

impl StickError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAFolder { .. } => "stick.not-a-folder",
            Self::NoSpace { .. } => "stick.no-space",
            Self::File(error) => error.code(),
            Self::SourceDamaged { .. } => "stick.source-damaged",
            Self::ReadBack { .. } => "stick.read-back",
            Self::HeldUp { .. } => "stick.held-up",
            Self::Cancelled => "stick.cancelled",
        }
    }
}

/// Writes the shared part of `image` to all `targets` side by side. An error concerns the run as a whole;
/// what befell a single stick is in its outcome.
pub fn write_sticks(
    repository: &Repository,
    image: &StoredImage,
    targets: &[PathBuf],
    options: &StickOptions,
    monitor: &dyn Monitor,
) -> Result<Vec<StickOutcome>, StickError> {
    let items = items_of(repository, image, &options.extras)?;
    let surveys = survey(&items, targets, options, monitor)?;
    // A target that cannot be written is better put right before hours are spent on the others.
    if surveys.iter().any(Result::is_err) || options.dry_run {
        return Ok(without_writing(surveys, targets, &items));
    }
    let surveys: Vec<Survey> = surveys.into_iter().flatten().collect();
    let total = surveys.iter().map(|survey| survey.needed_bytes(&items)).sum();
    monitor.phase("writing", Some(total));
    let streamed = stream(&items, &surveys, monitor);
    monitor.phase("reading back", Some(total));
    let read_back = read_back_all(&items, &surveys, streamed?, monitor);
    let outcome = |((target, survey), result): ((&PathBuf, &Survey), Result<Streamed, StickError>)| {
        let report = result.and_then(|Streamed { removed_files }| {
            let free_bytes = survey::free_bytes(target)?;
            Ok(StickReport {
                removed_files,
                free_bytes,
                ..survey.report(&items)
            })
        });
        StickOutcome {
            target: target.clone(),
            result: report,
        }
    };
    let outcomes: Vec<_> = targets.iter().zip(&surveys).zip(read_back).map(outcome).collect();
    // Whoever noticed the wish to stop first, it was meant for all.
    let stopped = outcomes
        .iter()
        .any(|outcome| matches!(outcome.result, Err(StickError::Cancelled)));
    if stopped {
        Err(StickError::Cancelled)
    } else {
        Ok(outcomes)
    }
}

/// Writes one small file to a stick, replacing what is there, and reads it back.
pub fn put_file(target: &Path, relative: &Path, bytes: &[u8]) -> Result<(), StickError> {
    let path = target.join(relative);
    let folder = path.parent().unwrap_or(target);
    files::make_folder(folder)?;
    let mut file = files::NewFile::create(&path, false)?;
    file.write_all(bytes).at("write", &path)?;
    file.sync()?;
    files::sync_folder(folder)?;
    match survey::digest_of(&path, &Silent)? {
        Some(digest) if digest == Digest::of(bytes) => Ok(()),
        _ => Err(StickError::ReadBack { path }),
    }
}

fn without_writing(
    surveys: Vec<Result<Survey, StickError>>,
    targets: &[PathBuf],
    items: &[Item],
) -> Vec<StickOutcome> {
    let failed = surveys.iter().any(Result::is_err);
    let outcome = |(target, survey): (&PathBuf, Result<Survey, StickError>)| StickOutcome {
        target: target.clone(),
        result: match survey {
            Ok(_) if failed => Err(StickError::HeldUp {
                target: target.clone(),
            }),
            other => other.map(|survey| survey.report(items)),
        },
    };
    targets.iter().zip(surveys).map(outcome).collect()
}

fn is_cancelled(monitor: &dyn Monitor) -> Result<(), StickError> {
    if monitor.is_cancelled() {
        Err(StickError::Cancelled)
    } else {
        Ok(())
    }
}

/// Runs `work` for every target on a thread of its own and returns the results in order.
fn side_by_side<T: Sync, R: Send>(targets: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = targets
            .iter()
            .map(|target| scope.spawn(|| work(target)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// Where an item lies on a stick.
fn place(target: &Path, item: &Item) -> PathBuf {
    target.join(&item.relative)
}
