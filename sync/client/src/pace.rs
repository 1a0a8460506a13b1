//! How fast bytes leave, and one place where everything that waits can be told to stop.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Fewer bytes a second are not asked for: the server ends a request after a quarter of an hour, and a few of a megabyte are under way at once.
const LEAST_BYTES_PER_S: u64 = 16 << 10;

/// How fast bytes may leave, by all clients together that were given a clone of it. It may change while they work.
#[derive(Debug, Clone, Default)]
pub struct UploadLimit(Arc<Mutex<Rate>>);

#[derive(Debug, Default)]
struct Rate {
    bytes_per_s: Option<u64>,
    /// When the next byte may leave.
    next: Option<Instant>,
}

impl UploadLimit {
    /// At most so many bytes a second (at least 16 KiB/s, though less is said); `None`: as fast as the line takes them.
    pub fn new(bytes_per_s: Option<u64>) -> Self {
        let limit = Self::default();
        limit.set(bytes_per_s);
        limit
    }

    /// The same from now on; what already waits for its turn is not asked again.
    pub fn set(&self, bytes_per_s: Option<u64>) {
        lock(&self.0).bytes_per_s = bytes_per_s.map(|rate| rate.max(LEAST_BYTES_PER_S));
    }

    /// What counts now, bytes a second.
    pub fn get(&self) -> Option<u64> {
        lock(&self.0).bytes_per_s
    }

    /// Takes a turn for so many bytes; returns how long to wait for it.
    pub fn reserve(&self, bytes: usize) -> Duration {
        let mut limit = lock(&self.0);
        let Some(rate) = limit.bytes_per_s else {
            limit.next = None;
            return Duration::ZERO;
        };
        let now = Instant::now();
        let start = limit.next.map_or(now, |next| next.max(now));
        limit.next = Some(start + Duration::from_secs_f64(bytes as f64 / rate as f64));
        start.saturating_duration_since(now)
    }
}

/// Shared by all connections of a client.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: UploadLimit,
    is_closed: Mutex<bool>,
    closing: Condvar,
}

impl Pace {
    pub(crate) fn new(limit: UploadLimit) -> Self {
        Self {
            limit,
            is_closed: Mutex::new(false),
            closing: Condvar::new(),
        }
    }

    /// Waits until `bytes` more may leave; false if the client was closed.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        self.pause(self.limit.reserve(bytes))
    }

    /// Waits; false if the client was closed.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let is_closed = lock(&self.is_closed);
        if time.is_zero() {
            return !*is_closed;
        }
        let waited = self
            .closing
            .wait_timeout_while(is_closed, time, |is_closed| !*is_closed);
        let (is_closed, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*is_closed
    }

    pub(crate) fn close(&self) {
        *lock(&self.is_closed) = true;
        self.closing.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        *lock(&self.is_closed)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn who_takes_together_shares_the_rate() {
        let limit = UploadLimit::new(Some(400_000));
        // By whatever client.
        let paces = [Pace::new(limit.clone()), Pace::new(limit)].map(Arc::new);
        let begin = Instant::now();
        let takers: Vec<_> = (0..4)
            .map(|nth| {
                let pace = Arc::clone(&paces[nth % 2]);
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
        assert!(Pace::new(UploadLimit::default()).take(usize::MAX));
    }

    #[test]
    fn a_limit_that_changes_counts_from_the_next_byte_on() {
        let limit = UploadLimit::new(Some(1));
        assert_eq!(limit.get(), Some(LEAST_BYTES_PER_S));
        assert_eq!(limit.reserve(LEAST_BYTES_PER_S as usize), Duration::ZERO);
        assert!(limit.reserve(1) > Duration::from_millis(900));
        limit.set(None);
        assert_eq!(limit.reserve(usize::MAX), Duration::ZERO);
        limit.set(Some(1 << 20));
        assert_eq!(limit.reserve(1), Duration::ZERO, "nothing is owed from before");
    }

    #[test]
    fn closing_ends_every_wait() {
        let pace = Arc::new(Pace::new(UploadLimit::new(Some(1))));
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
