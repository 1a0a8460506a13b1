//! What the sticks and workspaces of a tenant take in all, as this server saw it a moment ago.
//!
//! A row of the tenant that every upload changes would be one that all its sticks wait for, on all servers (docs/capacity.md has what that cost). So
//! the sum over its owners is taken again when it is [`FRESH`] old, and for every upload while less than a [`SLACK`]th of the quota is left; in
//! between, a server adds what it takes in itself. Past its quota a tenant gets by what is under way at one moment, or by what other servers take in
//! within [`FRESH`] if that is more than the slack.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gobag_protocol::ids::TenantName;
use sqlx::{AnyConnection, Row};

use crate::{refusal::Answer, store::unsigned};

/// How long a sum is good.
const FRESH: Duration = Duration::from_secs(10);
/// The part of a quota that has to be left for a sum to be good.
const SLACK: u64 = 64;

/// The sums of all tenants that sent something lately.
#[derive(Default)]
pub(in crate::store) struct Sums(Mutex<HashMap<TenantName, Sum>>);

struct Sum {
    bytes: u64,
    seen: Instant,
}

impl Sums {
    /// Whether so many bytes more certainly fit, by what was seen lately.
    pub(super) fn fits(&self, tenant: &TenantName, bytes: u64, quota: u64) -> bool {
        let sums = self.lock();
        sums.get(tenant).is_some_and(|sum| sum.fits(bytes, quota))
    }

    /// Adds so many bytes, which are in the database, if they certainly fit.
    pub(super) fn add(&self, tenant: &TenantName, bytes: u64, quota: u64) -> bool {
        let mut sums = self.lock();
        let Some(sum) = sums.get_mut(tenant).filter(|sum| sum.fits(bytes, quota)) else {
            return false;
        };
        sum.bytes += bytes;
        true
    }

    /// Takes the sum anew, with what `connection` has not committed yet.
    pub(super) async fn look(&self, connection: &mut AnyConnection, tenant: &TenantName) -> Answer<u64> {
        let sql = "SELECT CAST(COALESCE(SUM(bytes + row_bytes), 0) AS BIGINT) FROM owners WHERE tenant = $1";
        let row = sqlx::query(sql)
            .bind(tenant.as_str().to_owned())
            .fetch_one(connection)
            .await?;
        let bytes = unsigned(row.try_get(0)?);
        let seen = Instant::now();
        self.lock().insert(tenant.clone(), Sum { bytes, seen });
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, Sum>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sum {
    fn fits(&self, bytes: u64, quota: u64) -> bool {
        let good = quota - quota / SLACK;
        self.seen.elapsed() < FRESH && self.bytes.saturating_add(bytes) <= good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sum_and_one_near_the_quota_say_nothing() {
        let tenant = TenantName::parse("acme").unwrap();
        let sums = Sums::default();
        assert!(!sums.fits(&tenant, 0, 1600), "nobody has looked");
        let saw = |bytes, seen| sums.lock().insert(tenant.clone(), Sum { bytes, seen });
        saw(1000, Instant::now());
        assert!(sums.add(&tenant, 400, 1600));
        assert!(sums.fits(&tenant, 175, 1600) && !sums.fits(&tenant, 176, 1600));
        assert!(!sums.add(&tenant, 176, 1600) && !sums.add(&tenant, u64::MAX, 1600));
        saw(0, Instant::now() - FRESH);
        assert!(!sums.fits(&tenant, 0, 1600) && !sums.add(&tenant, 0, 1600));
    }
}
