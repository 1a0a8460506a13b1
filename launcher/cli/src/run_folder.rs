//! The private folder of one run, and what a launcher that was killed leaves behind.
//!
//! All runs of a user live in one folder that only they can enter, in memory where the system offers that
//! (`XDG_RUNTIME_DIR`, `/run`). Each run has a folder with a lock file in it, held as long as the run lives, so a folder
//! whose lock can be taken belongs to nobody. [`RunFolder::create`] first puts such folders away: it ends what is left of
//! a guest, takes the dead mount away, removes the files.
//!
//! One lock beside the folders makes this safe for two launchers at once: under it a folder is made and locked, or found
//! dead and removed. The last run takes the lock's file and the folder of all runs away with it; who waited for that
//! lock finds the file gone, and begins anew.

mod clean;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use gobag_engine::{container::StaleError, runtime::OrphanError};
use gobag_format::ids::BundleId;
use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};
use thiserror::Error;

use crate::environment::Environment;

const LOCK: &str = "lock";
/// Below a run's folder: where its volumes are mounted.
const MOUNTPOINT: &str = "disks";
/// Below a run's folder: the block socket of its volumes.
const BLOCK_SOCKET: &str = "nbd.sock";
/// Below a run's folder: addresses with a secret in them.
const ADDRESSES: &str = "addresses";
/// Below a run's folder: what a machine boots from, where its volumes are no files.
const BOOT: &str = "boot";
/// Below a run's folder: the path of the mount point, when it is elsewhere.
const ELSEWHERE: &str = "mountpoint";

/// Why there is no private folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RunFolderError {
    /// A file or folder cannot be made, read or removed.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else could look into it or change it.
    #[error("{path} belongs to somebody else, or others can enter it", path = .path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// A dead mount stays.
    #[error("cannot take the mount of a former run away from {path}", path = .path.display())]
    StaleMount {
        /// The mount point.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is left of a container stays.
    #[error(transparent)]
    StaleContainer(#[from] StaleError),
    /// What is left of a virtual machine stays.
    #[error(transparent)]
    Orphan(#[from] OrphanError),
}

impl RunFolderError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "gobag.run-folder",
            Self::NotPrivate { .. } => "gobag.run-folder-not-private",
            Self::StaleMount { .. } => "gobag.stale-mount",
            Self::StaleContainer(error) => error.code(),
            Self::Orphan(error) => error.code(),
        }
    }

    /// Whether what was looked for is not there (any more).
    fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, RunFolderError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, RunFolderError> {
        self.map_err(|source| RunFolderError::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        })
    }
}

/// The private folder of this run; removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held as long as the run lives.
    _lock: File,
}

impl RunFolder {
    /// Puts away what dead runs left, then makes the folder of a new one. The number is of folders put away.
    pub(crate) fn create(
        environment: &Environment,
        bundle: BundleId,
    ) -> Result<(Self, usize), RunFolderError> {
        let base = base(environment);
        let _guard = guard(&base)?;
        let cleaned = clean::clean(&base, environment)?;
        // Short, because sockets lie in it, and their paths have 107 bytes.
        let path = base.join(format!("{}-{}", &bundle.to_string()[..8], std::process::id()));
        make_private(&path)?;
        let folder = Self {
            _lock: lock(&path.join(LOCK), FlockOperation::NonBlockingLockExclusive)?,
            path,
        };
        make_private(&folder.mountpoint())?;
        Ok((folder, cleaned))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty folder in it, for the mount.
    pub(crate) fn mountpoint(&self) -> PathBuf {
        self.path.join(MOUNTPOINT)
    }

    /// Where the block socket of its volumes will be.
    pub(crate) fn block_socket(&self) -> PathBuf {
        self.path.join(BLOCK_SOCKET)
    }

    /// Where boot files will be.
    pub(crate) fn boot(&self) -> PathBuf {
        self.path.join(BOOT)
    }

    /// Writes addresses with a secret into a file that nobody else can read.
    pub(crate) fn keep_addresses(&self, text: &str) -> Result<PathBuf, RunFolderError> {
        let path = self.path.join(ADDRESSES);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let written = options
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.at("write", &path)?;
        Ok(path)
    }

    /// Remembers that the mount will be at `place` instead, so that a later run takes it away if this one is killed.
    pub(crate) fn mounts_at(&self, place: &Path) -> Result<(), RunFolderError> {
        let record = self.path.join(ELSEWHERE);
        write_record(&record, place.as_os_str().as_bytes()).at("write", &record)
    }

    /// The folders of all runs, living and dead.
    pub(crate) fn all(environment: &Environment) -> Result<Vec<PathBuf>, RunFolderError> {
        let base = base(environment);
        match check_private(&base).and_then(|()| runs(&base)) {
            Err(error) if error.is_gone() => Ok(Vec::new()),
            runs => runs,
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // A mount that could not be ended keeps its folder; the next start looks at it again.
        // Under the lock, so that nobody who cleans meets half a folder.
        let base = self.path.parent().unwrap_or(&self.path);
        let guard = guard(base);
        if let Err(error) = clean::remove(&self.path) {
            tracing::warn!(code = error.code(), %error, "left a temporary folder");
        }
        if guard.is_ok() && runs(base).is_ok_and(|runs| runs.is_empty()) {
            remove_base(base);
        }
    }
}

/// Removes the folder of all runs, which is empty but for the lock that the caller holds.
#[expect(
    clippy::disallowed_methods,
    reason = "the lock is in our private folder, not on the stick"
)]
fn remove_base(base: &Path) {
    // What cannot be removed is an empty folder.
    let _ = fs::remove_file(base.join(LOCK)).and_then(|()| fs::remove_dir(base));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the record is in the private folder of this run, not on the stick"
)]
fn write_record(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// The folder of all runs of this user.
fn base(environment: &Environment) -> PathBuf {
    let uid = geteuid().as_raw();
    let is_ours =
        |folder: &&PathBuf| fs::metadata(folder).is_ok_and(|meta| meta.uid() == uid && meta.is_dir());
    match environment.runtime_folder.as_ref().filter(is_ours) {
        Some(folder) => folder.join("gobag"),
        None if uid == 0 => PathBuf::from("/run/gobag"),
        None => environment.temporary_folder().join(format!("gobag-{uid}")),
    }
}

/// The lock beside the folders of all runs, which are made if they are not there.
fn guard(base: &Path) -> Result<File, RunFolderError> {
    let path = base.join(LOCK);
    loop {
        match make_private(base).and_then(|()| lock(&path, FlockOperation::LockExclusive)) {
            Ok(lock) if is_at(&lock, &path) => return Ok(lock),
            // The last run has just taken all of it away.
            Ok(_) => {}
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the open file is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let open = file.metadata().map(identity).ok();
    open.is_some() && open == fs::symlink_metadata(path).map(identity).ok()
}

/// Makes a folder that only we can enter; one that is there must be like that.
fn make_private(path: &Path) -> Result<(), RunFolderError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).at("make", path),
    }
    check_private(path)
}

fn check_private(path: &Path) -> Result<(), RunFolderError> {
    // Not through a link that somebody else may have put there.
    let found = fs::symlink_metadata(path).at("look at", path)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(RunFolderError::NotPrivate {
        path: path.to_owned(),
    })
}

fn lock(path: &Path, how: FlockOperation) -> Result<File, RunFolderError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path);
    let file = file.at("open", path)?;
    flock(&file, how).at("lock", path)?;
    Ok(file)
}

fn runs(base: &Path) -> Result<Vec<PathBuf>, RunFolderError> {
    let entries = fs::read_dir(base).at("list", base)?;
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests;
