//! The one way in: from whatever IT has to volumes and what it takes to start them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use gobag_format::Monitor;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    disk::{self, DiskBoot, DiskError, FileSystemPlace},
    flatten::FlattenError,
    kind::{DetectError, SourceKind, detect},
    oci::{ContainerEntry, ImageChoice, OciError},
    rootfs,
    volume::{VolumeError, VolumeFile},
};

/// What may be chosen about an import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Which image of a container archive.
    pub image: ImageChoice,
    /// The size of a system volume that is made here; enough to grow when not given.
    pub system_size_bytes: Option<u64>,
    /// The same for the template of the home volume.
    pub home_size_bytes: Option<u64>,
    /// Whether `/home` becomes a volume of its own.
    pub split_home: bool,
    /// The identifier of a system volume that is made here. Keeping it over the versions of an image keeps their chunks
    /// alike.
    pub system_uuid: [u8; 16],
    /// The same for the home volume.
    pub home_uuid: [u8; 16],
    /// The time that new file systems say they were made at, in seconds since 1970; not 0.
    pub epoch_seconds: u64,
}

/// How a volume is booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// The disk boots itself.
    Firmware {
        /// With UEFI rather than a BIOS.
        uefi: bool,
    },
    /// The hypervisor loads the kernel.
    DirectKernel {
        /// The kernel, in the work folder.
        kernel: PathBuf,
        /// Its initial RAM disk, in the work folder.
        initrd: Option<PathBuf>,
        /// What to tell the kernel: root and consoles.
        cmdline: String,
    },
    /// It cannot be: there is only a file system for a container.
    None,
}

/// An imported source. Its temporary files go away with it.
#[derive(Debug)]
pub struct Imported {
    /// What the source was.
    pub kind: SourceKind,
    /// The system volume.
    pub system: VolumeFile,
    /// What the source had in `/home`, as a file system of its own.
    pub home_template: Option<VolumeFile>,
    /// How it boots.
    pub boot: Boot,
    /// How a container image wants to be started.
    pub container: Option<ContainerEntry>,
    /// The ext4 file system on the system volume that a container can be entered in.
    pub file_system: Option<FileSystemPlace>,
    /// The name of the operating system for people.
    pub os_name: Option<String>,
    /// The processor as OCI names it, when the programs say.
    pub architecture: Option<&'static str>,
    /// What IT should know, one sentence each.
    pub notes: Vec<String>,
    work: TempDir,
}

impl Imported {
    /// The folder with the temporary files.
    pub fn work_folder(&self) -> &Path {
        self.work.path()
    }
}

/// Why a source cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not known what it is.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The files in it cannot be read.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// Its files cannot be written out.
    #[error(transparent)]
    Flatten(#[from] FlattenError),
    /// No volume can be made of its files.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The disk cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The work folder cannot be used.
    #[error("cannot use work folder {}", path.display())]
    WorkFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kind of source has no files that could be written out.
    #[error("{} is a disk ({kind}), its files cannot be exported", path.display())]
    NoFiles {
        /// The source.
        path: PathBuf,
        /// What it is.
        kind: SourceKind,
    },
}

impl ImportError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Detect(error) => error.code(),
            Self::Oci(error) => error.code(),
            Self::Flatten(error) => error.code(),
            Self::Volume(error) => error.code(),
            Self::Disk(error) => error.code(),
            Self::WorkFolder { .. } => "import.work-folder",
            Self::NoFiles { .. } => "import.no-files",
        }
    }

    /// Whether it is not an error but the person's wish to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self.code(),
            "import.cancelled" | "engine.ext4-cancelled" | "engine.convert-cancelled"
        )
    }
}

/// Imports `source`. Without `kind` it is found out from the bytes. Temporary files, which can be as large as the content
/// twice over, go into a folder of their own in `work_dir`; a raw disk is used where it is.
pub fn open(
    source: &Path,
    kind: Option<SourceKind>,
    work_dir: &Path,
    options: &ImportOptions,
    monitor: &dyn Monitor,
) -> Result<Imported, ImportError> {
    let kind = kind.map_or_else(|| detect(source), Ok)?;
    let work = work_folder(work_dir)?;
    tracing::debug!(source = %source.display(), %kind, "importing");
    match kind.disk_format() {
        Some(format) => {
            let disk = disk::open(source, format, &work.path().join("system.raw"), monitor)?;
            Ok(Imported {
                kind,
                system: disk.volume,
                home_template: None,
                boot: match disk.facts.boot {
                    DiskBoot::Bios => Boot::Firmware { uefi: false },
                    DiskBoot::Uefi => Boot::Firmware { uefi: true },
                    DiskBoot::None => Boot::None,
                },
                container: None,
                file_system: disk.facts.file_system,
                os_name: None,
                architecture: None,
                notes: disk.notes,
                work,
            })
        }
        None => {
            let files = rootfs::open(source, kind, work.path(), options, monitor)?;
            let made = rootfs::make(&files, work.path(), options, monitor)?;
            let file_system = FileSystemPlace {
                offset_bytes: 0,
                size_bytes: made.system.size_bytes,
            };
            Ok(Imported {
                kind,
                system: made.system,
                home_template: made.home,
                boot: made.boot,
                container: files.entry,
                file_system: Some(file_system),
                os_name: made.os_name.or(files.name),
                architecture: made.architecture,
                notes: made.notes,
                work,
            })
        }
    }
}

/// Writes the files of a container image or root file system to `output` as one tar archive: all layers applied,
/// nothing else changed.
pub fn export_tar(
    source: &Path,
    kind: Option<SourceKind>,
    work_dir: &Path,
    options: &ImportOptions,
    output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<(), ImportError> {
    let kind = kind.map_or_else(|| detect(source), Ok)?;
    if kind.disk_format().is_some() {
        return Err(ImportError::NoFiles {
            path: source.to_owned(),
            kind,
        });
    }
    let work = work_folder(work_dir)?;
    let files = rootfs::open(source, kind, work.path(), options, monitor)?;
    Ok(rootfs::export(&files, output, monitor)?)
}

fn work_folder(work_dir: &Path) -> Result<TempDir, ImportError> {
    tempfile::Builder::new()
        .prefix(".gobag-import-")
        .tempdir_in(work_dir)
        .map_err(|source| ImportError::WorkFolder {
            path: work_dir.to_owned(),
            source,
        })
}
