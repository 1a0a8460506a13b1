//! Yes-or-no questions before something that cannot be undone.

use std::fs::File;
use std::os::fd::AsFd;

use crate::ask::{AskError, Asked};
use crate::human::printable;
use crate::limits::MAX_CONFIRM_TRIES;
use crate::tty::{self, Echo, ReadLineError};
use crate::ui::Ui;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 80;

impl Ui {
    /// Asks `question` (without question mark and choices). `--yes` answers yes; anything but a clear yes is no.
    pub fn confirm(&self, question: &str) -> Result<bool, AskError> {
        if self.assumes_yes() {
            return Ok(true);
        }
        let question = printable(question).into_owned();
        match tty::open() {
            Ok(tty) => self.confirm_on(&tty, question),
            Err(source) => Err(AskError::NoTerminal {
                asked: Asked::Leave(question),
                source,
            }),
        }
    }

    /// Offers to try something once more. Where nobody can be asked the answer is no, and `--yes` does not answer: it stands for
    /// questions in the way of what was asked for.
    pub fn offer(&self, question: &str) -> Result<bool, AskError> {
        if self.assumes_yes() || self.is_json() {
            return Ok(false);
        }
        match tty::open() {
            Ok(tty) => self.confirm_on(&tty, printable(question).into_owned()),
            Err(_) => Ok(false),
        }
    }

    fn confirm_on(&self, tty: &File, question: String) -> Result<bool, AskError> {
        self.hide_live();
        let interrupt = self.interrupt();
        let prompt = format!("{question}? [y/N] ");
        for _ in 0..MAX_CONFIRM_TRIES {
            let interrupt = interrupt.as_ref().map(AsFd::as_fd);
            match tty::read_line(tty.as_fd(), &prompt, Echo::Visible, MAX_ANSWER_BYTES, interrupt) {
                Ok(line) => {
                    if let Some(answer) = understood(&line) {
                        return Ok(answer);
                    }
                    self.say("please answer y or n");
                }
                Err(ReadLineError::TooLong { .. }) => self.say("please answer y or n"),
                Err(ReadLineError::Interrupted | ReadLineError::Closed) => {
                    return Err(AskError::Interrupted {
                        asked: Asked::Leave(question),
                    });
                }
                Err(ReadLineError::Io(source)) => {
                    return Err(AskError::Terminal {
                        asked: Asked::Leave(question),
                        source,
                    });
                }
            }
        }
        Ok(false)
    }
}

fn understood(line: &[u8]) -> Option<bool> {
    match line.trim_ascii().to_ascii_lowercase().as_slice() {
        b"y" | b"yes" => Some(true),
        b"" | b"n" | b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::GlobalArgs;
    use crate::error::CliError;
    use crate::exit::ExitCode;
    use std::io;

    #[test]
    fn only_a_clear_yes_is_yes() {
        for (line, expected) in [
            ("y", Some(true)),
            (" YES ", Some(true)),
            ("", Some(false)),
            ("n", Some(false)),
            ("No", Some(false)),
            ("yeah", None),
            ("ja", None),
        ] {
            assert_eq!(understood(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn the_option_answers_without_a_terminal() {
        let args = GlobalArgs {
            yes: true,
            ..GlobalArgs::default()
        };
        let (ui, _) = Ui::captured(&args);
        assert!(ui.confirm("erase everything").expect("answered"));
    }

    #[test]
    fn without_terminal_the_hint_names_the_option() {
        let error = AskError::NoTerminal {
            asked: Asked::Leave("erase".into()),
            source: io::ErrorKind::NotFound.into(),
        };
        let report = CliError::from(error).report();
        assert_eq!(report.exit, ExitCode::Usage);
        assert!(report.hints[0].contains("`--yes`"), "{report:?}");
    }
}
