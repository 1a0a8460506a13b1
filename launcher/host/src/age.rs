//! How long ago something was.

const DAY_S: i64 = 24 * 60 * 60;

/// Whole days from then to now; `None` for a time that has not come, because then one of the two is wrong. A clock that is up to a
/// day behind is forgiven: time zones, and the first start after a winter.
pub(crate) fn whole_days(then_s: i64, now_s: u64) -> Option<u32> {
    let passed_s = i64::try_from(now_s).ok()?.checked_sub(then_s)?;
    match passed_s {
        0.. => u32::try_from(passed_s / DAY_S).ok(),
        _ if passed_s >= -DAY_S => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_whole_and_the_future_has_none() {
        for (then_s, now_s, expected) in [
            (0, 0, Some(0)),
            (1_000_000, 1_000_000 + 86_399, Some(0)),
            (1_000_000, 1_000_000 + 86_400, Some(1)),
            (1_086_400, 1_000_000, Some(0)),
            (1_086_401, 1_000_000, None),
            // Nobody read the clock.
            (1_731_600_000, 0, None),
            (i64::MIN, u64::MAX, None),
            (i64::MIN, 1, None),
        ] {
            assert_eq!(whole_days(then_s, now_s), expected, "{then_s} {now_s}");
        }
    }

    proptest! {
        #[test]
        fn any_two_times_have_an_age_or_none(then_s in any::<i64>(), now_s in any::<u64>()) {
            if let Some(days) = whole_days(then_s, now_s) {
                prop_assert!(i128::from(days) * 86_400 <= (i128::from(now_s) - i128::from(then_s)).max(0));
            }
        }
    }
}
