//! What was read from the computer, before anybody says what it means.
//!
//! A probe takes captures from a [`Host`], and a pure parser makes a fact of them. So the same parser reads this computer
//! ([`Live`]), writes down what it saw ([`Recorder`]), and reads a recording made elsewhere ([`Recorded`]): every recording
//! is a fixture. Nothing here decides anything, and a capture that failed keeps the reason, so that "could not look" never
//! turns into "not there".
//!
//! What must stay true: a [`Live`] host only reads; programs are named by absolute paths; everything has a limit.

use gobag_checklists::Obstacle;

#[cfg(unix)]
mod live;
mod record;
mod scrub;
mod text;

#[cfg(unix)]
pub(crate) use live::{Live, refused};
pub(crate) use record::{About, Recorded, Recorder, System};
pub use record::{Recording, RecordingError};
pub(crate) use scrub::Scrub;

/// What one look at the computer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing.
    Failed {
        /// What kind of obstacle there was.
        obstacle: Obstacle,
        /// What was tried and what the system said.
        message: String,
    },
}

/// Ways of looking at a computer. Paths are in the spelling of that computer; `~/` is the user's home folder, whose name is
/// nobody's business.
pub(crate) trait Host: Send + Sync {
    /// What is in a file.
    fn file(&self, path: &str) -> Capture;
    /// Names in a folder, sorted, one a line.
    fn list(&self, path: &str) -> Capture;
    /// Where a symbolic link points, as it is written there.
    fn link(&self, path: &str) -> Capture;
    /// What a program printed that ended well; by absolute path, in the language `C`, with no input.
    fn program(&self, path: &str, args: &[&str]) -> Capture;
    /// What is neither a file nor a program: a message to a service, a system call. The name is the first word, what
    /// follows is its arguments. The answer is a JSON object in one line where it has parts.
    fn query(&self, name: &str) -> Capture;
}

impl Capture {
    /// A text.
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self::Bytes(text.into().into_bytes())
    }

    /// A failure.
    pub(crate) fn failed(obstacle: Obstacle, message: impl Into<String>) -> Self {
        Self::Failed {
            obstacle,
            message: message.into(),
        }
    }

    /// It is not there; other than a refusal, that is an answer.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                obstacle: Obstacle::Missing,
                ..
            }
        )
    }

    /// The bytes, or the reason why there are none.
    pub(crate) fn bytes(&self) -> Result<&[u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Failed { message, .. } => Err(message.clone()),
        }
    }

    /// The text with lines that end in `\n`, whatever its encoding marks and line ends were, or the reason why there is
    /// none. What is no text in UTF-8 or UTF-16 keeps marks of replacement, which match no word that a parser knows.
    pub(crate) fn text(&self) -> Result<String, String> {
        text::decode(self.bytes()?)
    }

    /// As [`Capture::text`], and `None` where it is not there.
    pub(crate) fn text_if_there(&self) -> Result<Option<String>, String> {
        match self.is_missing() {
            true => Ok(None),
            false => self.text().map(Some),
        }
    }

    /// The text without white space around it.
    pub(crate) fn word(&self) -> Result<String, String> {
        self.text().map(|text| text.trim().to_owned())
    }

    /// The answer of a query that has parts.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(self.bytes()?).map_err(|error| format!("a strange answer: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_reason_and_only_missing_is_missing() {
        let refused = Capture::failed(Obstacle::NoPermission, "cannot read /x: denied");
        assert_eq!(refused.text(), Err("cannot read /x: denied".to_owned()));
        assert!(!refused.is_missing() && refused.text_if_there().is_err());
        let missing = Capture::failed(Obstacle::Missing, "gone");
        assert_eq!(missing.text_if_there(), Ok(None));
    }
}
