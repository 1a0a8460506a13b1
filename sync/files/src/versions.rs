//! What was in a file before, from the version store, and putting it back.

use std::os::fd::OwnedFd;

use gobag_reconcile::{Item, RelPath};
use rustix::{
    fs::{AtFlags, FileType, OFlags, statat},
    io::Errno,
};

use crate::{
    Changes, FilesError, Known, Reading, Root, Source, Staged, Stamp, all_versions, content_of, hash,
    root::folder_flags,
};

/// An earlier file or link of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The run that put something else in its place, or removed it; runs are named by their time, so they sort.
    pub run: String,
    /// What it was.
    pub stamp: Stamp,
}

/// All that is kept of what was at `path`, the oldest first.
pub fn versions(root: &Root, path: &RelPath) -> Result<Vec<Version>, FilesError> {
    let found = all_versions(root, path)?.into_iter();
    let own = found.filter(|kept| kept.path == *path);
    Ok(own.map(|kept| kept.version).collect())
}

/// Puts the version of `path` that `run` replaced back in its place; what is there goes to the version store in turn.
pub fn restore(root: &Root, changes: &Changes<'_>, path: &RelPath, run: &str) -> Result<(), FilesError> {
    let failed = |errno| FilesError::of("read a version of", path, errno);
    let folder = folder(root, run, path).map_err(failed)?;
    let name = path.name().ok_or_else(|| failed(Errno::INVAL))?;
    let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    // Before anything is made that could not come there.
    let now = known(root, path)?;
    let staged = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(&folder, name, Vec::new()).map_err(failed)?;
            changes.stage_link(path, text.as_bytes())?
        }
        _ => {
            let open = || {
                root.open_ours(
                    &version(run, path)?,
                    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW,
                )
            };
            let file = hash::content(open().map_err(failed)?).map_err(failed)?;
            let mut from = std::fs::File::from(open().map_err(failed)?);
            changes.stage(
                path,
                &file,
                Stamp::of(&stat).mtime,
                stat.st_mode & 0o777,
                &mut from,
                now.is_some(),
            )?
        }
    };
    put_in_folders(changes, path, staged, now.as_ref())
}

/// Puts a file or link that comes from elsewhere at `path`; what is there goes to the version store.
pub fn put_back(
    root: &Root,
    changes: &Changes<'_>,
    path: &RelPath,
    item: &Item,
    mtime: (i64, u32),
    mode: u32,
    from: &mut dyn Source,
) -> Result<(), FilesError> {
    let now = known(root, path)?;
    let staged = match item {
        Item::File(file) => changes.stage(path, file, mtime, mode, from, now.is_some())?,
        Item::Link(text) => changes.stage_link(path, text)?,
        Item::Folder => return Err(FilesError::of("put", path, Errno::ISDIR)),
    };
    put_in_folders(changes, path, staged, now.as_ref())
}

/// Puts it in its place, durably, with the folders that lead there: they may have gone with it.
fn put_in_folders(
    changes: &Changes<'_>,
    path: &RelPath,
    staged: Staged,
    now: Option<&Known>,
) -> Result<(), FilesError> {
    let mut folders: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent).collect();
    folders.retain(|folder| !folder.is_root());
    folders
        .iter()
        .rev()
        .try_for_each(|folder| changes.make_folder(folder))?;
    put(changes, staged, now)
}

/// Puts what is at `from` in the place of what is at `to`, which goes to the version store; and what is at `from`, too, once it is there.
pub fn replace(root: &Root, changes: &Changes<'_>, from: &RelPath, to: &RelPath) -> Result<(), FilesError> {
    let was = known(root, from)?.ok_or_else(|| FilesError::of("read", from, Errno::NOENT))?;
    // Before anything is made that could not come there.
    let now = known(root, to)?;
    let staged = match &was.item {
        Item::File(file) => {
            let mut reading = Reading::open(root, from)?;
            let (mtime, mode) = (reading.stamp().mtime, reading.mode());
            let staged = changes.stage(to, file, mtime, mode, &mut reading, now.is_some())?;
            reading.finish()?;
            staged
        }
        Item::Link(text) => changes.stage_link(to, text)?,
        Item::Folder => return Err(FilesError::of("read", from, Errno::ISDIR)),
    };
    put(changes, staged, now.as_ref())?;
    changes.remove(from, &was)?;
    changes.flush(Vec::new()).map(drop)
}

/// Puts it in its place, durably.
fn put(changes: &Changes<'_>, staged: Staged, now: Option<&Known>) -> Result<(), FilesError> {
    for ready in changes.flush(vec![staged])? {
        changes.place(ready, now)?;
    }
    changes.flush(Vec::new()).map(drop)
}

/// The file or link that is at `path`; none: nothing is there. A folder, or something else, is an error: nothing comes in its place.
pub fn known(root: &Root, path: &RelPath) -> Result<Option<Known>, FilesError> {
    let failed = |errno| FilesError::of("look at", path, errno);
    let name = path.name().ok_or_else(|| failed(Errno::ISDIR))?;
    let stat = root
        .open_parent(path)
        .and_then(|folder| Ok((statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?, folder)));
    let (stat, folder) = match stat {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let (file, stamp) = content_of(root, path)?;
            Ok(Some(Known {
                item: Item::File(file),
                stamp: Some(stamp),
            }))
        }
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(&folder, name, Vec::new()).map_err(failed)?;
            Ok(Some(Known {
                item: Item::Link(text.as_bytes().into()),
                stamp: None,
            }))
        }
        FileType::Directory => Err(failed(Errno::ISDIR)),
        _ => Err(failed(Errno::INVAL)),
    }
}

fn version(run: &str, path: &RelPath) -> Result<RelPath, Errno> {
    let whole = [b"versions/", run.as_bytes(), b"/", path.as_bytes()].concat();
    RelPath::new(&whole).map_err(|_| Errno::NOENT)
}

fn folder(root: &Root, run: &str, path: &RelPath) -> Result<OwnedFd, Errno> {
    let parent = version(run, path)?.parent().unwrap_or_default();
    root.open_ours(&parent, folder_flags())
}
