//! One device, one request at a time, in order of arrival: when each is done. Pure; times are since any fixed moment.
//!
//! Waking up at a given moment is never exact, and the way through FUSE takes time that a kernel's file system does not
//! need. Left alone, a program that waits for each answer would see a slower device than the model's. So the lateness
//! of the last answer and [`TRANSPORT`] count as if the next request had come that much earlier; never earlier than the
//! device was free. A program's own thinking time is *not* forgiven.

use std::time::Duration;

/// What a request and its answer need on their way through FUSE beyond a system call (measured here: 40 to 60 µs).
pub const TRANSPORT: Duration = Duration::from_micros(40);

/// When the device is busy.
#[derive(Debug, Default)]
pub struct Schedule {
    free_at: Duration,
    lateness: Duration,
}

impl Schedule {
    /// Whether a request that arrives at `now` has to wait for others.
    pub fn is_busy(&self, now: Duration) -> bool {
        now < self.free_at
    }

    /// Takes a request of that `cost` at `now`; returns when it is done.
    pub fn admit(&mut self, now: Duration, cost: Duration) -> Duration {
        let arrived = now.saturating_sub(self.lateness + TRANSPORT);
        let start = arrived.max(self.free_at).min(now.max(self.free_at));
        self.free_at = start + cost;
        self.lateness = Duration::ZERO;
        self.free_at
    }

    /// Notes that an answer due at `due` left at `now`.
    pub fn answered(&mut self, due: Duration, now: Duration) {
        // Only the newest answer says how late its receiver is.
        if due == self.free_at {
            self.lateness = now.saturating_sub(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn requests_queue() {
        let mut schedule = Schedule::default();
        assert!(!schedule.is_busy(us(1000)));
        let first = schedule.admit(us(1000), us(500));
        assert!(schedule.is_busy(us(1100)));
        assert_eq!(schedule.admit(us(1100), us(500)), first + us(500));
    }

    #[test]
    fn lateness_does_not_add_up() {
        let mut schedule = Schedule::default();
        let begin = schedule.admit(us(1000), us(200));
        let mut due = begin;
        for _ in 0..100 {
            // woken 70 µs late, and 30 µs on the way
            schedule.answered(due, due + us(70));
            due = schedule.admit(due + us(100), us(200));
        }
        assert_eq!(due - begin, us(100 * 200));
    }

    #[test]
    fn thinking_time_counts() {
        let mut schedule = Schedule::default();
        let first = schedule.admit(us(1000), us(200));
        schedule.answered(first, first);
        let second = schedule.admit(first + us(1000), us(200));
        assert_eq!(second - first, us(1000) - TRANSPORT + us(200));
    }
}
