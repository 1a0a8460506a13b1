//! Files of images that no image of a header needs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use gobag_format::header::HeaderRecord;

use super::{UpdateError, UpdateReport, switch};
use crate::{
    Bundle,
    files::{self, At},
    medium::FileRef,
    stick::{content::Item, survey::is_ours},
};

/// Files in the folders of images and packs that neither the images of `record` nor `items` need. None where a manifest
/// does not open, for nobody knows what it needs.
pub(super) fn find(
    bundle: &Bundle,
    record: &HeaderRecord,
    items: &[Item],
) -> Result<Vec<(PathBuf, u64)>, UpdateError> {
    let folder = bundle.medium.folder();
    let root = folder.parent().unwrap_or(&folder);
    let mut needed: HashSet<PathBuf> = items.iter().map(|item| root.join(&item.relative)).collect();
    for image in &record.images {
        let opened = match switch::open(bundle, record, image) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(%error, image = image.name, "nothing is tidied up: a manifest does not open");
                return Ok(Vec::new());
            }
        };
        let manifest = opened.manifest();
        let maps = (0..manifest.volumes.len() as u8).map(|volume| FileRef::Map(image.id, volume));
        let packs = manifest.packs.iter().map(|pack| FileRef::Pack(pack.id));
        let files = [FileRef::Manifest(image.id)].into_iter().chain(maps).chain(packs);
        needed.extend(files.map(|file| folder.join(file.path())));
    }
    let mut unused = Vec::new();
    for folder in [folder.join("IMAGES"), folder.join("PACKS")] {
        if folder.is_symlink() {
            return Err(UpdateError::Link { path: folder });
        }
        for name in files::names_in(&folder)? {
            let path = folder.join(name);
            if is_ours(&path) && !needed.contains(&path) {
                let len = path.metadata().at("look at", &path)?.len();
                unused.push((path, len));
            }
        }
    }
    Ok(unused)
}

/// Deletes files, and counts anew those that are left; one that cannot be deleted does not keep the others.
pub(super) fn delete(unused: &[(PathBuf, u64)], report: &mut UpdateReport) -> Result<(), UpdateError> {
    report.left_files = 0;
    let mut folders = HashSet::new();
    for (path, _) in unused {
        match files::delete(path) {
            Ok(()) => report.removed_files += 1,
            Err(error) => {
                tracing::warn!(%error, "cannot tidy up");
                report.left_files += 1;
            }
        }
        folders.extend(path.parent().map(Path::to_owned));
    }
    for folder in folders {
        files::sync_folder(&folder)?;
    }
    Ok(())
}
