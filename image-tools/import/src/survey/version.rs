//! The order of version numbers as people mean it: `6.1.0-9` before `6.1.0-18`, `6.1~rc1` before `6.1`.

use std::cmp::Ordering;

/// Compares as Debian's package manager does: runs of digits as numbers, letters before other characters, `~` before
/// everything, even before the end.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() || !b.is_empty() {
        let text = |bytes: &[u8]| bytes.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        let (text_a, text_b) = (text(a), text(b));
        let order = compare_text(&a[..text_a], &b[..text_b]);
        if order.is_ne() {
            return order;
        }
        (a, b) = (&a[text_a..], &b[text_b..]);
        let (number_a, number_b) = (digits(&mut a), digits(&mut b));
        let order = number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |bytes: &[u8], index: usize| match bytes.get(index) {
        None => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|index| weight(a, index).cmp(&weight(b, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Takes the digits at the start, without leading zeros.
fn digits<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let end = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(end);
    *bytes = rest;
    let zeros = number.iter().take_while(|&&digit| digit == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kernels_in_the_order_of_their_age() {
        let sorted = [
            "5.10.0-9-amd64",
            "5.10.0-21-amd64",
            "6.1~rc3-amd64",
            "6.1",
            "6.1.0-9-amd64",
            "6.1.0-18-amd64",
            "6.1.0-18-cloud-amd64",
            "6.12.0-1-amd64",
            "6.12.10+deb13-amd64",
        ];
        for pair in sorted.windows(2) {
            let order = compare(pair[0].as_bytes(), pair[1].as_bytes());
            assert_eq!(order, Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare(b"6.01", b"6.1"), Ordering::Equal);
        assert_eq!(compare(b"99999999999999999999999", b"1"), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[0-9a~.-]{0,6}", b in "[0-9a~.-]{0,6}", c in "[0-9a~.-]{0,6}") {
            let (a, b, c) = (a.as_bytes(), b.as_bytes(), c.as_bytes());
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le());
            }
        }
    }
}
