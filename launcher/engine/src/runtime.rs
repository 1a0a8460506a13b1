//! What a launcher that was killed may leave running, and its end.
//!
//! The kernel kills a guest together with its launcher (see [`crate::supervise`]), but not at the same instant, and not
//! a program that was given privileges of its own when it started (then the kernel forgets the wish). So each guest is
//! recorded in the private folder of its run, and the next start calls [`end_orphan`] before it takes the run's mounts
//! away and removes the folder. (The folder and the mounts are the launcher's; whether a run is dead, its lock says.)
//!
//! A process number alone may mean another process by then. The record holds the start time and the boot as well, and
//! the comparison is made after a descriptor of the process was opened: what is compared is what will be killed.

#![expect(
    clippy::disallowed_methods,
    reason = "the record is in the private folder of this run, not on the stick"
)]

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::child::has_ended;

const RECORD: &str = "guest.json";

/// A process, told from every other that ever had its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: i32,
    /// In clock ticks since boot.
    start_ticks: u64,
    boot_id: String,
}

impl Identity {
    fn of(pid: i32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Field 22; field 2 is the program's name in parentheses and may hold anything.
        let start_ticks = stat
            .rsplit_once(')')
            .and_then(|(_, fields)| fields.split_whitespace().nth(19)?.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            pid,
            start_ticks,
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")?
                .trim()
                .to_owned(),
        })
    }

    /// Records a process that was just started and not reaped yet.
    pub(crate) fn write(path: &Path, pid: u32) -> io::Result<()> {
        fs::write(path, serde_json::to_vec(&Self::of(pid.cast_signed())?)?)
    }

    /// The recorded process; `None` when there is no record, or one that was cut short: then its launcher was killed
    /// just then, and the process with it.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Kills the process if it is still the same one, and waits for its end; returns its number if it was there.
    pub(crate) fn end(&self, deadline: Duration) -> Result<Option<i32>, Alive> {
        let pid = self.pid;
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok();
        let Some(pidfd) = Pid::from_raw(pid).and_then(open) else {
            return Ok(None);
        };
        if !Self::of(pid).is_ok_and(|now| now == *self) {
            return Ok(None);
        }
        // A process that has ended but was not reaped still has its number.
        if has_ended(&pidfd, Duration::ZERO).unwrap_or(false) {
            return Ok(None);
        }
        // ESRCH means that it is gone already, which is what we want.
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        match has_ended(&pidfd, deadline).unwrap_or(false) {
            true => Ok(Some(pid)),
            false => Err(Alive { pid }),
        }
    }
}

/// It was killed but does not end, because the kernel waits for something.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) pid: i32,
}

/// An orphan that cannot be ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrphanError {
    /// The record of a former guest cannot be read or removed.
    #[error("cannot use the record of a former guest in {}", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was killed but does not end, because the kernel waits for something.
    #[error("process {pid} of a former guest does not end")]
    Alive {
        /// Its number.
        pid: i32,
    },
}

impl OrphanError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Record { .. } => "engine.orphan-record",
            Self::Alive { .. } => "engine.orphan-alive",
        }
    }
}

/// Kills the guest that a dead launcher left running with its private folder `folder`, waits for its end and forgets
/// it; returns its number. No record, and a record of a process that is gone, are no errors.
pub fn end_orphan(folder: &Path, deadline: Duration) -> Result<Option<i32>, OrphanError> {
    let path = folder.join(RECORD);
    let failed = |source| OrphanError::Record {
        path: path.clone(),
        source,
    };
    let ended = match Identity::read(&path).map_err(failed)? {
        Some(guest) => guest.end(deadline)?,
        None => None,
    };
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(ended),
    }
}

impl From<Alive> for OrphanError {
    fn from(Alive { pid }: Alive) -> Self {
        Self::Alive { pid }
    }
}

/// The record of a running guest; dropped when the guest has been reaped.
#[derive(Debug)]
pub(crate) struct Recorded(PathBuf);

/// Records a guest that was just started and not reaped yet.
pub(crate) fn record(folder: &Path, pid: u32) -> io::Result<Recorded> {
    let path = folder.join(RECORD);
    Identity::write(&path, pid)?;
    Ok(Recorded(path))
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // The folder may be gone already. A record that stays names a process that is gone.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child;

    const LONG: Duration = Duration::from_secs(10);

    fn sleeper() -> std::process::Child {
        let mut command = child::command(Path::new("/bin/sleep"));
        child::spawn(command.arg("600"), &[]).unwrap()
    }

    /// A record as the launcher leaves it when it is killed.
    fn leave_record(folder: &Path, pid: u32, change: impl FnOnce(&mut Identity)) {
        let mut identity = Identity::of(pid.cast_signed()).unwrap();
        change(&mut identity);
        let text = serde_json::to_vec(&identity).unwrap();
        fs::write(folder.join(RECORD), text).unwrap();
    }

    #[test]
    fn an_orphan_is_killed_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut orphan = sleeper();
        leave_record(folder.path(), orphan.id(), |_| {});
        let ended = end_orphan(folder.path(), LONG).unwrap();
        assert_eq!(ended, Some(orphan.id().cast_signed()));
        assert!(!orphan.wait().unwrap().success());
        assert_eq!(end_orphan(folder.path(), LONG).unwrap(), None);
    }

    #[test]
    fn another_process_with_the_same_number_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut innocent = sleeper();
        for change in [
            (|identity: &mut Identity| identity.start_ticks += 1) as fn(&mut Identity),
            |identity| identity.boot_id = "another boot".into(),
        ] {
            leave_record(folder.path(), innocent.id(), change);
            assert_eq!(end_orphan(folder.path(), LONG).unwrap(), None);
            assert!(!folder.path().join(RECORD).exists());
        }
        assert!(innocent.try_wait().unwrap().is_none(), "it still runs");
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    }

    #[test]
    fn records_that_are_cut_short_or_of_a_process_that_is_gone_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD), "{\"pid\": 1").unwrap();
        assert_eq!(end_orphan(folder.path(), LONG).unwrap(), None);

        let mut gone = sleeper();
        leave_record(folder.path(), gone.id(), |_| {});
        gone.kill().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&gone), PidfdFlags::empty()).unwrap();
        assert!(has_ended(&pidfd, LONG).unwrap());
        assert_eq!(
            end_orphan(folder.path(), LONG).unwrap(),
            None,
            "ended, not reaped"
        );
        gone.wait().unwrap();
        assert_eq!(end_orphan(folder.path(), LONG).unwrap(), None);
    }

    #[test]
    fn the_record_goes_with_the_guest() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = record(folder.path(), std::process::id()).unwrap();
        assert!(folder.path().join(RECORD).exists());
        drop(recorded);
        assert!(!folder.path().join(RECORD).exists());
    }
}
