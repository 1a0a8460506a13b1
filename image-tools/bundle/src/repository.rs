//! IT's repository: packs, image versions, and the register of sticks, in one folder on a server or disk.
//!
//! ```text
//! repository.json             whose it is
//! lock, build.lock            see below
//! packs/ab/<id>.gbp           packs, by the first two digits of their id
//! images/<name>/<version>/    manifest.gbm, <n>.gbx (map of volume n), image.key
//! images/<name>/floor.json    version numbers that were used and removed
//! sticks/<bundle id>.json     one entry per stick
//! work/                       what a build has not finished
//! import/                     temporary files of those who bring images; emptied by removing
//! ```
//!
//! Here files are created and renamed, unlike on a stick in daily use. What has its final name is complete
//! and durable: packs are named when they are synced, an image version is a folder renamed into place after
//! all its packs. Every user of the repository holds `lock`, shared; removing holds it alone; building holds
//! `build.lock` too. So a pack is never deleted while anybody reads or builds.

mod images;
mod index;
pub(crate) mod layout;
mod medium;
mod packs;
mod register;
mod remove;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use gobag_checklists::regular;
use gobag_format::ids::OrgId;
use gobag_format::manifest::ManifestError;
use gobag_format::pack::PackError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{self, At, FileError};

pub use images::{ImageSummary, StoredImage};
pub use medium::RepositoryMedium;
pub use register::StickEntry;
pub use remove::{RemoveError, RemoveOptions, RemoveReport, remove};
pub use verify::{Finding, VerifyError, VerifyOptions, VerifyReport, verify};

pub(crate) use index::{ChunkIndex, IndexedPack, Location};
pub(crate) use layout::Layout;

/// The format version written, and the newest read.
pub const REPOSITORY_FORMAT: u32 = 1;
const MAX_JSON_LEN: usize = 64 * 1024;

/// A repository in use; others wait with removing until it is dropped.
pub struct Repository {
    layout: Layout,
    org: OrgId,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct RepositoryFile {
    format: u32,
    org: OrgId,
}

/// How a repository is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Beside others.
    Shared,
    /// Alone: to delete.
    Exclusive,
}

/// Why a repository or something in it cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is no repository.
    #[error("{} is not a repository", folder.display())]
    NotARepository {
        /// The folder.
        folder: PathBuf,
    },
    /// A repository is there already.
    #[error("{} is a repository already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer program made it.
    #[error("repository format {found} is newer than {supported}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version this program reads.
        supported: u32,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to organisation {found}, not {expected}", folder.display())]
    OtherOrg {
        /// The folder.
        folder: PathBuf,
        /// The organisation asked for.
        expected: OrgId,
        /// The organisation found.
        found: OrgId,
    },
    /// Somebody else uses it.
    #[error("{} is in use by another program", lock.display())]
    Busy {
        /// The lock that is held.
        lock: PathBuf,
    },
    /// No image of that name, or not that version.
    #[error("image `{image}` is not in the repository")]
    NoSuchImage {
        /// What was asked for, `NAME` or `NAME@VERSION`.
        image: String,
    },
    /// A manifest or key was refused.
    #[error("image `{image}` cannot be opened")]
    Image {
        /// `NAME@VERSION`.
        image: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A pack was refused.
    #[error("pack {} cannot be opened", path.display())]
    Pack {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PackError,
    },
    /// A file has more bytes than such a file may have, or is no file of its kind.
    #[error("{} is not what belongs there", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

impl RepositoryError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::NotARepository { .. } => "repository.not-a-repository",
            Self::Exists { .. } => "repository.exists",
            Self::NewerFormat { .. } => "repository.newer-format",
            Self::OtherOrg { .. } => "repository.other-org",
            Self::Busy { .. } => "repository.busy",
            Self::NoSuchImage { .. } => "repository.no-such-image",
            Self::Image { source, .. } => source.code(),
            Self::Pack { source, .. } => source.code(),
            Self::Foreign { .. } => "repository.foreign-file",
        }
    }
}

impl Repository {
    /// Makes an empty repository for `org`; the folder may exist when it is empty.
    pub fn create(folder: &Path, org: OrgId) -> Result<(), RepositoryError> {
        let layout = Layout::new(folder);
        files::make_folder(folder)?;
        if !files::names_in(folder)?.is_empty() {
            return Err(RepositoryError::Exists {
                folder: folder.to_owned(),
            });
        }
        for part in layout.folders() {
            files::make_folder(&part)?;
        }
        files::create(&layout.lock(), b"")?;
        files::create(&layout.build_lock(), b"")?;
        let json = serde_json::to_vec(&RepositoryFile {
            format: REPOSITORY_FORMAT,
            org,
        });
        files::replace(
            &layout.repository_file(),
            &json.expect("plain fields always serialise"),
        )?;
        Ok(())
    }

    /// Opens the repository of `org` in `folder`; does not wait when somebody uses it in a way that excludes
    /// `access`.
    pub fn open(folder: &Path, org: OrgId, access: Access) -> Result<Self, RepositoryError> {
        let layout = Layout::new(folder);
        let not_one = || RepositoryError::NotARepository {
            folder: folder.to_owned(),
        };
        let path = layout.repository_file();
        if !path.is_file() {
            return Err(not_one());
        }
        let json = files::read_limited(&path, MAX_JSON_LEN)?.ok_or_else(not_one)?;
        let file: RepositoryFile = serde_json::from_slice(&json).map_err(|_| not_one())?;
        if file.format != REPOSITORY_FORMAT {
            let (found, supported) = (file.format, REPOSITORY_FORMAT);
            return Err(RepositoryError::NewerFormat { found, supported });
        }
        if file.org != org {
            let folder = folder.to_owned();
            return Err(RepositoryError::OtherOrg {
                folder,
                expected: org,
                found: file.org,
            });
        }
        let lock = lock(&layout.lock(), access)?;
        Ok(Self {
            layout,
            org,
            _lock: lock,
        })
    }

    /// Whose repository it is.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.layout.root()
    }

    /// A folder for temporary files as large as an image; whoever uses it cleans up, and removing cleans up
    /// after those who could not.
    pub fn import_folder(&self) -> Result<PathBuf, RepositoryError> {
        let folder = self.layout.import();
        files::make_folder(&folder)?;
        Ok(folder)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Deletes what interrupted builds left; only for who holds the build lock or the repository alone.
    pub(crate) fn clear_work(&self) -> Result<(), FileError> {
        clear(&self.layout.work())
    }

    /// Deletes temporary files of imports that were killed; only for who holds the repository alone.
    pub(crate) fn clear_import(&self) -> Result<(), FileError> {
        clear(&self.layout.import())
    }

    /// Becomes the only one who builds; the lock ends with the returned file.
    pub(crate) fn lock_for_building(&self) -> Result<File, RepositoryError> {
        lock(&self.layout.build_lock(), Access::Exclusive)
    }
}

fn clear(folder: &Path) -> Result<(), FileError> {
    for name in files::names_in(folder)? {
        let path = folder.join(name);
        if path.is_dir() {
            files::delete_folder(&path)?;
        } else {
            files::delete(&path)?;
        }
    }
    Ok(())
}

fn lock(path: &Path, access: Access) -> Result<File, RepositoryError> {
    let file = regular::open(path).at("open", path)?;
    let taken = match access {
        Access::Shared => file.try_lock_shared(),
        Access::Exclusive => file.try_lock(),
    };
    match taken {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RepositoryError::Busy {
            lock: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(FileError {
            action: "lock",
            path: path.to_owned(),
            source,
        }
        .into()),
    }
}
