//! A terminal of its own for a container.
//!
//! A program that shares our terminal could push characters into it, which our shell would run after we have ended
//! (`TIOCSTI`), or change its settings for good. So the container gets a fresh pseudo-terminal, and this module carries
//! the bytes between it and the real one, which is in raw mode meanwhile: each key, Ctrl-C as well, goes to the
//! container, whose own terminal decides what it means.

use std::{
    fs::OpenOptions,
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize},
};

/// The pair of terminals, the real one in raw mode until this is dropped.
pub(super) struct Terminal {
    real: OwnedFd,
    before: Termios,
    ours: OwnedFd,
    size: Option<Winsize>,
    /// Keys that the container has not taken yet.
    typed: Vec<u8>,
    hung_up: bool,
}

impl Terminal {
    /// Makes a new terminal of the same size and settings as the real one, `real`. The second value is its other end,
    /// for the container's standard streams.
    pub(super) fn new(real: BorrowedFd<'_>) -> io::Result<(Self, OwnedFd)> {
        let real = real.try_clone_to_owned()?;
        let before = tcgetattr(&real)?;
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let theirs = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())))?;
        tcsetattr(&theirs, OptionalActions::Now, &before)?;
        fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
        let mut terminal = Self {
            real,
            before,
            ours,
            size: None,
            typed: Vec::new(),
            hung_up: false,
        };
        terminal.follow_size();
        let mut raw = terminal.before.clone();
        raw.make_raw();
        tcsetattr(&terminal.real, OptionalActions::Drain, &raw)?;
        Ok((terminal, theirs.into()))
    }

    /// What to wait for on the real terminal: typed keys, unless some wait to be taken or no more can come.
    pub(super) fn real_interest(&self) -> Option<PollFd<'_>> {
        (self.typed.is_empty() && !self.hung_up).then(|| PollFd::new(&self.real, PollFlags::IN))
    }

    /// What to wait for on the container's terminal: its output, and room for typed keys.
    pub(super) fn ours_interest(&self) -> PollFd<'_> {
        let room = if self.typed.is_empty() {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        PollFd::new(&self.ours, PollFlags::IN | room)
    }

    /// Gives the container's terminal the size of the real one.
    pub(super) fn follow_size(&mut self) {
        if let Ok(size) = tcgetwinsize(&self.real)
            && self.size != Some(size)
            && tcsetwinsize(&self.ours, size).is_ok()
        {
            self.size = Some(size);
        }
    }

    /// Takes what was typed; to be called when the real terminal is readable.
    pub(super) fn take_keys(&mut self) -> io::Result<()> {
        let mut keys = [0; 4096];
        match rustix::io::read(&self.real, &mut keys) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The terminal is gone, a closed window: the launcher gets a signal and decides.
            Ok(0) | Err(Errno::IO) => self.hung_up = true,
            Ok(count) => self.typed.extend_from_slice(&keys[..count]),
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Hands typed keys on, as many as the container takes now.
    pub(super) fn give_keys(&mut self) -> io::Result<()> {
        if self.typed.is_empty() {
            return Ok(());
        }
        match rustix::io::write(&self.ours, &self.typed) {
            Ok(count) => drop(self.typed.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::IO) => self.typed.clear(),
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Shows what the container wrote. `false` when there is nothing now, or it has closed its terminal.
    pub(super) fn show_output(&mut self) -> io::Result<bool> {
        let mut text = [0; 16 << 10];
        let count = match rustix::io::read(&self.ours, &mut text) {
            Ok(count) => count,
            // EIO: nobody has the other end open.
            Err(Errno::INTR | Errno::AGAIN | Errno::IO) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let mut rest = &text[..count];
        while !rest.is_empty() {
            match rustix::io::write(&self.real, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(count > 0)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.real, OptionalActions::Drain, &self.before);
    }
}
