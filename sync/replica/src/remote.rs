//! What a server must be able to do for a replica.

use std::{error::Error, sync::Arc};

use gobag_protocol::{
    ids::ObjectId,
    points::{MadePoint, NewPoint, Part},
};
use thiserror::Error;

/// A point as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPoint {
    /// Its generation.
    pub generation: u64,
    /// The server's time of it, seconds since 1970 UTC.
    pub time_s: u64,
    /// Its head ([`gobag_format::replica::ReplicaHead`]).
    pub head: Vec<u8>,
}

/// Why a server did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It could not be reached, or not now; later it may.
    #[error("the company's server cannot be reached")]
    Offline(#[source] Box<dyn Error + Send + Sync>),
    /// Another point was made since the one this was built on.
    #[error("the company's server has another newest point")]
    OtherGeneration,
    /// It has not got all the ids that were sent before the point.
    #[error("the company's server does not have all parts of the point")]
    PartsMissing,
    /// It has not got what it was asked for.
    #[error("the company's server does not have {what}")]
    Missing {
        /// What.
        what: String,
    },
    /// The company cut the stick off.
    #[error("the company cut this stick off")]
    CutOff,
    /// It said no.
    #[error("the company's server refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

/// What is kept of one stick's line `volumes`, to be read. Several threads may call at once; calls wait until they are done.
pub trait Archive: Sync {
    /// The newest point.
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError>;
    /// The point of a generation.
    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError>;
    /// An object's bytes, not checked.
    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError>;
}

/// The same, to be written to.
pub trait Remote: Archive {
    /// Hands over an object; once more is no harm.
    fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), RemoteError>;
    /// Which of these objects it has not got.
    fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError>;
    /// More ids for the point that its request will make.
    fn part(&self, part: &Part) -> Result<(), RemoteError>;
    /// Makes a point; the same request again gives the same answer.
    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError>;
}

impl<R: Archive + Send + ?Sized> Archive for Arc<R> {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        (**self).newest()
    }

    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        (**self).point(generation)
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        (**self).get(id)
    }
}

impl<R: Remote + Send + ?Sized> Remote for Arc<R> {
    fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), RemoteError> {
        (**self).put(id, sealed)
    }

    fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        (**self).missing(ids)
    }

    fn part(&self, part: &Part) -> Result<(), RemoteError> {
        (**self).part(part)
    }

    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError> {
        (**self).publish(point)
    }
}
