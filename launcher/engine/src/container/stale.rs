//! What a killed launcher leaves of a container, and its removal.
//!
//! The mounts need no care: they live in a namespace that dies with its processes. What can be left is the mount points,
//! empty folders, and, if the kernel was slow to tell it that its launcher is gone, the agent. A record beside the
//! mount points tells it from every other process (see [`crate::runtime`]).

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::plan::{HOME, SYSTEM};
use crate::runtime::{Alive, Identity};

const RECORD: &str = "container.json";

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

impl From<Alive> for StaleError {
    fn from(Alive { pid }: Alive) -> Self {
        Self::Alive { pid }
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
    // A record that cannot be read names nobody; that it cannot be removed either is said below.
    if let Ok(Some(agent)) = Identity::read(&record) {
        leftovers.killed = agent.end(deadline)?;
    }
    for name in [SYSTEM, HOME] {
        remove(run_dir.join(name), |path| fs::remove_dir(path), &mut leftovers)?;
    }
    remove(record, remove_file, &mut leftovers)?;
    Ok(leftovers)
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
pub(super) fn record(run_dir: &Path, pid: u32) -> io::Result<()> {
    Identity::write(&run_dir.join(RECORD), pid)
}
