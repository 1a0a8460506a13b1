//! Sizes as planners write them, and exactly as they are written back.

const UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Reads `8 GiB`, `1.5GiB`, `512m`; a unit is needed, so that nobody's `8` becomes eight bytes. Units are powers of 1024.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, unit) = UNITS.into_iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        unit == name || name.strip_suffix("ib").is_some_and(|short| short == unit)
    })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Six places are a thousandth of a MiB of a GiB; more would only overflow.
    if fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u128 = whole.parse::<u64>().ok()?.into();
    let fraction: u128 = fraction.parse::<u64>().ok()?.into();
    u64::try_from((whole * scale + fraction) * u128::from(unit) / scale).ok()
}

/// Writes a size so that [`parse`] reads the same: in the largest unit that divides it, in bytes rounded up to KiB.
#[must_use]
pub fn exact(size_bytes: u64) -> String {
    let (name, unit) = UNITS
        .into_iter()
        .find(|(_, unit)| size_bytes > 0 && size_bytes.is_multiple_of(*unit))
        .unwrap_or(UNITS[3]);
    format!("{} {name}", size_bytes.div_ceil(unit))
}

/// Writes a size for reading: one decimal below ten.
#[must_use]
pub fn rough(size_bytes: u64) -> String {
    let (name, unit) = UNITS
        .into_iter()
        .find(|(_, unit)| size_bytes >= *unit)
        .unwrap_or(UNITS[3]);
    let tenths = (u128::from(size_bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    match tenths {
        0..100 if tenths % 10 != 0 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", (tenths + 5) / 10),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, size_bytes) in [
            ("8 GiB", Some(8 << 30)),
            ("8g", Some(8 << 30)),
            ("1.5GiB", Some(3 << 29)),
            (" 512 MiB ", Some(512 << 20)),
            ("0.25k", Some(256)),
            ("2TiB", Some(2 << 40)),
            ("8", None),
            ("8 GB", None),
            ("GiB", None),
            ("1.GiB", None),
            ("-1 GiB", None),
            ("1.2.3 GiB", None),
            ("1.0000001 GiB", None),
            ("99999999999999999999 KiB", None),
            ("18446744073709551615 TiB", None),
            ("", None),
        ] {
            assert_eq!(parse(text), size_bytes, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_shown_as_people_say_them() {
        for (size_bytes, text) in [
            (8 << 30, "8 GiB"),
            (3 << 29, "1.5 GiB"),
            (10_500 << 20, "10 GiB"),
            (512 << 20, "512 MiB"),
            (0, "0 KiB"),
        ] {
            assert_eq!(rough(size_bytes), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_exactly_is_read_again(kib in 0_u64..1 << 42) {
            prop_assert_eq!(parse(&exact(kib << 10)), Some(kib << 10));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
