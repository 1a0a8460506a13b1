//! The test's side of a guest's serial console.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Longest wait for anything a guest is to say; QEMU's translator on a busy machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Console {
    stream: UnixStream,
    heard: String,
}

impl Console {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            heard: String::new(),
        }
    }

    /// Waits until the guest obeys.
    pub(crate) fn ready(&mut self) {
        self.wait_for("=== ready");
    }

    /// The next line of the guest's, with a deadline.
    pub(crate) fn line(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some((line, rest)) = self.heard.split_once('\n') {
                let line = line.trim_end_matches('\r').to_owned();
                self.heard = rest.to_owned();
                return line;
            }
            self.hear(until);
        }
    }

    fn hear(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        assert!(
            !left.is_zero(),
            "the guest is silent; unfinished line: {}",
            self.heard
        );
        self.stream.set_read_timeout(Some(left)).unwrap();
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => panic!("the console was closed"),
            Ok(count) => self.heard += &String::from_utf8_lossy(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads lines up to one that begins with `start`; returns it.
    pub(crate) fn wait_for(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Gives a command without waiting for its end.
    pub(crate) fn send(&mut self, command: &str) {
        self.stream.write_all(command.as_bytes()).unwrap();
        self.stream.write_all(b"\n").unwrap();
    }

    /// Runs a command; returns its output, and fails when the command does.
    pub(crate) fn run(&mut self, command: &str) -> String {
        self.send(command);
        let mut output = String::new();
        loop {
            let line = self.line();
            if let Some(status) = line.strip_prefix("=== ") {
                assert_eq!(status, "0", "`{command}` failed: {output}");
                return output;
            }
            output += &line;
            output += "\n";
        }
    }
}
