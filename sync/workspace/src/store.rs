//! Where packs and heads are kept.

use std::{error::Error, ops::Range};

use gobag_format::{digest::Digest, ids::PointId};
use thiserror::Error;

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It could not be reached, or not now; later it may.
    #[error("where the workspace is kept cannot be reached")]
    Offline(#[source] Box<dyn Error + Send + Sync>),
    /// Somebody else published a point since.
    #[error("somebody else changed the workspace at the same moment")]
    Raced,
    /// Some packs of a new point are not there any more: they waited too long for it.
    #[error("parts of what was sent are gone again")]
    Gone,
    /// It has not got what it was asked for.
    #[error("a part of the workspace is missing")]
    Missing,
    /// There is no more room.
    #[error("there is no room left where the workspace is kept")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// It said no.
    #[error("where the workspace is kept, this was refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

/// A point as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// Its generation.
    pub generation: u64,
    /// Sealed.
    pub head: Vec<u8>,
}

/// That there is a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPoint {
    /// Its generation.
    pub generation: u64,
    /// When it was made, by the store's clock: seconds since 1970 UTC.
    pub made_s: Option<u64>,
}

/// A point to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHead {
    /// One more than that of the point it is built on; 1 for the first.
    pub generation: u64,
    /// This attempt: sent again, it is the same point.
    pub point: PointId,
    /// The attempt that made the point it is built on.
    pub after: Option<PointId>,
    /// Sealed.
    pub head: Vec<u8>,
    /// Packs that the point before did not have.
    pub adds: Vec<Digest>,
    /// Packs of the point before that nothing in this one needs.
    pub drops: Vec<Digest>,
}

/// Keeps the packs and heads of one workspace. Calls wait until they are done, and try again what is worth it.
///
/// A pack that was put is durable, with [`crate::Ahead`] once a point names it, and stays: for days without a point that names it, and for as long as a point does. Of those who publish on the same
/// point one does, whole or not at all.
pub trait Store: Send + Sync {
    /// The newest point; none: there is none yet.
    fn newest(&self) -> Result<Option<StoredHead>, StoreError>;
    /// The head of the point of a generation; none: it is not kept.
    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// Points that are kept, of generations before this one, the newest first: some of them; none: there are no more.
    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError>;
    /// These bytes of a pack, not checked; all of it without a range.
    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError>;
    /// Which of these packs, that points named, it has lost: what was in them is sent again as far as it is known here. One that cannot say it at once says none.
    fn missing(&self, _packs: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        Ok(Vec::new())
    }
    /// Keeps a pack; once more is no harm.
    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError>;
    /// Whether it keeps packs that a point drops as long as it keeps a point from before that one, and no longer. Else it is given none to drop.
    fn lets_go(&self) -> bool;
    /// Publishes a point, durably, if no other was since.
    fn publish(&self, new: &NewHead) -> Result<(), StoreError>;
}
