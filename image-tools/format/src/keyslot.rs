//! Passphrase slots: the bundle key wrapped under what argon2id makes of a passphrase.
//!
//! Why a slot of our own beside the age file: it has a fixed length, so nothing is parsed before it is
//! authenticated; its cost parameters are bounded before they are paid; and it carries a key commitment,
//! which AEAD alone does not give (`docs/format.md`, "Key slots").

mod share;

use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use zeroize::Zeroizing;

pub use share::{SHARE_NAME_LEN, Share, ShareName, SharedSlot};

use crate::{
    crypto::{Cipher, KEY_LEN, Key, Random, TAG_LEN, position_nonce, random_bytes},
    ids::BundleId,
    limits::{MAX_KDF_LANES, MAX_KDF_MEMORY_KIB, MAX_KDF_PASSES, MAX_PASSPHRASE_LEN, MIN_KDF_MEMORY_KIB},
    reader::{Malformed, Reader},
};

/// Bytes of an encoded slot.
pub const KEY_SLOT_LEN: usize = 128;
/// Where a share, or its name, stands in its slot.
const SHARE_AT: usize = 16;
const WRAPPED_LEN: usize = KEY_LEN + TAG_LEN;
const TYPE_EMPTY: u8 = 0;
const TYPE_PASSPHRASE: u8 = 1;
const TYPE_SHARED: u8 = 2;
const TYPE_SHARE: u8 = 3;
const TYPE_SHARE_NAME: u8 = 4;

/// What one guess of the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes that can be computed side by side.
    pub lanes: u32,
}

impl KdfCost {
    /// The default: twice the memory of RFC 9106's second recommendation at its passes and lanes. A PC with
    /// two cores and 4 GiB pays it in less than a second (`docs/performance.md`, "Unlocking").
    pub const DEFAULT: Self = Self {
        memory_kib: 128 << 10,
        passes: 3,
        lanes: 4,
    };

    fn check(self) -> Result<Self, KeySlotError> {
        let ok = (MIN_KDF_MEMORY_KIB..=MAX_KDF_MEMORY_KIB).contains(&self.memory_kib)
            && (1..=MAX_KDF_PASSES).contains(&self.passes)
            && (1..=MAX_KDF_LANES).contains(&self.lanes);
        if ok {
            Ok(self)
        } else {
            Err(KeySlotError::CostOutOfBounds { cost: self })
        }
    }
}

/// A key slot as it stands in the header.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySlot {
    /// Nothing here.
    Empty,
    /// A passphrase opens it.
    Passphrase(PassphraseSlot),
    /// A passphrase and a share open it.
    Shared(SharedSlot),
    /// The share for the slots beside it, for as long as the stick may be opened offline.
    Share(Share),
    /// What the company calls the share that the slots beside it want.
    ShareName(ShareName),
    /// A kind this version does not know; kept as it is.
    Unknown(Box<[u8; KEY_SLOT_LEN]>),
}

/// A wrapped bundle key.
#[derive(Clone, PartialEq, Eq)]
pub struct PassphraseSlot {
    cost: KdfCost,
    salt: [u8; 32],
    commitment: [u8; 32],
    wrapped: [u8; WRAPPED_LEN],
}

/// Why a slot did not give the bundle key.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySlotError {
    /// The passphrase does not open this slot.
    #[error("the passphrase does not open this bundle")]
    WrongPassphrase,
    /// The slot asks for more work or memory than this format allows, or for less than is safe.
    #[error("key slot asks for {} KiB, {} passes, {} lanes, outside the limits", cost.memory_kib, cost.passes, cost.lanes)]
    CostOutOfBounds {
        /// What the slot asks for.
        cost: KdfCost,
    },
    /// The passphrase is empty or longer than the limit.
    #[error("a passphrase has 1 to {MAX_PASSPHRASE_LEN} bytes")]
    PassphraseLength,
    /// The commitment matches but the wrapped key does not open: the slot was altered.
    #[error("key slot: wrong key or damaged data")]
    Damaged,
}

impl KeySlotError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongPassphrase => "keyslot.wrong-passphrase",
            Self::CostOutOfBounds { .. } => "keyslot.cost-out-of-bounds",
            Self::PassphraseLength => "keyslot.passphrase-length",
            Self::Damaged => "keyslot.damaged",
        }
    }
}

/// What argon2id makes of a passphrase with one salt: opens and wraps without paying again.
pub struct Root {
    key: Key,
    cost: KdfCost,
    salt: [u8; 32],
}

impl Root {
    /// Of a new passphrase.
    pub fn new(passphrase: &[u8], cost: KdfCost, random: &dyn Random) -> Result<Self, KeySlotError> {
        Self::of(passphrase, random_bytes(random), cost)
    }

    fn of(passphrase: &[u8], salt: [u8; 32], cost: KdfCost) -> Result<Self, KeySlotError> {
        Ok(Self {
            key: harden(passphrase, &salt, cost.check()?)?,
            cost,
            salt,
        })
    }
}

impl PassphraseSlot {
    /// Wraps `bundle_key` for slot `number` of `bundle`.
    pub fn create(
        bundle: BundleId,
        number: u8,
        bundle_key: &Key,
        passphrase: &[u8],
        cost: KdfCost,
        random: &dyn Random,
    ) -> Result<Self, KeySlotError> {
        let root = Root::new(passphrase, cost, random)?;
        Ok(Self::under(bundle, number, bundle_key, &root))
    }

    /// The same for a passphrase that was hardened.
    pub fn under(bundle: BundleId, number: u8, bundle_key: &Key, root: &Root) -> Self {
        let (commitment, wrapped) = wrapped(&root.key, bundle, number, bundle_key, root.cost);
        Self {
            cost: root.cost,
            salt: root.salt,
            commitment,
            wrapped,
        }
    }

    /// Recovers the bundle key.
    pub fn open(&self, bundle: BundleId, number: u8, passphrase: &[u8]) -> Result<Key, KeySlotError> {
        self.open_under(bundle, number, &self.harden(passphrase)?)
    }

    /// Pays for one guess of the passphrase.
    pub fn harden(&self, passphrase: &[u8]) -> Result<Root, KeySlotError> {
        Root::of(passphrase, self.salt, self.cost)
    }

    /// Recovers the bundle key by a passphrase that was hardened.
    pub fn open_under(&self, bundle: BundleId, number: u8, root: &Root) -> Result<Key, KeySlotError> {
        unwrapped(
            &root.key,
            bundle,
            number,
            self.cost,
            &self.commitment,
            &self.wrapped,
        )
    }

    /// What one guess costs.
    pub fn cost(&self) -> KdfCost {
        self.cost
    }
}

impl KeySlot {
    /// Writes the slot's 128 bytes.
    pub fn encode(&self) -> [u8; KEY_SLOT_LEN] {
        let mut out = [0; KEY_SLOT_LEN];
        match self {
            Self::Empty => {}
            Self::Unknown(bytes) => out = **bytes,
            Self::Share(share) => {
                out[0] = TYPE_SHARE;
                out[SHARE_AT..SHARE_AT + KEY_LEN].copy_from_slice(share.expose());
            }
            Self::ShareName(name) => {
                out[0] = TYPE_SHARE_NAME;
                out[SHARE_AT..SHARE_AT + SHARE_NAME_LEN].copy_from_slice(&name.0);
            }
            Self::Passphrase(slot) => {
                let parts = (slot.cost, &slot.salt, &slot.commitment, &slot.wrapped);
                put(&mut out, TYPE_PASSPHRASE, parts);
            }
            Self::Shared(slot) => {
                let parts = (slot.cost, &slot.salt, &slot.commitment, &slot.wrapped);
                put(&mut out, TYPE_SHARED, parts);
            }
        }
        out
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; KEY_SLOT_LEN] = reader.array()?;
        let mut fields = Reader(&bytes[1..]);
        match bytes[0] {
            TYPE_EMPTY => Ok(Self::Empty),
            kind @ (TYPE_PASSPHRASE | TYPE_SHARED) => {
                fields.bytes(3)?;
                let cost = KdfCost {
                    memory_kib: fields.u32()?,
                    passes: fields.u32()?,
                    lanes: fields.u32()?,
                };
                let (salt, commitment, wrapped) = (fields.array()?, fields.array()?, fields.array()?);
                Ok(match kind {
                    TYPE_SHARED => Self::Shared(SharedSlot {
                        cost,
                        salt,
                        commitment,
                        wrapped,
                    }),
                    _ => Self::Passphrase(PassphraseSlot {
                        cost,
                        salt,
                        commitment,
                        wrapped,
                    }),
                })
            }
            TYPE_SHARE => {
                fields.bytes(SHARE_AT - 1)?;
                Ok(Self::Share(Share::from_bytes(fields.array()?)))
            }
            TYPE_SHARE_NAME => {
                fields.bytes(SHARE_AT - 1)?;
                Ok(Self::ShareName(ShareName(fields.array()?)))
            }
            _ => Ok(Self::Unknown(Box::new(bytes))),
        }
    }
}

/// What the two kinds of slots that wrap a key have.
type Parts<'a> = (KdfCost, &'a [u8; 32], &'a [u8; 32], &'a [u8; WRAPPED_LEN]);

fn put(out: &mut [u8; KEY_SLOT_LEN], kind: u8, (cost, salt, commitment, wrapped): Parts<'_>) {
    out[0] = kind;
    out[4..8].copy_from_slice(&cost.memory_kib.to_le_bytes());
    out[8..12].copy_from_slice(&cost.passes.to_le_bytes());
    out[12..16].copy_from_slice(&cost.lanes.to_le_bytes());
    out[16..48].copy_from_slice(salt);
    out[48..80].copy_from_slice(commitment);
    out[80..128].copy_from_slice(wrapped);
}

/// Commitment and wrapped key under `root`, which wraps this once: its salt, or the share in it, is fresh. So the nonce may be fixed.
fn wrapped(
    root: &Key,
    bundle: BundleId,
    number: u8,
    bundle_key: &Key,
    cost: KdfCost,
) -> ([u8; 32], [u8; WRAPPED_LEN]) {
    let mut buffer = Zeroizing::new(Vec::with_capacity(WRAPPED_LEN));
    buffer.extend_from_slice(bundle_key.expose());
    wrapping_cipher(root).seal(position_nonce(0, 0), &aad(bundle, number, cost), &mut buffer, 0);
    let mut wrapped = [0; WRAPPED_LEN];
    wrapped.copy_from_slice(&buffer);
    (commitment(root), wrapped)
}

fn unwrapped(
    root: &Key,
    bundle: BundleId,
    number: u8,
    cost: KdfCost,
    committed: &[u8; 32],
    wrapped: &[u8; WRAPPED_LEN],
) -> Result<Key, KeySlotError> {
    use subtle::ConstantTimeEq as _;
    if !bool::from(commitment(root).ct_eq(committed)) {
        return Err(KeySlotError::WrongPassphrase);
    }
    let mut wrapped = Zeroizing::new(*wrapped);
    let key = wrapping_cipher(root)
        .open(position_nonce(0, 0), &aad(bundle, number, cost), &mut wrapped[..])
        .map_err(|_| KeySlotError::Damaged)?;
    let bytes = <[u8; KEY_LEN]>::try_from(&*key).map_err(|_| KeySlotError::Damaged)?;
    Ok(Key::from_bytes(bytes))
}

fn harden(passphrase: &[u8], salt: &[u8; 32], cost: KdfCost) -> Result<Key, KeySlotError> {
    if passphrase.is_empty() || passphrase.len() > MAX_PASSPHRASE_LEN {
        return Err(KeySlotError::PassphraseLength);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN))
        .map_err(|_| KeySlotError::CostOutOfBounds { cost })?;
    let mut root = Zeroizing::new([0; KEY_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, &mut root[..])
        .map_err(|_| KeySlotError::CostOutOfBounds { cost })?;
    Ok(Key::from_bytes(*root))
}

fn wrapping_cipher(root: &Key) -> Cipher {
    Cipher::gcm_siv(&root.derive("keyslot wrap", &[]))
}

fn commitment(root: &Key) -> [u8; 32] {
    *root.derive("keyslot commitment", &[]).expose()
}

fn aad(bundle: BundleId, number: u8, cost: KdfCost) -> Vec<u8> {
    let mut aad = Vec::with_capacity(32);
    aad.extend_from_slice(&bundle.0);
    aad.push(number);
    for value in [cost.memory_kib, cost.passes, cost.lanes] {
        aad.extend_from_slice(&value.to_le_bytes());
    }
    aad
}
