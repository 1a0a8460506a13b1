//! An image version of the repository, read like one on a stick.

use gobag_checklists::regular;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Layout, Repository, StoredImage};
use crate::medium::{FileRef, Medium};

/// The files of one image version; read-only.
pub struct RepositoryMedium {
    layout: Layout,
    image: gobag_format::ids::ImageId,
    manifest: PathBuf,
    folder: PathBuf,
    open: Mutex<HashMap<FileRef, Arc<File>>>,
}

impl RepositoryMedium {
    /// Reads `image` of `repository`.
    pub fn new(repository: &Repository, image: &StoredImage) -> Self {
        Self {
            layout: repository.layout().clone(),
            image: image.manifest.image,
            manifest: image.manifest_path(),
            folder: image.folder.clone(),
            open: Mutex::default(),
        }
    }

    fn path(&self, file: FileRef) -> Option<PathBuf> {
        match file {
            FileRef::Pack(id) => Some(self.layout.pack(id)),
            FileRef::Manifest(id) if id == self.image => Some(self.manifest.clone()),
            FileRef::Map(id, volume) if id == self.image => Some(super::layout::map(&self.folder, volume)),
            _ => None,
        }
    }

    fn file(&self, file: FileRef) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.get(&file) {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(regular::open(&self.path(file).ok_or(io::ErrorKind::NotFound)?)?);
        open.insert(file, Arc::clone(&opened));
        Ok(opened)
    }
}

impl Medium for RepositoryMedium {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        Ok(self.file(file)?.metadata()?.len())
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file(file)?.read_exact_at(buffer, offset)
    }

    fn write_at(&self, _file: FileRef, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&self, _file: FileRef) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self, _file: FileRef) -> io::Result<()> {
        Ok(())
    }
}
