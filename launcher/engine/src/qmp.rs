//! A client of QMP, the language of QEMU's monitor.
//!
//! One JSON document a line, in both directions. A thread reads: a reply goes to whoever waits for its id, an event
//! goes into the queue that was handed to [`Client::connect`]; when QEMU hangs up, everybody who waits is told and the
//! queue is closed. Commands may be given from any thread, several at a time.
//!
//! QEMU is not trusted to be sane: lines, the queue and every wait are bounded.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limits::{QMP_EVENTS, QMP_LINE_BYTES};

/// Something QEMU tells without being asked.
#[derive(Debug, Clone, PartialEq)]
pub struct QmpEvent {
    /// Its name, such as `BLOCK_IO_ERROR`.
    pub name: String,
    /// What belongs to it.
    pub data: Value,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QmpError {
    /// QEMU has hung up: it has ended, or it sent something that is not QMP.
    #[error("qemu hung up before it answered `{command}`")]
    Closed {
        /// The command.
        command: String,
    },
    /// No answer in time.
    #[error("qemu did not answer `{command}` within {} s", deadline.as_secs_f32())]
    Deadline {
        /// The command.
        command: String,
        /// How long it had.
        deadline: Duration,
    },
    /// QEMU refused.
    #[error("qemu refused `{command}`: {message}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
    /// The socket failed.
    #[error("cannot send `{command}` to qemu")]
    Send {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
    },
}

impl QmpError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "engine.qmp-closed",
            Self::Deadline { .. } => "engine.qmp-deadline",
            Self::Refused { .. } => "engine.qmp-refused",
            Self::Send { .. } => "engine.qmp-send",
        }
    }
}

/// A connection to QEMU's monitor, hung up when dropped.
#[derive(Debug)]
pub struct Client {
    stream: Mutex<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    next_id: AtomicU64,
}

/// Who waits for an answer. Id 0 is the greeting.
#[derive(Debug, Default)]
struct Waiting {
    closed: bool,
    by_id: HashMap<u64, Sender<Answer>>,
}

type Answer = Result<Value, String>;

const GREETING: u64 = 0;

impl Client {
    /// Waits for QEMU's greeting and switches the monitor to command mode; returns the queue of events too, which ends
    /// when QEMU hangs up.
    pub fn connect(stream: UnixStream, deadline: Duration) -> Result<(Self, Receiver<QmpEvent>), QmpError> {
        let failed = |source| QmpError::Send {
            command: "qmp_capabilities".into(),
            source,
        };
        let reader = stream.try_clone().map_err(failed)?;
        stream.set_write_timeout(Some(deadline)).map_err(failed)?;
        let client = Self {
            stream: Mutex::new(stream),
            waiting: Arc::default(),
            next_id: AtomicU64::new(GREETING + 1),
        };
        let greeting = client.wait_for(GREETING, "qmp_capabilities")?;
        let (sender, events) = bounded(QMP_EVENTS);
        let waiting = Arc::clone(&client.waiting);
        thread::Builder::new()
            .name("qmp".into())
            .spawn(move || read(reader, &waiting, &sender))
            .map_err(failed)?;
        client.answer(greeting, GREETING, "qmp_capabilities", deadline)?;
        client.execute("qmp_capabilities", json!({}), deadline)?;
        Ok((client, events))
    }

    /// Gives a command and waits for its answer.
    pub fn execute(&self, command: &str, arguments: Value, deadline: Duration) -> Result<Value, QmpError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let answer = self.wait_for(id, command)?;
        let mut line = json!({"execute": command, "arguments": arguments, "id": id}).to_string();
        line.push('\n');
        if let Err(source) = lock(&self.stream).write_all(line.as_bytes()) {
            lock(&self.waiting).by_id.remove(&id);
            let command = command.to_owned();
            return Err(match source.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => QmpError::Closed { command },
                _ => QmpError::Send { command, source },
            });
        }
        self.answer(answer, id, command, deadline)
    }

    fn wait_for(&self, id: u64, command: &str) -> Result<Receiver<Answer>, QmpError> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return Err(QmpError::Closed {
                command: command.to_owned(),
            });
        }
        let (sender, receiver) = bounded(1);
        waiting.by_id.insert(id, sender);
        Ok(receiver)
    }

    fn answer(
        &self,
        answer: Receiver<Answer>,
        id: u64,
        command: &str,
        deadline: Duration,
    ) -> Result<Value, QmpError> {
        let command = || command.to_owned();
        match answer.recv_timeout(deadline) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(message)) => Err(QmpError::Refused {
                command: command(),
                message,
            }),
            Err(RecvTimeoutError::Disconnected) => Err(QmpError::Closed { command: command() }),
            Err(RecvTimeoutError::Timeout) => {
                lock(&self.waiting).by_id.remove(&id);
                Err(QmpError::Deadline {
                    command: command(),
                    deadline,
                })
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ends the reading thread; there is nobody left to tell about a failure.
        let _ = lock(&self.stream).shutdown(Shutdown::Both);
    }
}

/// A panic while holding one of these locks cannot leave the data half changed, so poison is no reason to panic again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line from QEMU.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Greeting {
        #[serde(rename = "QMP")]
        greeting: Value,
    },
    Event {
        event: String,
        #[serde(default)]
        data: Value,
    },
    Return {
        #[serde(rename = "return")]
        value: Value,
        id: u64,
    },
    Error {
        error: ErrorBody,
        id: u64,
    },
}

#[derive(Deserialize)]
struct ErrorBody {
    desc: String,
}

/// The reading thread: until QEMU hangs up or says something that is not QMP.
fn read(stream: UnixStream, waiting: &Mutex<Waiting>, events: &Sender<QmpEvent>) {
    let mut reader = BufReader::new(stream);
    loop {
        match read_line(&mut reader) {
            Ok(Some(line)) => dispatch(line, waiting, events),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!("the connection to qemu's monitor broke: {error}");
                break;
            }
        }
    }
    // QEMU must notice too when it is we who give up on it.
    let _ = reader.get_ref().shutdown(Shutdown::Both);
    let mut waiting = lock(waiting);
    waiting.closed = true;
    waiting.by_id.clear();
}

fn read_line(reader: &mut BufReader<UnixStream>) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let count = reader
        .by_ref()
        .take(QMP_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) if (count as u64) < QMP_LINE_BYTES => Ok(None),
        Some(_) => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

fn dispatch(line: Line, waiting: &Mutex<Waiting>, events: &Sender<QmpEvent>) {
    let (id, answer) = match line {
        Line::Event { event: name, data } => {
            if let Err(TrySendError::Full(lost)) = events.try_send(QmpEvent { name, data }) {
                tracing::warn!("too many events from qemu, lost {}", lost.name);
            }
            return;
        }
        Line::Greeting { greeting } => (GREETING, Ok(greeting)),
        Line::Return { value, id } => (id, Ok(value)),
        Line::Error { error, id } => (id, Err(error.desc)),
    };
    // Nobody waits for an answer that came after its deadline.
    if let Some(sender) = lock(waiting).by_id.remove(&id) {
        let _ = sender.send(answer);
    }
}

#[cfg(test)]
mod tests;
