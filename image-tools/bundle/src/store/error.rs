//! Why the store refused.

use std::io;

use thiserror::Error;

use crate::{VolumeError, medium::FileRef, memory::Refused};

/// Why the log could not be opened, written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The medium failed; nothing acknowledged is lost, the call can be made again.
    #[error("cannot {action} {file}")]
    Medium {
        /// "read", "write" or "flush".
        action: &'static str,
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// No checkpoint area holds a whole checkpoint.
    #[error("no checkpoint can be read: all {areas} areas are damaged")]
    NoCheckpoint {
        /// Areas tried.
        areas: u8,
    },
    /// A checkpoint does not fit the header: files of two bundles were mixed.
    #[error("checkpoint and header disagree: {what}")]
    Mismatch {
        /// The disagreement.
        what: &'static str,
    },
    /// The newest changes are unreadable although they were once safely written.
    #[error(
        "the newest changes cannot be read: the medium lost or damaged what it had confirmed \
         (record {lost_from} of at least {written_to}); an exact earlier state, last written at {last_clock_s}, is intact"
    )]
    EarlierState {
        /// First record that is gone.
        lost_from: u64,
        /// A later record that the medium had confirmed.
        written_to: u64,
        /// When the last readable record was written, seconds since 1970 UTC; 0 when there is none.
        last_clock_s: u64,
    },
    /// The log is in another state than a witness outside of the stick remembers.
    #[error(transparent)]
    Refused(#[from] Box<Refused>),
    /// Stored bytes do not open.
    #[error("{what}: wrong key or damaged data")]
    Damaged {
        /// The damaged object.
        what: String,
    },
    /// There is no room for more changes.
    #[error("no space left for changes on the stick")]
    Full,
    /// The log is open for reading only, or was closed.
    #[error("the log is not open for writing")]
    ReadOnly,
    /// The stick that came back is not in the state it was in when it went.
    #[error("the stick that came back is not the one that was removed, or was changed meanwhile")]
    OtherState,
}

impl StoreError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Medium { .. } => "store.medium",
            Self::NoCheckpoint { .. } => "store.no-checkpoint",
            Self::Mismatch { .. } => "store.mismatch",
            Self::EarlierState { .. } => "store.earlier-state",
            Self::Refused(refused) => refused.code(),
            Self::Damaged { .. } => "store.damaged",
            Self::Full => "store.full",
            Self::ReadOnly => "store.read-only",
            Self::OtherState => "store.other-state",
        }
    }

    pub(super) fn medium(action: &'static str, file: FileRef) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Medium { action, file, source }
    }
}

impl From<StoreError> for VolumeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Medium { source, .. } => Self::Medium(source),
            StoreError::Full => Self::Full,
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::Damaged { what } => Self::Damaged { what },
            other => Self::Damaged {
                what: other.to_string(),
            },
        }
    }
}
