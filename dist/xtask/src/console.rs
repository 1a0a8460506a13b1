//! A guest's serial console, driven like a person at a terminal would, but with deadlines.
//!
//! A thread reads whatever arrives and hands it over a channel; every wait is a wait on that channel with a limit, so
//! nothing here sleeps or polls. The other end may be a socket, a pipe or a pseudo terminal.
//!
//! A command is followed by a `printf` that puts a marker together at run time; the marker therefore never appears in
//! the echo of the typed line, only after the command has ended, and it carries the exit status.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What the prompt of a root shell in its home folder ends with on Debian.
const PROMPT: &str = ":~# ";
/// How long the second half of a mark may take when the wait for the first half is shorter.
const REST_OF_A_MARK: Duration = Duration::from_secs(60);
/// Bytes of console text an error shows.
const TAIL_BYTES: usize = 2000;

/// A console under control.
pub struct Console {
    writer: Box<dyn Write + Send>,
    incoming: Receiver<Vec<u8>>,
    /// Arrived and not yet consumed by a wait.
    pending: String,
    /// Everything that ever arrived.
    transcript: String,
    /// Bytes at the end of the last piece that were not yet a whole character.
    partial: Vec<u8>,
    commands: u64,
}

/// A command that ended in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit status of the command.
    pub status: i32,
    /// Its output, without carriage returns and surrounding empty lines.
    pub output: String,
}

/// Why the console did not do what was asked. Each carries the end of the console's text.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The awaited text did not come in time.
    Deadline {
        /// The text.
        awaited: String,
        /// The limit.
        limit: Duration,
        /// The last text that did come.
        tail: String,
    },
    /// The other side closed the console.
    Closed {
        /// The text that was awaited.
        awaited: String,
        /// The last text that did come.
        tail: String,
    },
    /// Typing failed.
    Type(std::io::Error),
    /// A command ended with another status than 0.
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        ran: Ran,
    },
}

impl ConsoleError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "console.deadline",
            Self::Closed { .. } => "console.closed",
            Self::Type(_) => "console.type",
            Self::Failed { .. } => "console.failed",
        }
    }
}

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline { awaited, limit, tail } => {
                write!(
                    f,
                    "the guest's console did not show {awaited:?} within {limit:?}; it ends with:\n{tail}"
                )
            }
            Self::Closed { awaited, tail } => {
                write!(
                    f,
                    "the guest's console closed before it showed {awaited:?}; it ends with:\n{tail}"
                )
            }
            Self::Type(_) => f.write_str("cannot type into the guest's console"),
            Self::Failed { command, ran } => {
                write!(
                    f,
                    "`{command}` in the guest ended with {}:\n{}",
                    ran.status, ran.output
                )
            }
        }
    }
}

impl std::error::Error for ConsoleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Type(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Console {
    /// A console over any pair of ends.
    pub fn new(mut reader: impl Read + Send + 'static, writer: impl Write + Send + 'static) -> Self {
        let (sender, incoming) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends when the other side closes or the console is dropped.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            writer: Box::new(writer),
            incoming,
            pending: String::new(),
            transcript: String::new(),
            partial: Vec::new(),
            commands: 0,
        }
    }

    /// A console over a connected socket, such as QEMU's `-serial unix:PATH,server=on`.
    pub fn over(stream: UnixStream) -> std::io::Result<Self> {
        Ok(Self::new(stream.try_clone()?, stream))
    }

    /// Takes the first connection to a socket made before the guest was started (QEMU's `-serial unix:PATH`).
    pub fn accept(listener: UnixListener, limit: Duration) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            // The receiver may have given up; then nobody wants the connection.
            let _ = sender.send(listener.accept());
        });
        match receiver.recv_timeout(limit) {
            Ok(Ok((stream, _))) => Self::over(stream),
            Ok(Err(cause)) => Err(cause),
            Err(_) => Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("nobody connected to the console within {limit:?}"),
            )),
        }
    }

    /// Connects to the console socket at `path`.
    pub fn connect(path: &Path) -> std::io::Result<Self> {
        Self::over(UnixStream::connect(path)?)
    }

    /// Waits until `text` has appeared and returns everything up to and including it.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String, ConsoleError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.pending.find(text) {
                let rest = self.pending.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.pending, rest));
            }
            match self
                .incoming
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(ConsoleError::Deadline {
                        awaited: text.to_owned(),
                        limit,
                        tail: self.tail(),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ConsoleError::Closed {
                        awaited: text.to_owned(),
                        tail: self.tail(),
                    });
                }
            }
        }
    }

    /// Waits for the root shell of an automatic login and makes it quiet: no echo, no prompt, no kernel messages.
    pub fn wait_for_shell(&mut self, limit: Duration) -> Result<(), ConsoleError> {
        self.wait_for(PROMPT, limit)?;
        self.type_line("stty -echo; PS1=; PS2=; export TERM=dumb PAGER=cat SYSTEMD_COLORS=0; dmesg -n 1")?;
        self.run("true", limit).map(drop)
    }

    /// Types one line.
    pub fn type_line(&mut self, line: &str) -> Result<(), ConsoleError> {
        self.writer
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.writer.flush())
            .map_err(ConsoleError::Type)
    }

    /// Runs a shell command (one line, below the terminal's 4096 bytes) and returns how it ended.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Ran, ConsoleError> {
        self.begin(command)?;
        self.end(limit)
    }

    /// Types a command without waiting for it.
    pub fn begin(&mut self, command: &str) -> Result<(), ConsoleError> {
        self.commands += 1;
        let number = self.commands;
        self.pending.clear();
        self.type_line(&format!("{command}; printf '\\n<%s-%d:%d>\\n' ended {number} $?"))
    }

    /// Waits for the command that was begun last. After a passed deadline one may wait again.
    pub fn end(&mut self, limit: Duration) -> Result<Ran, ConsoleError> {
        let opening = format!("<ended-{}:", self.commands);
        let mut output = self.wait_for(&opening, limit)?;
        // The rest of the mark is on its way, unless the guest stands still just now.
        let status = self.wait_for(">", limit.max(REST_OF_A_MARK))?;
        output.truncate(output.len() - opening.len());
        Ok(Ran {
            status: status.trim_end_matches('>').parse().unwrap_or(-1),
            output: output.replace('\r', "").trim_matches('\n').to_owned(),
        })
    }

    /// Like [`Self::run`], where another status than 0 is an error; returns the output.
    pub fn must(&mut self, command: &str, limit: Duration) -> Result<String, ConsoleError> {
        let ran = self.run(command, limit)?;
        if ran.status == 0 {
            Ok(ran.output)
        } else {
            Err(ConsoleError::Failed {
                command: command.to_owned(),
                ran,
            })
        }
    }

    /// Everything the console has shown so far.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    fn take(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        // Keep the bytes of a character that is still incomplete; anything else that is no text becomes a mark.
        let whole = match std::str::from_utf8(&self.partial) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.partial.len(),
        };
        let text = String::from_utf8_lossy(&self.partial[..whole]).into_owned();
        self.partial.drain(..whole);
        self.pending.push_str(&text);
        self.transcript.push_str(&text);
    }

    fn tail(&self) -> String {
        let mut from = self.transcript.len().saturating_sub(TAIL_BYTES);
        while !self.transcript.is_char_boundary(from) {
            from += 1;
        }
        self.transcript[from..].replace('\r', "")
    }
}

#[cfg(test)]
mod tests;
