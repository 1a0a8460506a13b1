//! A mount that is being served, and the ways to end it.
//!
//! Order of [`Mounted::unmount`], so that nothing acknowledged is lost and a failure leaves everything as it was:
//! 1. flush every volume while the mount still stands; an error stops here, and the caller can try again;
//! 2. refuse to open files and wait a bounded time for the open ones to be closed; busy stops here, and names them;
//! 3. unmount. Root does it with force, which ends the connection too: a copy of the mount in another mount namespace
//!    (a sandbox that was started meanwhile) would keep it alive. An ordinary user asks `fusermount3`, then the kernel's
//!    switch for the connection;
//! 4. wait for calls into volumes that are under way; a stick that does not answer stops here;
//! 5. flush once more, for what was written between 1 and 2, and let the volumes go. From now on no thread, mount or
//!    namespace can reach them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use fuser::SessionUnmounter;
use gobag_bundle::VolumeError;
use rustix::{io::Errno, mount::UnmountFlags};
use thiserror::Error;

use crate::{Holder, files::Shared, limits::END_OF_THREADS, mount_table};

/// A served mount. Dropping it flushes and detaches it without waiting for those who still hold files open; use
/// [`Mounted::unmount`] to know that all is well.
pub struct Mounted {
    mountpoint: PathBuf,
    shared: Arc<Shared>,
    unmounter: SessionUnmounter,
    ended: mpsc::Receiver<()>,
    is_over: bool,
}

/// Why a mount could not be ended. It still stands then, unless the variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnmountError {
    /// A volume could not make its writes durable; they are kept in memory, and the call can be made again.
    #[error("changes of `{export}` are not yet safe on the stick")]
    Flush {
        /// The export.
        export: String,
        /// The cause.
        #[source]
        source: VolumeError,
    },
    /// Somebody holds a file of the mount open.
    #[error("{path} is still in use by {who}", path = .mountpoint.display(), who = list(.holders))]
    Busy {
        /// The mount point.
        mountpoint: PathBuf,
        /// Who, as far as this process may see; can be empty.
        holders: Vec<Holder>,
    },
    /// Requests of the mount do not come to an end: the medium does not answer.
    #[error("{path} is detached, but the stick has not answered yet", path = .mountpoint.display())]
    Stuck {
        /// The former mount point.
        mountpoint: PathBuf,
    },
    /// The kernel, or `fusermount3` for it, said no.
    #[error("cannot unmount {path}", path = .mountpoint.display())]
    Refused {
        /// The mount point.
        mountpoint: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl UnmountError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Flush { .. } => "mount.flush",
            Self::Busy { .. } => "mount.busy",
            Self::Stuck { .. } => "mount.stuck",
            Self::Refused { .. } => "mount.unmount-refused",
        }
    }
}

fn list(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "a program that cannot be seen from here".to_owned();
    }
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl Mounted {
    pub(crate) fn new(
        mountpoint: PathBuf,
        shared: Arc<Shared>,
        unmounter: SessionUnmounter,
        ended: mpsc::Receiver<()>,
    ) -> Self {
        Self {
            mountpoint,
            shared,
            unmounter,
            ended,
            is_over: false,
        }
    }

    /// The folder the files are in.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// The path of the export called `name`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.mountpoint.join(name)
    }

    /// Who keeps the mount busy now, as far as this process may see.
    pub fn holders(&self) -> Vec<Holder> {
        let name_of = |index: usize| self.shared.exports[index].name().to_owned();
        self.shared.handles.holders(&self.mountpoint, name_of)
    }

    /// Makes every acknowledged write of every volume durable.
    pub fn flush(&self) -> Result<(), UnmountError> {
        self.shared.exports.iter().try_for_each(|served| {
            served.flush_volume().map_err(|source| UnmountError::Flush {
                export: served.name().to_owned(),
                source,
            })
        })
    }

    /// Whether requests are still served; false after [`Mounted::unmount`], or if somebody else has unmounted it.
    pub fn is_served(&self) -> bool {
        !self.is_over && self.ended.try_recv() == Err(mpsc::TryRecvError::Empty)
    }

    /// Flushes every volume, unmounts, and returns when nobody can reach a volume through the mount any more. Waits at
    /// most `patience` for others to close their files, and as long again for requests under way. After an error it
    /// can be called again.
    pub fn unmount(&mut self, patience: Duration) -> Result<(), UnmountError> {
        if self.is_over {
            return Ok(());
        }
        if self.is_served() {
            self.flush()?;
            self.shared.handles.refuse(true);
            if let Err(error) = self.leave(Instant::now() + patience) {
                self.shared.handles.refuse(false);
                return Err(error);
            }
        }
        self.wait_for_calls(patience)?;
        self.flush()?;
        self.shared.exports.iter().for_each(|served| served.retire());
        self.is_over = true;
        Ok(())
    }

    /// Steps 2 and 3.
    fn leave(&mut self, deadline: Instant) -> Result<(), UnmountError> {
        if !self.shared.handles.wait_for_last_close(deadline) {
            return Err(UnmountError::Busy {
                mountpoint: self.mountpoint.clone(),
                holders: self.holders(),
            });
        }
        let connection = mount_table::connection(&self.mountpoint);
        let forced = UnmountFlags::FORCE | UnmountFlags::NOFOLLOW;
        match rustix::mount::unmount(&self.mountpoint, forced) {
            // EINVAL: somebody else was faster.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            // Nobody has a file open, but a shell may stand in the folder. The connection is over; take the name away.
            Err(Errno::BUSY) => {
                let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
                rustix::mount::unmount(&self.mountpoint, flags).map_err(|errno| self.refused(errno.into()))
            }
            Err(Errno::PERM) => {
                self.unmount_by_helper()?;
                if self.ended.recv_timeout(END_OF_THREADS) == Err(mpsc::RecvTimeoutError::Timeout) {
                    mount_table::abort(connection);
                }
                Ok(())
            }
            Err(errno) => Err(self.refused(errno.into())),
        }
    }

    /// `fuser` calls `fusermount3` to detach lazily, and does not tell how that went: the list of mounts does.
    fn unmount_by_helper(&mut self) -> Result<(), UnmountError> {
        let result = self.unmounter.unmount();
        if mount_table::connection(&self.mountpoint).is_some() {
            let unsaid = || io::Error::other("`fusermount3 -u` failed");
            return Err(self.refused(result.err().unwrap_or_else(unsaid)));
        }
        Ok(())
    }

    /// Waits for the threads of the session. If they do not end, the kernel keeps their device open for somebody in
    /// another namespace; that is harmless as long as none of them is inside a volume.
    fn wait_for_calls(&self, patience: Duration) -> Result<(), UnmountError> {
        let is_in_use = || self.shared.exports.iter().any(|served| served.is_in_use());
        let timeout = match is_in_use() {
            true => patience.max(END_OF_THREADS),
            false => END_OF_THREADS,
        };
        match self.ended.recv_timeout(timeout) {
            Err(mpsc::RecvTimeoutError::Timeout) if is_in_use() => Err(UnmountError::Stuck {
                mountpoint: self.mountpoint.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn refused(&self, source: io::Error) -> UnmountError {
        UnmountError::Refused {
            mountpoint: self.mountpoint.clone(),
            source,
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !self.is_served() {
            return;
        }
        let mountpoint = self.mountpoint.display();
        if let Err(error) = self.flush() {
            tracing::error!(%mountpoint, code = error.code(), %error, "left a mount without a flush");
        }
        let detached =
            rustix::mount::unmount(&self.mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        if detached == Err(Errno::PERM) {
            // Its outcome cannot be acted on here.
            let _ = self.unmounter.unmount();
        }
    }
}
