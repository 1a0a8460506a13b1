//! What every request has at hand.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    config::{Leases, Quotas},
    lease::LeaseKeys,
    metrics::Metrics,
    rates::Rates,
    store::{blobs::Blobs, database::Database, leases::Issuer},
    tls::Ca,
};

/// One server.
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) blobs: Blobs,
    pub(crate) ca: Ca,
    pub(crate) lease_keys: LeaseKeys,
    pub(crate) clock: Clock,
    pub(crate) quotas: Quotas,
    pub(crate) leases: Leases,
    pub(crate) rates: Rates,
    pub(crate) metrics: Metrics,
    /// Turns for bodies in memory.
    pub(crate) bodies: Arc<Semaphore>,
}

impl App {
    /// What makes leases.
    pub(crate) fn issuer(&self) -> Issuer<'_> {
        Issuer {
            keys: &self.lease_keys,
            leases: &self.leases,
        }
    }
}

/// How requests share it.
pub(crate) type Shared = Arc<App>;
