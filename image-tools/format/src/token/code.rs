//! What IT must know to make a token, short enough to be read over the telephone.
//!
//! A check over the bundle's id finds typing errors, and codes of another stick.

use std::fmt;

use thiserror::Error;

use crate::{
    ids::BundleId,
    limits::MAX_COUNT,
    log::ChainTag,
    memory::Moment,
    reader::{Malformed, Reader},
    spoken,
};

const VERSION: u8 = 1;
const CHECK_LEN: usize = 3;

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
        spoken::write(&bytes)
    }

    /// Reads a code as it was heard.
    pub fn parse(code: &str, bundle: BundleId) -> Result<Self, CodeError> {
        let bytes = spoken::read(code).ok_or(CodeError::Mistyped)?;
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
    spoken::check("restore code", bundle, said)
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
