//! What can go wrong for a member.

use std::{io, path::PathBuf};

use gobag_client::ClientError;
use thiserror::Error;

/// Why a program cannot be a member.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MemberError {
    /// It was never made known to a server.
    #[error("this computer is not known to your company's server")]
    NotEnrolled,
    /// It has no key of this workspace.
    #[error("there is no workspace `{name}` here")]
    NotJoined {
        /// The name.
        name: String,
    },
    /// Another workspace of that name is known.
    #[error("another workspace `{name}` is known here")]
    OtherJoined {
        /// The name.
        name: String,
    },
    /// A text that is no workspace letter.
    #[error("this is no workspace letter, or not all of it")]
    NoLetter,
    /// One of a later version.
    #[error("this workspace letter is of a newer version of Gobag")]
    NewerLetter,
    /// What is kept of this member is not what was written.
    #[error("what is known of your company in {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("{} was written by a newer version of Gobag", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The company's server.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl MemberError {
    /// Stable code for scripts.
    pub fn code(&self) -> &str {
        match self {
            Self::NotEnrolled => "member.not-enrolled",
            Self::NotJoined { .. } => "member.not-joined",
            Self::OtherJoined { .. } => "member.other-joined",
            Self::NoLetter => "member.no-letter",
            Self::NewerLetter => "member.newer-letter",
            Self::Damaged { .. } => "member.damaged",
            Self::Newer { .. } => "member.newer",
            Self::File { .. } => "member.file",
            Self::Client(error) => error.code(),
        }
    }
}
