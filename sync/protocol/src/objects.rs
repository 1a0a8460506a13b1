//! Which objects are missing.

use serde::{Deserialize, Serialize};

use crate::{bounded::Bounded, ids::ObjectId, limits::MAX_MISSING_IDS};

/// The body of `POST /v1/objects/missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRequest {
    /// What the stick would like to be there.
    pub ids: Bounded<ObjectId, MAX_MISSING_IDS>,
}

/// Its answer: those of them that are not there, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub missing: Vec<ObjectId>,
}
