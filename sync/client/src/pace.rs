//! How fast bytes leave, and one place where everything that waits can be told to stop.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Fewer bytes a second are not asked for: the server gives up on a body that stands still for a minute.
const LEAST_BYTES_PER_S: u64 = 4 << 10;

/// Shared by all connections of a client.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_s: Option<u64>,
    state: Mutex<State>,
    closing: Condvar,
}

#[derive(Debug)]
struct State {
    /// When the next byte may leave.
    next: Instant,
    is_closed: bool,
}

impl Pace {
    pub(crate) fn new(bytes_per_s: Option<u64>) -> Self {
        Self {
            bytes_per_s: bytes_per_s.map(|rate| rate.max(LEAST_BYTES_PER_S)),
            state: Mutex::new(State {
                next: Instant::now(),
                is_closed: false,
            }),
            closing: Condvar::new(),
        }
    }

    /// Waits until `bytes` more may leave; false if the client was closed.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let Some(rate) = self.bytes_per_s else {
            return !self.is_closed();
        };
        let start = {
            let mut state = self.lock();
            let start = state.next.max(Instant::now());
            state.next = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
            start
        };
        self.pause(start.saturating_duration_since(Instant::now()))
    }

    /// Waits; false if the client was closed.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .closing
            .wait_timeout_while(state, time, |state| !state.is_closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.closing.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn who_takes_together_shares_the_rate() {
        let pace = Arc::new(Pace::new(Some(400_000)));
        let begin = Instant::now();
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let pace = Arc::clone(&pace);
                thread::spawn(move || (0..5).all(|_| pace.take(10_000)))
            })
            .collect();
        for taker in takers {
            assert!(taker.join().unwrap());
        }
        // 200,000 bytes at 400,000 a second; the first 10,000 leave at once.
        assert!(
            begin.elapsed() >= Duration::from_millis(470),
            "{:?}",
            begin.elapsed()
        );
        assert!(Pace::new(None).take(usize::MAX));
    }

    #[test]
    fn closing_ends_every_wait() {
        let pace = Arc::new(Pace::new(Some(LEAST_BYTES_PER_S)));
        assert!(pace.take(1 << 30));
        let waiting = {
            let pace = Arc::clone(&pace);
            thread::spawn(move || pace.take(1))
        };
        pace.close();
        assert!(!waiting.join().unwrap());
        assert!(!pace.pause(Duration::from_secs(3600)));
    }
}
