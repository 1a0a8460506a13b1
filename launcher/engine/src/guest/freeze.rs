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

use std::{path::Path, thread::Builder, time::Duration};

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
    Thread(#[source] std::io::Error),
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
    let (begin, begun) = bounded::<Agent>(1);
    let place = socket.to_owned();
    // First the thread, then the freeze.
    Builder::new()
        .name("thaw".to_owned())
        .spawn(move || {
            if let Ok(agent) = begun.recv() {
                let in_time = is_done.recv_timeout(FROZEN_LIMIT) != Err(RecvTimeoutError::Timeout);
                let thawed = thaw(agent);
                // Whoever waits goes on, even if the guest does not yet.
                let _ = tell.send(in_time);
                if !thawed {
                    insist(&place);
                }
            }
        })
        .map_err(FreezeError::Thread)?;
    agent.set_deadline(FREEZE_DEADLINE);
    let answer = agent.freeze();
    agent.set_deadline(AGENT_DEADLINE);
    let frozen = Frozen { done, was_in_time };
    // The thread takes the agent in any case: a freeze that failed half way, or did not answer, is to be thawed, too.
    let handed_over = begin.send(agent);
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

fn thaw(mut agent: Agent) -> bool {
    match agent.thaw() {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(code = error.code(), %error, "the guest may still stand still");
            false
        }
    }
}

/// Asks again, on new connections, until an agent has thawed everything or nobody is there to be asked.
fn insist(socket: &Path) {
    let mut wait = Duration::from_secs(1);
    loop {
        match Agent::connect(socket, AGENT_DEADLINE) {
            Err(AgentError::Connect { .. }) => return,
            Ok(agent) => {
                if thaw(agent) {
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

#[cfg(test)]
mod tests;
