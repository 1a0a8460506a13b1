//! What every child process of this crate has in common, and the crate's only unsafe code.
//!
//! A child starts with an empty environment (`LC_ALL=C` and a fixed `PATH`), in its own process group, and is killed by
//! the kernel when the *thread* that started it ends (`PR_SET_PDEATHSIG` counts threads, not processes). So a child may
//! only be started by a thread that outlives it: [`crate::run`] blocks until the child has ended, and
//! [`crate::supervise`] gives each guest a thread of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "gobag-engine is the crate that starts processes"
)]

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd},
    process::{
        Pid, PidfdFlags, Signal, getpid, getppid, kill_process_group, pidfd_open, pidfd_send_signal,
        set_parent_process_death_signal,
    },
};

use crate::tools::SYSTEM_PATH;

/// A command with an empty environment but for `LC_ALL=C` and the system's `PATH`.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", OsStr::new(SYSTEM_PATH));
    command
}

/// Starts `command` in a process group of its own; `keep` are our descriptors that the child gets too, under the same
/// numbers. The child is killed when the calling thread ends.
pub(crate) fn spawn(command: &mut Command, keep: &[BorrowedFd<'_>]) -> io::Result<Child> {
    command.process_group(0);
    die_with_parent(command, keep);
    command.spawn()
}

#[expect(
    unsafe_code,
    reason = "PR_SET_PDEATHSIG must be set in the child, between fork and exec; std has no safe call for it"
)]
fn die_with_parent(command: &mut Command, keep: &[BorrowedFd<'_>]) {
    let parent = getpid();
    let keep: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    let in_child = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died between fork and the call above; then no signal ever comes.
        if getppid() != Some(parent) {
            return Err(io::Error::from(Errno::SRCH));
        }
        for &fd in &keep {
            // SAFETY: `spawn` borrowed these descriptors from its caller until `Command::spawn` returned, and the
            // child has its own copy of the whole table, so the number is open here.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd, fcntl_getfd(fd)? - FdFlags::CLOEXEC)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes four kinds of raw system
    // calls (prctl, getppid, fcntl) and reads a vector that was filled before the fork; it neither allocates nor locks,
    // and an `io::Error` made from an errno holds no heap memory.
    unsafe { command.pre_exec(in_child) };
}

/// A child as the kernel knows it: a descriptor that becomes readable when the process has ended.
#[derive(Debug)]
pub(crate) struct Watch {
    pidfd: OwnedFd,
    group: Pid,
}

impl Watch {
    /// Watches a child that has not been reaped yet.
    pub(crate) fn new(child: &Child) -> io::Result<Self> {
        let group = Pid::from_child(child);
        let pidfd = pidfd_open(group, PidfdFlags::empty())?;
        Ok(Self { pidfd, group })
    }

    /// The descriptor to poll for reading.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.pidfd.as_fd()
    }

    /// Kills the child alone; safe at any time, because the descriptor never means another process.
    pub(crate) fn kill(&self) {
        // ESRCH means that it is gone already, which is what we want.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Whether the child has ended, waiting at most `timeout` for it.
    pub(crate) fn has_ended(&self, timeout: Duration) -> io::Result<bool> {
        has_ended(&self.pidfd, timeout)
    }

    /// Kills the child and everything in its process group. Call it only before the child is reaped.
    pub(crate) fn kill_group(&self) {
        // ESRCH means that all of them are gone already, which is what we want.
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// Whether a process has ended, reaped or not, waiting at most `timeout` for it.
pub(crate) fn has_ended(pidfd: &OwnedFd, timeout: Duration) -> io::Result<bool> {
    let until = Instant::now() + timeout;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// `Duration` as the kernel's `timespec`; absurdly long becomes the longest.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    })
}
