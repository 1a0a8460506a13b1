//! When to ask again: later each time, never in step with others, and not before the server said.

use std::time::Duration;

use gobag_format::crypto::{Random, random_bytes};

use crate::error::ClientError;

/// The first wait, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// The longest that a server's `Retry-After` is believed.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How long to wait before asking again, and how often.
pub struct Backoff<'r> {
    random: &'r dyn Random,
    failed: u32,
    most: Option<u32>,
}

impl<'r> Backoff<'r> {
    /// Gives up when it failed `most` times in a row; never if that is `None`.
    pub fn new(random: &'r dyn Random, most: Option<u32>) -> Self {
        Self {
            random,
            failed: 0,
            most,
        }
    }

    /// It worked: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failed = 0;
    }

    /// How long to wait after this failure; `None`: there is no use, or it failed too often.
    pub fn after(&mut self, error: &ClientError) -> Option<Duration> {
        if !error.is_transient() {
            return None;
        }
        self.failed = self.failed.saturating_add(1);
        if self.most.is_some_and(|most| self.failed >= most) {
            return None;
        }
        let doubled = FIRST.saturating_mul(1 << (self.failed - 1).min(16)).min(LONGEST);
        let wait = self.between(doubled / 2, doubled);
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        // Whoever was told the same moment does not come at the same moment.
        Some(wait.max(asked + self.between(Duration::ZERO, asked / 4)))
    }

    fn between(&self, least: Duration, most: Duration) -> Duration {
        let part = f64::from(u32::from_le_bytes(random_bytes(self.random))) / f64::from(u32::MAX);
        least + (most - least).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refused;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    fn offline() -> ClientError {
        ClientError::Offline {
            server: "s".to_owned(),
            source: Box::new(std::io::Error::other("x")),
        }
    }

    fn refused(status: u16, retry_after_s: Option<u64>) -> ClientError {
        ClientError::Refused(Box::new(Refused {
            status,
            code: "x.y".to_owned(),
            retry_after_s,
            ..Refused::default()
        }))
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_begin_anew() {
        let random = Fixed(255);
        let mut backoff = Backoff::new(&random, None);
        let seconds: Vec<u64> = (0..12)
            .map(|_| backoff.after(&offline()).unwrap().as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.after(&offline()), Some(FIRST));
        let random = Fixed(0);
        assert_eq!(Backoff::new(&random, None).after(&offline()), Some(FIRST / 2));
    }

    #[test]
    fn the_server_says_when_within_reason() {
        let random = Fixed(0);
        let mut backoff = Backoff::new(&random, None);
        let wait = |backoff: &mut Backoff<'_>, error| backoff.after(&error).map(|wait| wait.as_secs());
        assert_eq!(wait(&mut backoff, refused(429, Some(77))), Some(77));
        assert_eq!(wait(&mut backoff, refused(503, Some(u64::MAX))), Some(3600));
        assert_eq!(wait(&mut backoff, refused(403, Some(1))), None);
        assert_eq!(wait(&mut backoff, refused(507, None)), None);
    }

    #[test]
    fn it_gives_up() {
        let random = Fixed(0);
        let mut backoff = Backoff::new(&random, Some(3));
        let tries = std::iter::from_fn(|| backoff.after(&offline())).count();
        assert_eq!(tries, 2);
    }
}
