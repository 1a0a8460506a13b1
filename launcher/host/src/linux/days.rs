//! Days between two moments, and moments written in words.

/// How far ahead a stamp may be: clocks of file servers and of this computer are never quite the same.
const TOLERANCE_S: u64 = 300;
const DAY_S: u64 = 86_400;

/// How old something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Whole days.
    Days(u32),
    /// Nobody can tell.
    Unknown(String),
}

/// The age of what happened at `then_s`. A moment in the future means that one of the two clocks is wrong.
pub(super) fn age_days(now_s: u64, then_s: u64) -> Age {
    if now_s == 0 {
        return Age::Unknown("nobody read the clock".to_owned());
    }
    if then_s > now_s + TOLERANCE_S {
        return Age::Unknown("it is from the future by this computer's clock".to_owned());
    }
    let days = now_s.saturating_sub(then_s) / DAY_S;
    Age::Days(u32::try_from(days).unwrap_or(u32::MAX))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds since 1970 of a date in English; the zone is `+0130`.
pub(super) fn seconds_of(
    year: &str,
    month: &str,
    day: &str,
    hour: &str,
    minute: &str,
    zone: &str,
) -> Option<u64> {
    let month = 1 + i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let number =
        |text: &str, range: std::ops::Range<i64>| text.parse().ok().filter(|number| range.contains(number));
    let year = number(year, 1970..10_000)?;
    let day = number(day, 1..1 + length(year, month))?;
    let (hour, minute) = (number(hour, 0..24)?, number(minute, 0..60)?);
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits = number(digits, 0..1_500)?;
    let offset = digits / 100 * 60 + digits % 100;
    let offset = if sign == "-" { -offset } else { offset };
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - offset;
    u64::try_from(minutes * 60).ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1 January 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    (year - 1970) * 365 + leaps + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_calendar() {
        for (year, month, day, zone, expected) in [
            ("1970", "Jan", "1", "+0000", Some(0)),
            ("2000", "Feb", "29", "+0000", Some(951_782_400)),
            ("2100", "Mar", "1", "+0000", Some(4_107_542_400)),
            ("2025", "Nov", "14", "+0000", Some(1_763_078_400)),
            ("2025", "Nov", "14", "+0130", Some(1_763_078_400 - 5400)),
            ("2023", "Feb", "29", "+0000", None),
            ("2025", "Nov", "0", "+0000", None),
            ("1969", "Dec", "31", "+0000", None),
            ("2025", "November", "1", "+0000", None),
            ("2025", "Nov", "1", "", None),
        ] {
            assert_eq!(
                seconds_of(year, month, day, "0", "0", zone),
                expected,
                "{year} {month} {day}"
            );
        }
    }

    #[test]
    fn p28_the_future_has_no_age() {
        assert_eq!(age_days(1_000_000, 1_000_000 - 86_400), Age::Days(1));
        assert_eq!(age_days(1_000_000, 1_000_000 - 86_399), Age::Days(0));
        assert_eq!(age_days(1_000_000, 1_000_299), Age::Days(0));
        assert!(matches!(age_days(1_000_000, 1_000_301), Age::Unknown(_)));
        assert!(matches!(age_days(0, 0), Age::Unknown(_)));
    }
}
