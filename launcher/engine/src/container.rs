//! Entering an ext4 volume as a container, where a virtual machine is too much for the host.
//!
//! **What it is.** The volume is mounted where only the container sees it, and a process is started in it with namespaces
//! of its own (users, mounts, processes, IPC, host name, cgroups, and the network if it is to be off), no capability, no
//! way to new privileges, a filter of system calls ([`seccomp`]), a minimal `/dev`, and nothing of the host to write to
//! (where root of the host is in it, `/proc` is read-only for that).
//! It runs on the host's kernel: the sandbox protects the host from the image's programs about as well as Flatpak does,
//! and the image from nobody who is root on the host.
//!
//! **Why bubblewrap** and not youki's `libcontainer`, which would need no program on the host: it wants an OCI bundle and
//! cgroups, forks in our multi-threaded process, and brings D-Bus and some 100 crates into a static launcher; its reach
//! (starting, pausing, joining many containers) is not ours. `bwrap` does one thing, is the sandbox of every Flatpak, so
//! it is on most desktops, and is small enough to ride on the stick. `systemd-nspawn` and `runc` need root or a daemon.
//!
//! **How an ordinary user mounts.** The kernel mounts ext4 for nobody but root, also in a user namespace. `fuse2fs` in
//! a user namespace keeps all owners exactly as they are on the volume if the host set aside ranges of users for the
//! caller (`newuidmap`), and at least the caller's own files if not ([`IdMap`]). It writes without the journal, so after
//! a crash the volume is repaired before the next use ([`crate::ext4::repair`]; measured:
//! 500 of 500 volumes of 512 MiB after `SIGKILL` while files were made, with all that was flushed; one of 200 of 64 MiB, which are too small
//! for a second superblock, was lost). Measured against the kernel's loop mount on a 2 GiB image:
//! sequential write 183 against 198 MB/s, creating a small file 0.3 ms against 0.03 ms. udisks2 could make a kernel
//! mount for a user at the desktop, but with the wrong owners and visibly for the whole desktop; a Linux kernel in a
//! library (`lklfuse`) is in no distribution.
//!
//! **Crash.** Everything hangs on one process (see `agent.rs`), and it on a pipe from this one: when the launcher is
//! killed, the container, the mounts and `fuse2fs` are gone with it. [`cleanup_stale`] removes the empty folders.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use crate::{
    ext4::Ext4Error,
    tools::{self, NotFound},
    userns::{IdMap, MapError},
};

mod agent;
mod attend;
mod enter;
mod mounts;
mod plan;
mod seccomp;
mod stale;
mod terminal;
mod volume;

pub use agent::AgentError;
pub(crate) use agent::{Agent, unshare_args};
pub use enter::enter;
pub use stale::{Leftovers, StaleError, cleanup_stale};
pub use volume::{User, VolumeError, users};

/// The container that is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The volume with the system, mounted at `/`.
    pub system: VolumeSource,
    /// The volume with the users' own files, mounted at `/home`; without it `/home` is the system's.
    pub home: Option<VolumeSource>,
    /// Who is in the container, as the system knows them; see [`users`].
    pub user: User,
    /// What to run; the user's login shell if empty.
    pub command: Vec<OsString>,
    /// Which network it has.
    pub network: ContainerNetwork,
    /// More environment variables; `HOME`, `USER`, `PATH` and the like are set anyway.
    pub environment: Vec<(String, String)>,
    /// Files of the host that can be read in the container, for instance the socket of its window system.
    pub shares: Vec<Share>,
    /// The name it has for itself.
    pub hostname: String,
    /// Our standard input is a terminal: the container gets one of its own, connected to it. Otherwise it has our
    /// standard streams as they are.
    pub terminal: bool,
    /// A folder that only we can enter, for mount points and the record for [`cleanup_stale`].
    pub run_dir: PathBuf,
}

/// A volume of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSource {
    /// File with the ext4 file system.
    pub image: PathBuf,
    /// Nothing may be written to it.
    pub read_only: bool,
}

/// A file or folder of the host that the container may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Where it is on the host.
    pub from: PathBuf,
    /// Where it appears in the container.
    pub to: PathBuf,
}

/// The network of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerNetwork {
    /// None but its own loopback.
    Off,
    /// The host's, with all that the host can reach.
    Host,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerReport {
    /// Exit status of what ran in it; 128 and the signal's number if a signal ended it.
    pub exit_code: i32,
    /// Which users it had.
    pub map: IdMap,
    /// Volumes that had to be repaired before they could be mounted.
    pub repaired: Vec<PathBuf>,
    /// It was ended because the caller cancelled.
    pub cancelled: bool,
    /// From the call to the first process in the container, in milliseconds.
    pub start_ms: u64,
}

/// Why a container cannot be entered, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// A tool is not installed.
    #[error(transparent)]
    NoTool(#[from] NotFound),
    /// What is wanted makes no sense or is not possible.
    #[error("cannot make this container: {reason}")]
    Options {
        /// What is wrong.
        reason: String,
    },
    /// A volume is damaged or cannot be checked.
    #[error(transparent)]
    Ext4(#[from] Ext4Error),
    /// A volume cannot be looked into.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The run folder cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The namespaces cannot be made.
    #[error("this host refuses the namespaces of a container")]
    Namespaces(#[source] AgentError),
    /// The users of the container cannot be mapped.
    #[error("cannot map the users of the container")]
    Map(#[from] MapError),
    /// A volume cannot be mounted.
    #[error("cannot mount the volumes of the container")]
    Mount(#[source] AgentError),
    /// A volume was lost while the container ran; it was ended.
    #[error("a volume of the container was lost while it ran: {said}")]
    Lost {
        /// What its tools said.
        said: String,
    },
    /// The sandbox could not be built; `bwrap` has said why on standard error.
    #[error("the sandbox could not be started")]
    Sandbox,
    /// Talking to the container failed.
    #[error("lost contact with the container")]
    Contact(#[source] io::Error),
    /// A volume could not be unmounted in time; it was cut off and will be repaired when it is used again.
    #[error("cannot unmount the volumes of the container")]
    Unmount(#[source] AgentError),
    /// The caller cancelled before the container had started.
    #[error("starting the container was cancelled")]
    Cancelled,
}

impl ContainerError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Options { .. } => "engine.container-options",
            Self::Ext4(error) => error.code(),
            Self::Volume(error) => error.code(),
            Self::Folder { .. } => "engine.container-folder",
            Self::Namespaces(_) => "engine.container-namespaces",
            Self::Map(error) => error.code(),
            Self::Mount(_) => "engine.container-mount",
            Self::Lost { .. } => "engine.container-lost",
            Self::Sandbox => "engine.container-sandbox",
            Self::Contact(_) => "engine.container-contact",
            Self::Unmount(_) => "engine.container-unmount",
            Self::Cancelled => "engine.container-cancelled",
        }
    }
}

/// The host's programs that make a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    sh: PathBuf,
    unshare: PathBuf,
    nsenter: PathBuf,
    setsid: PathBuf,
    bwrap: PathBuf,
    /// Not needed by root.
    fuse2fs: Option<PathBuf>,
}

impl Tools {
    /// Finds them; `path` is the caller's `PATH`.
    pub fn find(path: Option<&OsStr>) -> Result<Self, NotFound> {
        let find = |name| tools::find(name, path);
        Ok(Self {
            sh: find("sh")?,
            unshare: find("unshare")?,
            nsenter: find("nsenter")?,
            setsid: find("setsid")?,
            bwrap: find("bwrap")?,
            fuse2fs: match geteuid().is_root() {
                true => None,
                false => Some(find("fuse2fs")?),
            },
        })
    }
}

/// The name of the user's own folder in the home volume, when that is where the home folder is.
fn folder_in_home(user: &User) -> Option<&str> {
    let name = user.home.strip_prefix("/home").ok()?.to_str()?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (!name.is_empty() && name.chars().all(plain) && !Path::new(name).is_absolute() && !name.starts_with('.'))
        .then_some(name)
}

#[cfg(test)]
mod tests;
