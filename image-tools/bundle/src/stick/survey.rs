//! Looking at sticks before writing: what is there and right, what must go, whether there is room.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use gobag_checklists::regular;
use gobag_format::Monitor;
use gobag_format::digest::{Digest, DigestStream};
use rustix::fs::statvfs;

use super::content::Item;
use super::{StickError, StickOptions, StickReport, is_cancelled, place, side_by_side};
use crate::files::{self, At, FileError};
use crate::medium::{BUNDLE_FOLDER, FileRef};

/// What one stick lacks.
pub(super) struct Survey {
    pub(super) target: PathBuf,
    /// For each item, whether it must be written.
    pub(super) needed: Vec<bool>,
    /// Files to delete first.
    pub(super) others: Vec<PathBuf>,
}

impl Survey {
    pub(super) fn needed_bytes(&self, items: &[Item]) -> u64 {
        self.lens(items, true).sum()
    }

    /// What is done when all goes well.
    pub(super) fn report(&self, items: &[Item]) -> StickReport {
        StickReport {
            written_files: self.lens(items, true).count() as u64,
            written_bytes: self.lens(items, true).sum(),
            kept_files: self.lens(items, false).count() as u64,
            kept_bytes: self.lens(items, false).sum(),
            removed_files: self.others.len() as u64,
            free_bytes: 0,
        }
    }

    fn lens(&self, items: &[Item], needed: bool) -> impl Iterator<Item = u64> {
        let of_kind = self
            .needed
            .iter()
            .zip(items)
            .filter(move |(is, _)| **is == needed);
        of_kind.map(|(_, item)| item.len)
    }
}

/// Looks at all targets; reads what is there already.
pub(super) fn survey(
    items: &[Item],
    targets: &[PathBuf],
    options: &StickOptions,
    monitor: &dyn Monitor,
) -> Result<Vec<Result<Survey, StickError>>, StickError> {
    let present = |target: &PathBuf| {
        let candidates = items
            .iter()
            .filter(|item| len_at(&place(target, item)) == Some(item.len));
        candidates.map(|item| item.len).sum::<u64>()
    };
    let total = targets.iter().map(present).sum();
    monitor.phase("checking what is there", Some(total));
    let surveys = side_by_side(targets, |target| survey_one(items, target, options, monitor));
    is_cancelled(monitor)?;
    Ok(surveys)
}

fn survey_one(
    items: &[Item],
    target: &Path,
    options: &StickOptions,
    monitor: &dyn Monitor,
) -> Result<Survey, StickError> {
    if !target.is_dir() {
        return Err(StickError::NotAFolder {
            target: target.to_owned(),
        });
    }
    let mut needed = Vec::new();
    for item in items {
        let path = place(target, item);
        // What cannot be read is not right; writing it will tell more.
        let right = len_at(&path) == Some(item.len)
            && digest_of(&path, monitor)?.is_some_and(|digest| digest == item.digest);
        needed.push(!right);
    }
    let others = if options.remove_others {
        others(items, target)?
    } else {
        Vec::new()
    };
    let survey = Survey {
        target: target.to_owned(),
        needed,
        others,
    };
    let replaced = survey.needed.iter().zip(items).filter(|(needed, _)| **needed);
    let freed = replaced
        .map(|(_, item)| place(target, item))
        .chain(survey.others.iter().cloned());
    let freed: u64 = freed
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum();
    let free_bytes = free_bytes(target)? + freed;
    let needed_bytes = survey.needed_bytes(items) + options.reserve_bytes;
    if free_bytes < needed_bytes {
        return Err(StickError::NoSpace {
            target: target.to_owned(),
            needed_bytes,
            free_bytes,
        });
    }
    Ok(survey)
}

/// Bytes an ordinary user can still write.
pub(crate) fn free_bytes(target: &Path) -> Result<u64, FileError> {
    let space = statvfs(target).at("ask for the free space of", target)?;
    Ok(space.f_bavail * space.f_frsize)
}

/// Packs, maps and manifests that are not among `items`.
fn others(items: &[Item], target: &Path) -> Result<Vec<PathBuf>, FileError> {
    let ours: HashSet<PathBuf> = items.iter().map(|item| place(target, item)).collect();
    let pack = FileRef::Pack(gobag_format::ids::PackId([0; 16])).path();
    let manifest = FileRef::Manifest(gobag_format::ids::ImageId([0; 16])).path();
    let mut others = Vec::new();
    for folder in [pack, manifest].iter().filter_map(|path| path.parent()) {
        let folder = target.join(BUNDLE_FOLDER).join(folder);
        let paths = files::names_in(&folder)?
            .into_iter()
            .map(|name| folder.join(name));
        others.extend(paths.filter(|path| !ours.contains(path) && is_ours(path)));
    }
    Ok(others)
}

pub(crate) fn is_ours(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["GBP", "GBM", "GBX"].contains(&extension))
}

/// Length of a file that is there; a link is none.
pub(crate) fn len_at(path: &Path) -> Option<u64> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// BLAKE3 of a file as the medium has it; `None` when it cannot be read.
pub(crate) fn digest_of(path: &Path, monitor: &dyn Monitor) -> Result<Option<Digest>, StickError> {
    use std::io::Read;
    let Ok(mut file) = regular::open(path) else {
        return Ok(None);
    };
    // What a killed program wrote may be in the system's memory alone, and would be counted as there.
    if file.sync_all().is_err() {
        return Ok(None);
    }
    // What the system still remembers says nothing about the medium. Where it cannot forget, it is asked in
    // vain, and reading still proves what it can.
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let (mut digest, mut buffer) = (DigestStream::new(), vec![0; 1 << 20]);
    loop {
        is_cancelled(monitor)?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(digest.finish())),
            Ok(len) => {
                digest.update(&buffer[..len]);
                monitor.advance(len as u64);
            }
            Err(_) => return Ok(None),
        }
    }
}
