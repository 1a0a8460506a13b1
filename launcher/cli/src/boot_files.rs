//! What a virtual machine boots from, as files, where its disks come through a block socket.
//!
//! QEMU reads a kernel and an initial RAM disk from files alone. They come from the image, the same on every stick of the
//! company: nothing personal is in them. They lie in the run's private folder, which is in memory where the system offers
//! that, and go with the guest.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use gobag_bundle::{Volume, VolumeError};
use thiserror::Error;

/// They are written in pieces of this many bytes.
const PIECE: usize = 1 << 20;

/// Why there are no boot files.
#[derive(Debug, Error)]
pub(crate) enum BlobError {
    /// It does not read.
    #[error("cannot read `{name}` on the stick")]
    Read {
        /// The volume.
        name: String,
        /// Why.
        #[source]
        source: VolumeError,
    },
    /// There is no place for it.
    #[error("cannot write {path}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BlobError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Read { source, .. } => source.code(),
            Self::Write { .. } => "gobag.boot-files",
        }
    }
}

/// Files that QEMU can read, for as long as this lives.
#[derive(Debug)]
pub(crate) struct BootFiles(PathBuf);

impl BootFiles {
    /// Writes `blobs` into `folder`, which must not be there yet.
    pub(crate) fn write<'a>(
        folder: PathBuf,
        blobs: impl Iterator<Item = (&'a str, &'a dyn Volume)>,
    ) -> Result<Self, BlobError> {
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|source| BlobError::Write {
            path: folder.clone(),
            source,
        })?;
        let files = Self(folder);
        for (name, blob) in blobs {
            copy(name, blob, &files.0.join(name))?;
        }
        Ok(files)
    }

    /// The folder they are in.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for BootFiles {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "left temporary files");
        }
    }
}

fn copy(name: &str, blob: &dyn Volume, path: &Path) -> Result<(), BlobError> {
    let failed = |source| BlobError::Write {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(failed)?;
    let (mut buffer, mut at, size) = (vec![0; PIECE], 0, blob.size_bytes());
    while at < size {
        let len = usize::try_from(size - at).map_or(PIECE, |left| left.min(PIECE));
        let piece = &mut buffer[..len];
        blob.read_at(at, piece).map_err(|source| BlobError::Read {
            name: name.to_owned(),
            source,
        })?;
        file.write_all(piece).map_err(failed)?;
        at += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use gobag_mount::Export;

    use super::*;

    #[test]
    fn boot_files_are_private_whole_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..PIECE as u32 * 2 + 7).map(|at| (at / 3) as u8).collect();
        let blob = Export::bytes("kernel", bytes.clone()).volume;
        let place = folder.path().join("boot");
        let files = BootFiles::write(place.clone(), [("kernel", &*blob)].into_iter()).unwrap();
        let kernel = files.folder().join("kernel");
        assert!(fs::read(&kernel).unwrap() == bytes);
        assert_eq!(fs::metadata(&kernel).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        let again = BootFiles::write(place.clone(), std::iter::empty());
        assert_eq!(again.unwrap_err().code(), "gobag.boot-files");
        drop(files);
        assert!(!place.exists());
    }
}
