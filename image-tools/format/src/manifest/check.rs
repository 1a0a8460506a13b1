//! What a manifest may say, signed or not.

use std::collections::HashSet;

use crate::limits::{MAX_PACK_LEN, MAX_PACKS, MAX_VOLUME_LEN, MAX_VOLUMES};
use crate::pack::PACK_GRAIN;

use super::{MANIFEST_FORMAT, MAX_NAME_LEN, Manifest, ManifestError, VolumeEntry, VolumeKind};

/// Incompatible features this program knows.
const KNOWN_FEATURES: &[&str] = &[];

/// Whether `text` can name an image or a volume: a file name on every system, and nothing else. Lower-case
/// letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
pub fn is_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=MAX_NAME_LEN).contains(&bytes.len())
        && word(bytes[0])
        && bytes.iter().all(|byte| word(*byte) || b"-_.".contains(byte))
        && !text.ends_with('.')
}

pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.format != MANIFEST_FORMAT {
        return Err(ManifestError::NewerFormat {
            found: manifest.format,
            supported: MANIFEST_FORMAT,
        });
    }
    let unknown = |name: &&String| !KNOWN_FEATURES.contains(&name.as_str());
    if let Some(name) = manifest.features.incompatible.iter().find(unknown) {
        return Err(ManifestError::UnknownFeature { name: name.clone() });
    }
    if !is_name(&manifest.name) {
        return Err(invalid(format!("`{}` cannot name an image", manifest.name)));
    }
    check_volumes(manifest)?;
    check_packs(manifest)?;
    check_start(manifest)
}

fn check_volumes(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.volumes.len() > MAX_VOLUMES {
        return Err(invalid(format!(
            "{} volumes are more than {MAX_VOLUMES}",
            manifest.volumes.len()
        )));
    }
    let mut names = HashSet::new();
    for volume in &manifest.volumes {
        check_volume(volume)?;
        if !names.insert(&volume.name) {
            return Err(invalid(format!("two volumes are named `{}`", volume.name)));
        }
    }
    Ok(())
}

fn check_volume(volume: &VolumeEntry) -> Result<(), ManifestError> {
    let name = &volume.name;
    if !is_name(name) {
        return Err(invalid(format!("`{name}` cannot name a volume")));
    }
    if volume.size_bytes == 0 || volume.size_bytes > MAX_VOLUME_LEN {
        return Err(invalid(format!(
            "volume `{name}` cannot have {} bytes",
            volume.size_bytes
        )));
    }
    if !volume.map.fits(volume.size_bytes) {
        return Err(invalid(format!("map of volume `{name}` does not fit its size")));
    }
    Ok(())
}

fn check_packs(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.packs.len() > MAX_PACKS {
        return Err(invalid(format!(
            "{} packs are more than {MAX_PACKS}",
            manifest.packs.len()
        )));
    }
    let mut ids = HashSet::new();
    for pack in &manifest.packs {
        let len = pack.len_bytes;
        if !(PACK_GRAIN..=MAX_PACK_LEN).contains(&len) || !len.is_multiple_of(PACK_GRAIN) {
            return Err(invalid(format!("pack {} cannot have {len} bytes", pack.id)));
        }
        if !ids.insert(pack.id) {
            return Err(invalid(format!("pack {} is listed twice", pack.id)));
        }
    }
    Ok(())
}

fn check_start(manifest: &Manifest) -> Result<(), ManifestError> {
    let names = |name: &str, kind: VolumeKind| {
        let volume = manifest.volume(name).filter(|(_, volume)| volume.kind == kind);
        volume
            .map(|_| ())
            .ok_or_else(|| invalid(format!("`{name}` is no volume of the kind needed here")))
    };
    if let Some(kernel) = &manifest.boot.kernel {
        names(&kernel.kernel, VolumeKind::Blob)?;
        kernel
            .initrd
            .as_deref()
            .map_or(Ok(()), |initrd| names(initrd, VolumeKind::Blob))?;
    }
    let Some(container) = &manifest.container else {
        return Ok(());
    };
    names(&container.volume, VolumeKind::Base)?;
    let size_bytes = manifest
        .volume(&container.volume)
        .map_or(0, |(_, volume)| volume.size_bytes);
    let end = container
        .file_system_offset_bytes
        .checked_add(container.file_system_size_bytes);
    match end.filter(|end| *end <= size_bytes) {
        Some(_) => Ok(()),
        None => Err(invalid(
            "the container's file system lies outside its volume".to_owned(),
        )),
    }
}

fn invalid(reason: String) -> ManifestError {
    ManifestError::Invalid { reason }
}
