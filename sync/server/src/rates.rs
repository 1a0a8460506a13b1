//! How often one may ask: a token bucket for each stick, tenant and address, in this replica's memory.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gobag_protocol::{error::Code, ids::TenantName};

use crate::{
    config::{self, Rate},
    refusal::{Answer, Refusal},
    store::StickKey,
};

/// Buckets of one kind kept at most; full ones go first, for they say nothing.
const MOST_BUCKETS: usize = 100_000;

/// All buckets.
pub(crate) struct Rates {
    sticks: Buckets<StickKey>,
    tenants: Buckets<TenantName>,
    addresses: Buckets<IpAddr>,
}

impl Rates {
    /// All full.
    pub(crate) fn new(rates: &config::Rates) -> Self {
        Self {
            sticks: Buckets::new(rates.stick),
            tenants: Buckets::new(rates.tenant),
            addresses: Buckets::new(rates.address),
        }
    }

    /// One request of a stick.
    pub(crate) fn stick(&self, stick: &StickKey, now: Instant) -> Answer<()> {
        self.sticks.take(stick, now)?;
        self.tenants.take(&stick.tenant, now)
    }

    /// One request of a person.
    pub(crate) fn person(&self, tenant: &TenantName, now: Instant) -> Answer<()> {
        self.tenants.take(tenant, now)
    }

    /// One request of nobody known.
    pub(crate) fn address(&self, address: IpAddr, now: Instant) -> Answer<()> {
        // Who has one IPv6 address has all of its network.
        let address = match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
            v4 => v4,
        };
        self.addresses.take(&address, now)
    }
}

struct Buckets<K> {
    rate: Rate,
    /// When each bucket is full again. A bucket that is not there is full.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: Mutex::default(),
        }
    }

    fn take(&self, key: &K, now: Instant) -> Answer<()> {
        let one = Duration::from_secs(1) / self.rate.a_second.max(1);
        let all = one * self.rate.burst.max(1);
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, full_at| *full_at > now);
        }
        let full_at = buckets
            .get(key)
            .copied()
            .filter(|full_at| *full_at > now)
            .unwrap_or(now);
        let after = full_at + one;
        if after > now + all {
            let wait = after - (now + all);
            return Err(
                Refusal::new(Code::RequestTooMany, "more requests than are allowed")
                    .retry_after(wait.as_secs() + 1),
            );
        }
        // While all of so many are busy, newcomers are let in uncounted rather than refused.
        if buckets.len() < MOST_BUCKETS || buckets.contains_key(key) {
            buckets.insert(key.clone(), after);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_so_many_a_second_and_nobody_pays_for_another() {
        let buckets = Buckets::<u8>::new(Rate {
            a_second: 2,
            burst: 3,
        });
        let start = Instant::now();
        let taken = |key, ms| buckets.take(&key, start + Duration::from_millis(ms)).is_ok();
        assert!((0..3).all(|_| taken(1, 0)));
        assert!(!taken(1, 0) && !taken(1, 400));
        assert!(taken(2, 0));
        assert!(taken(1, 500) && !taken(1, 600) && taken(1, 1000));
        assert!((0..3).all(|_| taken(1, 60_000)) && !taken(1, 60_000));
    }
}
