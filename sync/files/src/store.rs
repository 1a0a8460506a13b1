//! The version store as a whole: what is in it, and letting go what nobody needs any more.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use gobag_reconcile::{Name, RelPath};
use jiff::Timestamp;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, openat, statat, unlinkat},
    io::Errno,
};

use crate::{
    FilesError, KeepRules, Root, Stamp, Version, changes::RESCUED, keep, limits, root::folder_flags, run_time,
};

/// Something in the version store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it was.
    pub path: RelPath,
    /// What it was.
    pub version: Version,
}

/// What was let go, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files and links.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Those that stay.
    pub kept: u64,
    /// Those of them that are later than the clock says, and stay for that: a clock was wrong, or is.
    pub later: u64,
}

/// All that is kept of what was at `under` or below it, by path, the oldest first.
pub fn all_versions(root: &Root, under: &RelPath) -> Result<Vec<Kept>, FilesError> {
    let failed = |errno| FilesError::of("look for versions of", under, errno);
    let store = root.versions().map_err(failed)?;
    let mut found = Vec::new();
    for run in names(&store).map_err(failed)? {
        let Ok(run) = std::str::from_utf8(run.as_bytes()) else {
            continue;
        };
        let mut walk = Walk {
            run,
            found: &mut found,
        };
        let folder = openat(&store, run, folder_flags(), Mode::empty());
        match folder.and_then(|folder| walk.along(folder, under)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    found.sort_by(|one, other| (&one.path, &one.version.run).cmp(&(&other.path, &other.version.run)));
    Ok(found)
}

struct Walk<'a> {
    run: &'a str,
    found: &'a mut Vec<Kept>,
}

impl Walk<'_> {
    /// What is at `under` in this run, or below it.
    fn along(&mut self, top: OwnedFd, under: &RelPath) -> Result<(), Errno> {
        let mut folder = top;
        let mut path = RelPath::root();
        let names: Vec<&[u8]> = under.names().collect();
        for (at, name) in names.iter().enumerate() {
            let name = Name::new(name).map_err(|_| Errno::NOENT)?;
            if at + 1 == names.len() {
                return self.one(&folder, &path, &name, at);
            }
            folder = openat(&folder, name.as_bytes(), folder_flags(), Mode::empty())?;
            path = path.join(&name);
        }
        self.all(&folder, &path, 0)
    }

    fn one(&mut self, folder: &OwnedFd, path: &RelPath, name: &Name, depth: usize) -> Result<(), Errno> {
        let stat = statat(folder, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
        let path = path.join(name);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            // What is deeper was put there by no run.
            if depth >= limits::MAX_DEPTH {
                return Ok(());
            }
            let below = openat(folder, name.as_bytes(), folder_flags(), Mode::empty())?;
            return self.all(&below, &path, depth + 1);
        }
        let version = Version {
            run: self.run.to_owned(),
            stamp: Stamp::of(&stat),
        };
        self.found.push(Kept { path, version });
        Ok(())
    }

    fn all(&mut self, folder: &OwnedFd, path: &RelPath, depth: usize) -> Result<(), Errno> {
        for name in names(folder)? {
            match self.one(folder, path, &name, depth) {
                // Another program lets go, too.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

fn names(folder: &OwnedFd) -> Result<Vec<Name>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        names.extend(Name::new(entry?.file_name().to_bytes()).ok());
    }
    Ok(names)
}

/// Whether something is at `path` now; what cannot be seen counts as not there, for then more is kept.
pub fn is_there(root: &Root, path: &RelPath) -> bool {
    let Some(name) = path.name() else { return true };
    let folder = root.open_parent(path);
    folder.is_ok_and(|folder| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// Whether nothing is at `path` for certain: what cannot be seen may be there.
pub fn is_gone(root: &Root, path: &RelPath) -> bool {
    let Some(name) = path.name() else { return false };
    let folder = root.open_parent(path);
    let found = folder.and_then(|folder| statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW));
    matches!(found, Err(Errno::NOENT | Errno::NOTDIR))
}

/// Whose versions stand for each other: those of a path; of what was rescued, of a path and a run.
type OneFile = (RelPath, Option<String>);

/// Lets go what the rules do not keep; with `dry_run` it is only counted. What no run of a known time replaced stays.
///
/// This is the one place where something that was the user's is deleted.
pub fn prune(root: &Root, rules: &KeepRules, now: Timestamp, dry_run: bool) -> Result<Pruned, FilesError> {
    let mut of_file: BTreeMap<OneFile, Vec<(i64, Version)>> = BTreeMap::new();
    let mut pruned = Pruned::default();
    for Kept { path, version } in all_versions(root, &RelPath::root())? {
        pruned.kept += 1;
        if let Some(time) = run_time(&version.run) {
            pruned.later += u64::from(time > now);
            // What was rescued is a file of its own each time, and perhaps somebody's only copy: none stands for another.
            let is_rescued = path.as_bytes().starts_with(RESCUED.as_bytes());
            let own = is_rescued.then(|| version.run.clone());
            let versions = of_file.entry((path, own)).or_default();
            versions.push((time.as_second(), version));
        }
    }
    for ((path, _), versions) in &of_file {
        let times: Vec<i64> = versions.iter().map(|(time_s, _)| *time_s).collect();
        let stays = keep::keep(&times, is_there(root, path), now.as_second(), rules);
        for ((_, version), _) in versions.iter().zip(stays).filter(|(_, stays)| !stays) {
            if !dry_run {
                let gone = let_go(root, &version.run, path);
                gone.map_err(|errno| FilesError::of("let go a version of", path, errno))?;
            }
            pruned.files += 1;
            pruned.bytes += version.stamp.size;
            pruned.kept -= 1;
        }
    }
    Ok(pruned)
}

/// Deletes a version, and the folders of its run that are empty then.
fn let_go(root: &Root, run: &str, path: &RelPath) -> Result<(), Errno> {
    let store = root.versions()?;
    let parent = path.parent().unwrap_or_default();
    let mut folders: Vec<(OwnedFd, &[u8])> = Vec::new();
    for name in std::iter::once(run.as_bytes()).chain(parent.names()) {
        let within = folders.last().map_or(&store, |(folder, _)| folder);
        match openat(within, name, folder_flags(), Mode::empty()) {
            Ok(folder) => folders.push((folder, name)),
            // Another program was faster.
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    let mut name = path.name().ok_or(Errno::INVAL)?;
    let mut flags = AtFlags::empty();
    while let Some((folder, own)) = folders.pop() {
        match unlinkat(&folder, name, flags) {
            // Another program was faster.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        (name, flags) = (own, AtFlags::REMOVEDIR);
    }
    match unlinkat(&store, name, flags) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}
