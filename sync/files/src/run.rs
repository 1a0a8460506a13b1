//! Names of runs: the time of day in UTC, so that people find a version, and so that they sort.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// `2026-11-22T071500.123Z`.
pub fn run_name(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H%M%S.%3fZ").to_string()
}

/// When a run of this name was; none if it is no time. What comes after the time tells runs of one moment apart.
pub fn run_time(name: &str) -> Option<Timestamp> {
    let (time, rest) = name.split_at(name.find('Z')? + 1);
    let is_number = |number: &str| number.parse::<u32>().is_ok();
    if !(rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number)) {
        return None;
    }
    let time = DateTime::strptime("%Y-%m-%dT%H%M%S.%fZ", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_it_was() {
        let time: Timestamp = "2026-11-22T07:15:00.123Z".parse().unwrap();
        let name = run_name(time);
        assert_eq!(name, "2026-11-22T071500.123Z");
        assert_eq!(run_time(&name), Some(time));
        assert_eq!(run_time(&format!("{name}-12")), Some(time));
        for other in [
            "",
            "run 1",
            "Z",
            "2026-11-22T071500.123Zx",
            "2026-13-22T071500.123Z",
            "x-1",
        ] {
            assert_eq!(run_time(other), None, "{other}");
        }
    }
}
