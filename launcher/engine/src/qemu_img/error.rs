//! What can be wrong with an image, and with converting it.

use std::{io, path::PathBuf};

use super::DiskFormat;
use crate::{limits::DISK_BYTES, run::RunError, tools};

/// Why an image cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// `qemu-img` is not installed.
    #[error(transparent)]
    NoTool(#[from] tools::NotFound),
    /// The file cannot be read.
    #[error("cannot read disk image {}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The image is only a part: it needs another file that it names.
    #[error("disk image {} is not complete by itself: it needs {reference}", path.display())]
    NeedsOtherFile {
        /// The image.
        path: PathBuf,
        /// What it needs.
        reference: String,
    },
    /// A known but unsupported kind of image.
    #[error("disk image {} is of an unsupported kind: {what}", path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The disk is larger than any volume may be.
    #[error("disk image {} holds a disk of {size_bytes} bytes, more than {DISK_BYTES}", path.display())]
    TooLarge {
        /// The image.
        path: PathBuf,
        /// The size it claims.
        size_bytes: u64,
    },
    /// `qemu-img` could not make sense of the image.
    #[error("disk image {} is damaged or not understood", path.display())]
    Tool {
        /// The image.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// `qemu-img` answered with something that is not its documented JSON.
    #[error("the answer of qemu-img about {} is not understood", path.display())]
    Answer {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl InfoError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Read { .. } => "engine.image-unreadable",
            Self::NeedsOtherFile { .. } => "engine.image-needs-other-file",
            Self::Unsupported { .. } => "engine.image-unsupported",
            Self::TooLarge { .. } => "engine.image-too-large",
            Self::Tool { .. } => "engine.image-damaged",
            Self::Answer { .. } => "engine.image-answer",
        }
    }
}

/// Why an image cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It cannot even be looked at, or is not what the caller took it for.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The image is of another format than the caller said.
    #[error("disk image {} is {found:?}, not {expected:?}", path.display())]
    OtherFormat {
        /// The image.
        path: PathBuf,
        /// What it is.
        found: DiskFormat,
        /// What the caller said.
        expected: DiskFormat,
    },
    /// The result cannot be put in place; something may be there already.
    #[error("cannot make {}", path.display())]
    Destination {
        /// The file to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `qemu-img` failed, was cancelled, or ran out of space.
    #[error("cannot convert disk image {}", path.display())]
    Tool {
        /// The image.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
}

impl ConvertError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Info(error) => error.code(),
            Self::OtherFormat { .. } => "engine.image-other-format",
            Self::Destination { .. } => "engine.convert-destination",
            Self::Tool {
                source: RunError::Cancelled { .. },
                ..
            } => "engine.convert-cancelled",
            Self::Tool { .. } => "engine.convert-failed",
        }
    }
}
