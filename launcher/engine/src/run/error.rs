//! How running a tool fails.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a tool did not run to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The operating system refused to start it.
    #[error("cannot start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a status that is not success.
    #[error("{} ended with {status}{}", program.display(), quoted(stderr))]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its standard error.
        stderr: String,
    },
    /// It was still running at the deadline and was killed.
    #[error("{} did not end within {} s and was killed", program.display(), deadline.as_secs_f32())]
    Deadline {
        /// The program.
        program: PathBuf,
        /// The time it had.
        deadline: Duration,
    },
    /// The caller cancelled it; it was killed.
    #[error("{} was cancelled", program.display())]
    Cancelled {
        /// The program.
        program: PathBuf,
    },
    /// It wrote more to standard output than is accepted and was killed.
    #[error("{} wrote more than {limit} bytes of output and was killed", program.display())]
    TooMuchOutput {
        /// The program.
        program: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// The caller's reader, whose bytes were the tool's standard input, failed; the tool was killed.
    #[error("cannot read the input for {}", program.display())]
    Input {
        /// The program.
        program: PathBuf,
        /// What the reader said.
        source: io::Error,
    },
    /// Talking to the child or waiting for it failed; it was killed.
    #[error("lost contact with {}", program.display())]
    Contact {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start { .. } => "engine.tool-start",
            Self::Failed { .. } => "engine.tool-failed",
            Self::Deadline { .. } => "engine.tool-deadline",
            Self::Cancelled { .. } => "engine.tool-cancelled",
            Self::TooMuchOutput { .. } => "engine.tool-output-too-long",
            Self::Input { .. } => "engine.tool-input",
            Self::Contact { .. } => "engine.tool-contact",
        }
    }
}

fn quoted(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
