//! What can go wrong for a member.

use std::{io, path::PathBuf};

use gobag_client::ClientError;
use thiserror::Error;

/// Why a program cannot be a member.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MemberError {
    /// Nobody says where it is to be kept.
    #[error("there is no home folder to keep keys in")]
    NoFolder,
    /// It was never made known to a server.
    #[error("this computer is not known to your company's server")]
    NotEnrolled,
    /// It has no key of this workspace.
    #[error("there is no workspace `{name}` here")]
    NotJoined {
        /// The name.
        name: String,
    },
    /// Another workspace of that name is known, or this one by another key.
    #[error("another workspace `{name}` is known here, or this one by another key")]
    OtherJoined {
        /// The name.
        name: String,
    },
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
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFolder => "member.no-folder",
            Self::NotEnrolled => "member.not-enrolled",
            Self::NotJoined { .. } => "member.not-joined",
            Self::OtherJoined { .. } => "member.other-joined",
            Self::Damaged { .. } => "member.damaged",
            Self::Newer { .. } => "member.newer",
            Self::File { .. } => "member.file",
            // A server's code may be one that this program does not know; it is in the message.
            Self::Client(ClientError::Refused(_)) => "client.refused",
            Self::Client(ClientError::Offline { .. }) => "client.offline",
            Self::Client(ClientError::OtherServer { .. }) => "client.other-server",
            Self::Client(_) => "client.failed",
        }
    }
}
