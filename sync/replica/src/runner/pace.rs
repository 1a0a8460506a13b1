//! How much a pass takes, and when the next one comes.

use std::time::Duration;

use super::{EVERY, status::Problem};
use crate::{
    error::SendError,
    sender::{self, Passed},
};

/// What a pass takes at least, and at most as long as passes gain on the guest, bytes.
const LEAST_BYTES: u64 = 4 << 20;
/// What it takes at least on a line that breaks, or that is to be slow.
const FEWEST_BYTES: u64 = 1 << 20;
const MOST_BYTES: u64 = 256 << 20;
/// How long a pass that leaves something over should take, seconds: what is lost when it is cut.
const PASS_S: u64 = 60;
/// Passes in a row that left no less than they found, after which it is said.
const LOSING: u32 = 3;
/// The longest wait for a network.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The wait after a refusal that only people can lift.
const REFUSED_WAIT: Duration = Duration::from_secs(600);

/// How much a pass takes, and when the next one comes.
pub(super) struct Pace {
    pub(super) most_bytes: u64,
    pub(super) bytes_per_s: Option<u64>,
    failures: u32,
    left_before: u64,
    losing: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            most_bytes: 32 << 20,
            bytes_per_s: None,
            failures: 0,
            left_before: u64::MAX,
            losing: 0,
        }
    }
}

impl Pace {
    /// Learns from a pass that took so long and left so much; returns from its begin to that of the next.
    pub(super) fn after(
        &mut self,
        passed: &Result<Passed, SendError>,
        took: Duration,
        left: u64,
    ) -> Duration {
        match passed {
            Ok(Passed::Nothing | Passed::Unreadable { more: false, .. }) => {
                self.failures = 0;
                EVERY
            }
            Ok(Passed::Unreadable { more: true, .. }) => {
                self.failures = 0;
                self.reach(self.most_bytes.saturating_mul(2));
                EVERY
            }
            Ok(Passed::Point {
                complete,
                data_bytes,
                unreadable,
                more,
                ..
            }) => {
                self.failures = 0;
                self.learn(*data_bytes, took);
                let before = self.most_bytes;
                self.size(!more, left);
                if *more && *unreadable > 0 {
                    self.reach(before);
                }
                if *complete || *unreadable > 0 {
                    EVERY
                } else {
                    Duration::ZERO
                }
            }
            Err(error) if error.is_transient() => {
                self.failures = (self.failures + 1).min(16);
                // A line that breaks before so much is through gets less at once.
                self.most_bytes = (self.most_bytes / 2).max(FEWEST_BYTES);
                took + Duration::from_secs(1 << self.failures.min(9)).min(LONGEST_WAIT)
            }
            Err(_) => took + REFUSED_WAIT,
        }
    }

    /// What cannot be read comes first in every pass: one has to take more than that to come to what lies behind it.
    fn reach(&mut self, least_bytes: u64) {
        self.most_bytes = self.most_bytes.max(least_bytes).min(sender::MOST_BYTES);
        self.losing = self.losing.max(1);
    }

    /// Whether a pass can still come to take more.
    pub(super) fn can_reach_further(&self) -> bool {
        self.most_bytes < sender::MOST_BYTES
    }

    /// What the next pass takes, where so many bytes a second may leave: a point a minute, also then. Not while passes gain nothing on the guest.
    pub(super) fn most_bytes(&self, limit_bytes_per_s: Option<u64>) -> u64 {
        match limit_bytes_per_s {
            Some(limit) if self.losing == 0 => {
                let slow = limit.saturating_mul(PASS_S).max(FEWEST_BYTES);
                self.most_bytes.min(slow)
            }
            _ => self.most_bytes,
        }
    }

    /// That the guest writes more than the line takes.
    pub(super) fn problem(&self) -> Option<Problem> {
        (self.losing >= LOSING).then(|| Problem {
            code: "replica.too-slow".to_owned(),
            message: "more is written than the line to the company takes".to_owned(),
            passes: true,
        })
    }

    fn learn(&mut self, data_bytes: u64, took: Duration) {
        let millis = took.as_millis().max(1) as u64;
        if data_bytes >= LEAST_BYTES / 4 {
            let rate = data_bytes.saturating_mul(1000) / millis;
            // The newest counts half.
            self.bytes_per_s = Some(self.bytes_per_s.map_or(rate, |before| (before + rate) / 2));
        }
    }

    /// While passes gain on the guest they are short. When they do not, the next ones take ever more, until one takes
    /// everything: a point that is complete must come.
    fn size(&mut self, took_all: bool, left: u64) {
        self.losing = match !took_all && left >= self.left_before {
            true => self.losing + 1,
            false => 0,
        };
        self.left_before = if took_all { u64::MAX } else { left };
        let usual = self
            .bytes_per_s
            .map_or(LEAST_BYTES, |rate| rate.saturating_mul(PASS_S));
        let usual = usual.clamp(LEAST_BYTES, MOST_BYTES) << self.losing.min(8);
        // After failures it grows again step by step.
        self.most_bytes = match self.losing {
            0 => usual.min(self.most_bytes.saturating_mul(2)),
            _ => usual,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(complete: bool, data_bytes: u64) -> Result<Passed, SendError> {
        Ok(Passed::Point {
            generation: 1,
            time_s: 0,
            complete,
            data_bytes,
            unreadable: 0,
            more: !complete,
        })
    }

    #[test]
    fn what_lies_behind_damage_is_reached_whatever_the_allowance() {
        let mut pace = Pace::default();
        let (second, slow) = (Duration::from_secs(1), Some(10_000));
        let damaged: u64 = 3 << 30;
        let mut passes = 0;
        while pace.most_bytes(slow) <= damaged {
            let passed = Ok(Passed::Unreadable { runs: 9, more: true });
            assert_eq!(pace.after(&passed, second, 5 << 30), EVERY);
            passes += 1;
            assert!(passes < 12);
        }
        // It stays there until all that lies behind is sent.
        let passed = Ok(Passed::Point {
            generation: 1,
            time_s: 0,
            complete: false,
            data_bytes: 4 << 30,
            unreadable: 9,
            more: true,
        });
        pace.after(&passed, second, 4 << 30);
        assert!(pace.most_bytes(slow) > damaged);
        assert_eq!(pace.problem(), None);
        pace.after(&point(true, 1 << 30), second, 0);
        assert!(pace.most_bytes <= MOST_BYTES);
    }

    #[test]
    fn passes_are_a_minute_long_and_follow_each_other_while_something_is_left() {
        let mut pace = Pace::default();
        let second = Duration::from_secs(1);
        assert_eq!(
            pace.after(&point(false, 2 << 20), second, 100 << 20),
            Duration::ZERO
        );
        assert_eq!(pace.bytes_per_s, Some(2 << 20));
        assert_eq!(pace.most_bytes, 64 << 20);
        assert_eq!(pace.after(&point(true, 1 << 20), second, 0), EVERY);
        assert_eq!(pace.after(&Ok(Passed::Nothing), second, 0), EVERY);
    }

    #[test]
    fn a_guest_that_writes_faster_than_the_line_still_gets_a_complete_point() {
        let mut pace = Pace::default();
        assert_eq!(pace.problem(), None);
        let mut most = 0;
        for _ in 0..12 {
            pace.after(&point(false, 1 << 20), Duration::from_secs(1), 10 << 30);
            most = most.max(pace.most_bytes);
        }
        assert!(most >= 10 << 30, "{most}");
        assert_eq!(pace.problem().unwrap().code, "replica.too-slow");
        pace.after(&point(true, 10 << 30), Duration::from_secs(3600), 0);
        assert!(pace.most_bytes <= MOST_BYTES && pace.problem().is_none());
    }

    #[test]
    fn a_pass_on_a_slow_allowance_is_short_until_the_guest_is_faster() {
        let mut pace = Pace::default();
        assert_eq!(pace.most_bytes(None), 32 << 20);
        assert_eq!(pace.most_bytes(Some(100_000)), 6_000_000);
        assert_eq!(pace.most_bytes(Some(1)), FEWEST_BYTES);
        assert_eq!(pace.most_bytes(Some(u64::MAX)), 32 << 20);
        for _ in 0..12 {
            pace.after(&point(false, 1 << 20), Duration::from_secs(10), 10 << 30);
        }
        assert!(
            pace.most_bytes(Some(100_000)) > 6_000_000,
            "it has to catch up once"
        );
    }

    #[test]
    fn waits_grow_to_five_minutes_and_end_with_success() {
        let mut pace = Pace::default();
        let offline = || Err(SendError::Snapshot(gobag_bundle::store::SnapshotError::Gone));
        let waits: Vec<u64> = (0..10)
            .map(|_| pace.after(&offline(), Duration::ZERO, 0).as_secs())
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pace.after(&Ok(Passed::Nothing), Duration::ZERO, 0), EVERY);
        assert_eq!(pace.after(&offline(), Duration::ZERO, 0).as_secs(), 2);
        let refused = Err(SendError::Generation);
        assert_eq!(pace.after(&refused, Duration::ZERO, 0), REFUSED_WAIT);
    }
}
