//! When releases of operating systems stop getting security updates.
//!
//! A table of ours, for policies without one of their own; IT's table in the signed policy goes before it, whole. Dates as the makers
//! published them when this was written (2026-11). A release that is not in it is unknown, not unsupported.

use jiff::{Timestamp, civil::Date, civil::date, tz::TimeZone};

use crate::policy::EndOfLife;
use crate::release::is_release;
use crate::safety::Release;

/// System, release, last day. Where a maker offers two lengths, the one that everybody gets.
const TABLE: &[(&str, &str, Date)] = &[
    // Debian with its long-term support
    ("debian", "10", date(2024, 6, 30)),
    ("debian", "11", date(2026, 8, 31)),
    ("debian", "12", date(2028, 6, 30)),
    ("debian", "13", date(2030, 6, 30)),
    // Ubuntu without the paid extension
    ("ubuntu", "18.04", date(2023, 5, 31)),
    ("ubuntu", "20.04", date(2025, 5, 31)),
    ("ubuntu", "22.04", date(2027, 5, 31)),
    ("ubuntu", "24.04", date(2029, 5, 31)),
    // Fedora: a month after the release after the next
    ("fedora", "37", date(2023, 12, 5)),
    ("fedora", "38", date(2024, 5, 21)),
    ("fedora", "39", date(2024, 11, 26)),
    ("fedora", "40", date(2025, 5, 13)),
    // macOS: Apple mends three releases, and names no days; the day before the third one after it came out
    ("macos", "11", date(2023, 9, 25)),
    ("macos", "12", date(2024, 9, 15)),
    ("macos", "13", date(2025, 9, 14)),
    // Windows Home and Pro, by build
    ("windows", "6.1", date(2020, 1, 14)),
    ("windows", "6.3", date(2023, 1, 10)),
    ("windows", "10.0.19045", date(2025, 10, 14)),
    ("windows", "10.0.22000", date(2023, 10, 10)),
    ("windows", "10.0.22621", date(2024, 10, 8)),
    ("windows", "10.0.22631", date(2025, 11, 11)),
    ("windows", "10.0.26100", date(2026, 10, 13)),
    ("windows", "10.0.26200", date(2027, 10, 12)),
];

/// The last day of a release, by `table`, or by ours if that is empty.
pub(crate) fn until(table: &[EndOfLife], release: &Release) -> Option<Date> {
    let fits =
        |system: &str, version: &str| system == release.system && is_release(&release.version, version);
    if table.is_empty() {
        let rows = TABLE.iter().filter(|(system, version, _)| fits(system, version));
        return rows.map(|(_, _, until)| *until).max();
    }
    let rows = table.iter().filter(|row| fits(&row.system, &row.version));
    rows.map(|row| row.until).max()
}

/// The table that this program carries, as a policy has it.
pub(crate) fn ours() -> Vec<EndOfLife> {
    let row = |(system, version, until): &(&str, &str, Date)| EndOfLife {
        system: (*system).to_owned(),
        version: (*version).to_owned(),
        until: *until,
    };
    TABLE.iter().map(row).collect()
}

/// The day of a moment in seconds since 1970; `None` if nobody noted one.
pub(crate) fn day(seconds: u64) -> Option<Date> {
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    let moment = Timestamp::from_second(seconds).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(system: &str, version: &str) -> Release {
        Release {
            system: system.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn parts_of_a_version_are_numbers() {
        let until_of = |system, version| until(&[], &release(system, version)).map(|date| date.to_string());
        assert_eq!(until_of("debian", "12").as_deref(), Some("2028-06-30"));
        assert_eq!(until_of("debian", "12.7").as_deref(), Some("2028-06-30"));
        assert_eq!(until_of("debian", "1"), None);
        assert_eq!(until_of("debian", "120"), None);
        assert_eq!(
            until_of("windows", "10.0.19045.4651").as_deref(),
            Some("2025-10-14")
        );
        assert_eq!(until_of("fedora", "40").as_deref(), Some("2025-05-13"));
        assert_eq!(until_of("macos", "13.7.8").as_deref(), Some("2025-09-14"));
        assert_eq!(until_of("macos", "26.1"), None);
        assert_eq!(until_of("arch", ""), None);
    }

    #[test]
    fn the_table_in_a_policy_says_the_same() {
        let own = ours();
        assert_eq!(own.len(), TABLE.len());
        for (system, version, _) in TABLE {
            let release = release(system, version);
            assert_eq!(until(&own, &release), until(&[], &release));
        }
    }

    #[test]
    fn its_own_table_goes_before_ours() {
        let own = [EndOfLife {
            system: "debian".to_owned(),
            version: "12".to_owned(),
            until: date(2027, 1, 1),
        }];
        assert_eq!(until(&own, &release("debian", "12")), Some(date(2027, 1, 1)));
        assert_eq!(
            until(&own, &release("debian", "13")),
            None,
            "ours does not fill gaps"
        );
    }

    #[test]
    fn days_are_counted_in_utc() {
        assert_eq!(day(0), None);
        assert_eq!(day(1_795_219_199), Some(date(2026, 11, 20)));
        assert_eq!(day(1_795_219_200), Some(date(2026, 11, 21)));
        assert_eq!(day(u64::MAX), None);
    }
}
