//! What the company's thread has of a session: the stick, as long as the session lasts, and the request that is under way.
//!
//! The stick is held for the time of one look or change alone, so that the end of a session never waits for the network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gobag_bundle::ledger::LedgerAccessError;
use gobag_client::{Client, UploadLimit};
use gobag_format::ledger::LedgerRecord;

use super::{Replicating, Trouble};
use crate::{control::Board, open::Work};

/// Shared by the session and the thread.
pub(crate) struct Desk {
    work: Mutex<Option<Arc<Work>>>,
    client: Mutex<Option<Client>>,
    /// Keeps the company in step; before a start nothing does.
    replicating: Option<(Arc<Replicating>, Board)>,
}

impl Desk {
    pub(crate) fn new(work: &Arc<Work>) -> Self {
        Self {
            work: Mutex::new(Some(Arc::clone(work))),
            client: Mutex::new(None),
            replicating: None,
        }
    }

    /// One by which the company is kept in step, too; how that stands is shown on the board.
    pub(crate) fn replicating(self, replicating: &Arc<Replicating>, board: &Board) -> Self {
        Self {
            replicating: Some((Arc::clone(replicating), board.clone())),
            ..self
        }
    }

    /// Keeps the company in step by this client, which was let in.
    pub(crate) fn replicate_by(&self, client: &Client) -> Result<(), Trouble> {
        let Some((replicating, board)) = &self.replicating else {
            return Ok(());
        };
        // Under the desk's lock: a session that ends meanwhile waits for what is begun here.
        self.with(|work| replicating.by(client.clone(), || work.session().replica(), board))
    }

    /// How fast changes may leave; nothing else is so large that it would matter.
    pub(crate) fn upload_limit(&self) -> UploadLimit {
        let replicating = self.replicating.as_ref();
        replicating.map_or_else(UploadLimit::default, |(replicating, _)| {
            replicating.upload_limit()
        })
    }

    /// Does something with the stick; the session does not end meanwhile.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Work) -> T) -> Result<T, Trouble> {
        let work = lock(&self.work);
        work.as_deref().map(act).ok_or(Trouble::Over)
    }

    /// What the ledger says.
    pub(crate) fn ledger(&self) -> Result<LedgerRecord, Trouble> {
        Ok(self.with(|work| work.session().bundle().ledger())??)
    }

    /// Changes what the ledger says.
    pub(crate) fn change(&self, change: impl FnOnce(&mut LedgerRecord)) -> Result<(), Trouble> {
        let changed: Result<(), LedgerAccessError> =
            self.with(|work| work.session().bundle().change_ledger(change))?;
        Ok(changed?)
    }

    /// From now on requests are made by this client, and broken off when the session ends.
    pub(crate) fn speak_by(&self, client: &Client) -> Result<(), Trouble> {
        *lock(&self.client) = Some(client.clone());
        // It may have ended between.
        self.with(|_| ()).inspect_err(|_| client.close())
    }

    /// The stick is needed elsewhere: from now on contacts are over.
    pub(crate) fn leave_stick(&self) {
        *lock(&self.work) = None;
    }

    /// The session ends.
    pub(crate) fn leave(&self) {
        self.leave_stick();
        if let Some(client) = lock(&self.client).take() {
            client.close();
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
