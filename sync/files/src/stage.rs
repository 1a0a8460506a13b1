//! The folders in which what is to come is made: each is locked by whoever makes something in it, so that one whose owner was killed is known.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{AtFlags, Dir, FlockOperation, Mode, flock, fstat, openat, statat},
    io::Errno,
};

use crate::{Root, root::folder_flags};

/// How the owners are called who come once and never again: nobody else would clear up after one that was killed.
const ONCE: &str = "restore-";

/// The name of somebody who comes once, in the run `run`.
pub fn once(run: &str) -> String {
    format!("{ONCE}{run}")
}

/// Takes the folder of `owner`, for as long as it is open; `AGAIN` if somebody of that name is at work. Where nobody can lock (some network file systems), it is not
/// locked.
pub(crate) fn take(root: &Root, owner: &str) -> Result<OwnedFd, Errno> {
    let how = match owner.starts_with(ONCE) {
        // Only by who clears up, for a moment.
        true => FlockOperation::LockExclusive,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    let mut attempts = 0..16;
    loop {
        let folder = root.stage(owner)?;
        match flock(&folder, how) {
            Err(Errno::AGAIN) => return Err(Errno::AGAIN),
            Err(_) => return Ok(folder),
            Ok(()) => {}
        }
        // Who cleared up may have taken it away before it was locked.
        let stages = root.stages()?;
        let is_there = statat(&stages, owner, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| fstat(&folder).is_ok_and(|own| own.st_ino == stat.st_ino));
        if is_there || attempts.next().is_none() {
            return Ok(folder);
        }
    }
}

/// The folders of owners who come once and were killed; nobody else gets them while they are open.
pub(crate) fn abandoned(root: &Root, but: &str) -> Result<Vec<(String, OwnedFd)>, Errno> {
    let stages = root.stages()?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&stages)? {
        let entry = entry?;
        let Ok(owner) = entry.file_name().to_str() else {
            continue;
        };
        if !owner.starts_with(ONCE) || owner == but {
            continue;
        }
        let Ok(folder) = openat(&stages, owner, folder_flags(), Mode::empty()) else {
            continue;
        };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            found.push((owner.to_owned(), folder));
        }
    }
    Ok(found)
}
