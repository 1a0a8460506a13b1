//! Putting away what dead runs left.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::Duration,
};

use gobag_engine::{
    container::cleanup_stale,
    run::{Run, RunError},
    runtime::end_orphan,
    tools,
};
use gobag_mount::mount_points;
use rustix::{
    fs::{FlockOperation, statvfs},
    io::Errno,
    mount::UnmountFlags,
};

use super::{At, ELSEWHERE, LOCK, MOUNTPOINT, RunFolderError, lock, runs};
use crate::environment::Environment;

/// How long a process of a dead run may take to end, and `fusermount3` to work.
const CLEANING: Duration = Duration::from_secs(10);

/// Puts every dead run away. The caller holds the lock beside them.
pub(super) fn clean(base: &Path, environment: &Environment) -> Result<usize, RunFolderError> {
    let mut cleaned = 0;
    for folder in runs(base)? {
        match lock(&folder.join(LOCK), FlockOperation::NonBlockingLockExclusive) {
            Ok(_lock) => {
                end_orphan(&folder, CLEANING)?;
                cleanup_stale(&folder, CLEANING)?;
                detach(&folder.join(MOUNTPOINT), environment)?;
                detach_elsewhere(&folder, environment)?;
                remove(&folder)?;
                cleaned += 1;
            }
            Err(RunFolderError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cleaned)
}

pub(super) fn is_mounted(mountpoint: &Path) -> bool {
    mount_points()
        .iter()
        .any(|mount| mount.path == mountpoint && mount.is_ours())
}

/// Takes away the mount that a dead run made in a folder of the person's choice. By now another run may have mounted
/// there: only a mount that nobody serves is taken away.
fn detach_elsewhere(folder: &Path, environment: &Environment) -> Result<(), RunFolderError> {
    let record = folder.join(ELSEWHERE);
    let place = match fs::read(&record) {
        Ok(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("read", &record),
    };
    match is_mounted(&place) && statvfs(&place).is_err_and(|error| error == Errno::NOTCONN) {
        true => detach(&place, environment),
        false => Ok(()),
    }
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
pub(super) fn remove(folder: &Path) -> Result<(), RunFolderError> {
    let mountpoint = folder.join(MOUNTPOINT);
    if is_mounted(&mountpoint) {
        return Err(RunFolderError::StaleMount {
            path: mountpoint,
            source: io::Error::from(Errno::BUSY).into(),
        });
    }
    fs::remove_dir_all(folder).at("remove", folder)
}
