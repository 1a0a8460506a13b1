//! The one error of the house: a sentence, an optional cause and what to do next.
//!
//! Nobody handles these errors; a person reads them. So there is one type with text, and no enum per operation.

use std::fmt;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed step, in words.
#[derive(Debug)]
pub struct Error {
    what: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    hints: Vec<String>,
    exit: u8,
}

impl Error {
    /// A failure described by `what`: lower case, naming the object.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cause: None,
            hints: Vec::new(),
            exit: 1,
        }
    }

    /// A wrong command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        let mut error = Self::new(what).hint("see `cargo xtask help`");
        error.exit = 2;
        error
    }

    /// A failure with the error that caused it.
    pub(crate) fn because(
        what: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut error = Self::new(what);
        error.cause = Some(cause.into());
        error
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The process exit code: 1 failed, 2 usage.
    pub(crate) fn exit(&self) -> u8 {
        self.exit
    }

    /// The whole message, causes and hints each on their line.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("error: {}\n", self.what);
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(&format!("caused by: {inner}\n"));
            cause = inner.source();
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
