//! Bytes as people read them to each other over the telephone.
//!
//! Base 32 without the letters that are mistaken for digits, in groups of four. Small letters, O for 0, I and L for 1, and any spaces and dashes are as
//! good. Who makes a code puts a check into it, which finds typing errors.

use crate::{ids::BundleId, limits::MAX_CODE_LEN};

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The code.
pub(crate) fn write(bytes: &[u8]) -> String {
    let digits = to_digits(bytes);
    let groups: Vec<_> = digits
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group))
        .collect();
    groups.join("-")
}

/// The bytes of a code as it was heard; `None` for what is none.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    (text.len() <= MAX_CODE_LEN).then(|| from_digits(text)).flatten()
}

/// A check over the bundle's id and what is said: so a code of another stick is found, too.
pub(crate) fn check<const N: usize>(purpose: &str, bundle: BundleId, said: &[u8]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_derive_key(&format!("gobag v1 {purpose}"));
    hasher.update(&bundle.0);
    hasher.update(said);
    let mut check = [0; N];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..N]);
    check
}

fn to_digits(bytes: &[u8]) -> Vec<u8> {
    let (mut digits, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            digits.push(DIGITS[(bits >> held) as usize & 31]);
        }
    }
    if held > 0 {
        digits.push(DIGITS[(bits << (5 - held)) as usize & 31]);
    }
    digits
}

fn from_digits(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in text.bytes().filter(|byte| !b" -\t\r\n".contains(byte)) {
        let digit = match digit.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        let value = DIGITS.iter().position(|known| *known == digit)?;
        bits = (bits << 5 | value as u32) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    // What is left over is less than a digit, and zero.
    (held < 5 && bits & ((1 << held) - 1) == 0).then_some(bytes)
}
