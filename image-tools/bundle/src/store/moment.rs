//! Where the log ends: what a witness outside of the stick remembers.

use std::sync::Arc;

use gobag_format::{crypto::Random, log::ChainTag};

use super::{Clock, LogKeys, Store, StoreError, StoreOptions, lock};
use crate::{medium::Medium, memory::Refused};

/// Says whether a log that ends with this record may be opened.
pub(crate) type Judge<'a> = &'a dyn Fn(u64, ChainTag) -> Result<(), Box<Refused>>;

impl Store {
    /// Opens the log: finds the newest checkpoint and replays what came after. Unless read-only, a replayed
    /// log gets a new checkpoint, so that repeated crashes never add up.
    pub fn open(
        medium: Arc<dyn Medium>,
        keys: LogKeys,
        random: Arc<dyn Random>,
        clock: Clock,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        Self::open_judged(medium, keys, random, clock, options, &|_, _| Ok(()))
    }

    /// Number and tag of the last record that counts. Its flush has returned; of a log opened for keeping what is written,
    /// also what was found is durable.
    pub fn last_record(&self) -> (u64, ChainTag) {
        let position = lock(&self.writer).position;
        (position.seq, position.tag)
    }
}
