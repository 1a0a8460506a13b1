//! The header record that switches, and the last look at the new version before it.

use std::{collections::HashSet, sync::Arc};

use gobag_format::{
    header::{HeaderRecord, ImageRecord, VolumeRecord, VolumeRole},
    ids::VolumeId,
    manifest::Trust,
};

use super::UpdateError;
use crate::{
    Bundle,
    base::{BaseImage, BaseOptions},
    medium::StickMedium,
    provision::image_record,
    repository::StoredImage,
};

/// Memory for looking at an image.
pub(super) const CACHE_BYTES: u64 = 1 << 20;

/// The record with `image` instead of the version of the same name that it has. The system volume gets another number, so
/// that nothing of the log is a change of the new base, also none of those `in_force`: until the switch, the log knows them.
/// Fields of later versions stay.
pub(super) fn switched(record: &HeaderRecord, in_force: &HeaderRecord, image: &StoredImage) -> HeaderRecord {
    let (mut record, manifest) = (record.clone(), &image.manifest);
    let Some(position) = record.images.iter().position(|old| old.name == manifest.name) else {
        return record;
    };
    let old = record.images[position].id;
    record.images[position] = ImageRecord {
        later: std::mem::take(&mut record.images[position].later),
        ..image_record(
            manifest.image,
            &manifest.name,
            manifest.version,
            image.manifest_digest,
            image.key.clone(),
        )
    };
    let is_old =
        |volume: &VolumeRecord| matches!(volume.role, VolumeRole::System { image, .. } if image == old);
    let place = record.volumes.iter().position(is_old);
    let fresh = fresh_number([&record, in_force], place.map(|place| record.volumes[place].id));
    let later = place.map(|place| record.volumes[place].later.clone());
    record.volumes.retain(|volume| !is_old(volume));
    if let Some((volume, entry)) = manifest.base() {
        let system = VolumeRecord {
            id: fresh,
            role: VolumeRole::System {
                image: manifest.image,
                volume,
            },
            size_bytes: entry.size_bytes,
            later: later.unwrap_or_default(),
        };
        let place = place.unwrap_or(record.volumes.len());
        record.volumes.insert(place, system);
    }
    record
}

/// The number after `old`, going round, that no volume of these has.
fn fresh_number(records: [&HeaderRecord; 2], old: Option<VolumeId>) -> VolumeId {
    let first = old.map_or(0, |old| old.0);
    let mut candidates = (1..=u8::MAX).map(|step| VolumeId(first.wrapping_add(step)));
    let volumes = records.iter().flat_map(|record| &record.volumes);
    let taken: HashSet<VolumeId> = volumes.map(|volume| volume.id).collect();
    let is_free = |id: &VolumeId| !taken.contains(id);
    // A bundle has 32 volumes at most, so one of 255 is free.
    candidates.find(is_free).unwrap_or(VolumeId(first))
}

/// Opens every image that `record` names and the header in force does not, from the stick and as the launcher will:
/// signature, digest, every leaf of every map.
pub(super) fn check(bundle: &Bundle, record: &HeaderRecord) -> Result<(), UpdateError> {
    let is_there = |image: &&ImageRecord| bundle.record().images.iter().all(|old| old.id != image.id);
    for image in record.images.iter().filter(is_there) {
        let opened = open(bundle, record, image)?;
        for number in 0..opened.manifest().volumes.len() as u8 {
            let volume = opened.volume(number)?;
            for leaf in 0..volume.leaves() {
                volume.leaf(leaf)?;
            }
        }
    }
    Ok(())
}

/// An image of the stick, through handles of its own: the bundle keeps its own open for good, and a file that somebody
/// has open gives its room back only later.
pub(super) fn open(
    bundle: &Bundle,
    record: &HeaderRecord,
    image: &ImageRecord,
) -> Result<BaseImage, UpdateError> {
    let trust = Trust {
        image: image.id,
        publisher: record.publisher,
        min_version: image.version,
        digest: Some(image.manifest),
    };
    let options = BaseOptions {
        cache_bytes: CACHE_BYTES,
        read_ahead_chunks: 0,
    };
    let folder = bundle.medium.folder();
    let medium = Arc::new(StickMedium::peek(folder.parent().unwrap_or(&folder)));
    Ok(BaseImage::open(medium, &image.image_key, &trust, &options)?)
}
