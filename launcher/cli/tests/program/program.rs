//! Runs of the real program: to its end, or in company.

#![expect(clippy::disallowed_methods, reason = "starts the program it tests")]

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::stick::{PASSPHRASE, folder};

/// Longest wait for anything; QEMU's translator on a busy machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// A person at a computer: a folder of their own for what programs leave while they run, and passphrases in files.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Drop for Desk {
    /// What a killed program had mounted outlives it, and keeps its folder from being removed.
    fn drop(&mut self) {
        for session in self.sessions() {
            let disks = self.runtime().join("gobag").join(session).join("disks");
            let _ = Command::new("fusermount3")
                .args(["-q", "-u", "-z"])
                .arg(disks)
                .status();
        }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { folder: folder() };
        for (name, text) in [
            ("right", PASSPHRASE),
            ("wrong", "incorrect horse"),
            ("new", "a new one that is long"),
        ] {
            fs::write(desk.path(name), format!("{text}\n")).unwrap();
        }
        fs::create_dir(desk.runtime()).unwrap();
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where running programs have their private folders.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.path("run")
    }

    /// Folders of sessions that run, or were killed.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let gobag = self.runtime().join("gobag");
        let names = if gobag.is_dir() { names(&gobag) } else { Vec::new() };
        // A session's folder is named after its bundle and its process.
        names.into_iter().filter(|name| name.contains('-')).collect()
    }

    /// What lies in the folder of the only session.
    pub(crate) fn in_session(&self) -> Vec<String> {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        names(&self.runtime().join("gobag").join(&sessions[0]))
    }

    /// Whether no session has left anything.
    pub(crate) fn is_tidy(&self) -> bool {
        self.sessions().is_empty()
    }

    fn command(&self, args: &[&dyn AsRef<OsStr>]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_gobag")), args)
    }

    fn command_of(&self, program: &Path, args: &[&dyn AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env("XDG_STATE_HOME", self.path("state"))
            .args(args.iter().map(|arg| arg.as_ref()));
        command
    }

    /// Runs it to its end, with nothing to type.
    pub(crate) fn run(&self, args: &[&dyn AsRef<OsStr>]) -> Ran {
        Ran::from(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// Starts it.
    pub(crate) fn start(&self, args: &[&dyn AsRef<OsStr>]) -> Running {
        Self::accompany(self.command(args))
    }

    /// Starts a copy of it that lies elsewhere.
    pub(crate) fn start_copy(&self, copy: &Path, args: &[&dyn AsRef<OsStr>]) -> Running {
        Self::accompany(self.command_of(copy, args))
    }

    /// Starts it where `/dev/fuse` is no FUSE. Needs root.
    pub(crate) fn start_without_fuse(&self, args: &[&dyn AsRef<OsStr>]) -> Running {
        let hide = "mount --bind /dev/null /dev/fuse && exec \"$0\" \"$@\"";
        Self::accompany(self.through("unshare", &["--mount", "sh", "-c", hide], args))
    }

    /// It, started by another program that is given its command line.
    pub(crate) fn through(&self, starter: &str, before: &[&str], args: &[&dyn AsRef<OsStr>]) -> Command {
        let inner = self.command(args);
        let mut command = Command::new(starter);
        command
            .args(before)
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(self.folder.path())
            .env_clear();
        for (name, value) in inner.get_envs() {
            value.map(|value| command.env(name, value));
        }
        command
    }

    fn accompany(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            input: child.stdin.take().unwrap(),
            answers: lines(child.stdout.take().unwrap()),
            words: lines(child.stderr.take().unwrap()),
            child,
        }
    }
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The code of the error in it.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Compares everything that was printed.
    #[track_caller]
    pub(crate) fn is(&self, exit: i32, stdout: &str, stderr: &str) {
        assert_eq!((self.exit, &*self.stdout, &*self.stderr), (exit, stdout, stderr));
    }
}

/// A program that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    input: ChildStdin,
    /// Lines of its standard output, and of its standard error.
    pub(crate) answers: Lines,
    pub(crate) words: Lines,
}

impl Running {
    pub(crate) fn type_line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code; it must end by itself.
    pub(crate) fn finish(&mut self) -> Option<i32> {
        // Both streams end with the process, and have deadlines.
        self.answers.rest();
        self.words.rest();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says, line by line.
pub(crate) struct Lines {
    lines: Receiver<String>,
    heard: Vec<String>,
}

fn lines(stream: impl Read + Send + 'static) -> Lines {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    Lines {
        lines,
        heard: Vec::new(),
    }
}

impl Lines {
    fn next_before(&mut self, deadline: Instant) -> Option<String> {
        match self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(line) => {
                self.heard.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more is said after {:#?}", self.tail()),
        }
    }

    /// The next line.
    pub(crate) fn line(&mut self) -> String {
        let line = self.next_before(Instant::now() + PATIENCE);
        line.unwrap_or_else(|| panic!("ended after {:#?}", self.tail()))
    }

    /// The next line that has `text` in it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_before(deadline) {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("ended without `{text}` after {:#?}", self.tail()),
            }
        }
    }

    /// All lines up to the end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        std::iter::from_fn(|| self.next_before(deadline)).collect()
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> &[String] {
        &self.heard
    }

    fn tail(&self) -> &[String] {
        &self.heard[self.heard.len().saturating_sub(12)..]
    }
}

/// Names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
