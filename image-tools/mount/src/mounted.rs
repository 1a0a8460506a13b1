//! A mount that is being served, and the ways to end it.
//!
//! Order of [`Mounted::unmount`], so that nothing acknowledged is lost and a failure leaves everything as it was:
//! 1. flush every volume while the mount still stands; an error stops here, and the caller can try again;
//! 2. unmount, waiting a bounded time for others to close their files; busy stops here, and names them;
//! 3. wait until the threads that serve requests have ended: from now on nobody can write;
//! 4. flush once more, for what was written between 1 and 3.

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

use crate::{Holder, files::Shared, limits::BUSY_RETRY, mount::FILE_SYSTEM_TYPE};

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

    /// Whether requests are still served; false after somebody else has unmounted it.
    pub fn is_served(&mut self) -> bool {
        if !self.is_over && self.ended.try_recv() != Err(mpsc::TryRecvError::Empty) {
            self.is_over = true;
        }
        !self.is_over
    }

    /// Flushes every volume, unmounts, and returns when nobody can reach a volume through the mount any more. Waits at
    /// most `patience` for others to close their files, and as long again for requests under way. After an error it
    /// can be called again.
    pub fn unmount(&mut self, patience: Duration) -> Result<(), UnmountError> {
        self.flush()?;
        if self.is_served() {
            let deadline = Instant::now() + patience;
            match self.unmount_by_kernel(deadline)? {
                Unmounting::Done => {}
                Unmounting::NeedsHelper => self.unmount_by_helper(deadline)?,
            }
            self.wait_until_over(patience.max(BUSY_RETRY))?;
        }
        self.flush()
    }

    /// What root may do.
    fn unmount_by_kernel(&self, deadline: Instant) -> Result<Unmounting, UnmountError> {
        loop {
            match rustix::mount::unmount(&self.mountpoint, UnmountFlags::NOFOLLOW) {
                // EINVAL: somebody else was faster.
                Ok(()) | Err(Errno::INVAL) => return Ok(Unmounting::Done),
                Err(Errno::PERM) => return Ok(Unmounting::NeedsHelper),
                Err(Errno::BUSY) if Instant::now() < deadline => {
                    // The last close reaches us a little before the kernel lets go of the mount.
                    if self.shared.handles.wait_for_close(BUSY_RETRY) {
                        std::thread::park_timeout(BUSY_RETRY);
                    }
                }
                Err(Errno::BUSY) => return Err(self.busy()),
                Err(errno) => {
                    return Err(UnmountError::Refused {
                        mountpoint: self.mountpoint.clone(),
                        source: errno.into(),
                    });
                }
            }
        }
    }

    /// An ordinary user goes through `fusermount3`, which `fuser` calls to detach lazily and without telling how that
    /// went. So files must be closed before, and the list of mounts is looked at afterwards.
    fn unmount_by_helper(&mut self, deadline: Instant) -> Result<(), UnmountError> {
        if !self.shared.handles.wait_for_last_close(deadline) {
            return Err(self.busy());
        }
        let result = self.unmounter.unmount();
        if is_listed(&self.mountpoint) {
            let unsaid = || io::Error::other("`fusermount3 -u` failed");
            return Err(UnmountError::Refused {
                mountpoint: self.mountpoint.clone(),
                source: result.err().unwrap_or_else(unsaid),
            });
        }
        Ok(())
    }

    fn wait_until_over(&mut self, patience: Duration) -> Result<(), UnmountError> {
        if self.ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            let holders = self.holders();
            let mountpoint = self.mountpoint.clone();
            return Err(match holders.is_empty() {
                true => UnmountError::Stuck { mountpoint },
                false => UnmountError::Busy { mountpoint, holders },
            });
        }
        self.is_over = true;
        Ok(())
    }

    fn busy(&self) -> UnmountError {
        UnmountError::Busy {
            mountpoint: self.mountpoint.clone(),
            holders: self.holders(),
        }
    }
}

enum Unmounting {
    Done,
    NeedsHelper,
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

/// Whether the kernel lists a mount of ours at exactly this folder.
fn is_listed(mountpoint: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().any(|line| {
        let place = line.split(' ').nth(4);
        let kind = line.split(" - ").nth(1).and_then(|tail| tail.split(' ').next());
        kind == Some(FILE_SYSTEM_TYPE) && place.is_some_and(|place| unescape(place) == mountpoint)
    })
}

/// The kernel writes space, tab, newline and backslash of a path as three octal digits.
fn unescape(place: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let (mut bytes, mut rest) = (Vec::new(), place.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_of_the_mount_table_are_undone() {
        assert_eq!(unescape(r"/media/my\040stick"), Path::new("/media/my stick"));
        assert_eq!(unescape(r"/a\134b\"), Path::new(r"/a\b\"));
    }
}
