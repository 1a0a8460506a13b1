//! What an update will do, and everything that can be refused before it begins.

use std::{collections::HashSet, sync::Arc};

use gobag_format::header::{HeaderRecord, VolumeRecord, VolumeRole};
use rustix::fs::statvfs;

use super::{ImageChange, UpdateError, UpdatePlan, UpdateSummary, home, switch, unused};
use crate::{
    Bundle,
    files::At,
    repository::{Repository, StoredImage},
    session::{SessionOptions, open_store},
    stick::{
        content::{Item, items_of},
        survey::len_at,
    },
    store::StoreMode,
};

pub(super) fn plan(
    bundle: &Bundle,
    repository: &Repository,
    images: &[StoredImage],
) -> Result<UpdatePlan, UpdateError> {
    let record = bundle.record();
    if !bundle.writable {
        return Err(UpdateError::ReadOnly);
    }
    if record.org != repository.org() {
        return Err(UpdateError::OtherOrg {
            org_name: record.org_name.clone(),
        });
    }
    let mut summary = UpdateSummary::default();
    let (mut items, mut next) = (Vec::new(), None);
    for image in images {
        let Some(change) = change(record, image)? else {
            continue;
        };
        let added = items_of(repository, image, &[])?;
        let known: HashSet<_> = items.iter().map(|item: &Item| item.relative.clone()).collect();
        items.extend(added.into_iter().filter(|item| !known.contains(&item.relative)));
        next = Some(switch::switched(next.as_ref().unwrap_or(record), record, image));
        summary.images.push(change);
    }
    if let Some(next) = &next {
        look_at_log(bundle, next, &mut summary)?;
    }
    look_at_files(bundle, &items, &mut summary)?;
    Ok(UpdatePlan {
        summary,
        items,
        record: next,
    })
}

/// Which change `image` is to the stick; `None` when it is the version that is there.
fn change(record: &HeaderRecord, image: &StoredImage) -> Result<Option<ImageChange>, UpdateError> {
    let manifest = &image.manifest;
    let name = manifest.name.clone();
    let Some(old) = record.images.iter().find(|old| old.name == name) else {
        return Err(UpdateError::NoSuchImage { name });
    };
    let (from, to) = (old.version, manifest.version);
    if (old.id, old.manifest) == (manifest.image, image.manifest_digest) {
        return Ok(None);
    }
    if to == from {
        return Err(UpdateError::SameNumber { name, version: to });
    }
    if to < from {
        return Err(UpdateError::Older {
            name,
            on_stick: from,
            asked: to,
        });
    }
    Ok(Some(ImageChange { name, from, to }))
}

fn look_at_log(bundle: &Bundle, next: &HeaderRecord, summary: &mut UpdateSummary) -> Result<(), UpdateError> {
    let options = SessionOptions::default();
    let store = Arc::new(open_store(bundle, StoreMode::ReadOnly, &options)?);
    if !store.fits(&next.volumes) {
        let is_new = |volume: &&VolumeRecord| !bundle.record().volumes.contains(volume);
        let largest = next
            .volumes
            .iter()
            .filter(is_new)
            .max_by_key(|volume| volume.size_bytes);
        let of = largest.and_then(|volume| match volume.role {
            VolumeRole::System { image, .. } => next.images.iter().find(|record| record.id == image),
            VolumeRole::Home => None,
        });
        return Err(UpdateError::TooLarge {
            name: of.map_or_else(String::new, |image| image.name.clone()),
        });
    }
    let stays = |id| next.volumes.iter().any(|volume| volume.id == id);
    let gone = bundle.record().volumes.iter().filter(|volume| !stays(volume.id));
    summary.given_up_bytes = gone.map(|volume| store.changed_bytes(volume.id)).sum();
    summary.home_unused = summary.given_up_bytes > 0 && home::is_unused(&store, bundle.record());
    Ok(())
}

fn look_at_files(bundle: &Bundle, items: &[Item], summary: &mut UpdateSummary) -> Result<(), UpdateError> {
    let folder = bundle.medium.folder();
    let root = folder.parent().unwrap_or(&folder);
    let space = statvfs(root).at("ask for the free space of", root)?;
    let mut taken_up = 0;
    for item in items {
        match len_at(&root.join(&item.relative)) {
            Some(len) if len == item.len => {
                summary.shared_files += 1;
                summary.shared_bytes += len;
            }
            there => {
                let missing = item.len.saturating_sub(there.unwrap_or(0));
                summary.missing_files += 1;
                summary.missing_bytes += missing;
                // Files end in a cluster of their own, and a folder may need one more.
                taken_up += missing.next_multiple_of(space.f_frsize.max(1)) + space.f_frsize;
            }
        }
    }
    let unused = unused::find(bundle, bundle.record(), items)?;
    summary.unused_files = unused.len() as u64;
    summary.unused_bytes = unused.iter().map(|(_, len)| len).sum();
    summary.free_bytes = space.f_bavail * space.f_frsize;
    let free_bytes = summary.free_bytes + summary.unused_bytes;
    if taken_up > free_bytes {
        return Err(UpdateError::NoSpace {
            stick: root.to_owned(),
            needed_bytes: taken_up,
            free_bytes,
        });
    }
    Ok(())
}
