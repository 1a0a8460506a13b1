//! The file system the kernel talks to: the backing folder, slowed down.
//!
//! **The kernel's page cache is used as on a real stick.** Reads are cached across opens and read ahead (128 KiB, as for a
//! block device), `O_DIRECT` goes past the cache, `mmap` works, and writes wait in the kernel (FUSE's write-back cache) until
//! it finds time or somebody syncs. So a program under test gains what it would gain on a real stick: rewritten blocks are
//! written once, neighbours leave as one request. What differs from exFAT: `close` waits for the file's dirty pages, and
//! the kernel allows FUSE fewer dirty pages than a disk.
//!
//! What exFAT cannot do is refused: links, holes, preallocation, extended attributes. Modes and owners are passed on, though
//! exFAT keeps none: refusing would fail programs that work on other sticks, and says nothing about time.
//!
//! Nothing is synced to the backing disk: this is about time, not about crashes.

mod nodes;
mod serve;

use std::{
    fs::{Metadata, ReadDir},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver},
    },
    time::{Duration, SystemTime},
};

use fuser::{Config, Errno, FileAttr, FileType, INodeNo, MountOption, Session, SessionUnmounter};
use rustix::process::configure_io_flusher_behavior;
use thiserror::Error;

use crate::{
    device::Device,
    model::{Model, Stalls},
    preset::Preset,
    stats::Report,
    volume::Volume,
};
use nodes::Nodes;

/// Largest single request.
const REQUEST_BYTES: u32 = 1 << 20;
/// Requests the kernel may have under way on its own account.
const BACKGROUND_REQUESTS: u16 = 64;
/// Names and attributes change only through this mount.
const TTL: Duration = Duration::from_secs(3600);

/// How to mount.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stick.
    pub preset: Preset,
    /// Divides all waiting: 10 makes ten seconds of the stick one.
    pub scale: f64,
    /// Whether and when it stands still.
    pub stalls: Option<Stalls>,
}

/// Why nothing was mounted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MountError {
    /// The backing folder cannot be read.
    #[error("cannot use {path} as the backing folder", path = .path.display())]
    Backing {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The kernel said no.
    #[error("cannot mount at {path}", path = .path.display())]
    Refused {
        /// The mount point.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The system gave us no threads.
    #[error("cannot start the threads that serve {path}", path = .path.display())]
    Threads {
        /// The mount point.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl MountError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Backing { .. } => "stick-model.backing",
            Self::Refused { .. } => "stick-model.refused",
            Self::Threads { .. } => "stick-model.threads",
        }
    }
}

/// What the session and the handle share.
struct Shared {
    state: Mutex<State>,
    device: Device,
    preset: Preset,
    scale: f64,
}

struct State {
    nodes: Nodes,
    volume: Volume,
    listings: Listings,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> Report {
        self.device.stats().report(self.preset.name, self.scale)
    }
}

/// A mounted stick.
pub struct Mounted {
    shared: Arc<Shared>,
    unmounter: Arc<Mutex<SessionUnmounter>>,
    ended: Receiver<io::Result<()>>,
}

impl Mounted {
    /// What was counted so far.
    pub fn report(&self) -> Report {
        self.shared.report()
    }

    /// The same, for a thread of its own.
    pub fn reporter(&self) -> impl Fn() -> Report + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.report()
    }

    /// Something that unmounts from another thread.
    pub fn unmounter(&self) -> impl Fn() -> io::Result<()> + Send + use<> {
        let unmounter = Arc::clone(&self.unmounter);
        move || {
            let mut unmounter = unmounter.lock().unwrap_or_else(PoisonError::into_inner);
            unmounter.unmount()
        }
    }

    /// Unmounts and returns what was counted.
    pub fn unmount(self) -> io::Result<Report> {
        self.unmounter()()?;
        self.wait()
    }

    /// Waits until somebody unmounts; returns what was counted.
    pub fn wait(self) -> io::Result<Report> {
        match self.ended.recv() {
            Ok(result) => result.map(|()| self.shared.report()),
            Err(_) => Err(io::Error::other("the thread that serves ended early")),
        }
    }
}

/// Shows the folder `backing` at `mountpoint` as a stick.
pub fn mount(backing: &Path, mountpoint: &Path, options: &Options) -> Result<Mounted, MountError> {
    let unusable = |source| MountError::Backing {
        path: backing.to_owned(),
        source,
    };
    let backing_path = backing.canonicalize().map_err(unusable)?;
    let _: ReadDir = std::fs::read_dir(&backing_path).map_err(unusable)?;
    let threads = |source| MountError::Threads {
        path: mountpoint.to_owned(),
        source,
    };
    let model = Model::new(options.preset.clone(), options.stalls);
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            nodes: Nodes::new(&backing_path),
            volume: Volume::new(&options.preset),
            listings: Listings::default(),
        }),
        device: Device::start(model, options.scale).map_err(threads)?,
        preset: options.preset.clone(),
        scale: options.scale,
    });
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("stick-model".to_owned()),
        MountOption::Subtype("stick-model".to_owned()),
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
    ];
    // One thread takes requests, so that they are charged in the order they were sent.
    config.n_threads = Some(1);
    let served = serve::Files {
        shared: Arc::clone(&shared),
    };
    let (started, has_started) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let place = mountpoint.to_owned();
    let serve = move || {
        // The kernel must not wait for this very file system in order to give us memory. Needs root; without it there
        // is only more waiting when memory is short.
        let _ = configure_io_flusher_behavior(true);
        let mut session = match Session::new(served, &place, &config) {
            Ok(session) => session,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(session.unmount_callable()));
        let _ = ended.send(session.run());
    };
    std::thread::Builder::new()
        .name("stick-model".to_owned())
        .spawn(serve)
        .map_err(threads)?;
    match has_started.recv() {
        Ok(Ok(unmounter)) => Ok(Mounted {
            shared,
            unmounter: Arc::new(Mutex::new(unmounter)),
            ended: has_ended,
        }),
        Ok(Err(source)) => Err(MountError::Refused {
            path: mountpoint.to_owned(),
            source,
        }),
        Err(_) => Err(threads(io::Error::other("the thread ended early"))),
    }
}

/// Directories as they were when they were opened.
#[derive(Default)]
struct Listings {
    open: std::collections::HashMap<u64, Vec<(u64, FileType, std::ffi::OsString)>>,
    last: u64,
}

fn attr_of(ino: u64, metadata: &Metadata) -> FileAttr {
    let time = |seconds: i64, nanos: i64| {
        let since = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(nanos).unwrap_or(0),
        );
        SystemTime::UNIX_EPOCH + since
    };
    FileAttr {
        ino: INodeNo(ino),
        size: metadata.len(),
        blocks: metadata.len().div_ceil(512),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: time(metadata.ctime(), metadata.ctime_nsec()),
        kind: kind_of(metadata.file_type()),
        perm: (metadata.permissions().mode() & 0o7777) as u16,
        nlink: if metadata.is_dir() { 2 } else { 1 },
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn kind_of(kind: std::fs::FileType) -> FileType {
    match () {
        () if kind.is_dir() => FileType::Directory,
        () if kind.is_symlink() => FileType::Symlink,
        () if kind.is_fifo() => FileType::NamedPipe,
        () if kind.is_socket() => FileType::Socket,
        () if kind.is_block_device() => FileType::BlockDevice,
        () if kind.is_char_device() => FileType::CharDevice,
        () => FileType::RegularFile,
    }
}

fn no_space(_: crate::layout::Full) -> Errno {
    Errno::ENOSPC
}
