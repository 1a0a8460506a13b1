//! Reading one line from the terminal itself, whatever standard input is.
//!
//! The terminal delivers single bytes here (no line buffering, no echo, no signal keys): so Ctrl-C at a passphrase
//! prompt is seen as a byte and the terminal is put back in order before anything else happens, and a signal that
//! arrives ends the question through the descriptor we poll.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Does the person see what they type?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    Visible,
    Hidden,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadLineError {
    #[error("interrupted")]
    Interrupted,
    #[error("the terminal was closed")]
    Closed,
    #[error("more than {limit} bytes")]
    TooLong { limit: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for ReadLineError {
    fn from(error: Errno) -> Self {
        // A terminal that was hung up answers reads with an I/O error.
        if error == Errno::IO {
            Self::Closed
        } else {
            Self::Io(error.into())
        }
    }
}

/// The terminal this process belongs to.
pub(crate) fn open() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// Shows `prompt` and reads a line of at most `limit` bytes, without its end.
pub(crate) fn read_line(
    tty: BorrowedFd<'_>,
    prompt: &str,
    echo: Echo,
    limit: usize,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Zeroizing<Vec<u8>>, ReadLineError> {
    let raw = RawMode::enter(tty)?;
    write_all(tty, prompt.as_bytes())?;
    let line = edit(tty, echo, limit, interrupt);
    drop(raw);
    // The Return key was not echoed. What went wrong first is what counts.
    let ended = write_all(tty, b"\n");
    let line = line?;
    ended?;
    Ok(line)
}

fn edit(
    tty: BorrowedFd<'_>,
    echo: Echo,
    limit: usize,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Zeroizing<Vec<u8>>, ReadLineError> {
    let mut editor = LineEditor::new(limit);
    loop {
        wait(tty, interrupt)?;
        let mut byte = Zeroizing::new([0_u8]);
        match rustix::io::read(tty, &mut *byte) {
            Ok(0) => return Err(ReadLineError::Closed),
            Ok(_) => {}
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(error) => return Err(error.into()),
        }
        let step = editor.feed(byte[0]);
        if echo == Echo::Visible {
            match step {
                Step::Added => write_all(tty, &*byte)?,
                Step::Removed(count) => write_all(tty, "\u{8} \u{8}".repeat(count).as_bytes())?,
                _ => {}
            }
        }
        match step {
            Step::Added | Step::Removed(_) | Step::Ignored => {}
            Step::Done => return Ok(editor.line),
            Step::Interrupted => return Err(ReadLineError::Interrupted),
            Step::EndOfInput => return Err(ReadLineError::Closed),
            Step::TooLong => return Err(ReadLineError::TooLong { limit }),
        }
    }
}

/// Until the terminal has something to say; a raised interrupt comes first.
fn wait(tty: BorrowedFd<'_>, interrupt: Option<BorrowedFd<'_>>) -> Result<(), ReadLineError> {
    loop {
        let mut fds = vec![PollFd::new(&tty, PollFlags::IN)];
        if let Some(interrupt) = &interrupt {
            fds.push(PollFd::new(interrupt, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if fds
            .get(1)
            .is_some_and(|interrupt| !interrupt.revents().is_empty())
        {
            return Err(ReadLineError::Interrupted);
        }
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
    }
}

fn write_all(tty: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), ReadLineError> {
    while !bytes.is_empty() {
        match rustix::io::write(tty, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Single bytes, no echo; the old state comes back on drop.
struct RawMode<'a> {
    tty: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    fn enter(tty: BorrowedFd<'a>) -> Result<Self, ReadLineError> {
        let before = tcgetattr(tty)?;
        let mut raw = before.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Flush: what was typed before the question is not its answer.
        tcsetattr(tty, OptionalActions::Flush, &raw)?;
        Ok(Self { tty, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // Flush: the rest of an overlong secret must not become a command of the shell. If the terminal is gone there is
        // nothing to restore.
        let _ = tcsetattr(self.tty.as_fd(), OptionalActions::Flush, &self.before);
    }
}

/// What one key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Added,
    /// This many characters went away.
    Removed(usize),
    Ignored,
    Done,
    Interrupted,
    EndOfInput,
    TooLong,
}

/// The line so far. Pure; the buffer has its full size from the start, so no copy of a secret is left behind by growth.
struct LineEditor {
    line: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl LineEditor {
    fn new(limit: usize) -> Self {
        Self {
            line: Zeroizing::new(Vec::with_capacity(limit)),
            limit,
        }
    }

    fn feed(&mut self, byte: u8) -> Step {
        match byte {
            b'\n' | b'\r' => Step::Done,
            0x03 => Step::Interrupted,
            0x04 if self.line.is_empty() => Step::EndOfInput,
            0x08 | 0x7f => Step::Removed(usize::from(self.remove_last())),
            // Ctrl-U
            0x15 => {
                let mut count = 0;
                while self.remove_last() {
                    count += 1;
                }
                Step::Removed(count)
            }
            0x00..=0x1f => Step::Ignored,
            _ if self.line.len() == self.limit => Step::TooLong,
            _ => {
                self.line.push(byte);
                Step::Added
            }
        }
    }

    /// Removes one whole UTF-8 character.
    fn remove_last(&mut self) -> bool {
        while let Some(byte) = self.line.pop() {
            let continues = byte & 0b1100_0000 == 0b1000_0000;
            if !continues {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
