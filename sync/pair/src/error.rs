//! What can go wrong with two folders.

use std::{error::Error, path::PathBuf};

use gobag_files::{FilesError, ScanError};
use gobag_reconcile::RelPath;
use gobag_workspace::WorkspaceError;
use thiserror::Error;

use crate::side::SideError;

/// Why a pass cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PairError {
    /// A folder.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The right side cannot be opened, for a reason that whoever opens it knows.
    #[error("{}", whole(reason.as_ref()))]
    Right {
        /// Its code.
        code: &'static str,
        /// What it is.
        reason: Box<dyn Error + Send + Sync>,
    },
    /// They were never paired.
    #[error("{} is not paired with another folder", path.display())]
    NotPaired {
        /// The left one.
        path: PathBuf,
    },
    /// It is paired with another workspace, or with a folder.
    #[error("it is paired with something else than this workspace")]
    OtherWorkspace,
    /// One is in the other, or both are the same.
    #[error("{} and {} are in each other", left.display(), right.display())]
    Overlap {
        /// The left one.
        left: PathBuf,
        /// The right one.
        right: PathBuf,
    },
    /// Another pass is at work.
    #[error("{} is being kept the same by another program", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// What both had last cannot be read or written.
    #[error("cannot use what both folders had last in {}", path.display())]
    Base {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// Somebody ended it.
    #[error("it was ended")]
    Ended,
    /// One of the two that a conflict is between is not there any more.
    #[error("there is nothing at `{path}` any more")]
    Gone {
        /// The path.
        path: RelPath,
    },
    /// What both had last is damaged.
    #[error("what both folders had last is damaged in {}", path.display())]
    BaseDamaged {
        /// The database.
        path: PathBuf,
    },
}

impl PairError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Files(error) => error.code(),
            Self::Workspace(error) => error.code(),
            Self::Right { code, .. } => code,
            Self::NotPaired { .. } => "pair.not-paired",
            Self::OtherWorkspace => "pair.other-workspace",
            Self::Overlap { .. } => "pair.overlap",
            Self::Busy { .. } => "pair.busy",
            Self::Base { .. } => "pair.base",
            Self::BaseDamaged { .. } => "pair.base-damaged",
            Self::Ended => "pair.ended",
            Self::Gone { .. } => "pair.gone",
        }
    }
}

impl From<SideError> for PairError {
    fn from(error: SideError) -> Self {
        match error {
            SideError::Files(error) => error.into(),
            SideError::Workspace(error) => error.into(),
        }
    }
}

/// An error's text with those of its causes.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<ScanError<Self>> for PairError {
    fn from(error: ScanError<Self>) -> Self {
        match error {
            ScanError::Files(error) => error.into(),
            ScanError::Base(error) => error,
            ScanError::Ended => Self::Ended,
        }
    }
}
