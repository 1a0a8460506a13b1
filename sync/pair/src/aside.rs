//! The files of a base: one that is not to be used is put aside, and another comes in its place.

use std::path::{Path, PathBuf};

use gobag_files::FilesError;
use rustix::io::Errno;

use crate::PairError;

/// The database's name in our folder of the left root.
pub(crate) const BASE: &str = "base.db";
/// One that is to come in its place.
pub(crate) const FRESH: &str = "base.db.fresh";
/// The files of a database.
pub(crate) const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// Keeps what a base was under another name, too, with `mark` in it, which no other has; it is in its place still, but for what was not yet in it.
pub(crate) fn put_aside(base: &Path, mark: &str) -> Result<(), PairError> {
    let aside = base.with_file_name(format!("{BASE}.damaged-{mark}"));
    tracing::warn!(path = %base.display(), aside = %aside.display(), "what both folders had last is not to be used");
    for ending in ENDINGS {
        match rustix::fs::link(with(base, ending), with(&aside, ending)) {
            Ok(()) | Err(Errno::NOENT | Errno::EXIST) => {}
            // Without second names it is not kept; it says nothing to anybody but us.
            Err(Errno::PERM | Errno::OPNOTSUPP) => tracing::warn!("it is not kept"),
            Err(errno) => return Err(unusable(base, errno)),
        }
    }
    // What another base wrote ahead must not be taken for this one's.
    ENDINGS[1..]
        .iter()
        .try_for_each(|ending| remove(&with(base, ending)))
}

pub(crate) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

pub(crate) fn remove(path: &Path) -> Result<(), PairError> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(unusable(path, errno)),
    }
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), PairError> {
    rustix::fs::rename(from, to).map_err(|errno| unusable(to, errno))
}

fn unusable(path: &Path, errno: Errno) -> PairError {
    let (path, source) = (path.to_owned(), errno.into());
    FilesError::Root { path, source }.into()
}
