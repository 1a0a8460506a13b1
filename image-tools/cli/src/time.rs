//! Times as people write and read them: their own clock's, with UTC beside it.

use gobag_term::{CliError, ExitCode};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::error::said;

/// Seconds since 1970 UTC of a time on this computer's clock, or of one that names its zone.
pub(crate) fn parse(text: &str) -> Result<u64, CliError> {
    let absolute = text.parse::<Timestamp>();
    let local = || {
        let time = text.parse::<DateTime>().ok()?;
        Some(time.to_zoned(TimeZone::system()).ok()?.timestamp())
    };
    let time = absolute.ok().or_else(local).map(Timestamp::as_second);
    time.and_then(|time_s| u64::try_from(time_s).ok()).ok_or_else(|| {
        let text = format!("`{text}` is not a time");
        said(ExitCode::Usage, "recover.time", text)
            .hint("write it like `2026-11-21 14:30`, or `2026-11-21T13:30Z` for UTC")
    })
}

/// A time on this computer's clock, and in UTC.
pub(crate) fn both(time_s: u64) -> (String, String) {
    let time = Timestamp::from_second(i64::try_from(time_s).unwrap_or_default()).unwrap_or_default();
    let local = time.to_zoned(TimeZone::system());
    (
        local.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_a_zone_are_that_moment_and_others_the_clock_s() {
        assert_eq!(parse("1970-01-01T00:01:00Z").unwrap(), 60);
        assert_eq!(parse("1970-01-01T01:01:00+01:00").unwrap(), 60);
        let (local, utc) = both(1_763_734_500);
        assert_eq!(parse(&local).unwrap(), 1_763_734_500);
        assert_eq!(parse(&utc).unwrap(), 1_763_734_500);
        for bad in ["", "yesterday", "2026-13-01 00:00", "1969-12-31T00:00:00Z"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
