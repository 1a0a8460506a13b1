//! Speed, time left, and the words for them. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::human;
use crate::limits::SPEED_WINDOW;

/// Samples of a phase's recent past.
#[derive(Debug)]
pub(super) struct Meter {
    samples: VecDeque<(Duration, u64)>,
}

impl Default for Meter {
    /// Knows that at the beginning nothing was done.
    fn default() -> Self {
        Self {
            samples: VecDeque::from([(Duration::ZERO, 0)]),
        }
    }
}

impl Meter {
    /// `done` bytes after `elapsed`. Keeps one sample older than the window, so that slow steps still give a speed.
    pub(super) fn record(&mut self, elapsed: Duration, done: u64) {
        self.samples.push_back((elapsed, done));
        while self.samples.len() > 2 && elapsed.saturating_sub(self.samples[1].0) >= SPEED_WINDOW {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the window; `None` before there is anything to compare.
    pub(super) fn speed(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        (seconds > 0.0).then(|| last.1.saturating_sub(first.1) as f64 / seconds)
    }
}

/// `copying: 45 % of 2.7 GiB, 85 MiB/s, 18 s left`
pub(super) fn running(name: &str, done: u64, total: Option<u64>, speed: Option<f64>) -> String {
    let mut text = match total {
        Some(total) => format!(
            "{name}: {} % of {}",
            human::percent(done, total),
            human::bytes(total)
        ),
        None => format!("{name}: {}", human::bytes(done)),
    };
    let Some(speed) = speed else { return text };
    text = format!("{text}, {}", human::speed(speed));
    let left = total.map(|total| total.saturating_sub(done) as f64 / speed);
    // At a standstill the time left is infinite: better none than nonsense.
    if let Some(left) = left.and_then(|left| Duration::try_from_secs_f64(left.ceil()).ok()) {
        text = format!(
            "{text}, {} left",
            human::duration(left.max(Duration::from_secs(1)))
        );
    }
    text
}

/// `copying: 2.7 GiB in 32 s (85 MiB/s)`
pub(super) fn ended(name: &str, done: u64, elapsed: Duration) -> String {
    let took = human::duration(elapsed);
    let seconds = elapsed.as_secs_f64();
    if done == 0 || seconds <= 0.0 {
        return format!("{name}: done in {took}");
    }
    let speed = human::speed(done as f64 / seconds);
    format!("{name}: {} in {took} ({speed})", human::bytes(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn speed_is_that_of_the_recent_past() {
        let mut meter = Meter::default();
        assert_eq!(meter.speed(), None);
        meter.record(at(1), 100);
        assert_eq!(meter.speed(), Some(100.0));
        for second in 2..=40 {
            meter.record(at(second), 100);
        }
        assert_eq!(meter.speed(), Some(0.0), "a standstill shows");
        assert!(
            meter.samples.len() <= 12,
            "memory is bounded: {}",
            meter.samples.len()
        );
    }

    #[test]
    fn rare_samples_still_give_a_speed() {
        let mut meter = Meter::default();
        meter.record(at(60), 600);
        meter.record(at(120), 1800);
        assert_eq!(meter.speed(), Some(20.0));
    }

    #[test]
    fn words_while_running() {
        for (done, total, speed, expected) in [
            (0, Some(10 * MIB), None, "copy: 0 % of 10 MiB"),
            (
                5 * MIB,
                Some(10 * MIB),
                Some(MIB as f64),
                "copy: 50 % of 10 MiB, 1.0 MiB/s, 5 s left",
            ),
            (
                10 * MIB - 1,
                Some(10 * MIB),
                Some(MIB as f64),
                "copy: 99 % of 10 MiB, 1.0 MiB/s, 1 s left",
            ),
            (5 * MIB, Some(10 * MIB), Some(0.0), "copy: 50 % of 10 MiB, 0 B/s"),
            (5 * MIB, None, Some(MIB as f64), "copy: 5.0 MiB, 1.0 MiB/s"),
            (
                5 * MIB,
                Some(u64::MAX),
                Some(1e-300),
                "copy: 0 % of 16 EiB, 0 B/s",
            ),
        ] {
            assert_eq!(running("copy", done, total, speed), expected);
        }
    }

    #[test]
    fn words_at_the_end() {
        assert_eq!(ended("copy", 100 * MIB, at(4)), "copy: 100 MiB in 4 s (25 MiB/s)");
        assert_eq!(
            ended("check", 0, Duration::from_millis(340)),
            "check: done in 340 ms"
        );
    }
}
