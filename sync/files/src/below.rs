//! Which files are at a path and below it.

use gobag_reconcile::RelPath;
use rustix::{
    fs::{FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};

use crate::{Root, Stamp, limits, names::is_ours, root::folder_flags, scan::names};

/// What is at a path and below it.
#[derive(Debug, Default)]
pub struct Below {
    /// Files.
    pub files: Vec<(RelPath, Stamp)>,
    /// What cannot be looked at, or into.
    pub closed: Vec<RelPath>,
}

impl Below {
    /// Looks at `path`, if there is something.
    pub fn look(root: &Root, path: &RelPath) -> Self {
        let mut below = Self::default();
        let mut waiting = vec![path.clone()];
        while let Some(path) = waiting.pop() {
            match below.one(root, &path) {
                Ok(within) => waiting.extend(within),
                Err(Errno::NOENT) => {}
                Err(_) => below.closed.push(path),
            }
        }
        below
    }

    /// Gives what is in it, if it is a folder.
    fn one(&mut self, root: &Root, path: &RelPath) -> Result<Vec<RelPath>, Errno> {
        let opened = root.open_at(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = fstat(&opened)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.files.push((path.clone(), Stamp::of(&stat))),
            FileType::Directory if path.depth() >= limits::MAX_DEPTH => return Err(Errno::NAMETOOLONG),
            FileType::Directory => {
                let folder = openat(&opened, ".", folder_flags(), Mode::empty())?;
                let names = names(root, &folder)?.into_iter().filter(|name| !is_ours(name));
                return Ok(names.map(|name| path.join(&name)).collect());
            }
            _ => {}
        }
        Ok(Vec::new())
    }
}
