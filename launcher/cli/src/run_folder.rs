//! The private folder of one run, and what a launcher that was killed leaves behind.
//!
//! All runs of a user live in one folder that only they can enter, in memory where the system offers that
//! (`XDG_RUNTIME_DIR`, `/run`). Each run has a folder with a lock file in it, held as long as the run lives, so a folder
//! whose lock can be taken belongs to nobody. [`RunFolder::create`] first puts such folders away: it ends what is left of
//! a guest, takes the dead mount away, removes the files.
//!
//! One lock beside the folders makes this safe for two launchers at once: under it a folder is made and locked, or found
//! dead and removed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use gobag_engine::{
    container::{StaleError, cleanup_stale},
    run::{Run, RunError},
    runtime::{OrphanError, end_orphan},
    tools,
};
use gobag_format::ids::BundleId;
use gobag_mount::mount_points;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    mount::UnmountFlags,
    process::geteuid,
};
use thiserror::Error;

use crate::environment::Environment;

const LOCK: &str = "lock";
/// Below a run's folder: where its volumes are mounted.
const MOUNTPOINT: &str = "disks";
/// How long a process of a dead run may take to end, and `fusermount3` to work.
const CLEANING: Duration = Duration::from_secs(10);

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
        let base = base(environment)?;
        let _guard = lock(&base.join(LOCK), FlockOperation::LockExclusive)?;
        let cleaned = clean(&base, environment)?;
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

    /// The folders of all runs, living and dead.
    pub(crate) fn all(environment: &Environment) -> Result<Vec<PathBuf>, RunFolderError> {
        runs(&base(environment)?)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // A mount that could not be ended keeps its folder; the next start looks at it again.
        if let Err(error) = remove(&self.path) {
            tracing::warn!(code = error.code(), %error, "left a temporary folder");
        }
    }
}

/// The folder of all runs of this user.
fn base(environment: &Environment) -> Result<PathBuf, RunFolderError> {
    let uid = geteuid().as_raw();
    let is_ours =
        |folder: &&PathBuf| fs::metadata(folder).is_ok_and(|meta| meta.uid() == uid && meta.is_dir());
    let base = match environment.runtime_folder.as_ref().filter(is_ours) {
        Some(folder) => folder.join("gobag"),
        None if uid == 0 => PathBuf::from("/run/gobag"),
        None => environment.temporary_folder().join(format!("gobag-{uid}")),
    };
    make_private(&base)?;
    Ok(base)
}

/// Makes a folder that only we can enter; one that is there must be like that.
fn make_private(path: &Path) -> Result<(), RunFolderError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).at("make", path),
    }
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

/// Puts every dead run away. The caller holds the lock beside them.
fn clean(base: &Path, environment: &Environment) -> Result<usize, RunFolderError> {
    let mut cleaned = 0;
    for folder in runs(base)? {
        match lock(&folder.join(LOCK), FlockOperation::NonBlockingLockExclusive) {
            Ok(_lock) => {
                end_orphan(&folder, CLEANING)?;
                cleanup_stale(&folder, CLEANING)?;
                detach(&folder.join(MOUNTPOINT), environment)?;
                remove(&folder)?;
                cleaned += 1;
            }
            Err(RunFolderError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cleaned)
}

fn is_mounted(mountpoint: &Path) -> bool {
    mount_points()
        .iter()
        .any(|mount| mount.path == mountpoint && mount.is_ours())
}

/// Takes a dead mount away.
fn detach(mountpoint: &Path, environment: &Environment) -> Result<(), RunFolderError> {
    if !is_mounted(mountpoint) {
        return Ok(());
    }
    let stale = |source: Box<dyn std::error::Error + Send + Sync>| RunFolderError::StaleMount {
        path: mountpoint.to_owned(),
        source,
    };
    match rustix::mount::unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => {
            let helper = tools::find("fusermount3", environment.path.as_deref());
            let helper = helper.map_err(|error| stale(error.into()))?;
            let ended: Result<_, RunError> = Run::new(&helper)
                .args(["-u", "-z", "--"])
                .arg(mountpoint)
                .deadline(CLEANING)
                .success();
            ended.map(drop).map_err(|error| stale(error.into()))
        }
        Err(errno) => Err(stale(io::Error::from(errno).into())),
    }
}

/// Removes a run's folder, unless something is mounted in it.
fn remove(folder: &Path) -> Result<(), RunFolderError> {
    let mountpoint = folder.join(MOUNTPOINT);
    if is_mounted(&mountpoint) {
        return Err(RunFolderError::StaleMount {
            path: mountpoint,
            source: io::Error::from(Errno::BUSY).into(),
        });
    }
    fs::remove_dir_all(folder).at("remove", folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &Path) -> Environment {
        Environment {
            runtime_folder: Some(folder.to_owned()),
            ..Environment::of_process()
        }
    }

    #[test]
    fn a_run_has_a_private_folder_that_is_gone_afterwards() {
        let place = tempfile::tempdir().unwrap();
        let environment = environment(place.path());
        let (folder, cleaned) = RunFolder::create(&environment, BundleId([7; 16])).unwrap();
        assert_eq!(cleaned, 0);
        assert!(
            folder
                .path()
                .ends_with(format!("07070707-{}", std::process::id()))
        );
        for path in [
            folder.path(),
            folder.path().parent().unwrap(),
            &folder.mountpoint(),
        ] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o700);
        }
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes a dead run's files")]
    fn dead_runs_are_put_away_and_living_ones_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let environment = environment(place.path());
        let (living, _) = RunFolder::create(&environment, BundleId([1; 16])).unwrap();
        let dead = place.path().join("gobag/02020202-1");
        fs::create_dir_all(dead.join(MOUNTPOINT)).unwrap();
        fs::write(dead.join("qmp.sock"), "").unwrap();
        fs::write(dead.join(LOCK), "").unwrap();

        let (second, cleaned) = RunFolder::create(&environment, BundleId([3; 16])).unwrap();
        assert_eq!(cleaned, 1);
        assert!(!dead.exists() && living.path().exists());
        assert_eq!(
            RunFolder::all(&environment).unwrap(),
            [living.path(), second.path()]
        );
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let base = place.path().join("gobag");
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, PermissionsExt::from_mode(0o755)).unwrap();
        let error = RunFolder::create(&environment(place.path()), BundleId([1; 16])).unwrap_err();
        assert_eq!(error.code(), "gobag.run-folder-not-private");

        fs::remove_dir(&base).unwrap();
        std::os::unix::fs::symlink(place.path(), &base).unwrap();
        let error = RunFolder::create(&environment(place.path()), BundleId([1; 16])).unwrap_err();
        assert_eq!(
            error.code(),
            "gobag.run-folder-not-private",
            "a link is not followed"
        );
    }
}
