//! Why a stick was not updated.

use std::path::PathBuf;

use thiserror::Error;

use crate::{base::BaseError, files::FileError, headers::ReplaceError, stick::StickError, store::StoreError};

/// Why a stick was not updated. Unless the header could not be written, the old versions work as before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The bundle may only be read.
    #[error("the bundle uses features of a later version of this program, which may only read it")]
    ReadOnly,
    /// The bundle is somebody else's.
    #[error("the stick was made by another organisation, {org_name}")]
    OtherOrg {
        /// Name of the organisation that made it.
        org_name: String,
    },
    /// The stick does not have the image.
    #[error("the stick has no image named `{name}`")]
    NoSuchImage {
        /// The image.
        name: String,
    },
    /// Versions only go up.
    #[error("the stick has version {on_stick} of `{name}`, which is newer than {asked}")]
    Older {
        /// The image.
        name: String,
        /// Version on the stick.
        on_stick: u64,
        /// Version asked for.
        asked: u64,
    },
    /// The version on the stick is another one of the same number.
    #[error("version {version} of `{name}` on the stick is not the one in the repository")]
    SameNumber {
        /// The image.
        name: String,
        /// The version.
        version: u64,
    },
    /// Checkpoints have no room for a system this large.
    #[error("the system of `{name}` is too large for the space this stick has for keeping track of changes")]
    TooLarge {
        /// The image.
        name: String,
    },
    /// Not enough room.
    #[error("{} has {free_bytes} bytes free and needs {needed_bytes}", stick.display())]
    NoSpace {
        /// The stick.
        stick: PathBuf,
        /// Bytes still to be written.
        needed_bytes: u64,
        /// Bytes free, or freed first.
        free_bytes: u64,
    },
    /// A folder of the stick is a link to another place.
    #[error("{} is a symbolic link, which no stick has", path.display())]
    Link {
        /// The folder.
        path: PathBuf,
    },
    /// Another stick is where this one was.
    #[error("another stick is at {} now", stick.display())]
    Moved {
        /// The place.
        stick: PathBuf,
    },
    /// A file of the repository is damaged; the stick does not get it.
    #[error("{} is damaged in the repository", path.display())]
    SourceDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The stick returned other bytes than were written.
    #[error("{} reads back differently: the stick is failing or has less room than it says", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was written does not open.
    #[error("the new version does not open on the stick")]
    Base(#[from] BaseError),
    /// The log does not open or cannot be written.
    #[error("the saved changes do not open")]
    Store(#[from] StoreError),
    /// The header could not be written into all copies.
    #[error("the switch may not be complete: the stick starts with the old version or the new one")]
    Switch(#[from] ReplaceError),
    /// The person asked to stop.
    #[error("stopped; the stick works as before")]
    Cancelled,
}

impl UpdateError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReadOnly => "update.read-only",
            Self::OtherOrg { .. } => "update.other-org",
            Self::NoSuchImage { .. } => "update.no-such-image",
            Self::Older { .. } => "update.older",
            Self::SameNumber { .. } => "update.same-number",
            Self::TooLarge { .. } => "update.too-large",
            Self::NoSpace { .. } => "update.no-space",
            Self::Link { .. } => "update.link",
            Self::Moved { .. } => "update.moved",
            Self::SourceDamaged { .. } => "update.source-damaged",
            Self::ReadBack { .. } => "update.read-back",
            Self::File(error) => error.code(),
            Self::Base(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Switch(_) => "update.switch",
            Self::Cancelled => "update.cancelled",
        }
    }
}

impl From<StickError> for UpdateError {
    fn from(error: StickError) -> Self {
        match error {
            StickError::NoSpace {
                target,
                needed_bytes,
                free_bytes,
            } => Self::NoSpace {
                stick: target,
                needed_bytes,
                free_bytes,
            },
            StickError::File(error) => Self::File(error),
            StickError::SourceDamaged { path } => Self::SourceDamaged { path },
            StickError::NotAFolder { target: path }
            | StickError::HeldUp { target: path }
            | StickError::ReadBack { path } => Self::ReadBack { path },
            StickError::Cancelled => Self::Cancelled,
        }
    }
}
