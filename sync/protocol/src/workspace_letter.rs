//! The workspace letter: what whoever made a workspace gives its members, besides their admission: its key.
//!
//! JSON. Whoever has it can read and change the workspace if they also get at where it is kept; so it goes a way that IT trusts.

use gobag_format::crypto::Key;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ids::{WorkspaceId, WorkspaceName},
    limits::MAX_WORKSPACE_LETTER_BYTES,
};

/// The version of the letter.
const FORMAT: u32 = 1;

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
}

impl WorkspaceLetter {
    /// A letter.
    pub fn new(workspace: WorkspaceId, name: WorkspaceName, key: Key) -> Self {
        Self {
            format: FORMAT,
            workspace,
            name,
            key,
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
        if version.format > FORMAT {
            return Err(WorkspaceLetterError::NewerFormat);
        }
        serde_json::from_slice(text).map_err(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_survives_its_way_and_others_are_none() {
        let name = WorkspaceName::parse("sales").unwrap();
        let letter = WorkspaceLetter::new(WorkspaceId([3; 16]), name, Key::from_bytes([9; 32]));
        let text = letter.to_json();
        let read = WorkspaceLetter::parse(text.as_bytes()).unwrap();
        assert_eq!((read.workspace, read.name), (letter.workspace, letter.name));
        assert_eq!(read.key.expose(), &[9; 32]);
        let later = text.replace("\"format\": 1", "\"format\": 2");
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
