//! The error a program ends with, and how it is shown. Libraries have their own error enums; each program turns them
//! into a [`CliError`] in one file, and nowhere else.

use std::error::Error;

use serde::Serialize;

use crate::exit::ExitCode;

/// Why a program failed: what happened, how it exits, and what the person can do.
#[derive(Debug)]
pub struct CliError {
    /// How the program exits.
    pub exit: ExitCode,
    /// The stable code of the cause, for instance `bundle.chunk-damaged`.
    pub code: &'static str,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CliError {
    /// An error of a library, with its stable code.
    pub fn new(exit: ExitCode, code: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            code,
            source: source.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what the person can do: an exact command where there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What is printed.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        ErrorReport {
            message: self.source.to_string(),
            code: self.code,
            causes: causes(&*self.source),
            hints: self.hints.clone(),
            exit: self.exit,
        }
    }
}

/// An error as it is printed: as text on standard error, or with `--json` as one object on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// What happened.
    pub message: String,
    /// The stable code.
    pub code: &'static str,
    /// Why, outermost first; never a text that was already said.
    pub causes: Vec<String>,
    /// What the person can do.
    pub hints: Vec<String>,
    /// The program's exit code, as a number in JSON.
    pub exit: ExitCode,
}

/// The chain of causes without repetitions. Errors of other crates often end with their cause's text already.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.is_empty() && !said.ends_with(&text) {
            causes.push(text.clone());
            said = text;
        }
        next = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Link {
        let (first, rest) = texts.split_first().expect("at least one");
        Link {
            text: first,
            source: (!rest.is_empty()).then(|| Box::new(chain(rest))),
        }
    }

    #[test]
    fn causes_are_said_once() {
        for (texts, expected) in [
            (&["a"][..], &[][..]),
            (&["a", "b", "c"], &["b", "c"]),
            (&["a", "a", "b"], &["b"]),
            (&["cannot read x: gone", "gone"], &[]),
            (&["cannot read x: no disk: gone", "no disk: gone", "gone"], &[]),
            (&["a", "", "b"], &["b"]),
        ] {
            let report = CliError::new(ExitCode::Failed, "test.x", chain(texts)).report();
            assert_eq!(report.message, texts[0]);
            assert_eq!(report.causes, expected, "{texts:?}");
        }
    }

    #[test]
    fn a_report_in_json_has_the_exit_number() {
        let error = CliError::new(ExitCode::Busy, "bundle.busy", chain(&["in use"])).hint("wait");
        let json = serde_json::to_string(&error.report()).expect("writes");
        assert_eq!(
            json,
            r#"{"message":"in use","code":"bundle.busy","causes":[],"hints":["wait"],"exit":7}"#
        );
    }
}
