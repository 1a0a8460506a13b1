//! Keeping a running container company: its terminal, its end, and the caller's wish to end it.

use std::{
    io::{self, PipeReader, Read},
    os::fd::AsFd,
    process::Child,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use serde::Deserialize;

use super::{
    ContainerError,
    agent::{Agent, readable_within, set_nonblocking},
    terminal::Terminal,
};
use crate::{
    child::{Watch, timespec},
    limits::{AGENT_LINE_BYTES, CANCEL_PERIOD, CONTAINER_GRACE},
};

/// What `bwrap --json-status-fd` writes, one object a line.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Status {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

/// The sandbox's process, and what it says of what runs in it.
pub(super) struct Sandbox {
    child: Child,
    watch: Watch,
    status: PipeReader,
    text: Vec<u8>,
    /// The container's process 1, as the agent's namespace counts.
    first: Option<u32>,
}

impl Sandbox {
    pub(super) fn new(child: Child, watch: Watch, status: PipeReader) -> io::Result<Self> {
        set_nonblocking(&status)?;
        Ok(Self {
            child,
            watch,
            status,
            text: Vec::new(),
            first: None,
        })
    }

    /// Waits until the sandbox has its first process.
    pub(super) fn first_process(&mut self, deadline: Duration) -> Result<u32, ContainerError> {
        let end = Instant::now() + deadline;
        loop {
            let over = self.read_status().map_err(ContainerError::Contact)?;
            let found = self.statuses().find_map(|status| status.child_pid);
            if let Some(pid) = found {
                self.first = Some(pid);
                return Ok(pid);
            }
            let left = end.saturating_duration_since(Instant::now());
            if over || left.is_zero() {
                return Err(ContainerError::Sandbox);
            }
            readable_within(self.status.as_fd(), left).map_err(ContainerError::Contact)?;
        }
    }

    /// Reads what is there; `true` at the end.
    fn read_status(&mut self) -> io::Result<bool> {
        let mut piece = [0; 1024];
        loop {
            match self.status.read(&mut piece) {
                Ok(0) => return Ok(true),
                Ok(count) if self.text.len() + count <= AGENT_LINE_BYTES => {
                    self.text.extend_from_slice(&piece[..count])
                }
                Ok(_) => return Err(io::ErrorKind::FileTooLarge.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn statuses(&self) -> impl Iterator<Item = Status> {
        // A line that is still being written does not parse and is looked at again later.
        self.text
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
    }

    /// Ends it at once, if it has not ended; all that runs in the container is gone then.
    pub(super) fn kill(&mut self, agent: &mut Agent) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(first) = self.first {
            let _ = agent.tell(&format!("kill {first}"));
        }
        self.watch.kill_group();
        let _ = self.child.wait();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.watch.kill_group();
            let _ = self.child.wait();
        }
    }
}

/// How the container ended.
pub(super) struct Attended {
    pub(super) exit_code: i32,
    pub(super) cancelled: bool,
}

/// One container being attended.
pub(super) struct Attendance<'a> {
    sandbox: &'a mut Sandbox,
    agent: &'a mut Agent,
    terminal: Option<Terminal>,
    cancel: &'a dyn Fn() -> bool,
    asked_to_end: Option<Instant>,
    killed: bool,
    lost: bool,
}

impl<'a> Attendance<'a> {
    pub(super) fn new(
        sandbox: &'a mut Sandbox,
        agent: &'a mut Agent,
        terminal: Option<Terminal>,
        cancel: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            sandbox,
            agent,
            terminal,
            cancel,
            asked_to_end: None,
            killed: false,
            lost: false,
        }
    }

    /// Stays until the container has ended.
    pub(super) fn attend(mut self) -> Result<Attended, ContainerError> {
        while !self.turn()? {}
        // Its last words; those of a process that is not of the container (a forgotten child) could go on for ever, but
        // there is none: the process namespace is gone.
        while self.show_output().map_err(ContainerError::Contact)? {}
        self.sandbox.child.wait().map_err(ContainerError::Contact)?;
        if self.lost {
            return Err(ContainerError::Lost {
                said: self.agent.said().trim().to_owned(),
            });
        }
        self.sandbox.read_status().map_err(ContainerError::Contact)?;
        let cancelled = self.asked_to_end.is_some();
        let ended = self.sandbox.statuses().find_map(|status| status.exit_code);
        match ended {
            Some(exit_code) => Ok(Attended { exit_code, cancelled }),
            // Killed by us before it could say.
            None if cancelled => Ok(Attended {
                exit_code: 128 + rustix::process::Signal::KILL.as_raw(),
                cancelled,
            }),
            None => Err(ContainerError::Sandbox),
        }
    }

    /// Waits for something to happen and does what it calls for; `true` when the container has ended.
    fn turn(&mut self) -> Result<bool, ContainerError> {
        self.end_if_wanted()?;
        let (ended, said, typed) = self.poll().map_err(ContainerError::Contact)?;
        if said {
            match self.agent.next(Duration::ZERO).map_err(ContainerError::Contact)? {
                // A file system's process ended: what the container writes from now on goes nowhere.
                Some(word) if word.starts_with("ended") => self.lost = true,
                Some(_) => {}
                None => self.lost |= self.agent.has_ended(),
            }
        }
        if let Some(terminal) = &mut self.terminal {
            let carried = if typed { terminal.take_keys() } else { Ok(()) };
            carried
                .and_then(|()| terminal.give_keys())
                .map_err(ContainerError::Contact)?;
            terminal.follow_size();
        }
        self.show_output().map_err(ContainerError::Contact)?;
        Ok(ended)
    }

    fn show_output(&mut self) -> io::Result<bool> {
        self.terminal.as_mut().map_or(Ok(false), Terminal::show_output)
    }

    /// Waits, and tells whether the container has ended, the agent said something, the person typed something.
    fn poll(&self) -> io::Result<(bool, bool, bool)> {
        let ended = self.sandbox.watch.fd();
        let mut fds = vec![
            PollFd::new(&ended, PollFlags::IN),
            PollFd::from_borrowed_fd(self.agent.fd(), PollFlags::IN),
        ];
        if let Some(terminal) = &self.terminal {
            fds.push(terminal.ours_interest());
            fds.extend(terminal.real_interest());
        }
        match poll(&mut fds, Some(&timespec(CANCEL_PERIOD))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok((ready(0), ready(1), ready(3)))
    }

    fn end_if_wanted(&mut self) -> Result<(), ContainerError> {
        let Some(first) = self.sandbox.first else {
            return Ok(());
        };
        let tell = |agent: &mut Agent, word: &str| {
            agent
                .tell(&format!("{word} {first}"))
                .map_err(|error| ContainerError::Contact(io::Error::other(error)))
        };
        match self.asked_to_end {
            None if self.lost && !self.killed => {
                self.killed = true;
                tell(self.agent, "kill")
            }
            None if (self.cancel)() => {
                self.asked_to_end = Some(Instant::now());
                tell(self.agent, "term")
            }
            Some(asked) if !self.killed && asked.elapsed() > CONTAINER_GRACE => {
                self.killed = true;
                tell(self.agent, "kill")
            }
            _ => Ok(()),
        }
    }
}
