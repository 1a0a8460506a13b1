//! What a killed launcher leaves of a container, and its removal.
//!
//! The mounts need no care: they live in a namespace that dies with its processes. What can be left is the mount points,
//! empty folders, and, if the kernel was slow to tell it that its launcher is gone, the agent. A record beside the
//! mount points names it by number and start time, so a number that was used again is not mistaken for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};

use super::plan::{HOME, SYSTEM};
use crate::child::timespec;

const RECORD: &str = "container.json";

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: i32,
    start_ticks: u64,
}

/// Why leftovers cannot be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StaleError {
    /// A file or folder cannot be removed.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The old container does not end.
    #[error("process {pid} of a former container does not end")]
    Alive {
        /// The agent's number.
        pid: i32,
    },
}

impl StaleError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remove { .. } => "engine.stale-remove",
            Self::Alive { .. } => "engine.stale-alive",
        }
    }
}

/// What was found and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// A process that was still alive.
    pub killed: Option<i32>,
    /// Files and folders.
    pub removed: Vec<PathBuf>,
}

/// Ends what a killed launcher left running of the container in `run_dir`, and removes its mount points and its record.
/// A folder that is not empty is never emptied: the answer is an error then. Nothing to do is no error.
pub fn cleanup_stale(run_dir: &Path, deadline: Duration) -> Result<Leftovers, StaleError> {
    let mut leftovers = Leftovers::default();
    let record = run_dir.join(RECORD);
    if let Some(found) = fs::read(&record)
        .ok()
        .and_then(|text| serde_json::from_slice::<Record>(&text).ok())
        && end(&found, deadline)?
    {
        leftovers.killed = Some(found.pid);
    }
    for name in [SYSTEM, HOME] {
        remove(run_dir.join(name), |path| fs::remove_dir(path), &mut leftovers)?;
    }
    remove(record, remove_file, &mut leftovers)?;
    Ok(leftovers)
}

/// Kills the recorded process if it is the same one; returns whether it was there.
fn end(record: &Record, deadline: Duration) -> Result<bool, StaleError> {
    // First the descriptor, then the comparison: what is compared is then what will be killed.
    let Some(pidfd) = Pid::from_raw(record.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return Ok(false);
    };
    if start_ticks(record.pid) != Some(record.start_ticks) {
        return Ok(false);
    }
    let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    match poll(
        &mut [PollFd::new(&pidfd, PollFlags::IN)],
        Some(&timespec(deadline)),
    ) {
        Ok(0) | Err(_) => Err(StaleError::Alive { pid: record.pid }),
        Ok(_) => Ok(true),
    }
}

fn remove(
    path: PathBuf,
    how: impl FnOnce(&Path) -> io::Result<()>,
    leftovers: &mut Leftovers,
) -> Result<(), StaleError> {
    match how(&path) {
        Ok(()) => leftovers.removed.push(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(StaleError::Remove { path, source }),
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the record is in the private folder of this run, not on the stick"
)]
fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Records the agent for a later [`cleanup_stale`].
#[expect(
    clippy::disallowed_methods,
    reason = "the record is in the private folder of this run, not on the stick"
)]
pub(super) fn record(run_dir: &Path, pid: u32) -> io::Result<()> {
    let pid = pid.cast_signed();
    let start_ticks = start_ticks(pid).ok_or(Errno::SRCH)?;
    let text = serde_json::to_vec(&Record { pid, start_ticks })?;
    fs::write(run_dir.join(RECORD), text)
}

/// When a process was started, in clock ticks since boot: field 22 of its `stat`, where field 2 may hold anything.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}
