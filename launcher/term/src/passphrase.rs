//! Passphrases: asked on the terminal, or read from a file or a descriptor. Never from an argument or the environment,
//! which other users of the computer can read.

mod error;
mod source;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use error::PassphraseError;
pub use source::{NewPassphraseArgs, PassphraseArgs, PassphraseSource};
use zeroize::Zeroizing;

use crate::limits::{MAX_PASSPHRASE_BYTES, MAX_PASSPHRASE_TRIES, SHORT_PASSPHRASE_CHARS};
use crate::tty::{self, Echo, ReadLineError};
use crate::ui::Ui;

/// A passphrase, never empty, overwritten with zeros when dropped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The passphrase as it was typed.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Only `checked` makes one, after it has seen that this is text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Ui {
    /// Gets an existing passphrase; `prompt` is what the terminal shows, for instance `Passphrase for anna: `.
    pub fn passphrase(&self, source: &PassphraseSource, prompt: &str) -> Result<Passphrase, PassphraseError> {
        match source {
            PassphraseSource::Terminal => self.ask(&terminal()?, prompt),
            PassphraseSource::File(path) => read_file(path),
            PassphraseSource::Descriptor(number) => read_descriptor(*number),
        }
    }

    /// Gets a new passphrase, asked twice on a terminal. A weak one is taken, with a hint.
    pub fn new_passphrase(
        &self,
        source: &PassphraseSource,
        prompt: &str,
    ) -> Result<Passphrase, PassphraseError> {
        let chosen = match source {
            PassphraseSource::Terminal => self.ask_twice(&terminal()?, prompt)?,
            PassphraseSource::File(path) => read_file(path)?,
            PassphraseSource::Descriptor(number) => read_descriptor(*number)?,
        };
        if let Some(weakness) = weakness(chosen.expose()) {
            self.warn(weakness);
        }
        Ok(chosen)
    }

    fn ask(&self, tty: &File, prompt: &str) -> Result<Passphrase, PassphraseError> {
        use std::os::fd::AsFd;
        self.hide_live();
        let interrupt = self.interrupt();
        let interrupt = interrupt.as_ref().map(AsFd::as_fd);
        let line = tty::read_line(tty.as_fd(), prompt, Echo::Hidden, MAX_PASSPHRASE_BYTES, interrupt);
        let place = || "the terminal".to_owned();
        match line {
            Ok(line) => checked(line, place()),
            Err(ReadLineError::Interrupted | ReadLineError::Closed) => Err(PassphraseError::Interrupted),
            Err(ReadLineError::TooLong { limit }) => Err(PassphraseError::TooLong {
                place: place(),
                limit,
            }),
            Err(ReadLineError::Io(source)) => Err(PassphraseError::Terminal { source }),
        }
    }

    fn ask_twice(&self, tty: &File, prompt: &str) -> Result<Passphrase, PassphraseError> {
        for _ in 0..MAX_PASSPHRASE_TRIES {
            let first = self.ask(tty, prompt)?;
            match self.ask(tty, "The same again: ") {
                Ok(second) if *first.0 == *second.0 => return Ok(first),
                // Just Return is a wrong repetition like any other.
                Ok(_) | Err(PassphraseError::Empty { .. }) => {
                    self.warn("the two are different; please try again")
                }
                Err(error) => return Err(error),
            }
        }
        Err(PassphraseError::Mismatch)
    }
}

fn terminal() -> Result<File, PassphraseError> {
    tty::open().map_err(|source| PassphraseError::NoTerminal { source })
}

fn read_file(path: &Path) -> Result<Passphrase, PassphraseError> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|source| PassphraseError::Read {
        place: place.clone(),
        source,
    })?;
    read_line(file, place)
}

/// Through `/dev/fd`, which needs no `unsafe`: the descriptor stays open, and is at its end if it is a pipe.
fn read_descriptor(number: u32) -> Result<Passphrase, PassphraseError> {
    let place = format!("file descriptor {number}");
    if number == 0 {
        return read_line(io::stdin().lock(), place);
    }
    let file = File::open(format!("/dev/fd/{number}"));
    read_line(
        file.map_err(|source| PassphraseError::Read {
            place: place.clone(),
            source,
        })?,
        place,
    )
}

/// Reads everything, at most a line's worth. The buffer has its full size from the start: growth would leave copies.
fn read_line(mut from: impl Read, place: String) -> Result<Passphrase, PassphraseError> {
    let limit = MAX_PASSPHRASE_BYTES + 2;
    let mut line = Zeroizing::new(vec![0; limit + 1]);
    let mut length = 0;
    while length < line.len() {
        match from.read(&mut line[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(PassphraseError::Read { place, source }),
        }
    }
    line.truncate(length);
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    checked(line, place)
}

fn checked(line: Zeroizing<Vec<u8>>, place: String) -> Result<Passphrase, PassphraseError> {
    let text = std::str::from_utf8(&line);
    match text {
        _ if line.len() > MAX_PASSPHRASE_BYTES => Err(PassphraseError::TooLong {
            place,
            limit: MAX_PASSPHRASE_BYTES,
        }),
        Ok("") => Err(PassphraseError::Empty { place }),
        Ok(text) if !text.chars().any(char::is_control) => Ok(Passphrase(line)),
        _ => Err(PassphraseError::NotALine { place }),
    }
}

/// What is weak about a new passphrase. A short rule, because a stick's finder can try for years: length is what counts,
/// and the commonest ways of faking it.
fn weakness(passphrase: &str) -> Option<&'static str> {
    let chars = passphrase.chars().count();
    let mut different: Vec<char> = passphrase.to_lowercase().chars().collect();
    different.sort_unstable();
    different.dedup();
    if chars < SHORT_PASSPHRASE_CHARS {
        Some(
            "this passphrase is short; whoever finds the stick can try for years: take five or more random words",
        )
    } else if different.len() < 6 {
        Some("this passphrase repeats few characters; take five or more random words")
    } else if passphrase.chars().all(|character| character.is_ascii_digit()) {
        Some("this passphrase has only digits; take five or more random words")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
