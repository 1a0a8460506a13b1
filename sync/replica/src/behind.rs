//! Whether the company's copy falls behind: changes gather, and it does not get them. Pure.
//!
//! It is behind when, for longer than IT's target, there was neither a complete point nor less to send than at the best moment before. A
//! first copy that goes on is not behind, and neither is a line that carries all changes, however many there are.

use std::time::{Duration, Instant};

/// Looks at what is unsent, again and again.
#[derive(Debug)]
pub struct Behind {
    target: Duration,
    lowest_bytes: u64,
    complete_s: Option<u64>,
    since: Instant,
}

impl Behind {
    /// From now on.
    pub fn new(target: Duration, now: Instant) -> Self {
        Self {
            target,
            lowest_bytes: u64::MAX,
            complete_s: None,
            since: now,
        }
    }

    /// For how long it has not gone forward, if that is longer than the target. `complete_s` is when the last complete point was begun.
    pub fn look(&mut self, unsent_bytes: u64, complete_s: Option<u64>, now: Instant) -> Option<Duration> {
        let is_complete = complete_s > self.complete_s;
        // The first look is where it counts from.
        if is_complete || unsent_bytes == 0 || unsent_bytes < self.lowest_bytes {
            (self.lowest_bytes, self.since) = (unsent_bytes, now);
        }
        self.complete_s = self.complete_s.max(complete_s);
        let stands = now.saturating_duration_since(self.since);
        (unsent_bytes > 0 && stands > self.target).then_some(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gathers_and_is_not_taken_is_behind() {
        let start = Instant::now();
        let minute = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let hour = Duration::from_secs(3600);
        let mut behind = Behind::new(hour, start);
        // A first copy that takes three hours.
        for nth in 0..180 {
            assert_eq!(behind.look(1000 - nth, None, minute(nth)), None);
        }
        // In step, with a guest that always writes.
        for nth in 180..400 {
            let unsent = 1 + nth % 7 * 100;
            assert_eq!(behind.look(unsent, Some(nth), minute(nth)), None, "{nth}");
        }
        // Offline, and more and more.
        for nth in 400..=459 {
            assert_eq!(behind.look(nth, Some(399), minute(nth)), None, "{nth}");
        }
        let said = behind.look(500, Some(399), minute(461));
        assert_eq!(said, Some(Duration::from_secs(62 * 60)));
        // A point that is complete ends it.
        assert_eq!(behind.look(400, Some(462), minute(462)), None);
    }

    #[test]
    fn standing_still_with_something_unsent_is_behind_and_with_nothing_is_not() {
        let start = Instant::now();
        let later = start + Duration::from_secs(100);
        let mut behind = Behind::new(Duration::from_secs(60), start);
        assert_eq!(behind.look(5, None, start), None);
        assert_eq!(behind.look(5, None, later), Some(Duration::from_secs(100)));
        assert_eq!(behind.look(0, None, later), None);
        assert_eq!(behind.look(0, None, later + Duration::from_secs(100)), None);
    }
}
