//! Why there is no passphrase, and how a program ends then.

use std::io;

use crate::error::CliError;
use crate::exit::ExitCode;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nobody can be asked.
    #[error("cannot ask for the passphrase: there is no terminal")]
    NoTerminal {
        /// What the system said.
        source: io::Error,
    },
    /// The terminal failed while asking.
    #[error("cannot read the passphrase from the terminal")]
    Terminal {
        /// What the system said.
        source: io::Error,
    },
    /// A signal, or the terminal was closed.
    #[error("interrupted while asking for the passphrase")]
    Interrupted,
    /// The file or descriptor cannot be read.
    #[error("cannot read the passphrase from {place}")]
    Read {
        /// The file or descriptor.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing.
    #[error("the passphrase from {place} is empty")]
    Empty {
        /// Where it came from.
        place: String,
    },
    /// There is too much.
    #[error("the passphrase from {place} is longer than {limit} bytes")]
    TooLong {
        /// Where it came from.
        place: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// It could not be typed at the prompt.
    #[error("the passphrase from {place} is not one line of text")]
    NotALine {
        /// Where it came from.
        place: String,
    },
    /// The repetition was different each time.
    #[error("the new passphrase was not repeated correctly")]
    Mismatch,
}

impl PassphraseError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTerminal { .. } => "term.no-terminal",
            Self::Terminal { .. } => "term.terminal-failed",
            Self::Interrupted => "term.interrupted",
            Self::Read { .. } => "term.passphrase-unreadable",
            Self::Empty { .. } => "term.passphrase-empty",
            Self::TooLong { .. } => "term.passphrase-too-long",
            Self::NotALine { .. } => "term.passphrase-not-a-line",
            Self::Mismatch => "term.passphrase-mismatch",
        }
    }
}

impl From<PassphraseError> for CliError {
    fn from(error: PassphraseError) -> Self {
        let (exit, hint) = match &error {
            PassphraseError::NoTerminal { .. } => (
                ExitCode::Usage,
                Some("give it with `--passphrase-file FILE` or `--passphrase-fd FD`"),
            ),
            PassphraseError::Interrupted => (ExitCode::Interrupted, None),
            PassphraseError::NotALine { .. } => {
                (ExitCode::Failed, Some("write it as a single line of UTF-8 text"))
            }
            _ => (ExitCode::Failed, None),
        };
        let code = error.code();
        let shown = Self::new(exit, code, error);
        match hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}
