//! The three pipes between us and a running tool, none of which ever blocks us.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};

use crate::child::{Watch, timespec};

/// Our ends of the child's three pipes, all non-blocking.
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

#[derive(Default)]
pub(super) struct Ready {
    pub(super) ended: bool,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

impl Pipes {
    pub(super) fn take(child: &mut Child) -> io::Result<Self> {
        let pipes = Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        };
        let fds = [
            pipes.stdin.as_ref().map(AsFd::as_fd),
            pipes.stdout.as_ref().map(AsFd::as_fd),
            pipes.stderr.as_ref().map(AsFd::as_fd),
        ];
        for fd in fds.into_iter().flatten() {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        Ok(pipes)
    }

    pub(super) fn poll(&self, watch: &Watch, timeout: Option<Duration>) -> io::Result<Ready> {
        let mut fds = vec![PollFd::from_borrowed_fd(watch.fd(), PollFlags::IN)];
        let stdin = add(&mut fds, &self.stdin, PollFlags::OUT);
        let stdout = add(&mut fds, &self.stdout, PollFlags::IN);
        let stderr = add(&mut fds, &self.stderr, PollFlags::IN);
        match poll(&mut fds, timeout.map(timespec).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |index: Option<usize>| index.is_some_and(|index| !fds[index].revents().is_empty());
        Ok(Ready {
            ended: is_ready(Some(0)),
            stdin: is_ready(stdin),
            stdout: is_ready(stdout),
            stderr: is_ready(stderr),
        })
    }
}

/// Adds a pipe that is still open to the list to poll; returns its place there.
fn add<'p>(fds: &mut Vec<PollFd<'p>>, pipe: &'p Option<impl AsFd>, flags: PollFlags) -> Option<usize> {
    let fd = pipe.as_ref()?.as_fd();
    fds.push(PollFd::from_borrowed_fd(fd, flags));
    Some(fds.len() - 1)
}

/// Reads what the pipe holds now; at its end, or when nobody writes any more, the pipe is dropped.
pub(super) fn drain(
    pipe: &mut Option<impl Read>,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    while let Some(open) = pipe {
        match open.read(&mut piece) {
            Ok(0) => *pipe = None,
            Ok(count) => sink(&piece[..count])?,
            Err(error) if retry(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn retry(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// The piece of the caller's input that waits to be written.
#[derive(Default)]
pub(super) struct Feed {
    bytes: Vec<u8>,
    pub(super) start: usize,
}

impl Feed {
    const PIECE_BYTES: usize = 256 << 10;

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn refill(&mut self, input: &mut dyn Read) -> io::Result<()> {
        self.bytes.resize(Self::PIECE_BYTES, 0);
        self.start = 0;
        let count = loop {
            match input.read(&mut self.bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.bytes.truncate(*count.as_ref().unwrap_or(&0));
        count.map(drop)
    }
}
