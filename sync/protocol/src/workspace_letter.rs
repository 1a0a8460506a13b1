//! The workspace letter: what whoever made a workspace gives its members, besides their admission: its key.
//!
//! JSON. Whoever has it can read and change the workspace if they also get at where it is kept; so it goes a way that IT trusts. Of a workspace that is not at
//! the company's server it says where it is, and, only where somebody asked for that, what it takes to get in there.

use gobag_format::crypto::Key;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ids::{WorkspaceId, WorkspaceName},
    limits::MAX_WORKSPACE_LETTER_BYTES,
    place::{Credentials, Place},
};

/// The version of a letter of a workspace at the company's server.
const FORMAT: u32 = 1;
/// Of one elsewhere: programs that know the server alone would look for it there.
const FORMAT_ELSEWHERE: u32 = 2;

/// Why a text is no workspace letter. Says nothing of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkspaceLetterError {
    /// Something else, or cut, or larger than any letter.
    #[error("this is no workspace letter, or not all of it")]
    Malformed,
    /// Of a later version.
    #[error("this workspace letter is of a newer version of Gobag")]
    NewerFormat,
}

impl WorkspaceLetterError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "workspace-letter.malformed",
            Self::NewerFormat => "workspace-letter.newer-format",
        }
    }
}

/// A workspace letter.
#[derive(Clone, Serialize, Deserialize)]
pub struct WorkspaceLetter {
    format: u32,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// By what name it goes.
    pub name: WorkspaceName,
    /// Its key.
    pub key: Key,
    /// Where it is kept; none: at the company's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it takes to get in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

impl WorkspaceLetter {
    /// A letter of a workspace at the company's server.
    pub fn new(workspace: WorkspaceId, name: WorkspaceName, key: Key) -> Self {
        Self {
            format: FORMAT,
            workspace,
            name,
            key,
            place: None,
            credentials: None,
        }
    }

    /// The same of one that is kept elsewhere.
    pub fn at(self, place: Place, credentials: Option<Credentials>) -> Self {
        Self {
            format: FORMAT_ELSEWHERE,
            place: Some(place),
            credentials,
            ..self
        }
    }

    /// As it travels; a secret.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts always serialise")
    }

    /// Reads one.
    pub fn parse(text: &[u8]) -> Result<Self, WorkspaceLetterError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        // Where it stops to make sense is not told: there is a key in it.
        let read = |_| WorkspaceLetterError::Malformed;
        if text.len() > MAX_WORKSPACE_LETTER_BYTES {
            return Err(WorkspaceLetterError::Malformed);
        }
        let version: Version = serde_json::from_slice(text).map_err(read)?;
        if version.format > FORMAT_ELSEWHERE {
            return Err(WorkspaceLetterError::NewerFormat);
        }
        serde_json::from_slice(text).map_err(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_elsewhere_is_of_a_later_version_and_says_where() {
        let name = WorkspaceName::parse("sales").unwrap();
        let letter = WorkspaceLetter::new(WorkspaceId([3; 16]), name, Key::from_bytes([9; 32]));
        let text = letter.at("/srv/sales".parse().unwrap(), None).to_json();
        assert!(
            text.contains("\"format\": 2") && !text.contains("credentials"),
            "{text}"
        );
        let read = WorkspaceLetter::parse(text.as_bytes()).unwrap();
        assert_eq!(read.place.unwrap().to_string(), "/srv/sales");
        let bad = text.replace("/srv/sales", "sftp://-o/x");
        assert!(WorkspaceLetter::parse(bad.as_bytes()).is_err());
    }

    #[test]
    fn a_letter_survives_its_way_and_others_are_none() {
        let name = WorkspaceName::parse("sales").unwrap();
        let letter = WorkspaceLetter::new(WorkspaceId([3; 16]), name, Key::from_bytes([9; 32]));
        let text = letter.to_json();
        let read = WorkspaceLetter::parse(text.as_bytes()).unwrap();
        assert_eq!((read.workspace, read.name), (letter.workspace, letter.name));
        assert_eq!(read.key.expose(), &[9; 32]);
        let later = text.replace("\"format\": 1", "\"format\": 3");
        assert!(matches!(
            WorkspaceLetter::parse(later.as_bytes()),
            Err(WorkspaceLetterError::NewerFormat)
        ));
        for bad in [
            &text[1..],
            "{}",
            &text.replace("sales", "../x"),
            &" ".repeat(5000),
        ] {
            assert!(matches!(
                WorkspaceLetter::parse(bad.as_bytes()),
                Err(WorkspaceLetterError::Malformed)
            ));
        }
    }
}
