//! A memory as bytes, and the keys and the name that go with them.
//!
//! Both come from the bundle key by labels of their own. The name is a keyed hash: whoever finds the file can tell neither
//! whose stick it belongs to nor whether two computers know the same one, without that key.

use std::fmt;

use thiserror::Error;

use super::{Memory, Moment, Remember};
use crate::{
    crypto::{Cipher, Key, Random, TAG_LEN, position_nonce, random_bytes},
    ids::BundleId,
    limits::MAX_COUNT,
    reader::{Malformed, Reader, front},
};

/// Bytes of a memory.
pub const MEMORY_LEN: usize = 256;
const MAGIC: &[u8; 8] = b"GOBAGMEM";
const VERSION: u16 = 1;
const SALT_AT: usize = 16;
const SALT_LEN: usize = 32;
const SEALED_AT: usize = SALT_AT + SALT_LEN;
const PLAIN_LEN: usize = MEMORY_LEN - SEALED_AT - TAG_LEN;

/// Why the bytes are no memory of this bundle.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// Something else.
    #[error("not a memory of a stick")]
    NotAMemory,
    /// A newer program wrote it.
    #[error("memory format {found} is newer than {VERSION}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u16,
    },
    /// It does not open.
    #[error("memory of a stick: wrong key or damaged data")]
    Damaged,
}

impl MemoryError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAMemory => "memory.not-a-memory",
            Self::NewerFormat { .. } => "memory.newer-format",
            Self::Damaged => "memory.damaged",
        }
    }
}

/// What a bundle's memory is called wherever it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemoryName([u8; 16]);

impl fmt::Display for MemoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Seals and opens the memories of one bundle.
pub struct MemoryKeys {
    bundle: BundleId,
    seal: Key,
    name: Key,
}

impl MemoryKeys {
    /// The keys that belong to `bundle`.
    pub fn new(bundle: BundleId, bundle_key: &Key) -> Self {
        Self {
            bundle,
            seal: bundle_key.derive("memory", &[]),
            name: bundle_key.derive("memory name", &[]),
        }
    }

    /// What the memory is called.
    pub fn name(&self) -> MemoryName {
        let mac = self.name.mac(&self.bundle.0);
        let mut name = [0; 16];
        name.copy_from_slice(&mac.as_bytes()[..16]);
        MemoryName(name)
    }

    /// The bytes of a memory, under a fresh salt each time.
    pub fn seal(&self, memory: &Memory, random: &dyn Random) -> Vec<u8> {
        let salt: [u8; SALT_LEN] = random_bytes(random);
        let mut out = Vec::with_capacity(MEMORY_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.resize(SALT_AT, 0);
        out.extend_from_slice(&salt);
        out.extend_from_slice(&self.bundle.0);
        for number in [
            memory.moment.generation,
            memory.moment.sequence,
            memory.restored,
            memory.saved_s,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&memory.moment.tag);
        out.push(rule_byte(memory.rule));
        out.resize(SEALED_AT + PLAIN_LEN, 0);
        let aad: [u8; SALT_AT] = front(&out);
        self.cipher(&salt)
            .seal(position_nonce(0, 0), &aad, &mut out, SEALED_AT);
        out
    }

    /// Opens the bytes of a memory.
    pub fn open(&self, bytes: &[u8]) -> Result<Memory, MemoryError> {
        let mut reader = Reader(bytes);
        if reader.array() != Ok(*MAGIC) {
            return Err(MemoryError::NotAMemory);
        }
        match reader.u16() {
            Ok(VERSION) => {}
            Ok(found) if found > VERSION => return Err(MemoryError::NewerFormat { found }),
            _ => return Err(MemoryError::NotAMemory),
        }
        if bytes.len() != MEMORY_LEN {
            return Err(MemoryError::Damaged);
        }
        let aad: [u8; SALT_AT] = front(bytes);
        let mut salt = [0; SALT_LEN];
        salt.copy_from_slice(&bytes[SALT_AT..SEALED_AT]);
        let mut sealed = bytes[SEALED_AT..].to_vec();
        let plain = self
            .cipher(&salt)
            .open(position_nonce(0, 0), &aad, &mut sealed)
            .map_err(|_| MemoryError::Damaged)?;
        self.decode(plain).map_err(|Malformed| MemoryError::Damaged)
    }

    fn decode(&self, plain: &[u8]) -> Result<Memory, Malformed> {
        let mut reader = Reader(plain);
        if reader.array()? != self.bundle.0 {
            return Err(Malformed);
        }
        let [generation, sequence, restored, saved_s] =
            [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let moment = Moment {
            generation,
            sequence,
            tag: reader.array()?,
        };
        let rule = match reader.u8()? {
            1 => Remember::Ask,
            2 => Remember::Token,
            _ => return Err(Malformed),
        };
        let is_sane = generation <= MAX_COUNT && sequence <= MAX_COUNT;
        // What comes behind is of later versions that this one may read.
        is_sane.then_some(()).ok_or(Malformed)?;
        Ok(Memory {
            moment,
            rule,
            restored,
            saved_s,
        })
    }

    fn cipher(&self, salt: &[u8; SALT_LEN]) -> Cipher {
        Cipher::gcm_siv(&self.seal.derive("memory record", salt))
    }
}

/// What is off is not remembered, so it has no byte of its own.
fn rule_byte(rule: Remember) -> u8 {
    match rule {
        Remember::Off | Remember::Ask => 1,
        Remember::Token => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    fn keys(bundle: u8) -> MemoryKeys {
        MemoryKeys::new(BundleId([bundle; 16]), &Key::from_bytes([9; 32]))
    }

    fn memory() -> Memory {
        Memory {
            moment: Moment {
                generation: 3,
                sequence: 41,
                tag: [7; 16],
            },
            rule: Remember::Token,
            restored: 1_800_000_000,
            saved_s: 1_800_000_001,
        }
    }

    #[test]
    fn a_memory_opens_as_what_it_was_and_every_change_is_noticed() {
        let sealed = keys(1).seal(&memory(), &Fixed::new(1));
        assert_eq!(sealed.len(), MEMORY_LEN);
        assert_eq!(keys(1).open(&sealed), Ok(memory()));
        for bit in 0..MEMORY_LEN * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(keys(1).open(&bytes).is_err(), "bit {bit}");
        }
        for len in 0..MEMORY_LEN {
            assert!(keys(1).open(&sealed[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(
            keys(1).open(&[&sealed[..], &[0]].concat()),
            Err(MemoryError::Damaged)
        );
    }

    #[test]
    fn another_bundle_has_another_name_and_does_not_open_it() {
        let sealed = keys(1).seal(&memory(), &Fixed::new(1));
        assert_eq!(keys(2).open(&sealed), Err(MemoryError::Damaged));
        let other = MemoryKeys::new(BundleId([1; 16]), &Key::from_bytes([8; 32]));
        assert_eq!(other.open(&sealed), Err(MemoryError::Damaged));
        let names = [keys(1).name(), keys(2).name(), other.name()].map(|name| name.to_string());
        assert_eq!(keys(1).name().to_string(), names[0]);
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
        assert!(names[0].len() == 32 && !names[0].contains("0101"));
    }

    #[test]
    fn the_same_memory_looks_different_each_time() {
        let random = Fixed::new(1);
        let (first, second) = (keys(1).seal(&memory(), &random), keys(1).seal(&memory(), &random));
        assert_ne!(first[SALT_AT..], second[SALT_AT..]);
        assert_eq!(keys(1).open(&first), keys(1).open(&second));
    }
}
