//! What can go wrong with a workspace.

use std::io;

use thiserror::Error;

use crate::StoreError;

/// Why a workspace cannot be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// Where it is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept there is not what members wrote.
    #[error(transparent)]
    Format(#[from] gobag_format::workspace::BlobError),
    /// What is kept there is older than what was there before.
    #[error("the workspace was put back to an earlier state: point {found}, where {known} was seen")]
    PutBack {
        /// What there is.
        found: u64,
        /// What there was.
        known: u64,
    },
    /// A file could not be read while it was sent.
    #[error("cannot read what is to be sent")]
    Read(#[source] io::Error),
    /// What was read is not what was to be sent: somebody is at work on it.
    #[error("the file changed while it was sent")]
    OtherContent,
    /// A path that is too long for a workspace.
    #[error("the path is too long")]
    LongPath,
}

impl WorkspaceError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Offline(_)) => "workspace.offline",
            Self::Store(StoreError::Raced) => "workspace.raced",
            Self::Store(StoreError::Gone) => "workspace.gone",
            Self::Store(StoreError::Missing) => "workspace.missing",
            Self::Store(StoreError::Full(_)) => "workspace.full",
            Self::Store(StoreError::Refused(_)) => "workspace.refused",
            Self::Format(error) => error.code(),
            Self::PutBack { .. } => "workspace.put-back",
            Self::Read(_) => "workspace.read",
            Self::OtherContent => "workspace.other-content",
            Self::LongPath => "workspace.long-path",
        }
    }
}
