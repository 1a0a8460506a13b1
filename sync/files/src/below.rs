//! Which files are at a path and below it.

use gobag_reconcile::RelPath;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use crate::{Root, limits, names::is_ours, root::folder_flags, scan::names};

/// The files at `path` and below it, with their lengths. What cannot be looked into is passed over.
pub fn files_below(root: &Root, path: &RelPath) -> Vec<(RelPath, u64)> {
    let mut found = Vec::new();
    let mut waiting = vec![path.clone()];
    while let Some(path) = waiting.pop() {
        let Ok(opened) = root.open_at(&path, OFlags::PATH | OFlags::NOFOLLOW) else {
            continue;
        };
        let Ok(stat) = fstat(&opened) else {
            continue;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => found.push((path, u64::try_from(stat.st_size).unwrap_or(0))),
            FileType::Directory if path.depth() < limits::MAX_DEPTH => {
                let folder = openat(&opened, ".", folder_flags(), Mode::empty());
                let names = folder.and_then(|folder| names(root, &folder)).unwrap_or_default();
                let names = names.iter().filter(|name| !is_ours(name));
                waiting.extend(names.map(|name| path.join(name)));
            }
            _ => {}
        }
    }
    found
}
