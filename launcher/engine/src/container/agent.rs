//! The process that owns a container's namespaces and mounts.
//!
//! `unshare` makes the namespaces and becomes the parent of a small shell script (`agent.sh`), which mounts the volumes and
//! then waits for words on its standard input. Everything else of the container is brought into these namespaces with
//! `nsenter`. Why a process of its own, and why a script:
//!
//! 1. A process with several threads, as the launcher is, cannot enter a user namespace.
//! 2. The mounts live in a mount namespace of their own, so the host never sees them, and they are gone when the last
//!    process in there is. The script is process 1 of a process namespace as well, so that is certain when it ends; and
//!    it ends when its standard input does, which a killed launcher cannot prevent.
//! 3. `unshare --keep-caps` gives the script's tools the capabilities of the namespace even when its one user is not 0
//!    in there. `nsenter` cannot do that, so the mounts are made by the script.

use std::{
    ffi::{OsStr, OsString},
    io::{self, PipeReader, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

use crate::{
    child::{self, Watch, timespec},
    limits::{AGENT_END_DEADLINE, AGENT_LINE_BYTES},
};

const SCRIPT: &str = include_str!("agent.sh");

/// A word from the agent, without its `@`.
pub(crate) type Word = String;

/// Why the agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its process cannot be started or talked to.
    #[error("lost contact with the process that holds the namespaces")]
    Contact(#[from] io::Error),
    /// It, or a tool it ran, failed.
    #[error("{step} failed{}", quoted(said))]
    Failed {
        /// What it was doing.
        step: String,
        /// What its tools said.
        said: String,
    },
    /// It did not answer in time.
    #[error("{step} did not end within {} s", deadline.as_secs_f32())]
    Deadline {
        /// What it was doing.
        step: String,
        /// The time it had.
        deadline: Duration,
    },
}

impl AgentError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Contact(_) => "engine.agent-contact",
            Self::Failed { .. } => "engine.agent-failed",
            Self::Deadline { .. } => "engine.agent-deadline",
        }
    }
}

fn quoted(said: &str) -> String {
    match said.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// The running agent. Dropped, it takes its namespaces, mounts and everything that runs in there with it.
pub(crate) struct Agent {
    child: Child,
    watch: Watch,
    input: ChildStdin,
    output: PipeReader,
    line: Vec<u8>,
    /// The last lines of its tools.
    said: String,
    ended: bool,
}

impl Agent {
    /// Starts `unshare` with `args`, which [`unshare_args`] made, and waits until the namespaces are there.
    pub(crate) fn start(unshare: &Path, args: &[OsString], deadline: Duration) -> Result<Self, AgentError> {
        let (output, writer) = io::pipe()?;
        set_nonblocking(&output)?;
        let mut command = child::command(unshare);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = child::spawn(&mut command, &[])?;
        // The command keeps its copies of the pipe's writing end as long as it lives.
        drop(command);
        let input = child
            .stdin
            .take()
            .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let watch = match Watch::new(&child) {
            Ok(watch) => watch,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.into());
            }
        };
        let mut agent = Self {
            child,
            watch,
            input,
            output,
            line: Vec::new(),
            said: String::new(),
            ended: false,
        };
        agent.expect("ready", "making the namespaces", deadline)?;
        Ok(agent)
    }

    /// The process whose namespaces `nsenter` is to enter. It is the agent's parent, in all of them but the process
    /// namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Readable when [`Agent::next`] has something to say.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Whether it, and everything else in its namespaces that had its output, is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The last lines that were not for us: error messages of its tools.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, words: &str) -> Result<(), AgentError> {
        Ok(self.input.write_all(format!("{words}\n").as_bytes())?)
    }

    /// Waits until it says `wanted`.
    pub(crate) fn expect(&mut self, wanted: &str, step: &str, deadline: Duration) -> Result<(), AgentError> {
        let end = Instant::now() + deadline;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.next(left)? {
                Some(word) if word == wanted => return Ok(()),
                Some(word) if word.starts_with("failed") => return Err(self.failure(step)),
                Some(_) => {}
                None if self.ended => return Err(self.failure(step)),
                None if left.is_zero() => {
                    return Err(AgentError::Deadline {
                        step: step.to_owned(),
                        deadline,
                    });
                }
                None => {}
            }
        }
    }

    pub(crate) fn failure(&self, step: &str) -> AgentError {
        AgentError::Failed {
            step: step.to_owned(),
            said: self.said.clone(),
        }
    }

    /// Its next word, `None` when there was none within `timeout` or when it has ended.
    pub(crate) fn next(&mut self, timeout: Duration) -> io::Result<Option<Word>> {
        let end = Instant::now() + timeout;
        loop {
            let mut byte = [0];
            match self.output.read(&mut byte) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(_) if byte[0] == b'\n' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    match line.strip_prefix('@') {
                        Some(word) => return Ok(Some(word.to_owned())),
                        None => self.remember(&line),
                    }
                }
                Ok(_) => {
                    if self.line.len() < AGENT_LINE_BYTES {
                        self.line.push(byte[0]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() || !readable_within(self.output.as_fd(), left)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn remember(&mut self, line: &str) {
        tracing::debug!(line, "agent");
        self.said.push_str(line);
        self.said.push('\n');
        if self.said.len() > AGENT_LINE_BYTES {
            let cut = self.said.ceil_char_boundary(self.said.len() - AGENT_LINE_BYTES);
            self.said.drain(..cut);
        }
    }

    /// Waits for its regular end, after it said that everything is unmounted.
    pub(crate) fn finish(mut self, deadline: Duration) -> Result<(), AgentError> {
        if !self.watch.has_ended(deadline)? {
            return Err(AgentError::Deadline {
                step: "leaving the namespaces".to_owned(),
                deadline,
            });
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // After `finish` the child is reaped, and then `try_wait` says so without looking at any process.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.watch.kill_group();
        let _ = self.child.wait();
        // Killing process 1 of the namespace kills the rest; the end of their common output says that it is done.
        let end = Instant::now() + AGENT_END_DEADLINE;
        while !self.ended && Instant::now() < end {
            if self.next(end.saturating_duration_since(Instant::now())).is_err() {
                return;
            }
        }
    }
}

/// Makes reading from it return at once when there is nothing.
pub(super) fn set_nonblocking(pipe: &PipeReader) -> io::Result<()> {
    Ok(fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?)
}

/// Whether `fd` became readable, or a signal came, within `timeout`.
pub(super) fn readable_within(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match poll(&mut fds, Some(&timespec(timeout))) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// A volume for the agent to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The image file.
    pub(crate) image: PathBuf,
    /// Name of the mount point, a folder in the base folder.
    pub(crate) name: &'static str,
    /// The program that mounts it; the kernel, when there is none.
    pub(crate) fuse2fs: Option<PathBuf>,
    /// Mount options.
    pub(crate) options: String,
}

/// Arguments for `unshare`: a mount and a process namespace, and, unless we are root, a user namespace.
pub(crate) fn unshare_args(sh: &Path, user_namespace: bool, base: &Path, mounts: &[Mount]) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |text: &OsStr| args.push(text.to_owned());
    if user_namespace {
        add("--user".as_ref());
        add("--keep-caps".as_ref());
    }
    for text in [
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child=SIGKILL",
        "--",
    ] {
        add(text.as_ref());
    }
    add(sh.as_os_str());
    for text in ["-c", SCRIPT, "gobag-agent"] {
        add(text.as_ref());
    }
    add(base.as_os_str());
    for mount in mounts {
        add(mount
            .fuse2fs
            .as_deref()
            .map_or("kernel".as_ref(), Path::as_os_str));
        add(mount.image.as_os_str());
        add(mount.name.as_ref());
        add(mount.options.as_ref());
    }
    args
}
