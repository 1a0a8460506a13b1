//! Why an answer could not be given.

use std::io;

use crate::error::CliError;
use crate::exit::ExitCode;

/// The answer could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Standard output does not take it: the reader has gone, or a disk is full.
    #[error("cannot write the answer to standard output")]
    Write {
        /// What the system said.
        source: io::Error,
    },
    /// The report cannot be JSON.
    #[error("cannot write the answer as JSON")]
    Json {
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// The program answered a second time.
    #[error("a second answer in one run")]
    Twice,
}

impl OutputError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "term.output",
            Self::Json { .. } => "term.json",
            Self::Twice => "term.second-answer",
        }
    }
}

impl From<OutputError> for CliError {
    fn from(error: OutputError) -> Self {
        let exit = match error {
            OutputError::Write { .. } => ExitCode::Failed,
            OutputError::Json { .. } | OutputError::Twice => ExitCode::Bug,
        };
        Self::new(exit, error.code(), error)
    }
}
