//! Small formatting for findings. `gobag-term` has its own, richer one; both crates are leaves and may not use each
//! other, and twenty lines twice are cheaper than an arrow.

use crate::host::Obstacle;

/// A size for people: binary units, one decimal below ten (`1.5 GiB`, `512 MiB`).
pub(crate) fn bytes(size_bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size_bytes < 1024 {
        return format!("{size_bytes} B");
    }
    // The unit below which the rounded value would need four digits.
    let mut value = size_bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A count with its noun: `1 core`, `4 cores`.
pub(crate) fn count(number: u32, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// What stands in the way, as the first words of a sentence about a thing.
pub(crate) fn obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Missing => "not there",
        Obstacle::NoPermission => "not permitted",
        Obstacle::SwitchedOff => "switched off",
        Obstacle::NotWorking => "there, but does not work",
        Obstacle::TimedOut => "gave no answer in time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (size_bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (512 << 20, "512 MiB"),
            (2 << 30, "2.0 GiB"),
            (25_276_514_304, "24 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(size_bytes), expected, "{size_bytes}");
        }
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(count(1, "core"), "1 core");
        assert_eq!(count(0, "core"), "0 cores");
        assert_eq!(count(8, "core"), "8 cores");
    }
}
