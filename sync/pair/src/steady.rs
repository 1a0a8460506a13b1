//! Whether the clock is to be trusted with letting versions go: only where it went on evenly for a day, and at most once an hour.

use crate::{PairError, base::Base};

/// When it was looked at last. Not what the history says: that also has passes that could not be made, with the time that a clock said that leapt.
pub(crate) const SEEN: &str = "clock-seen";
/// Since when it went on evenly.
pub(crate) const SINCE: &str = "clock-since";
/// When versions were last let go.
pub(crate) const PRUNED: &str = "pruned";

/// Seconds of an hour.
const HOUR: i64 = 60 * 60;
/// Seconds of a day: further apart nobody says whether it was the clock or a holiday.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Since when the clock goes on evenly, if it was looked at last at `seen_s`. It leapt where it goes back, or further than a day; a clock that nobody looked at
/// before begins now.
fn since(seen_s: Option<i64>, since_s: Option<i64>, now_s: i64) -> i64 {
    match (seen_s, since_s) {
        (Some(seen_s), Some(since_s)) if seen_s <= now_s && now_s - seen_s <= DAY && since_s <= now_s => {
            since_s
        }
        _ => now_s,
    }
}

fn is_due(since_s: i64, pruned_s: Option<i64>, now_s: i64) -> bool {
    now_s - since_s >= DAY && pruned_s.is_none_or(|pruned_s| !(0..HOUR).contains(&(now_s - pruned_s)))
}

impl Base {
    /// Looks at the clock, as the last pass did at its end; says whether versions may be let go.
    pub(crate) fn is_steady(&self, now_s: i64) -> Result<bool, PairError> {
        let began_s = self.setting(SINCE)?;
        let since_s = since(self.setting(SEEN)?, began_s, now_s);
        // In this order: cut off between the two, the leap is still to be seen.
        if began_s != Some(since_s) {
            self.set(SINCE, since_s)?;
        }
        self.set(SEEN, now_s)?;
        Ok(is_due(since_s, self.setting(PRUNED)?, now_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leapt_only_delays() {
        for (seen, began, now, steady) in [
            (None, None, 100, 100),
            (Some(100), Some(50), 200, 50),
            (Some(100), Some(50), 100 + DAY, 50),
            // A day and more: perhaps a holiday, perhaps a leap.
            (Some(100), Some(50), 101 + DAY, 101 + DAY),
            // Back.
            (Some(100), Some(50), 99, 99),
            (Some(100), Some(150), 120, 120),
        ] {
            assert_eq!(since(seen, began, now), steady, "{seen:?} {began:?} {now}");
        }
    }

    #[test]
    fn once_an_hour_after_an_even_day() {
        for (began, pruned, now, due) in [
            (0, None, DAY - 1, false),
            (0, None, DAY, true),
            (0, Some(DAY), DAY + HOUR - 1, false),
            (0, Some(DAY), DAY + HOUR, true),
            // Let go by a clock that was wrong.
            (0, Some(9 * DAY), 2 * DAY, true),
        ] {
            assert_eq!(is_due(began, pruned, now), due, "{began} {pruned:?} {now}");
        }
    }
}
