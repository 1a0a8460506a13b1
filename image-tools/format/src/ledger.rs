//! The ledger: the little that changes on a stick besides the user's data (`docs/format/ledger.md`).
//!
//! The stick's own signing key, what it holds of the company and its lease, results of checks that wait, and whatever later versions put beside them. Two
//! files, the same in both; each holds one slot in its middle, so far from both ends that no erase block which holds a
//! part of the slot holds anything of another file. Sealed as a whole under a fresh key each time; its length does not show.

mod company;
mod noted;
mod record;
mod shared;

use thiserror::Error;

pub use company::{Company, Renewal};
pub use noted::{NotedPoint, NotedPoints};
pub use record::{KeptResult, LedgerRecord, StickKeys};
pub use shared::{KeptPair, KeptWorkspace};

use crate::{
    crypto::{Cipher, Key, Random, TAG_LEN, position_nonce, random_bytes},
    ids::BundleId,
    limits::{LEDGER_SLOT_LEN, MAX_COUNT, MAX_LEDGER_RECORD_LEN},
    reader::{Malformed, Reader, front},
};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"GOBAGLDG";
const VERSION: u16 = 1;
const SALT_AT: usize = 48;
const FRONT_TAG_AT: usize = SALT_AT + 32;
const SEALED_AT: usize = FRONT_TAG_AT + 32;
const PLAIN_LEN: usize = LEDGER_SLOT_LEN - SEALED_AT - TAG_LEN;
const _: () = assert!(MAX_LEDGER_RECORD_LEN + 4 == PLAIN_LEN);

/// Why a slot is no ledger of this bundle.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerError {
    /// Torn, altered, or never written.
    #[error("the stick's ledger is damaged")]
    Damaged,
    /// A newer program wrote it, in a way that this one must not touch.
    #[error("the stick's ledger was written by a newer version of Gobag")]
    Newer,
    /// It has no room for what shall be written.
    #[error("the stick's ledger would have {len} bytes, more than {MAX_LEDGER_RECORD_LEN}")]
    TooLarge {
        /// Its size.
        len: usize,
    },
}

impl LedgerError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "ledger.damaged",
            Self::Newer => "ledger.newer-format",
            Self::TooLarge { .. } => "ledger.too-large",
        }
    }
}

impl From<Malformed> for LedgerError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

/// One writing of the ledger.
#[derive(Clone)]
pub struct Ledger {
    /// Rises with each writing; the highest counts.
    pub generation: u64,
    /// What it says.
    pub record: LedgerRecord,
}

/// Seals and opens the ledger of one bundle.
pub struct LedgerKeys {
    bundle: BundleId,
    seal: Key,
    /// Vouches for the front alone, in every version: so nobody else can claim that a later version wrote it.
    front: Key,
}

impl LedgerKeys {
    /// The keys that belong to `bundle`.
    pub fn new(bundle: BundleId, bundle_key: &Key) -> Self {
        Self {
            bundle,
            seal: bundle_key.derive("ledger", &[]),
            front: bundle_key.derive("ledger front", &[]),
        }
    }

    /// A slot of [`LEDGER_SLOT_LEN`] bytes.
    pub fn seal(&self, ledger: &Ledger, random: &dyn Random) -> Result<Vec<u8>, LedgerError> {
        let json = ledger.record.to_json();
        let len = json.len();
        if len > MAX_LEDGER_RECORD_LEN {
            return Err(LedgerError::TooLarge { len });
        }
        let salt: [u8; 32] = random_bytes(random);
        let mut out = Vec::with_capacity(LEDGER_SLOT_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.resize(16, 0);
        // No feature that a reader would have to know.
        out.extend_from_slice(&0_u64.to_le_bytes());
        out.extend_from_slice(&self.bundle.0);
        out.extend_from_slice(&ledger.generation.to_le_bytes());
        out.extend_from_slice(&salt);
        let tag = self.front.mac(&out);
        out.extend_from_slice(tag.as_bytes());
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(&json);
        out.resize(SEALED_AT + PLAIN_LEN, 0);
        let front: [u8; SEALED_AT] = front(&out);
        self.cipher(&salt)
            .seal(position_nonce(0, 0), &front, &mut out, SEALED_AT);
        Ok(out)
    }

    /// Opens a slot.
    pub fn open(&self, slot: &[u8]) -> Result<Ledger, LedgerError> {
        if slot.len() != LEDGER_SLOT_LEN || slot[..8] != *MAGIC {
            return Err(LedgerError::Damaged);
        }
        let mut reader = Reader(&slot[8..]);
        let version = reader.u16()?;
        reader.bytes(6)?;
        let features = reader.u64()?;
        let bundle = reader.array()?;
        let generation = reader.u64()?;
        let salt: [u8; 32] = reader.array()?;
        // blake3's comparison takes the same time whatever differs.
        if self.front.mac(&slot[..FRONT_TAG_AT]) != reader.array::<32>()? {
            return Err(LedgerError::Damaged);
        }
        if version > VERSION || features != 0 {
            return Err(LedgerError::Newer);
        }
        if version != VERSION || bundle != self.bundle.0 || generation > MAX_COUNT {
            return Err(LedgerError::Damaged);
        }
        let mut sealed = Zeroizing::new(slot[SEALED_AT..].to_vec());
        let front: [u8; SEALED_AT] = front(slot);
        let plain = self
            .cipher(&salt)
            .open(position_nonce(0, 0), &front, &mut sealed)
            .map_err(|_| LedgerError::Damaged)?;
        let mut reader = Reader(plain);
        let len = reader.u32()? as usize;
        let json = reader.bytes(len)?;
        Ok(Ledger {
            generation,
            record: LedgerRecord::from_json(json)?,
        })
    }

    fn cipher(&self, salt: &[u8; 32]) -> Cipher {
        Cipher::gcm_siv(&self.seal.derive("ledger record", salt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    fn keys(bundle: u8) -> LedgerKeys {
        LedgerKeys::new(BundleId([bundle; 16]), &Key::from_bytes([9; 32]))
    }

    fn ledger() -> Ledger {
        let mut record = LedgerRecord::new(&Fixed::new(7));
        record.keep(KeptResult {
            made_s: 1_800_000_000,
            expires_s: 1_810_000_000,
            about: "0011223344556677".to_owned(),
            envelope: "{}".to_owned(),
        });
        Ledger {
            generation: 5,
            record,
        }
    }

    #[test]
    fn a_ledger_opens_as_what_it_was_and_every_change_is_noticed() {
        let sealed = keys(1).seal(&ledger(), &Fixed::new(1)).unwrap();
        assert_eq!(sealed.len(), LEDGER_SLOT_LEN);
        let back = keys(1).open(&sealed).unwrap();
        assert_eq!(back.generation, 5);
        assert_eq!(back.record.results(), ledger().record.results());
        assert_eq!(back.record.to_json(), ledger().record.to_json());
        // All of the front, and a sample of what is sealed: each flip costs a decryption of the whole.
        let places = (0..SEALED_AT * 8).chain((SEALED_AT * 8..LEDGER_SLOT_LEN * 8).step_by(9973));
        for bit in places {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(keys(1).open(&bytes).is_err(), "bit {bit}");
        }
        assert!(keys(1).open(&sealed[..LEDGER_SLOT_LEN - 1]).is_err());
        assert_eq!(keys(2).open(&sealed).err(), Some(LedgerError::Damaged));
    }

    #[test]
    fn what_a_later_version_wrote_is_not_taken_for_damage() {
        let sealed = keys(1).seal(&ledger(), &Fixed::new(1)).unwrap();
        for (at, value) in [(8, 2), (16, 1)] {
            let mut claimed = sealed.clone();
            claimed[at] = value;
            assert_eq!(
                keys(1).open(&claimed).err(),
                Some(LedgerError::Damaged),
                "anybody can write that"
            );
            let mut later = claimed;
            let tag = keys(1).front.mac(&later[..FRONT_TAG_AT]);
            later[FRONT_TAG_AT..SEALED_AT].copy_from_slice(tag.as_bytes());
            assert_eq!(keys(1).open(&later).err(), Some(LedgerError::Newer));
        }
    }

    #[test]
    fn the_length_of_what_is_said_does_not_show() {
        let empty = Ledger {
            generation: 5,
            record: LedgerRecord::new(&Fixed::new(7)),
        };
        let [empty, full] = [empty, ledger()].map(|ledger| keys(1).seal(&ledger, &Fixed::new(1)).unwrap());
        assert_eq!(empty.len(), full.len());
        assert_eq!(empty[..SEALED_AT], full[..SEALED_AT]);
        // The keystream is the same here only because the randomness is; GCM-SIV's tag, and so all of it, still differs.
        let same = empty.iter().zip(&full).filter(|(a, b)| a == b).count();
        assert!(same < LEDGER_SLOT_LEN / 100, "{same}");
    }
}
