//! Disk images: converted to raw where they are not, and looked at as far as starting them needs.

mod partitions;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
};

use gobag_engine::qemu_img::{self, ConvertError, DiskFormat};
use gobag_format::Monitor;
use rustix::fs::{SeekFrom, seek};
use serde::Serialize;

pub use partitions::{DiskFacts, FileSystemPlace, Partition, PartitionKind, PartitionTable};

use crate::volume::VolumeFile;

/// Why a disk image cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no disk.
    #[error("{} is no disk: {what}", path.display())]
    NoDisk {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// It is of another format and cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// QEMU would cut the end of this VHD off, because it goes by its cylinders.
    #[error(
        "disk image {} states {stated_bytes} bytes but its geometry only {seen_bytes}: convert it to VHDX or VDI with the program that made it",
        path.display()
    )]
    VhdGeometry {
        /// The image.
        path: PathBuf,
        /// The size in its footer.
        stated_bytes: u64,
        /// The size QEMU sees.
        seen_bytes: u64,
    },
}

impl DiskError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "import.disk-unreadable",
            Self::NoDisk { .. } => "import.no-disk",
            Self::Convert(error) => error.code(),
            Self::VhdGeometry { .. } => "import.vhd-geometry",
        }
    }
}

/// How a disk image boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBoot {
    /// Through a BIOS: there is code in the first sector.
    Bios,
    /// Through UEFI: there is an EFI system partition.
    Uefi,
    /// Not at all, as far as can be seen.
    None,
}

/// A disk as a volume.
pub(crate) struct Disk {
    pub(crate) volume: VolumeFile,
    pub(crate) facts: DiskFacts,
    pub(crate) notes: Vec<String>,
}

/// Opens the disk image `source`; anything but raw is converted to `destination`, a new file.
pub(crate) fn open(
    source: &Path,
    format: DiskFormat,
    destination: &Path,
    monitor: &dyn Monitor,
) -> Result<Disk, DiskError> {
    let read_failed = |source_error| DiskError::Read {
        path: source.to_owned(),
        source: source_error,
    };
    let mut notes = Vec::new();
    let (path, temporary) = match format {
        DiskFormat::Raw => (std::path::absolute(source).map_err(read_failed)?, false),
        _ => {
            convert(source, format, destination, monitor, &mut notes)?;
            (destination.to_owned(), true)
        }
    };
    let (file, size_bytes) = open_raw(&path)?;
    let facts = facts(&file, size_bytes).map_err(|source| DiskError::Read {
        path: path.clone(),
        source,
    })?;
    notes.extend(facts.notes());
    let volume = VolumeFile {
        path,
        size_bytes,
        temporary,
    };
    Ok(Disk { volume, facts, notes })
}

fn convert(
    source: &Path,
    format: DiskFormat,
    destination: &Path,
    monitor: &dyn Monitor,
    notes: &mut Vec<String>,
) -> Result<(), DiskError> {
    let info = qemu_img::info(source).map_err(ConvertError::from)?;
    if format == DiskFormat::Vhd {
        check_vhd(source, info.virtual_size_bytes)?;
    }
    if info.dirty {
        notes.push(format!(
            "{} was not closed properly; it may be from the middle of the machine's work",
            source.display()
        ));
    }
    let total = info.virtual_size_bytes;
    monitor.phase("converting the disk", Some(total));
    let mut done = 0;
    let mut on_progress = |part: f32| {
        let now = (f64::from(part) * total as f64) as u64;
        monitor.advance(now.saturating_sub(done));
        done = done.max(now);
    };
    let cancel = || monitor.is_cancelled();
    qemu_img::convert_to_raw(source, format, destination, &mut on_progress, &cancel)?;
    monitor.advance(total.saturating_sub(done));
    Ok(())
}

/// For VHDs of some makers QEMU computes the size from cylinders, heads and sectors, which may be less than the disk has.
/// That would cut its end off without a word.
fn check_vhd(path: &Path, seen_bytes: u64) -> Result<(), DiskError> {
    const FOOTER_BYTES: u64 = 512;
    const CURRENT_SIZE: u64 = 48;
    let (file, length) = open_raw(path)?;
    let mut stated = [0; 8];
    file.read_exact_at(&mut stated, length.saturating_sub(FOOTER_BYTES) + CURRENT_SIZE)
        .map_err(|source| DiskError::Read {
            path: path.to_owned(),
            source,
        })?;
    let stated_bytes = u64::from_be_bytes(stated);
    if seen_bytes < stated_bytes {
        return Err(DiskError::VhdGeometry {
            path: path.to_owned(),
            stated_bytes,
            seen_bytes,
        });
    }
    Ok(())
}

/// A file or block device, and how many bytes it has.
fn open_raw(path: &Path) -> Result<(File, u64), DiskError> {
    let failed = |source| DiskError::Read {
        path: path.to_owned(),
        source,
    };
    let no_disk = |what| DiskError::NoDisk {
        path: path.to_owned(),
        what,
    };
    // Looked at before opening: opening a pipe would wait for its other end.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(no_disk("neither a regular file nor a block device"));
    }
    let file = File::open(path).map_err(failed)?;
    let size_bytes = seek(&file, SeekFrom::End(0)).map_err(|error| failed(error.into()))?;
    if size_bytes < 512 || size_bytes % 512 != 0 {
        return Err(no_disk("its size is not a whole number of sectors of 512 bytes"));
    }
    Ok((file, size_bytes))
}

/// What is on a raw disk of `size_bytes`: partitions, file system, and how it boots.
pub fn facts(disk: &File, size_bytes: u64) -> io::Result<DiskFacts> {
    partitions::read(disk, size_bytes)
}
