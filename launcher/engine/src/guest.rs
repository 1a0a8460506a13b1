//! A running virtual machine, as the launcher sees it.
//!
//! [`crate::supervise::start`] gives a [`Guest`] and a queue of [`Event`]s that can be waited for together with signals.
//! The last event is always [`Event::Exited`]. Dropping the guest pulls its plug.

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    accel::Accelerator,
    child::Watch,
    limits::{AGENT_DEADLINE, QMP_DEADLINE},
    machine::agent_socket,
    qmp::{Client, QmpError},
};

pub mod agent;
pub mod freeze;

/// What happens to a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// QEMU runs and carries out the guest's first instructions.
    Started {
        /// What runs them.
        accelerator: Accelerator,
        /// QEMU's process id.
        pid: u32,
    },
    /// The guest's own kernel was seen to run, so the accelerator is good.
    SignOfLife {
        /// Since the start of this QEMU.
        after: Duration,
    },
    /// There was no sign of life; QEMU is being started again with another accelerator.
    FellBack {
        /// What did not work.
        from: Accelerator,
        /// What comes next.
        to: Accelerator,
        /// Why, in words.
        reason: String,
    },
    /// The guest stands still; nothing is lost, and [`Guest::cont`] lets it go on.
    Paused {
        /// Why.
        reason: PauseReason,
    },
    /// The guest goes on.
    Resumed,
    /// The guest restarts itself.
    Reset,
    /// The guest shuts down, or is made to.
    ShuttingDown {
        /// Whether it is its own doing.
        by_guest: bool,
    },
    /// It is over: QEMU has ended, and this is the last event.
    Exited {
        /// How it ended.
        exit: Exit,
    },
}

/// Why a guest stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
#[non_exhaustive]
pub enum PauseReason {
    /// A disk failed. The request waits, and is repeated when the guest goes on: the guest never learns of it.
    IoError {
        /// The serial number of the disk.
        disk: String,
        /// `read` or `write`, as QEMU says it.
        operation: String,
        /// Whether the disk said that there is no space left.
        no_space: bool,
    },
    /// It was asked for, by [`Guest::pause`].
    Asked,
    /// QEMU's run state, for every other reason: `guest-panicked`, `internal-error`, …
    Other {
        /// The run state.
        state: String,
    },
}

/// How QEMU ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Whether QEMU ended by itself and was content.
    pub success: bool,
    /// Its exit status in words, such as `exit status: 1` or `signal: 9 (SIGKILL)`.
    pub status: String,
    /// The beginning of what it wrote to standard error.
    pub stderr: String,
}

impl Exit {
    pub(crate) fn new(status: ExitStatus, stderr: &[u8]) -> Self {
        Self {
            success: status.success(),
            status: status.to_string(),
            stderr: String::from_utf8_lossy(stderr).trim().to_owned(),
        }
    }
}

/// What a guest does right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether its processors run.
    pub running: bool,
    /// QEMU's run state: `running`, `paused`, `io-error`, `shutdown`, …
    pub state: String,
    /// What runs it.
    pub accelerator: Accelerator,
    /// QEMU's process id.
    pub pid: u32,
}

/// A virtual machine that was started; its plug is pulled when this is dropped.
#[derive(Debug)]
pub struct Guest {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: Receiver<Event>,
    pub(crate) console: Option<UnixStream>,
    pub(crate) folder: PathBuf,
}

impl Guest {
    /// The queue of events; it may be cloned into a `select!` with others.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// The serial console of a machine with [`crate::machine::Serial::Console`], once. Whoever takes it must read it, or
    /// the guest waits for a while with each letter. It stays open over a fall-back and ends when the guest does.
    pub fn take_console(&mut self) -> Option<UnixStream> {
        self.console.take()
    }

    /// What the guest does right now.
    pub fn status(&self) -> Result<Status, QmpError> {
        let running = self.shared.running("query-status")?;
        let answer = running.client.execute("query-status", json!({}), QMP_DEADLINE)?;
        Ok(Status {
            running: answer["running"] == Value::Bool(true),
            state: answer["status"].as_str().unwrap_or_default().to_owned(),
            accelerator: running.accelerator,
            pid: running.pid,
        })
    }

    /// Lets a guest go on that stands still. After an I/O error this repeats the failed requests, so repair the medium
    /// first; if it fails again, the guest stands still again and there is another event.
    pub fn cont(&self) -> Result<(), QmpError> {
        self.shared.command("cont")
    }

    /// Makes the guest stand still between two instructions.
    pub fn pause(&self) -> Result<(), QmpError> {
        self.shared.command("stop")
    }

    /// Asks the guest to shut down: presses its power button, and tells its agent, if it has one that answers within
    /// [`AGENT_DEADLINE`]. A guest may ignore it and one that stands still cannot hear it; wait for
    /// [`Event::Exited`] as long as you please, then [`Guest::quit`].
    pub fn power_down(&self) -> Result<(), QmpError> {
        self.shared.command("system_powerdown")?;
        let answered = agent::Agent::connect(&agent_socket(&self.folder), AGENT_DEADLINE)
            .and_then(|mut agent| agent.shut_down());
        if let Err(error) = answered {
            tracing::debug!("no guest agent helps with the shutdown: {error}");
        }
        Ok(())
    }

    /// Ends QEMU. For the guest it is a power cut, but QEMU finishes what its disks have been asked to do.
    pub fn quit(&self) -> Result<(), QmpError> {
        self.shared.ask_to_end();
        match self.shared.command("quit") {
            // It may be gone before it has answered.
            Err(QmpError::Closed { .. }) => Ok(()),
            other => other,
        }
    }

    /// Kills QEMU, for when it does not answer any more.
    pub fn kill(&self) {
        self.shared.ask_to_end();
        if let Some(running) = lock(&self.shared.running).as_ref() {
            running.watch.kill();
        }
    }

    /// Waits until the guest has ended, at most `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Exit> {
        let until = Instant::now() + timeout;
        let mut ended = lock(&self.shared.ended);
        while ended.is_none() {
            let left = until.checked_duration_since(Instant::now())?;
            ended = match self.shared.changed.wait_timeout(ended, left) {
                Ok((ended, _)) => ended,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        ended.clone()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
        // After SIGKILL the end is near; the supervising thread sees it even if we do not wait for it.
        let _ = self.wait(QMP_DEADLINE);
    }
}

/// What the guest's handle and its supervising thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    running: Mutex<Option<Running>>,
    asked_to_end: Mutex<bool>,
    ended: Mutex<Option<Exit>>,
    changed: Condvar,
}

/// The QEMU of this moment.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) client: Arc<Client>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) accelerator: Accelerator,
    pub(crate) pid: u32,
}

impl Shared {
    fn running(&self, command: &str) -> Result<Running, QmpError> {
        let running = lock(&self.running).clone();
        running.ok_or_else(|| QmpError::Closed {
            command: command.to_owned(),
        })
    }

    fn command(&self, command: &str) -> Result<(), QmpError> {
        let running = self.running(command)?;
        let answer = running.client.execute(command, json!({}), QMP_DEADLINE);
        answer.map(drop)
    }

    pub(crate) fn set_running(&self, running: Option<Running>) {
        *lock(&self.running) = running;
    }

    fn ask_to_end(&self) {
        *lock(&self.asked_to_end) = true;
    }

    /// Whether the launcher wants the guest to end: then its end is no reason to try another accelerator.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        *lock(&self.asked_to_end)
    }

    pub(crate) fn set_ended(&self, exit: Exit) {
        *lock(&self.ended) = Some(exit);
        self.changed.notify_all();
    }
}

/// A panic while holding one of these locks cannot leave the data half changed, so poison is no reason to panic again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
