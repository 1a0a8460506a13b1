//! Running a tool to its end.
//!
//! One thread does everything: it feeds standard input, takes standard output and error in, and waits for the end of
//! the child, all through one `poll`. So nothing can block on a full pipe, a deadline always holds, and the child,
//! which dies with the thread that started it (see `child`), never outlives this call.
//!
//! A child that is stopped (deadline, cancelled, too much output) is killed together with its whole process group.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::fd::BorrowedFd,
    path::Path,
    process::{Child, ChildStdin, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use self::pipes::{Feed, Pipes, drain, retry};
use crate::{
    child::{self, Watch},
    limits::{CANCEL_PERIOD, TOOL_STDERR_BYTES, TOOL_STDERR_QUOTED_BYTES, TOOL_STDOUT_BYTES},
};

mod error;
mod pipes;

pub use error::RunError;

/// What a tool that ran to its end left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended. [`Run::run`] returns any status, [`Run::success`] and [`capture`] only the good one.
    pub status: ExitStatus,
    /// Its standard output, empty when [`Run::on_stdout`] took it.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error, at most [`TOOL_STDERR_BYTES`].
    pub stderr: Vec<u8>,
}

/// Runs `program` with `args` and no input; success within `deadline` is the only good end.
pub fn capture(program: &Path, args: &[OsString], deadline: Duration) -> Result<Output, RunError> {
    Run::new(program).args(args).deadline(deadline).success()
}

/// Takes standard output piece by piece.
type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// A tool about to run.
pub struct Run<'a> {
    program: &'a Path,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<&'a Path>,
    input: Option<&'a mut dyn Read>,
    keep: Vec<BorrowedFd<'a>>,
    on_stdout: Option<Sink<'a>>,
    cancel: Option<&'a dyn Fn() -> bool>,
    deadline: Option<Duration>,
}

impl<'a> Run<'a> {
    /// A run of `program` (an absolute path, see [`crate::tools::find`]) without arguments, input or deadline.
    pub fn new(program: &'a Path) -> Self {
        Self {
            program,
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            input: None,
            keep: Vec::new(),
            on_stdout: None,
            cancel: None,
            deadline: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable; the child has only these, `LC_ALL=C` and [`crate::tools::SYSTEM_PATH`].
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The folder to run in; ours when not set.
    pub fn folder(mut self, folder: &'a Path) -> Self {
        self.folder = Some(folder);
        self
    }

    /// The child's standard input; without it, it reads nothing. A child that closes it early is no error here: its exit
    /// status tells whether it was content.
    pub fn input(mut self, input: &'a mut dyn Read) -> Self {
        self.input = Some(input);
        self
    }

    /// Hands one of our descriptors to the child, under the same number.
    pub fn keep_fd(mut self, fd: BorrowedFd<'a>) -> Self {
        self.keep.push(fd);
        self
    }

    /// Gets standard output piece by piece as it comes, without limit, instead of in [`Output::stdout`].
    pub fn on_stdout(mut self, sink: &'a mut dyn FnMut(&[u8])) -> Self {
        self.on_stdout = Some(sink);
        self
    }

    /// Asked ten times a second; `true` kills the child.
    pub fn cancel(mut self, cancel: &'a dyn Fn() -> bool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// How long the child may run, counted from its start.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Runs it; an exit status other than success is an error.
    pub fn success(self) -> Result<Output, RunError> {
        let program = self.program;
        let output = self.run()?;
        if output.status.success() {
            return Ok(output);
        }
        let tail = output.stderr.len().saturating_sub(TOOL_STDERR_QUOTED_BYTES);
        Err(RunError::Failed {
            program: program.to_owned(),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr[tail..]).into_owned(),
        })
    }

    /// Runs it and returns whatever exit status it ended with.
    pub fn run(mut self) -> Result<Output, RunError> {
        let mut command = child::command(self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(match self.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        let mut child = child::spawn(&mut command, &self.keep).map_err(|source| RunError::Start {
            program: self.program.to_owned(),
            source,
        })?;
        let program = self.program;
        let contact = |source| RunError::Contact {
            program: program.to_owned(),
            source,
        };
        let watch = Watch::new(&child).map_err(|source| {
            let _ = child.kill();
            let _ = child.wait();
            contact(source)
        })?;
        let attended = self.attend(&mut child, &watch);
        if attended.is_err() {
            watch.kill_group();
        }
        let status = child.wait().map_err(contact)?;
        let (stdout, stderr) = attended?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Moves bytes until the child has ended (it is not reaped yet); returns its output and error.
    fn attend(&mut self, child: &mut Child, watch: &Watch) -> Result<(Vec<u8>, Vec<u8>), RunError> {
        let started = Instant::now();
        let mut pipes = Pipes::take(child).map_err(|source| self.contact(source))?;
        let mut feed = Feed::default();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            if self.cancel.is_some_and(|cancel| cancel()) {
                return Err(RunError::Cancelled {
                    program: self.program.to_owned(),
                });
            }
            let timeout = self.next_timeout(started)?;
            let ready = pipes
                .poll(watch, timeout)
                .map_err(|source| self.contact(source))?;
            if ready.stdin {
                self.feed(&mut feed, &mut pipes.stdin)?;
            }
            if ready.stdout || ready.ended {
                self.take_stdout(&mut pipes.stdout, &mut stdout)?;
            }
            if ready.stderr || ready.ended {
                let keep = |piece: &[u8]| {
                    let room = TOOL_STDERR_BYTES - stderr.len();
                    stderr.extend_from_slice(&piece[..piece.len().min(room)]);
                    Ok(())
                };
                drain(&mut pipes.stderr, keep).map_err(|source| self.contact(source))?;
            }
            if ready.ended {
                return Ok((stdout, stderr));
            }
        }
    }

    fn next_timeout(&self, started: Instant) -> Result<Option<Duration>, RunError> {
        let left = match self.deadline {
            None => None,
            Some(deadline) => match deadline.checked_sub(started.elapsed()) {
                Some(left) => Some(left),
                None => {
                    return Err(RunError::Deadline {
                        program: self.program.to_owned(),
                        deadline,
                    });
                }
            },
        };
        Ok(match (left, self.cancel) {
            (left, None) => left,
            (None, Some(_)) => Some(CANCEL_PERIOD),
            (Some(left), Some(_)) => Some(left.min(CANCEL_PERIOD)),
        })
    }

    fn take_stdout(&mut self, pipe: &mut Option<impl Read>, stdout: &mut Vec<u8>) -> Result<(), RunError> {
        let mut overflow = false;
        let taken = match self.on_stdout.as_mut() {
            Some(sink) => drain(pipe, |piece| {
                sink(piece);
                Ok(())
            }),
            None => drain(pipe, |piece| {
                overflow = stdout.len() + piece.len() > TOOL_STDOUT_BYTES;
                if overflow {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                stdout.extend_from_slice(piece);
                Ok(())
            }),
        };
        match taken {
            Err(_) if overflow => Err(RunError::TooMuchOutput {
                program: self.program.to_owned(),
                limit: TOOL_STDOUT_BYTES,
            }),
            other => other.map_err(|source| self.contact(source)),
        }
    }

    /// Writes the next piece of the caller's input; closes the pipe at its end.
    fn feed(&mut self, feed: &mut Feed, pipe: &mut Option<ChildStdin>) -> Result<(), RunError> {
        let (Some(input), Some(sink)) = (self.input.as_mut(), pipe.as_mut()) else {
            return Ok(());
        };
        if feed.is_empty() {
            feed.refill(*input).map_err(|source| RunError::Input {
                program: self.program.to_owned(),
                source,
            })?;
            if feed.is_empty() {
                *pipe = None;
                return Ok(());
            }
        }
        match sink.write(feed.rest()) {
            Ok(count) => feed.start += count,
            Err(error) if retry(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *pipe = None,
            Err(source) => return Err(self.contact(source)),
        }
        Ok(())
    }

    fn contact(&self, source: io::Error) -> RunError {
        RunError::Contact {
            program: self.program.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
