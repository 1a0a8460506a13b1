//! The header: eight copies in two files of who this bundle is, how it is unlocked and what it holds.
//!
//! A slot has a public part (magic, version, features, bundle id, generation, key slots), a sealed
//! [`HeaderRecord`], a MAC under the bundle key over everything before it, and a plain checksum at the end.
//! The checksum tells a torn slot from a whole one before a passphrase is known; only the MAC makes it
//! trusted. Every slot written anew has a higher generation; the highest that authenticates counts.

mod record;

use thiserror::Error;
use zeroize::Zeroizing;

pub use record::{HeaderRecord, ImageRecord, LogGeometry, VolumeRecord, VolumeRole};

use crate::{
    crypto::{Cipher, Key, Random, TAG_LEN, position_nonce, random_bytes},
    ids::BundleId,
    keyslot::{KEY_SLOT_LEN, KeySlot},
    limits::{HEADER_SLOT_LEN, MAX_HEADER_RECORD_LEN, MAX_KEY_SLOTS},
    reader::{Malformed, Reader},
};

const MAGIC: [u8; 8] = *b"GOBAGHDR";
/// Format version this code reads and writes.
pub const FORMAT_VERSION: u16 = 1;
/// Incompatible feature: the passphrase opens only together with a share ([`KeySlot::Shared`]), which a program of before would take for a wrong passphrase.
pub const SHARES: u64 = 2;
const KNOWN_INCOMPATIBLE: u64 = SHARES;
const KEY_SLOTS_AT: usize = 64;
const RECORD_AT: usize = KEY_SLOTS_AT + MAX_KEY_SLOTS * KEY_SLOT_LEN;
const RECORD_BODY_AT: usize = RECORD_AT + 32 + 4;
const CHECKSUM_AT: usize = HEADER_SLOT_LEN - 32;
const MAC_AT: usize = CHECKSUM_AT - 32;
const _: () = assert!(RECORD_BODY_AT + MAX_HEADER_RECORD_LEN + TAG_LEN <= MAC_AT);

/// What a reader must know to touch a bundle, as ext4 does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Unknown bits here: do not open at all.
    pub incompat: u64,
    /// Unknown bits here: read only.
    pub ro_compat: u64,
    /// Unknown bits here: no matter.
    pub compat: u64,
}

/// A whole header slot, not yet trusted.
#[derive(Clone)]
pub struct HeaderSlot {
    /// Features in use.
    pub features: Features,
    /// The bundle.
    pub bundle: BundleId,
    /// Rises with each writing.
    pub generation: u64,
    /// Ways to the bundle key.
    pub key_slots: Vec<KeySlot>,
    bytes: Vec<u8>,
}

/// What an erased slot begins with, before noise: so that the stick can still say why it opens no more.
pub const CUT_OFF: &[u8; 16] = b"GOBAG CUT OFF 1\n";

/// Why a slot, or all of them, cannot be used.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not a header slot: never written, overwritten or of another program.
    #[error("no bundle header here")]
    NotAHeader,
    /// What was here was erased because the company cut the stick off. Anybody can write that, and can as well damage the slot.
    #[error("the company cut this stick off, and what unlocks it is erased")]
    CutOff,
    /// The slot was torn or altered.
    #[error("header slot is damaged")]
    Damaged,
    /// Written by a later version of Gobag that this one cannot read.
    #[error("bundle format {found} is newer than {FORMAT_VERSION}, the newest this program knows")]
    NewerFormat {
        /// Version found.
        found: u16,
    },
    /// Uses features this version does not know.
    #[error("bundle uses features this program does not know (bits {bits:#x})")]
    UnknownFeatures {
        /// The unknown incompatible bits.
        bits: u64,
    },
    /// The bundle key does not authenticate the slot.
    #[error("header: wrong key or damaged data")]
    NotAuthentic,
    /// The record is authentic but makes no sense to this version.
    #[error("header record is malformed: {reason}")]
    MalformedRecord {
        /// What is wrong with it.
        reason: String,
    },
    /// The record does not fit a slot.
    #[error("header record has {len} bytes, more than {MAX_HEADER_RECORD_LEN}")]
    RecordTooLarge {
        /// Its size.
        len: usize,
    },
}

impl HeaderError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAHeader => "header.not-a-header",
            Self::CutOff => "header.cut-off",
            Self::Damaged => "header.damaged",
            Self::NewerFormat { .. } => "header.newer-format",
            Self::UnknownFeatures { .. } => "header.unknown-features",
            Self::NotAuthentic => "header.not-authentic",
            Self::MalformedRecord { .. } => "header.malformed-record",
            Self::RecordTooLarge { .. } => "header.record-too-large",
        }
    }
}

impl From<Malformed> for HeaderError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

impl HeaderSlot {
    /// Reads a slot of [`HEADER_SLOT_LEN`] bytes; checks magic, version, features and checksum.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() == HEADER_SLOT_LEN && bytes.starts_with(CUT_OFF) {
            return Err(HeaderError::CutOff);
        }
        if bytes.len() != HEADER_SLOT_LEN || bytes[..8] != MAGIC {
            return Err(HeaderError::NotAHeader);
        }
        if blake3::hash(&bytes[..CHECKSUM_AT]).as_bytes()[..] != bytes[CHECKSUM_AT..] {
            return Err(HeaderError::Damaged);
        }
        let mut reader = Reader(&bytes[8..]);
        let found = reader.u16()?;
        if found > FORMAT_VERSION {
            return Err(HeaderError::NewerFormat { found });
        }
        reader.bytes(6)?;
        let features = Features {
            incompat: reader.u64()?,
            ro_compat: reader.u64()?,
            compat: reader.u64()?,
        };
        let bits = features.incompat & !KNOWN_INCOMPATIBLE;
        if bits != 0 {
            return Err(HeaderError::UnknownFeatures { bits });
        }
        let bundle = BundleId(reader.array()?);
        let generation = reader.u64()?;
        let key_slots = (0..MAX_KEY_SLOTS)
            .map(|_| KeySlot::decode(&mut reader))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            features,
            bundle,
            generation,
            key_slots,
            bytes: bytes.to_vec(),
        })
    }

    /// Writes a slot.
    pub fn encode(
        bundle: BundleId,
        generation: u64,
        key_slots: &[KeySlot],
        record: &HeaderRecord,
        bundle_key: &Key,
        random: &dyn Random,
    ) -> Result<Vec<u8>, HeaderError> {
        let mut sealed = record.to_json()?;
        let salt: [u8; 32] = random_bytes(random);
        record_cipher(bundle_key, &salt).seal(
            position_nonce(0, generation),
            &aad(bundle, generation),
            &mut sealed,
            0,
        );
        // What is not used is random, so that the length of the record does not show.
        let mut out = vec![0; HEADER_SLOT_LEN];
        random.fill(&mut out[RECORD_BODY_AT..]);
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let needs_share = |slot: &KeySlot| matches!(slot, KeySlot::Shared(_) | KeySlot::Share(_));
        if key_slots.iter().any(needs_share) {
            out[16..24].copy_from_slice(&SHARES.to_le_bytes());
        }
        out[40..56].copy_from_slice(&bundle.0);
        out[56..64].copy_from_slice(&generation.to_le_bytes());
        for (slot, place) in key_slots
            .iter()
            .zip(out[KEY_SLOTS_AT..RECORD_AT].chunks_mut(KEY_SLOT_LEN))
        {
            place.copy_from_slice(&slot.encode());
        }
        out[RECORD_AT..RECORD_AT + 32].copy_from_slice(&salt);
        let masked = length_mask(bundle_key, &salt) ^ sealed.len() as u32;
        out[RECORD_AT + 32..RECORD_BODY_AT].copy_from_slice(&masked.to_le_bytes());
        out[RECORD_BODY_AT..RECORD_BODY_AT + sealed.len()].copy_from_slice(&sealed);
        let mac = mac_key(bundle_key).mac(&out[..MAC_AT]);
        out[MAC_AT..CHECKSUM_AT].copy_from_slice(mac.as_bytes());
        let checksum = blake3::hash(&out[..CHECKSUM_AT]);
        out[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        Ok(out)
    }

    /// Whether the bundle key vouches for every byte of this slot.
    pub fn authenticates(&self, bundle_key: &Key) -> bool {
        // blake3's comparison takes the same time whatever differs.
        let mac = mac_key(bundle_key).mac(&self.bytes[..MAC_AT]);
        <[u8; 32]>::try_from(&self.bytes[MAC_AT..CHECKSUM_AT]).is_ok_and(|found| mac == found)
    }

    /// Opens the sealed record.
    pub fn open(&self, bundle_key: &Key) -> Result<HeaderRecord, HeaderError> {
        if !self.authenticates(bundle_key) {
            return Err(HeaderError::NotAuthentic);
        }
        let mut reader = Reader(&self.bytes[RECORD_AT..]);
        let salt: [u8; 32] = reader.array()?;
        let len = (reader.u32()? ^ length_mask(bundle_key, &salt)) as usize;
        if len > MAX_HEADER_RECORD_LEN + TAG_LEN {
            return Err(HeaderError::NotAuthentic);
        }
        let mut sealed = Zeroizing::new(reader.bytes(len)?.to_vec());
        let json = record_cipher(bundle_key, &salt)
            .open(
                position_nonce(0, self.generation),
                &aad(self.bundle, self.generation),
                &mut sealed,
            )
            .map_err(|_| HeaderError::NotAuthentic)?;
        HeaderRecord::from_json(json)
    }
}

fn aad(bundle: BundleId, generation: u64) -> [u8; 24] {
    let mut aad = [0; 24];
    aad[..16].copy_from_slice(&bundle.0);
    aad[16..].copy_from_slice(&generation.to_le_bytes());
    aad
}

fn record_cipher(bundle_key: &Key, salt: &[u8; 32]) -> Cipher {
    Cipher::gcm_siv(&bundle_key.derive("header record", salt))
}

fn length_mask(bundle_key: &Key, salt: &[u8; 32]) -> u32 {
    let key = bundle_key.derive("header record length", salt);
    let [a, b, c, d, ..] = *key.expose();
    u32::from_le_bytes([a, b, c, d])
}

fn mac_key(bundle_key: &Key) -> Key {
    bundle_key.derive("header mac", &[])
}
