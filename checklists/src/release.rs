//! Releases of operating systems: compared part by part as numbers, never as text (`26` is newer than `9`, and build
//! `19045.4651` is newer than `19045.5`).
//!
//! [`crate::Version`] is for programs with three numbers; what systems call themselves has any number of parts, and some of
//! them are words (`rolling`, `12-beta`). Every text can be compared: whatever comes from a strange computer has an order.

use std::cmp::Ordering;

/// Which of two releases is newer. Parts stand between dots; missing ones count as zero.
///
/// A part that is no number is older than every number, because nothing is known about it; two of them compare as text.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => compare_parts(one.unwrap_or("0"), other.unwrap_or("0")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Is `version` the release that `prefix` names, or a part of it? `10.0.19045.4651` is `10.0.19045`, and is not `10.0.1904`.
///
/// No prefix names no release: an empty line in a table must not match every computer.
#[must_use]
pub fn is_release(version: &str, prefix: &str) -> bool {
    if prefix.trim().is_empty() {
        return false;
    }
    let mut own = parts(version);
    parts(prefix).all(|named| own.next().is_some_and(|part| compare_parts(part, named).is_eq()))
}

fn parts(version: &str) -> impl Iterator<Item = &str> {
    version.trim().split('.').map(str::trim)
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => compare_digits(a, b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

/// The digits without leading zeros, if there is nothing else; `0` is the empty text.
fn number(part: &str) -> Option<&str> {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| part.trim_start_matches('0'))
}

/// Numbers of any length: the longer is larger.
fn compare_digits(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p15_builds_compare_as_numbers() {
        for (older, newer) in [
            ("10.0.19045.5", "10.0.19045.4651"),
            ("10.0.19045.4651", "10.0.26100.1"),
            ("15", "26"),
            ("9", "26"),
            ("9.9", "15"),
            ("22.04", "24.04"),
            ("24.04", "24.10"),
            ("8.10", "12"),
            ("rolling", "1"),
            ("", "1"),
            ("12-beta", "12"),
            ("99999999999999999999999999998", "99999999999999999999999999999"),
        ] {
            assert_eq!(compare_versions(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(
                compare_versions(newer, older),
                Ordering::Greater,
                "{newer} {older}"
            );
        }
        for (a, b) in [
            ("15", "15.0.0"),
            ("10.00.7", "10.0.007"),
            (" 12 ", "12"),
            ("", ""),
        ] {
            assert_eq!(compare_versions(a, b), Ordering::Equal, "{a:?} {b:?}");
        }
        // What comparing as text would say, so that this test shows the difference.
        assert!("10.0.19045.5" > "10.0.19045.4651" && "9" > "26");
    }

    #[test]
    fn p15_a_prefix_ends_at_a_dot() {
        for (version, prefix, expected) in [
            ("10.0.19045.4651", "10.0.19045", true),
            ("10.0.19045.4651", "10.0.1904", false),
            ("10.0.19045.4651", "10.0.19045.4651", true),
            ("10.0", "10.0.19045", false),
            ("15.1", "15", true),
            ("15.1", "1", false),
            ("12", "12", true),
            ("24.04", "24.4", true),
            ("rolling", "rolling", true),
            ("12", "", false),
            ("", "", false),
        ] {
            assert_eq!(is_release(version, prefix), expected, "{version} {prefix:?}");
        }
    }

    proptest! {
        #[test]
        fn any_texts_have_an_order(a in ".{0,24}", b in "[0-9.a]{0,12}", c in "[0-9.a]{0,12}") {
            prop_assert_eq!(compare_versions(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            if compare_versions(&b, &c).is_le() && compare_versions(&c, &a).is_le() {
                prop_assert!(compare_versions(&b, &a).is_le());
            }
        }
    }
}
