//! What belongs on a stick, and what each file must hash to.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gobag_checklists::regular;
use gobag_format::digest::{Digest, DigestStream};

use super::StickError;
use crate::files::{At, FileError};
use crate::medium::{BUNDLE_FOLDER, FileRef};
use crate::repository::{Repository, StoredImage};

/// A file beside the bundle.
#[derive(Clone, Debug)]
pub struct ExtraFile {
    /// Where it lies, from the stick's root.
    pub relative: PathBuf,
    /// What is in it.
    pub content: ExtraContent,
    /// Whether it is a program; means nothing where the file system does not know the difference.
    pub executable: bool,
}

/// Content of an [`ExtraFile`].
#[derive(Clone, Debug)]
pub enum ExtraContent {
    /// That of another file.
    CopyOf(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A file that must be on every stick.
pub(crate) struct Item {
    pub(crate) relative: PathBuf,
    pub(crate) source: Source,
    pub(crate) len: u64,
    pub(crate) digest: Digest,
    pub(crate) executable: bool,
}

/// Where an item comes from.
pub(crate) enum Source {
    Path(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Source {
    /// For messages.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Bytes(_) => PathBuf::from("built-in file"),
        }
    }

    pub(crate) fn reader(&self) -> Result<Box<dyn Read + '_>, FileError> {
        Ok(match self {
            Self::Path(path) => Box::new(regular::open(path).at("open", path)?),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        })
    }
}

/// All files of an image and the extras, smallest kinds first, so that what is needed to look at the stick is
/// there early. Packs must be what the signed manifest says; the rest, what it is now.
pub(crate) fn items_of(
    repository: &Repository,
    image: &StoredImage,
    extras: &[ExtraFile],
) -> Result<Vec<Item>, StickError> {
    let manifest = &image.manifest;
    let mut items = Vec::new();
    for extra in extras {
        let source = match &extra.content {
            ExtraContent::CopyOf(path) => Source::Path(path.clone()),
            ExtraContent::Bytes(bytes) => Source::Bytes(bytes.as_slice().into()),
        };
        items.push(hashed(extra.relative.clone(), source, extra.executable)?);
    }
    let manifest_item = hashed(
        on_stick(FileRef::Manifest(manifest.image)),
        Source::Path(image.manifest_path()),
        false,
    )?;
    if manifest_item.digest != image.manifest_digest {
        return Err(StickError::SourceDamaged {
            path: image.manifest_path(),
        });
    }
    items.push(manifest_item);
    for (number, volume) in (0u8..).zip(&manifest.volumes) {
        let relative = on_stick(FileRef::Map(manifest.image, number));
        let item = hashed(relative, Source::Path(image.map_path(number)), false)?;
        if item.len != volume.map.len_bytes {
            return Err(StickError::SourceDamaged {
                path: image.map_path(number),
            });
        }
        items.push(item);
    }
    items.extend(manifest.packs.iter().map(|pack| Item {
        relative: on_stick(FileRef::Pack(pack.id)),
        source: Source::Path(repository.layout().pack(pack.id)),
        len: pack.len_bytes,
        digest: pack.digest,
        executable: false,
    }));
    Ok(items)
}

fn on_stick(file: FileRef) -> PathBuf {
    Path::new(BUNDLE_FOLDER).join(file.path())
}

fn hashed(relative: PathBuf, source: Source, executable: bool) -> Result<Item, StickError> {
    let (mut digest, mut len, mut buffer) = (DigestStream::new(), 0, vec![0; 1 << 20]);
    let mut reader = source.reader()?;
    loop {
        let read = reader.read(&mut buffer).at("read", &source.path())?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        len += read as u64;
    }
    drop(reader);
    Ok(Item {
        relative,
        source,
        len,
        digest: digest.finish(),
        executable,
    })
}
