//! Sizes, times and speeds as people read them, and foreign texts made harmless.

use std::borrow::Cow;
use std::time::Duration;

/// A size in binary units, one decimal below ten: `1.5 GiB`, `512 MiB`.
#[must_use]
pub fn bytes(size_bytes: u64) -> String {
    scaled(size_bytes as f64)
}

/// A speed: `85 MiB/s`.
#[must_use]
pub fn speed(bytes_per_second: f64) -> String {
    format!("{}/s", scaled(bytes_per_second.max(0.0)))
}

/// A speed in bytes a second, as people write it: `500kB`, `2 MB`, `1MiB`, `1.5MB/s`, or a number of bytes. None: it is no speed.
#[must_use]
pub fn parse_speed(text: &str) -> Option<u64> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit: u32 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        _ => return None,
    };
    let bytes_per_second = number.parse::<f64>().ok()? * f64::from(unit);
    // Whatever a line is that is faster, it needs no limit.
    (0.0..1e15)
        .contains(&bytes_per_second)
        .then_some(bytes_per_second as u64)
}

fn scaled(value: f64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (value, "B");
    for next in UNITS {
        // From here on the rounded number would need a fourth digit and a "1024".
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" || value >= 9.95 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A time in its two largest useful units: `340 ms`, `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds == 0 => format!("{} ms", time.as_millis()),
        () if minutes == 0 => format!("{seconds} s"),
        () if hours == 0 => format!("{minutes} min {:02} s", seconds % 60),
        () if days == 0 => format!("{hours} h {:02} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

/// A part of a whole in percent, rounded down, so that 100 means complete. An empty whole is complete.
#[must_use]
pub fn percent(part: u64, whole: u64) -> u64 {
    if part >= whole {
        return 100;
    }
    u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(100)
}

/// A text from elsewhere with everything that could steer the terminal made visible. Line ends stay.
///
/// Also the invisible characters that turn the direction of writing: a name must not read as another one.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_steering(character) {
            safe.extend(character.escape_unicode())
        } else {
            safe.push(character)
        }
    }
    Cow::Owned(safe)
}

fn is_steering(character: char) -> bool {
    match character {
        '\n' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (size_bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_188, "9.9 KiB"),
            (10_240, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (512 << 20, "512 MiB"),
            (3 << 29, "1.5 GiB"),
            (64 << 30, "64 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(size_bytes), expected, "{size_bytes}");
        }
    }

    #[test]
    fn speeds() {
        assert_eq!(speed(85.4 * 1024.0 * 1024.0), "85 MiB/s");
        assert_eq!(speed(0.2), "0 B/s");
        assert_eq!(speed(-5.0), "0 B/s");
    }

    #[test]
    fn speeds_are_read_as_people_write_them() {
        for (text, expected) in [
            ("64K", Some(64_000)),
            ("64 KiB/s", Some(65_536)),
            ("1.5MB", Some(1_500_000)),
            ("0", Some(0)),
            ("", None),
            ("fast", None),
            ("2TB", None),
            ("-1", None),
        ] {
            assert_eq!(parse_speed(text), expected, "{text}");
        }
    }

    #[test]
    fn times() {
        for (ms, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (59_999, "59 s"),
            (60_000, "1 min 00 s"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 05 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), expected, "{ms}");
        }
    }

    #[test]
    fn percentages_never_promise_too_much() {
        for (part, whole, expected) in [
            (0, 10, 0),
            (999, 1000, 99),
            (10, 10, 100),
            (0, 0, 100),
            (11, 10, 100),
            (u64::MAX - 1, u64::MAX, 99),
        ] {
            assert_eq!(percent(part, whole), expected, "{part}/{whole}");
        }
    }

    #[test]
    fn foreign_texts_cannot_steer_the_terminal() {
        for (text, expected) in [
            ("plain äöü 漢字\nnext", "plain äöü 漢字\nnext"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\rb", "a\\u{d}b"),
            ("evil\u{202e}gpj.exe", "evil\\u{202e}gpj.exe"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
