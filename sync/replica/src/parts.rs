//! Index parts as they are fetched: opened once, the last of them kept.

use std::{iter, sync::Arc};

use gobag_format::{
    digest::Digest,
    replica::{HeadLayer, IndexPart, IndexRun, Kind, ReplicaKeys},
};
use gobag_protocol::ids::ObjectId;
use quick_cache::{Weighter, sync::Cache};

use crate::{error::ReadError, overlay::overlay, remote::Archive};

/// Runs kept in memory, of all parts together; one takes 64 bytes.
const KEPT_RUNS: u64 = 256 << 10;
/// Runs that a part is expected to have, for the cache's tables.
const USUAL_RUNS: u64 = 1 << 10;

#[derive(Clone)]
struct ByRuns;

impl Weighter<Digest, Arc<IndexPart>> for ByRuns {
    fn weight(&self, _id: &Digest, part: &Arc<IndexPart>) -> u64 {
        part.runs.len() as u64 + 1
    }
}

/// Opened parts, by their object.
pub(crate) struct Parts(Cache<Digest, Arc<IndexPart>, ByRuns>);

impl Parts {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(
            (KEPT_RUNS / USUAL_RUNS) as usize,
            KEPT_RUNS,
            ByRuns,
        ))
    }

    /// A part that was just made.
    pub(crate) fn keep(&self, id: Digest, part: IndexPart) {
        self.0.insert(id, Arc::new(part));
    }

    pub(crate) fn get(
        &self,
        remote: &dyn Archive,
        keys: &ReplicaKeys,
        id: Digest,
    ) -> Result<Arc<IndexPart>, ReadError> {
        if let Some(part) = self.0.get(&id) {
            return Ok(part);
        }
        let plain = keys.open(Kind::Index, fetch(remote, id)?)?;
        let part = Arc::new(IndexPart::decode(&plain)?);
        self.0.insert(id, Arc::clone(&part));
        Ok(part)
    }

    /// The runs of a layer, in order, fetched part by part.
    pub(crate) fn runs<'a>(
        &'a self,
        remote: &'a dyn Archive,
        keys: &'a ReplicaKeys,
        layer: &'a HeadLayer,
    ) -> impl Iterator<Item = Result<IndexRun, ReadError>> + 'a {
        layer.parts.iter().flat_map(move |part| {
            let (runs, failed) = match self.get(remote, keys, part.id) {
                Ok(part) => (part.runs.clone(), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            runs.into_iter().map(Ok).chain(failed)
        })
    }

    /// What layers say, newest first, of each block the newest.
    pub(crate) fn overlaid<'a>(
        &'a self,
        remote: &'a dyn Archive,
        keys: &'a ReplicaKeys,
        layers: &'a [HeadLayer],
    ) -> Runs<'a> {
        let mut all: Runs<'a> = Box::new(iter::empty());
        for layer in layers {
            all = Box::new(overlay(all, self.runs(remote, keys, layer)));
        }
        all
    }
}

/// Runs, or why there are no more.
pub(crate) type Runs<'a> = Box<dyn Iterator<Item = Result<IndexRun, ReadError>> + 'a>;

/// An object, which has to be the one of this name.
pub(crate) fn fetch(remote: &dyn Archive, id: Digest) -> Result<Vec<u8>, ReadError> {
    let sealed = remote.get(ObjectId(id))?;
    match Digest::of(&sealed) == id {
        true => Ok(sealed),
        false => Err(ReadError::OtherObject),
    }
}
