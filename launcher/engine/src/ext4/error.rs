//! What can go wrong with a file system.

use std::{io, path::PathBuf};

use crate::{run::RunError, tools};

/// Why a file system cannot be made, checked or repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4Error {
    /// A tool is not installed.
    #[error(transparent)]
    NoTool(#[from] tools::NotFound),
    /// The options contradict themselves or a limit.
    #[error("cannot make file system {}: {reason}", path.display())]
    Options {
        /// The file system to be made.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The content has extended attributes, which an ordinary user cannot preserve.
    #[error("cannot preserve the extended attributes in {} without being root", path.display())]
    Attributes {
        /// The file system to be made.
        path: PathBuf,
    },
    /// The image file or the working folder cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content could not be unpacked.
    #[error("cannot unpack the content for {}", path.display())]
    Unpack {
        /// The file system to be made.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// The file system could not be made, most often because the content does not fit.
    #[error("cannot make file system {}", path.display())]
    Make {
        /// The file system to be made.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// The checker itself failed.
    #[error("cannot check file system {}", path.display())]
    Check {
        /// The file system.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// The file system is damaged beyond what can be repaired without asking.
    #[error("file system {} is damaged: {text}", path.display())]
    Damaged {
        /// The file system.
        path: PathBuf,
        /// What the checker said.
        text: String,
    },
}

impl Ext4Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Options { .. } => "engine.ext4-options",
            Self::Attributes { .. } => "engine.ext4-attributes",
            Self::File { .. } => "engine.ext4-file",
            Self::Unpack {
                source: RunError::Cancelled { .. },
                ..
            }
            | Self::Make {
                source: RunError::Cancelled { .. },
                ..
            }
            | Self::Check {
                source: RunError::Cancelled { .. },
                ..
            } => "engine.ext4-cancelled",
            Self::Unpack { .. } => "engine.ext4-unpack",
            Self::Make { .. } => "engine.ext4-make",
            Self::Check { .. } => "engine.ext4-check",
            Self::Damaged { .. } => "engine.ext4-damaged",
        }
    }
}
