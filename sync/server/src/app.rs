//! What every request has at hand.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use gobag_protocol::{ids::TenantName, people::Pruned};

use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    config::{Leases, Quotas},
    lease::LeaseKeys,
    metrics::Metrics,
    news::News,
    rates::Rates,
    refusal::Answer,
    store::{
        blobs::Blobs,
        database::Database,
        leases::Issuer,
        prune::Pruner,
        ticks::{self, Belief},
    },
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
    pub(crate) news: News,
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

impl App {
    /// Notes the time, if it can be right.
    pub(crate) async fn tick(&self) -> Answer<Belief> {
        let belief = ticks::tick(&self.database, self.clock.now_s()).await?;
        let is_doubtful = u64::from(!belief.is_right());
        self.metrics.clock_doubtful.store(is_doubtful, Relaxed);
        Ok(belief)
    }

    /// Prunes, and counts it.
    pub(crate) async fn prune(&self, tenant: Option<&TenantName>, dry_run: bool, by: &str) -> Answer<Pruned> {
        let pruner = Pruner {
            database: &self.database,
            blobs: &self.blobs,
            clock: &self.clock,
            by,
        };
        let pruned = pruner.prune(tenant, dry_run).await?;
        if !dry_run {
            let metrics = &self.metrics;
            metrics.prunings.fetch_add(1, Relaxed);
            metrics.sticks_not_pruned.fetch_add(pruned.failed, Relaxed);
            metrics.points_pruned.fetch_add(pruned.points, Relaxed);
            metrics.objects_pruned.fetch_add(pruned.objects, Relaxed);
            metrics
                .object_bytes_pruned
                .fetch_add(pruned.object_bytes, Relaxed);
        }
        Ok(pruned)
    }
}

/// How requests share it.
pub(crate) type Shared = Arc<App>;
