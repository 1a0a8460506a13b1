//! The server's clock: the one place that asks the system for the time. Tests set it forward.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::store::signed;

use rustls::{pki_types::UnixTime, time_provider::TimeProvider};

/// Seconds since 1970 UTC. Clones tell the same time.
#[derive(Clone, Default, Debug)]
pub struct Clock {
    ahead_s: Arc<AtomicI64>,
}

impl Clock {
    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the server's one look at the clock")]
    pub fn now_s(&self) -> u64 {
        // A clock before 1970 is a clock at 1970.
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        system
            .as_secs()
            .saturating_add_signed(self.ahead_s.load(Ordering::Relaxed))
    }

    /// For tests: from now on the clock is so much further.
    pub fn advance(&self, seconds: u64) {
        self.ahead_s.fetch_add(signed(seconds), Ordering::Relaxed);
    }

    /// For tests: from now on the clock is so much further back.
    pub fn go_back(&self, seconds: u64) {
        self.ahead_s.fetch_sub(signed(seconds), Ordering::Relaxed);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.now_s())))
    }
}
