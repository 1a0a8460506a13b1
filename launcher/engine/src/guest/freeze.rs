//! Holding a guest's file systems still for a moment, and letting them go on whatever happens.
//!
//! The guest's agent freezes them: it calls the hooks that the guest's administrator gave it (a database writes its tables out), writes
//! everything to the disks, and lets no write pass until it thaws them. A guest that stays frozen is a guest that hangs. So:
//!
//! 1. before anything is done while they stand still, a thread exists that thaws them [`FROZEN_LIMIT`] later, or as soon as it is done;
//! 2. it owns the only connection to the agent, so nothing that the caller does can keep it waiting;
//! 3. if the agent does not answer, it is asked again over new connections, for as long as there is one to connect to: while QEMU lives.
//!    Without a launcher there is no QEMU either (see [`crate::supervise`]);
//! 4. a freeze without an answer may still come about, and is thawed the same way.

use std::{io, path::Path, thread::Builder, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, never};

use super::agent::{Agent, AgentError};
use crate::limits::{AGENT_DEADLINE, FREEZE_DEADLINE, FROZEN_LIMIT, THAW_RETRY_LONGEST};

/// Why the guest's file systems did not stand still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// There is no agent that does it.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent has no file system to freeze.
    #[error("the guest agent has no file system to hold still")]
    Nothing,
    /// What was done meanwhile took longer than the guest may be kept waiting.
    #[error("the guest's file systems went on before it was done")]
    TooLong,
    /// There is no thread that would thaw them.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl FreezeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Agent(error) => error.code(),
            Self::Nothing => "engine.freeze-nothing",
            Self::TooLong => "engine.freeze-too-long",
            Self::Thread(_) => "engine.freeze-thread",
        }
    }
}

/// Holds the file systems of the guest whose sockets are in `folder` still while `act` runs, which it does once in any case. Says whether they
/// stood still from before until after it.
pub fn while_frozen(folder: &Path, act: impl FnOnce()) -> Result<(), FreezeError> {
    let socket = crate::machine::agent_socket(folder);
    let frozen = match freeze(&socket) {
        Ok(frozen) => frozen,
        Err(error) => {
            act();
            return Err(error);
        }
    };
    act();
    frozen.end()
}

/// A guest that stands still, and the thread that ends it.
struct Frozen {
    done: crossbeam_channel::Sender<()>,
    was_in_time: Receiver<bool>,
}

impl Frozen {
    fn end(self) -> Result<(), FreezeError> {
        drop(self.done);
        match self.was_in_time.recv() {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(FreezeError::TooLong),
        }
    }
}

fn freeze(socket: &Path) -> Result<Frozen, FreezeError> {
    let mut agent = Agent::connect(socket, AGENT_DEADLINE)?;
    let (done, is_done) = bounded::<()>(0);
    let (tell, was_in_time) = bounded(1);
    let (begin, begun) = bounded::<Begun>(1);
    let place = socket.to_owned();
    // First the thread, then the freeze.
    Builder::new()
        .name("thaw".to_owned())
        .spawn(move || {
            if let Ok(Begun { agent, was_refused }) = begun.recv() {
                let in_time = is_done.recv_timeout(FROZEN_LIMIT) != Err(RecvTimeoutError::Timeout);
                let thawed = agent.map_or(Thawed::Unknown, thaw);
                // Whoever waits goes on, even if the guest does not yet. One in which nothing stood still any more was thawed by others.
                let _ = tell.send(in_time && thawed != Thawed::Nothing);
                if !thawed.is_end(was_refused) {
                    insist(&place, was_refused);
                }
            }
        })
        .map_err(FreezeError::Thread)?;
    agent.set_deadline(FREEZE_DEADLINE);
    let answer = agent.freeze();
    agent.set_deadline(AGENT_DEADLINE);
    let frozen = Frozen { done, was_in_time };
    // The thread takes the agent in any case: a freeze that failed half way, or did not answer, is to be thawed, too.
    let begun = Begun {
        was_refused: matches!(answer, Err(AgentError::Refused { .. })),
        // One that is silent answers the freeze first, if ever: a new connection comes to an end sooner.
        agent: (!matches!(answer, Err(AgentError::Silent { .. }))).then_some(agent),
    };
    let handed_over = begin.send(begun);
    let refused = match answer {
        Ok(0) => FreezeError::Nothing,
        Ok(_) if handed_over.is_ok() => return Ok(frozen),
        // The thread cannot have ended before.
        Ok(_) => FreezeError::TooLong,
        Err(error) => error.into(),
    };
    // Thawed now, and by others than who waits for it.
    drop(frozen);
    Err(refused)
}

/// A freeze that was asked for.
struct Begun {
    /// Whom to ask for the thaw; none if nothing more is to be heard on that connection.
    agent: Option<Agent>,
    /// The agent said that it does not do it.
    was_refused: bool,
}

/// What became of a thaw.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thawed {
    /// The file systems go on.
    Some,
    /// None stood still.
    Nothing,
    /// The agent does not do it.
    Refused,
    /// It did not say.
    Unknown,
}

impl Thawed {
    /// Whether there is nothing more to be asked for. An agent that refuses the freeze, too, has frozen nothing.
    fn is_end(self, was_refused: bool) -> bool {
        match self {
            Self::Some | Self::Nothing => true,
            Self::Refused => was_refused,
            Self::Unknown => false,
        }
    }
}

fn thaw(mut agent: Agent) -> Thawed {
    match agent.thaw() {
        Ok(0) => Thawed::Nothing,
        Ok(_) => Thawed::Some,
        Err(error) => {
            tracing::warn!(code = error.code(), %error, "the guest may still stand still");
            match error {
                AgentError::Refused { .. } => Thawed::Refused,
                _ => Thawed::Unknown,
            }
        }
    }
}

/// Asks again, on new connections, until an agent has thawed everything or nobody is there to be asked.
fn insist(socket: &Path, was_refused: bool) {
    let mut wait = Duration::from_secs(1);
    loop {
        match Agent::connect(socket, AGENT_DEADLINE) {
            Err(AgentError::Connect { source, .. }) if is_nobody(&source) => return,
            Ok(agent) => {
                if thaw(agent).is_end(was_refused) {
                    return;
                }
            }
            Err(_) => {}
        }
        // A pause, for there is no event to wait for: the agent says nothing by itself.
        let _ = never::<()>().recv_timeout(wait);
        wait = (wait * 2).min(THAW_RETRY_LONGEST);
    }
}

/// Whether no QEMU is behind the socket, rather than that this program cannot connect now.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests;
