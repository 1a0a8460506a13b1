//! The guest's serial console on this terminal, for `--headless`.
//!
//! The guest's bytes pass by [`gobag_term::Ui`]: they are the guest's own conversation with the person, control
//! characters included, as on any terminal line. The terminal stops echoing and passes every key on, but one: Ctrl-C stays
//! the wish to end.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    thread::JoinHandle,
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr};

const PIECE_BYTES: usize = 4096;

/// A console on the terminal; the terminal is as before when this is dropped.
pub(crate) struct Console {
    before: Option<Termios>,
    from_guest: Option<JoinHandle<()>>,
}

impl Console {
    /// Connects `guest` with standard input and, if `is_shown`, with standard output, until either ends. Not shown, the
    /// guest's bytes are still read: it would wait at a full line.
    pub(crate) fn connect(guest: UnixStream, is_shown: bool) -> io::Result<Self> {
        let mut console = Self {
            before: raw()?,
            from_guest: None,
        };
        let guest = Arc::new(guest);
        let from_guest = Arc::clone(&guest);
        let show = move || match is_shown {
            true => copy(&*from_guest, io::stdout()),
            false => copy(&*from_guest, io::sink()),
        };
        console.from_guest = Some(
            std::thread::Builder::new()
                .name("console-out".to_owned())
                .spawn(show)?,
        );
        // Never joined: it ends with the process, or when the input does.
        std::thread::Builder::new()
            .name("console-in".to_owned())
            .spawn(move || copy(io::stdin(), &*guest))?;
        Ok(console)
    }

    /// Waits for the guest's last words; call it after the guest has ended.
    pub(crate) fn finish(mut self) {
        if let Some(thread) = self.from_guest.take() {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone away needs no restoring.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Every key goes to the guest as it is typed; Ctrl-C still is a signal to us.
fn raw() -> io::Result<Option<Termios>> {
    let input = io::stdin();
    if !isatty(&input) {
        return Ok(None);
    }
    let before = tcgetattr(&input)?;
    let mut now = before.clone();
    now.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    now.input_modes -= rustix::termios::InputModes::IXON | rustix::termios::InputModes::ICRNL;
    for code in [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP] {
        now.special_codes[code] = 0;
    }
    tcsetattr(&input, OptionalActions::Now, &now)?;
    Ok(Some(before))
}

/// Copies until the end of `from`. A reader that went away does not stop it: the guest would wait at a full pipe.
fn copy(mut from: impl Read, mut to: impl Write) {
    let mut piece = [0; PIECE_BYTES];
    let mut is_heard = true;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                is_heard = is_heard && to.write_all(&piece[..count]).and_then(|()| to.flush()).is_ok();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Write for Deaf {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_copied_and_also_read_when_nobody_hears() {
        let text = vec![b'x'; 3 * PIECE_BYTES + 1];
        let mut heard = Vec::new();
        copy(&text[..], &mut heard);
        assert_eq!(heard, text);

        let (mut guest, host) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || copy(host, Deaf));
        // More than a socket buffer holds: it must be read on.
        guest.write_all(&vec![b'x'; 4 << 20]).unwrap();
        drop(guest);
        reader.join().unwrap();
    }
}
