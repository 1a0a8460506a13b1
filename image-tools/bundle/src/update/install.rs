//! Putting the files of a new version beside those of the old: written, flushed, read back.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use gobag_format::{Monitor, digest::DigestStream};

use super::{UpdateError, UpdateReport};
use crate::{
    Bundle,
    files::{self, At, PatchedFile},
    stick::{
        content::Item,
        survey::{digest_of, len_at},
        write::{PIECE_LEN, SYNC_AFTER},
    },
};

/// Makes sure that every file of `items` is on the stick as it must be. Steps of the module's page.
pub(super) fn install(
    bundle: &Bundle,
    items: &[Item],
    monitor: &dyn Monitor,
    report: &mut UpdateReport,
) -> Result<(), UpdateError> {
    let folder = bundle.medium.folder();
    let root = folder.parent().unwrap_or(&folder);
    let at_full_len = |item: &&Item| len_at(&root.join(&item.relative)) == Some(item.len);
    let present = items.iter().filter(at_full_len).map(|item| item.len).sum();
    monitor.phase("checking what is there", Some(present));
    let mut wrong = Vec::new();
    for item in items {
        let path = root.join(&item.relative);
        // What cannot be read is not right; writing it will tell more.
        if at_full_len(&item) && digest_of(&path, monitor)? == Some(item.digest) {
            report.kept_bytes += item.len;
        } else {
            wrong.push((item, path));
        }
    }
    let total: u64 = wrong.iter().map(|(item, _)| item.len).sum();
    monitor.phase("writing", Some(total));
    for (item, path) in &wrong {
        files::make_folder(path.parent().unwrap_or(root))?;
        let written = write(item, path, monitor)?;
        report.written_files += 1;
        report.written_bytes += written;
        report.kept_bytes += item.len.saturating_sub(written);
    }
    // Also those of files that were there: a program that was killed may have made them.
    let folders: HashSet<PathBuf> = items
        .iter()
        .filter_map(|item| Some(root.join(item.relative.parent()?)))
        .collect();
    for place in folders.iter().map(PathBuf::as_path).chain([folder.as_path()]) {
        files::sync_folder(place)?;
    }
    monitor.phase("reading back", Some(total));
    for (item, path) in wrong {
        if digest_of(&path, monitor)? != Some(item.digest) {
            return Err(UpdateError::ReadBack { path });
        }
    }
    Ok(())
}

/// Writes what the stick lacks of one file; returns the bytes written.
fn write(item: &Item, path: &Path, monitor: &dyn Monitor) -> Result<u64, UpdateError> {
    // Nothing is overwritten with bytes that are not known to be right.
    if path.exists() {
        read_source(item, monitor, |_, _| Ok(()))?;
    }
    let mut file = PatchedFile::open(path)?;
    let (mut written, mut unsynced) = (0, 0);
    read_source(item, monitor, |at, piece| {
        let put = file.put(at, piece)?;
        written += put;
        unsynced += put;
        if unsynced >= SYNC_AFTER {
            file.sync()?;
            unsynced = 0;
        }
        monitor.advance(piece.len() as u64);
        Ok(())
    })?;
    file.end_at(item.len)?;
    file.sync()?;
    Ok(written)
}

/// Hands a file of the repository to `take` piece by piece; an error at its end when it is not what it must be.
fn read_source(
    item: &Item,
    monitor: &dyn Monitor,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), UpdateError>,
) -> Result<(), UpdateError> {
    let (mut reader, path) = (item.source.reader()?, item.source.path());
    let (mut digest, mut at) = (DigestStream::new(), 0);
    let mut buffer = vec![0; PIECE_LEN.min(usize::try_from(item.len).unwrap_or(PIECE_LEN))];
    while at < item.len {
        if monitor.is_cancelled() {
            return Err(UpdateError::Cancelled);
        }
        let len = buffer
            .len()
            .min(usize::try_from(item.len - at).unwrap_or(PIECE_LEN));
        let piece = &mut buffer[..len];
        reader.read_exact(piece).at("read", &path)?;
        digest.update(piece);
        take(at, piece)?;
        at += len as u64;
    }
    if digest.finish() == item.digest {
        Ok(())
    } else {
        Err(UpdateError::SourceDamaged { path })
    }
}
