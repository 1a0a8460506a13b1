//! Mounting: checks that can be explained first, then the kernel.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use fuser::{Config, MountOption, Session, SessionACL};
use rustix::process::{configure_io_flusher_behavior, getegid, geteuid};
use thiserror::Error;

use crate::{
    ErrorHook, Export, Hold, Mounted,
    files::{Files, Owner, Shared},
    handles::Handles,
    lanes::Lanes,
    limits::{EVENT_THREADS, EXPORTS, NAME_BYTES, SPARE_THREADS},
    mount_table::SOURCE,
    report::Reporter,
    served::Served,
};

const DEVICE: &str = "/dev/fuse";

/// How to mount. The default is right for a virtual machine and for a container of the same user.
#[derive(Clone)]
pub struct MountOptions {
    /// Threads that take requests from the kernel; at least 1.
    pub event_threads: usize,
    /// Lets every user in (subject to the files' modes) instead of only the one who mounts.
    pub allow_other: bool,
    /// Hears of every error of a volume's medium.
    pub on_error: Option<ErrorHook>,
    /// Lets requests wait for a medium that does not answer, instead of failing.
    pub hold: Option<Arc<Hold>>,
    /// Told once when nothing is served any more, whoever unmounted.
    pub on_end: Option<EndHook>,
}

/// Hears of the end of a mount.
pub type EndHook = Arc<dyn Fn() + Send + Sync>;

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            event_threads: EVENT_THREADS,
            allow_other: false,
            on_error: None,
            hold: None,
            on_end: None,
        }
    }
}

/// Why nothing was mounted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MountError {
    /// A name that cannot be a file name, or not in this mount.
    #[error("`{name}` cannot be the name of an exported file: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More exports than a mount may have.
    #[error("{count} exports in one mount are more than {EXPORTS}")]
    TooMany {
        /// How many were asked for.
        count: usize,
    },
    /// The mount point cannot be used.
    #[error("cannot use {path} as a mount point", path = .path.display())]
    Mountpoint {
        /// The mount point.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The mount point holds something, which would be hidden.
    #[error("mount point {path} is not empty", path = .path.display())]
    NotEmpty {
        /// The mount point.
        path: PathBuf,
    },
    /// The kernel offers no FUSE.
    #[error("{DEVICE} does not exist: this system has no FUSE")]
    DeviceMissing,
    /// The user may not use FUSE.
    #[error("cannot open {DEVICE}")]
    Device(#[source] io::Error),
    /// An ordinary user needs a helper that is not installed.
    #[error("program `fusermount3` is not installed")]
    HelperMissing,
    /// The kernel, or `fusermount3` for it, said no.
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
            Self::BadName { .. } => "mount.bad-name",
            Self::TooMany { .. } => "mount.too-many",
            Self::Mountpoint { .. } => "mount.mountpoint",
            Self::NotEmpty { .. } => "mount.not-empty",
            Self::DeviceMissing => "mount.fuse-missing",
            Self::Device(_) => "mount.fuse-denied",
            Self::HelperMissing => "mount.fusermount-missing",
            Self::Refused { .. } => "mount.refused",
            Self::Threads { .. } => "mount.threads",
        }
    }
}

/// Mounts `exports` at the empty folder `mountpoint` and serves them until [`Mounted::unmount`].
///
/// Works as root, and as an ordinary user through the host's `fusermount3`.
pub fn mount(exports: Vec<Export>, mountpoint: &Path, options: &MountOptions) -> Result<Mounted, MountError> {
    check_names(&exports)?;
    let mountpoint = check_mountpoint(mountpoint)?;
    check_device()?;

    let time = fs::metadata(&mountpoint).and_then(|folder| folder.modified());
    let owner = Owner {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        time: time.map_err(|source| unusable(&mountpoint, source))?,
    };
    let serve = |export| {
        let reporter = Reporter::new(options.on_error.clone());
        Arc::new(Served::new(export, reporter, options.hold.clone()))
    };
    let shared = Arc::new(Shared {
        exports: exports.into_iter().map(serve).collect(),
        handles: Handles::default(),
    });
    start(shared, owner, mountpoint, options)
}

fn start(
    shared: Arc<Shared>,
    owner: Owner,
    mountpoint: PathBuf,
    options: &MountOptions,
) -> Result<Mounted, MountError> {
    let threads = |source| MountError::Threads {
        path: mountpoint.clone(),
        source,
    };
    let event_threads = options.event_threads.max(1);
    let (config, to_server) = (config(options, event_threads), Arc::clone(&shared));
    let (ready, is_ready) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let (folder, on_end) = (mountpoint.clone(), options.on_end.clone());
    let serve = move || {
        // A guest's disk may be a loop device of this very host. Then the kernel must not wait for that disk in order
        // to give *us* memory: the threads that serve it are marked (the mark is inherited). Needs root, as do loop
        // devices; an ordinary user gets EPERM and does not need it.
        let _ = configure_io_flusher_behavior(true);
        let session = Lanes::new(event_threads, SPARE_THREADS)
            .and_then(|lanes| Session::new(Files::new(to_server, lanes, owner), &folder, &config));
        let mut session = match session {
            Ok(session) => session,
            Err(error) => {
                // The receiver waits for exactly this message.
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(session.unmount_callable()));
        let result = session.run();
        if let Err(error) = &result {
            tracing::error!(mountpoint = %folder.display(), %error, "the mount has ended");
        }
        // Nobody waits if the handle was dropped.
        let _ = ended.send(());
        if let Some(on_end) = on_end {
            on_end();
        }
    };
    let builder = std::thread::Builder::new().name("gobag-mount".to_owned());
    builder.spawn(serve).map_err(threads)?;
    match is_ready.recv() {
        Ok(Ok(unmounter)) => Ok(Mounted::new(mountpoint, shared, unmounter, has_ended)),
        Ok(Err(error)) => Err(refusal(mountpoint, error)),
        Err(_) => Err(threads(io::Error::other("the thread ended early"))),
    }
}

fn config(options: &MountOptions, event_threads: usize) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(SOURCE.to_owned()),
        MountOption::Subtype("gobag".to_owned()),
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::NoAtime,
    ];
    if options.allow_other {
        config.acl = SessionACL::All;
        // Without it the kernel would not look at the files' modes.
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config.n_threads = Some(event_threads);
    config.clone_fd = true;
    config
}

fn check_names(exports: &[Export]) -> Result<(), MountError> {
    if exports.len() > EXPORTS {
        return Err(MountError::TooMany { count: exports.len() });
    }
    for (index, export) in exports.iter().enumerate() {
        let name = export.name.as_str();
        let reason = match name {
            "" | "." | ".." => Some("it is no file name"),
            _ if name.len() > NAME_BYTES => Some("it is too long"),
            _ if name.contains(['/', '\0']) => Some("it contains a forbidden character"),
            _ if exports[..index].iter().any(|other| other.name == name) => Some("it is there twice"),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(MountError::BadName {
                name: name.to_owned(),
                reason,
            });
        }
    }
    Ok(())
}

fn unusable(path: &Path, source: io::Error) -> MountError {
    MountError::Mountpoint {
        path: path.to_owned(),
        source,
    }
}

fn check_mountpoint(path: &Path) -> Result<PathBuf, MountError> {
    let absolute = path.canonicalize().map_err(|source| unusable(path, source))?;
    let mut entries = fs::read_dir(&absolute).map_err(|source| unusable(path, source))?;
    match entries.next() {
        None => Ok(absolute),
        Some(Ok(_)) => Err(MountError::NotEmpty { path: absolute }),
        Some(Err(source)) => Err(unusable(path, source)),
    }
}

fn check_device() -> Result<(), MountError> {
    match fs::OpenOptions::new().read(true).write(true).open(DEVICE) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(MountError::DeviceMissing),
        Err(error) => Err(MountError::Device(error)),
    }
}

/// The device and the mount point were looked at before, so what is not found now is the helper.
fn refusal(path: PathBuf, source: io::Error) -> MountError {
    match source.kind() {
        io::ErrorKind::NotFound => MountError::HelperMissing,
        _ => MountError::Refused { path, source },
    }
}
