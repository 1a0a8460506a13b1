//! Why sending or reading a replica stopped.

use gobag_bundle::{
    NoteError, VolumeError,
    ledger::LedgerAccessError,
    store::{SnapshotError, StoreError},
};
use gobag_format::replica::ReplicaError;
use gobag_protocol::bounded::TooMany;
use thiserror::Error;

use crate::remote::RemoteError;

/// Why a pass did not make a point. Nothing is lost by it: what was not sent stays marked on the stick.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The server.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What was being sent is gone, or the stick failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The stick failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stick's ledger cannot be read.
    #[error("the stick does not know what the company has")]
    Ledger(#[from] LedgerAccessError),
    /// The stick cannot note how far it is.
    #[error("the stick cannot note what the company has")]
    Note(#[from] NoteError),
    /// The server counts points in a way that no stick made them.
    #[error("the company's server has a point with an impossible number")]
    Generation,
    /// What the server has does not open.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More than a point has room for.
    #[error("too much for one point")]
    TooMuch(#[source] TooMany),
    /// Someone asked to stop.
    #[error("stopped")]
    Stopped,
}

impl SendError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remote(error) => error.code(),
            Self::Snapshot(SnapshotError::Gone) => "replica.overtaken",
            Self::Snapshot(SnapshotError::Store(error)) | Self::Store(error) => error.code(),
            Self::Snapshot(_) => "replica.snapshot",
            Self::Ledger(error) => error.code(),
            Self::Note(NoteError::Ledger(error)) => error.code(),
            Self::Note(NoteError::Store(error)) => error.code(),
            Self::Note(_) => "replica.note",
            Self::Generation => "replica.generation",
            Self::Read(error) => error.code(),
            Self::TooMuch(_) => "replica.too-much",
            Self::Stopped => "replica.stopped",
        }
    }

    /// Whether the same may well succeed later, with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Remote(error) | Self::Read(ReadError::Remote(error)) => {
                !matches!(error, RemoteError::Refused(_) | RemoteError::CutOff)
            }
            Self::Snapshot(SnapshotError::Gone) => true,
            Self::Snapshot(SnapshotError::Store(error)) | Self::Store(error) => {
                matches!(error, StoreError::Medium { .. })
            }
            Self::Ledger(error) | Self::Note(NoteError::Ledger(error)) => {
                matches!(error, LedgerAccessError::Medium { .. })
            }
            Self::Note(NoteError::Store(error)) => matches!(error, StoreError::Medium { .. }),
            // Seen twice in a row, it counts as lost and is made anew.
            Self::Read(ReadError::Damaged(ReplicaError::Damaged) | ReadError::OtherObject) => true,
            _ => false,
        }
    }
}

impl RemoteError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Offline(_) => "replica.offline",
            Self::OtherGeneration => "replica.other-generation",
            Self::PartsMissing => "replica.parts-missing",
            Self::Missing { .. } => "replica.missing",
            Self::CutOff => "replica.cut-off",
            Self::Refused(_) => "replica.refused",
        }
    }
}

/// Why a point cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The server.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// An object does not open.
    #[error(transparent)]
    Damaged(#[from] ReplicaError),
    /// The server gave other bytes than those of this name.
    #[error("the company's server gave another object than was asked for")]
    OtherObject,
    /// Where it is written to.
    #[error("cannot write what is restored")]
    Write(#[source] VolumeError),
    /// Someone asked to stop.
    #[error("stopped")]
    Stopped,
}

impl ReadError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remote(error) => error.code(),
            Self::Damaged(error) => error.code(),
            Self::OtherObject => "replica.other-object",
            Self::Write(_) => "replica.write",
            Self::Stopped => "replica.cancelled",
        }
    }
}
