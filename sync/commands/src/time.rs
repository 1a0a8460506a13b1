//! What time it is, and times as people read them: by the clock of this computer.

use gobag_files::run_name;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// The name of a run that begins now.
pub(crate) fn run_now() -> String {
    run_name(Timestamp::now())
}

/// `2026-11-22 09:15:02`.
pub(crate) fn local(time: Timestamp) -> String {
    let zoned = time.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same, of seconds since 1970 UTC.
pub(crate) fn local_s(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "an unknown time".to_owned(), local)
}

/// Reads `2026-11-22T09:15`, by the clock of this computer, or with `Z` or a difference to UTC; a day is its begin.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::system()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        let time: Timestamp = "2026-11-22T09:15:02Z".parse().unwrap();
        assert_eq!(parse(&local(time)), Some(time));
        assert_eq!(parse("2026-11-22T09:15:02Z"), Some(time));
        assert_eq!(parse("2026-11-22T10:15:02+01:00"), Some(time));
        assert!(parse("2026-11-22T09:15").is_some() && parse("2026-11-22").is_some());
        for bad in ["", "yesterday", "09:15", "2026-13-01"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
