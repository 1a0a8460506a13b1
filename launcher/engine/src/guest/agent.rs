//! The agent inside the guest (`qemu-guest-agent`), over its private socket.
//!
//! The guest is not trusted: its answers are bounded in length and time, and only ever read as small JSON documents.
//! The channel may hold half an answer to somebody before us, so each connection begins with the protocol's own way to
//! a clean start: `guest-sync-delimited` with a number, whose answer comes after a byte that JSON never contains.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::limits::QMP_LINE_BYTES;

/// Before the answer to `guest-sync-delimited`, and (written by us) the end of whatever the agent had half read.
const DELIMITER: u8 = 0xff;

/// Connections of this process so far.
static CONNECTED: AtomicU16 = AtomicU16::new(0);

/// Why the agent could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Nobody serves its socket.
    #[error("cannot reach the guest agent at {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not answer in time: not installed, not started yet, or the guest stands still.
    #[error("no guest agent answered `{command}` in time")]
    Silent {
        /// The command.
        command: &'static str,
    },
    /// It refused or sent something that is not its protocol.
    #[error("the guest agent did not carry out `{command}`: {message}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it said.
        message: String,
    },
    /// The connection broke.
    #[error("lost the guest agent during `{command}`")]
    Lost {
        /// The command.
        command: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl AgentError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "engine.agent-connect",
            Self::Silent { .. } => "engine.agent-silent",
            Self::Refused { .. } => "engine.agent-refused",
            Self::Lost { .. } => "engine.agent-lost",
        }
    }
}

/// A connection to an agent that has answered.
#[derive(Debug)]
pub struct Agent {
    reader: BufReader<UnixStream>,
    deadline: Duration,
}

impl Agent {
    /// Connects and makes sure that the agent answers; `deadline` holds for this and for each later command.
    pub fn connect(socket: &Path, deadline: Duration) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(socket).map_err(|source| AgentError::Connect {
            socket: socket.to_owned(),
            source,
        })?;
        Self::over(stream, deadline)
    }

    /// From now on each command may take so long.
    pub(super) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    fn over(stream: UnixStream, deadline: Duration) -> Result<Self, AgentError> {
        const COMMAND: &str = "guest-sync-delimited";
        let lost = |source| lost(COMMAND, source);
        stream.set_write_timeout(Some(deadline)).map_err(lost)?;
        let mut agent = Self {
            reader: BufReader::new(stream),
            deadline,
        };
        let until = Instant::now() + deadline;
        // Other than that of whoever was connected before, of this process or another.
        let number =
            u64::from(std::process::id()) << 16 | u64::from(CONNECTED.fetch_add(1, Ordering::Relaxed));
        agent.reader.get_ref().write_all(&[DELIMITER]).map_err(lost)?;
        agent.send(COMMAND, json!({ "id": number }))?;
        loop {
            agent.read_until(COMMAND, DELIMITER, until)?;
            match agent.answer(COMMAND, until)? {
                answer if answer == number => return Ok(agent),
                _stale => {}
            }
        }
    }

    /// Asks the guest's system to shut down and power off. There is no answer: the event is the guest's end.
    pub fn shut_down(&mut self) -> Result<(), AgentError> {
        self.send("guest-shutdown", json!({"mode": "powerdown"}))
    }

    /// Makes the guest write everything out and hold its file systems still; returns how many.
    pub fn freeze(&mut self) -> Result<u64, AgentError> {
        self.ask("guest-fsfreeze-freeze")
    }

    /// Ends [`Agent::freeze`]; returns how many file systems were thawed.
    pub fn thaw(&mut self) -> Result<u64, AgentError> {
        self.ask("guest-fsfreeze-thaw")
    }

    fn ask(&mut self, command: &'static str) -> Result<u64, AgentError> {
        self.send(command, json!({}))?;
        let until = Instant::now() + self.deadline;
        let answer = self.answer(command, until)?;
        answer.as_u64().ok_or_else(|| AgentError::Refused {
            command,
            message: "the answer is not a number".into(),
        })
    }

    fn send(&self, command: &'static str, arguments: Value) -> Result<(), AgentError> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        let mut stream = self.reader.get_ref();
        stream
            .write_all(line.as_bytes())
            .map_err(|source| lost(command, source))
    }

    fn answer(&mut self, command: &'static str, until: Instant) -> Result<Value, AgentError> {
        let line = self.read_until(command, b'\n', until)?;
        let refused = |message: String| AgentError::Refused { command, message };
        let mut line: Value = serde_json::from_slice(&line).map_err(|error| refused(error.to_string()))?;
        match line.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(refused(line["error"]["desc"].to_string())),
        }
    }

    /// The bytes before the next `end`.
    fn read_until(&mut self, command: &'static str, end: u8, until: Instant) -> Result<Vec<u8>, AgentError> {
        let mut bytes = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(AgentError::Silent { command });
            }
            self.reader
                .get_ref()
                .set_read_timeout(Some(left))
                .map_err(|source| lost(command, source))?;
            let limit = QMP_LINE_BYTES - bytes.len() as u64;
            match self.reader.by_ref().take(limit).read_until(end, &mut bytes) {
                Ok(_) if bytes.last() == Some(&end) => {
                    bytes.pop();
                    return Ok(bytes);
                }
                Ok(0) => return Err(lost(command, io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {}
                Err(source) => return Err(lost(command, source)),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn lost(command: &'static str, source: io::Error) -> AgentError {
    match is_timeout(&source) {
        true => AgentError::Silent { command },
        false => AgentError::Lost { command, source },
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A connection to an agent that says `before`, greets, and then gives one answer to each command.
    fn agent(before: &'static [u8], answers: &'static [&'static str]) -> Result<Agent, AgentError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut reader = BufReader::new(theirs);
            let greeting = receive(&mut reader);
            assert_eq!(greeting[0], DELIMITER);
            let request: Value = serde_json::from_slice(&greeting[1..]).unwrap();
            let answer = json!({"return": request["arguments"]["id"]}).to_string();
            let greeted = [before, &[DELIMITER], answer.as_bytes(), b"\n"].concat();
            reader.get_ref().write_all(&greeted).unwrap();
            for answer in answers {
                receive(&mut reader);
                reader.get_ref().write_all(answer.as_bytes()).unwrap();
            }
        });
        Agent::over(ours, LONG)
    }

    fn receive(reader: &mut BufReader<UnixStream>) -> Vec<u8> {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        line
    }

    #[test]
    fn old_answers_before_the_greeting_are_skipped() {
        let old = b"{\"return\": 7}\nhalf an ans\xff{\"return\": 12}\n";
        let mut agent = agent(old, &["{\"return\": 3}\n"]).unwrap();
        assert_eq!(agent.freeze().unwrap(), 3);
    }

    #[test]
    fn a_refusal_carries_the_agents_words() {
        let error = agent(b"", &["{\"error\": {\"desc\": \"already frozen\"}}\n"])
            .unwrap()
            .freeze()
            .unwrap_err();
        assert_eq!(error.code(), "engine.agent-refused");
        assert!(error.to_string().contains("already frozen"));
    }

    #[test]
    fn nobody_there_is_silence() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let error = Agent::over(ours, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.code(), "engine.agent-silent");
    }

    #[test]
    fn a_hang_up_is_a_loss() {
        let mut agent = agent(b"", &[""]).unwrap();
        assert_eq!(agent.thaw().unwrap_err().code(), "engine.agent-lost");
    }
}
