//! What can go wrong with a user's folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use gobag_reconcile::RelPath;
use rustix::io::Errno;
use thiserror::Error;

/// Why something of a folder cannot be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The folder is not there, or cannot be used.
    #[error("cannot use folder {}", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another program makes the same changes there, from another computer perhaps.
    #[error("{} is being changed by another program", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// It is another folder than the one that was meant.
    #[error("{} is not the folder it was", path.display())]
    OtherRoot {
        /// The folder.
        path: PathBuf,
    },
    /// Something in it could not be read or changed.
    #[error("cannot {what} `{path}`")]
    File {
        /// What was tried.
        what: &'static str,
        /// The path in the folder.
        path: RelPath,
        /// The system's reason.
        source: io::Error,
    },
    /// What is there is not what was expected: somebody is at work there.
    #[error("`{path}` changed meanwhile")]
    Changed {
        /// The path in the folder.
        path: RelPath,
    },
    /// What was to be put there is not what was promised.
    #[error("what came for `{path}` is not what was to come")]
    OtherContent {
        /// The path in the folder.
        path: RelPath,
    },
}

impl FilesError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Root { .. } => "files.root",
            Self::Busy { .. } => "files.busy",
            Self::OtherRoot { .. } => "files.other-root",
            Self::File { source, .. } if is_full(source) => "files.full",
            Self::File { .. } => "files.file",
            Self::Changed { .. } => "files.changed",
            Self::OtherContent { .. } => "files.other-content",
        }
    }

    /// Whether there is no room, so that nothing else will do either.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File { source, .. } if is_full(source))
    }

    pub(crate) fn root(path: &Path) -> impl Fn(Errno) -> Self {
        |errno| match errno {
            Errno::AGAIN => Self::Busy {
                path: path.to_owned(),
            },
            _ => Self::Root {
                path: path.to_owned(),
                source: errno.into(),
            },
        }
    }

    pub(crate) fn of(what: &'static str, path: &RelPath, errno: Errno) -> Self {
        let path = path.clone();
        match errno {
            // A folder or link where another thing was expected.
            Errno::LOOP | Errno::NOTDIR | Errno::NOENT | Errno::EXIST | Errno::XDEV => Self::Changed { path },
            _ => Self::File {
                what,
                path,
                source: errno.into(),
            },
        }
    }
}

fn is_full(source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
