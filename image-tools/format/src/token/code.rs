//! What IT must know to make a token, short enough to be read over the telephone.
//!
//! Base 32 without the letters that are mistaken for digits, in groups of four. A check over the bundle's id finds typing
//! errors, and codes of another stick.

use std::fmt;

use thiserror::Error;

use crate::{
    ids::BundleId,
    limits::{MAX_CODE_LEN, MAX_COUNT},
    log::ChainTag,
    memory::Moment,
    reader::{Malformed, Reader},
};

const VERSION: u8 = 1;
const CHECK_LEN: usize = 3;
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The first half of a tag: enough to tell the few states of one bundle apart that have the same numbers, and nobody
/// without the bundle's key can make one that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagStart(pub [u8; 8]);

/// Which moment is to be let in, and up to which seen one it may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Generation of the header to be let in.
    pub generation: u64,
    /// Number of the last record to be let in.
    pub sequence: u64,
    /// Beginning of its tag.
    pub tag: TagStart,
    /// Generation that was seen at most.
    pub seen_generation: u64,
    /// Number of the last record that was seen at most.
    pub seen_sequence: u64,
}

/// Why a code cannot be read.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeError {
    /// Something was misheard or mistyped, or the code is of another stick.
    #[error("the code has a mistake in it, or belongs to another stick")]
    Mistyped,
    /// A newer program made it.
    #[error("the code is of a newer version of this program")]
    NewerFormat,
}

impl CodeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mistyped => "token.code-mistyped",
            Self::NewerFormat => "token.code-newer-format",
        }
    }
}

impl TagStart {
    /// Of a whole tag.
    pub fn of(tag: &ChainTag) -> Self {
        let mut start = [0; 8];
        start.copy_from_slice(&tag[..8]);
        Self(start)
    }
}

impl fmt::Display for TagStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl RestoreRequest {
    /// To let in `found` instead of `remembered`.
    pub fn new(remembered: &Moment, found: &Moment) -> Self {
        Self {
            generation: found.generation,
            sequence: found.sequence,
            tag: TagStart::of(&found.tag),
            seen_generation: remembered.generation,
            seen_sequence: remembered.sequence,
        }
    }

    /// The code to be read to IT.
    pub fn code(&self, bundle: BundleId) -> String {
        let mut bytes = vec![VERSION];
        for number in self.numbers() {
            put_number(number, &mut bytes);
        }
        bytes.extend_from_slice(&self.tag.0);
        bytes.extend_from_slice(&check(bundle, &bytes));
        let digits = to_digits(&bytes);
        let groups: Vec<_> = digits
            .chunks(4)
            .map(|group| String::from_utf8_lossy(group))
            .collect();
        groups.join("-")
    }

    /// Reads a code as it was heard: small letters, O for 0, I and L for 1, and any spaces and dashes are as good.
    pub fn parse(code: &str, bundle: BundleId) -> Result<Self, CodeError> {
        if code.len() > MAX_CODE_LEN {
            return Err(CodeError::Mistyped);
        }
        let bytes = from_digits(code).ok_or(CodeError::Mistyped)?;
        let (said, checked) = bytes
            .len()
            .checked_sub(CHECK_LEN)
            .map(|at| bytes.split_at(at))
            .ok_or(CodeError::Mistyped)?;
        if *checked != check(bundle, said) {
            return Err(CodeError::Mistyped);
        }
        let mut reader = Reader(said);
        match reader.u8() {
            Ok(VERSION) => {}
            _ => return Err(CodeError::NewerFormat),
        }
        Self::read(&mut reader).map_err(|Malformed| CodeError::Mistyped)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut number = || get_number(reader);
        let [generation, sequence, seen_generation, seen_sequence] =
            [number()?, number()?, number()?, number()?];
        let tag = TagStart(reader.array()?);
        if !reader.0.is_empty() {
            return Err(Malformed);
        }
        Ok(Self {
            generation,
            sequence,
            tag,
            seen_generation,
            seen_sequence,
        })
    }

    fn numbers(&self) -> [u64; 4] {
        [
            self.generation,
            self.sequence,
            self.seen_generation,
            self.seen_sequence,
        ]
    }
}

fn check(bundle: BundleId, said: &[u8]) -> [u8; CHECK_LEN] {
    let mut hasher = blake3::Hasher::new_derive_key("gobag v1 restore code");
    hasher.update(&bundle.0);
    hasher.update(said);
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_LEN]);
    check
}

/// Seven bits a byte, lowest first; the highest bit says that more follow.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn get_number(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let mut number = 0;
    // Nine times seven bits hold every number that there is.
    for shift in (0..63).step_by(7) {
        let byte = reader.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let is_plain = byte != 0 || shift == 0;
            return (is_plain && number <= MAX_COUNT)
                .then_some(number)
                .ok_or(Malformed);
        }
    }
    Err(Malformed)
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
