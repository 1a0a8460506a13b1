//! From flattened tar streams to volume files: ext4, sparse, made by `gobag-engine`.
//!
//! Both volumes are made at the same time, each by a thread that reads its end of a pipe, so neither stream is ever
//! stored. When the writing side fails, it says so before it closes the pipes: a short stream must not pass for a
//! complete one.

mod times;

use std::{
    fs::File,
    io::{self, BufWriter, PipeReader, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use gobag_engine::ext4::{Ext4Error, Ext4Options, make_from_tar};
use gobag_format::Monitor;
use serde::Serialize;

use crate::flatten::FlattenError;

/// The name of the file system that a guest mounts at `/`.
pub const SYSTEM_LABEL: &str = "gobag-system";
/// The name of the file system that a guest mounts at `/home`.
pub const HOME_LABEL: &str = "gobag-home";
/// On a kernel's command line: `/etc/fstab` waits for the home volume, under systemd's name `home.mount`. A launcher that has no such disk to give
/// takes the mount off (`docs/format/base.md`).
pub(crate) const HOME_WORD: &str = "gobag.home";

const PIPE_BUFFER_BYTES: usize = 128 << 10;

/// A file with the bytes of a volume, holes for what is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeFile {
    /// Where it is.
    pub path: PathBuf,
    /// The size of the volume.
    pub size_bytes: u64,
    /// It was made for this import and goes away with it; otherwise it is the source itself and must not be changed.
    pub temporary: bool,
}

/// Why a volume cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The content cannot be read.
    #[error(transparent)]
    Content(#[from] FlattenError),
    /// The file system cannot be made.
    #[error("cannot make volume {label}")]
    Ext4 {
        /// The name of the file system.
        label: &'static str,
        /// What went wrong.
        source: Ext4Error,
    },
    /// The work folder has too little room.
    #[error("{} has {available_bytes} bytes free, but unpacking takes about {needed_bytes}", path.display())]
    NoSpace {
        /// The work folder.
        path: PathBuf,
        /// What the content and the volumes take.
        needed_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
    /// A folder of the content has extended attributes, which an ordinary user cannot preserve.
    #[error("cannot preserve the extended attributes of folder {path} without being root")]
    Attributes {
        /// The folder in the image.
        path: String,
    },
    /// The work folder cannot be used.
    #[error("cannot use work folder {}", path.display())]
    WorkFolder {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a pipe.
    #[error("cannot make a pipe")]
    Pipe(#[source] io::Error),
}

impl VolumeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Content(error) => error.code(),
            Self::Ext4 { source, .. } => source.code(),
            Self::NoSpace { .. } => "import.no-space",
            Self::Attributes { .. } => "import.attributes",
            Self::WorkFolder { .. } => "import.work-folder",
            Self::Pipe(_) => "import.pipe",
        }
    }
}

/// A volume to be made.
pub(crate) struct Wanted {
    pub(crate) label: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) epoch_seconds: u64,
}

impl Wanted {
    /// Makes the volume from the tar stream `tar`.
    fn make(
        &self,
        mut tar: PipeReader,
        work_dir: &Path,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), VolumeError> {
        let options = Ext4Options {
            label: self.label.to_owned(),
            size_bytes: Some(self.size_bytes),
            uuid: self.uuid,
            epoch_seconds: self.epoch_seconds,
            block_size: 4096,
        };
        make_from_tar(&options, &mut tar, &self.path, work_dir, cancel).map_err(|source| {
            VolumeError::Ext4 {
                label: self.label,
                source,
            }
        })?;
        times::settle(&self.path).map_err(|source| work_folder(&self.path, source))
    }

    pub(crate) fn file(&self) -> VolumeFile {
        VolumeFile {
            path: self.path.clone(),
            size_bytes: self.size_bytes,
            temporary: true,
        }
    }
}

/// Makes `system`, and `home` when there is one, from what `produce` writes to the first and second stream.
pub(crate) fn make(
    system: &Wanted,
    home: Option<&Wanted>,
    work_dir: &Path,
    monitor: &dyn Monitor,
    produce: impl FnOnce(&mut dyn Write, Option<&mut dyn Write>) -> Result<(), FlattenError>,
) -> Result<(), VolumeError> {
    let (system_out, system_in) = pipe()?;
    let (home_out, home_in) = match home.map(|_| pipe()).transpose()? {
        Some((home_out, home_in)) => (Some(home_out), Some(home_in)),
        None => (None, None),
    };
    let failed = AtomicBool::new(false);
    let cancel = || failed.load(Ordering::Acquire) || monitor.is_cancelled();
    thread::scope(|scope| {
        let cancel = &cancel;
        let system = scope.spawn(move || system.make(system_out, work_dir, cancel));
        let home = home
            .zip(home_out)
            .map(|(home, tar)| scope.spawn(move || home.make(tar, work_dir, cancel)));

        let mut system_in = BufWriter::with_capacity(PIPE_BUFFER_BYTES, system_in);
        let mut home_in = home_in.map(|pipe| BufWriter::with_capacity(PIPE_BUFFER_BYTES, pipe));
        let home_writer = home_in.as_mut().map(|writer| writer as &mut dyn Write);
        let produced = produce(&mut system_in, home_writer);
        if produced.is_err() {
            failed.store(true, Ordering::Release);
        }
        // What is left in the buffers of a failed stream does not matter, and of a complete one nothing is left: the
        // archive's end was flushed.
        drop((system_in.into_parts(), home_in.map(BufWriter::into_parts)));
        let made = join(system).and(home.map_or(Ok(()), join));
        match produced {
            // A pipe breaks because its reader failed: the reader knows better.
            Err(FlattenError::Output(error)) => made.and(Err(FlattenError::Output(error).into())),
            Err(error) => Err(error.into()),
            Ok(()) => made,
        }
    })
}

fn pipe() -> Result<(PipeReader, io::PipeWriter), VolumeError> {
    io::pipe().map_err(VolumeError::Pipe)
}

fn join(thread: thread::ScopedJoinHandle<'_, Result<(), VolumeError>>) -> Result<(), VolumeError> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Refuses early when the file system of `folder` has less than `needed_bytes` left.
pub(crate) fn check_space(folder: &Path, needed_bytes: u64) -> Result<(), VolumeError> {
    let found = rustix::fs::statvfs(folder).map_err(|error| work_folder(folder, error.into()))?;
    let available_bytes = found.f_bavail.saturating_mul(found.f_frsize);
    if available_bytes < needed_bytes {
        return Err(VolumeError::NoSpace {
            path: folder.to_owned(),
            needed_bytes,
            available_bytes,
        });
    }
    Ok(())
}

/// A new file in the work folder, for writing and reading.
pub(crate) fn new_file(path: &Path) -> Result<File, VolumeError> {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|source| work_folder(path, source))
}

pub(crate) fn work_folder(path: &Path, source: io::Error) -> VolumeError {
    VolumeError::WorkFolder {
        path: path.to_owned(),
        source,
    }
}
