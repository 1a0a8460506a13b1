//! Slots that want a *share* of the company's besides the passphrase (`docs/format/lease.md`, "Unlock modes").
//!
//! The share is mixed with what argon2id makes of the passphrase, and the commitment is made of both: who has the stick without the share cannot even tell
//! whether a passphrase is right. A share may lie beside the slot, in a slot of its own: then the stick opens offline until it is taken away. Its name lies
//! there in any case, for whoever asks the company for it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;

use super::{KdfCost, KeySlotError, Root, WRAPPED_LEN, unwrapped, wrapped};
use crate::{
    crypto::{KEY_LEN, Key, Random},
    ids::BundleId,
    sign::SigningKey,
};

/// What the company adds to a passphrase: 32 random bytes, a fresh one for each time that a stick is wrapped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(Key);

/// Bytes of a share's name.
pub const SHARE_NAME_LEN: usize = 88;

/// What the company calls a share ([`crate::lease::share`]); for everybody else bytes without meaning. Text form: base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShareName(pub [u8; SHARE_NAME_LEN]);

impl fmt::Debug for ShareName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareName({})", &BASE64.encode(&self.0[..6]))
    }
}

impl Serialize for ShareName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ShareName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let odd = || {
            serde::de::Error::custom(format_args!(
                "the name of a share is {SHARE_NAME_LEN} bytes in base64"
            ))
        };
        bytes.map(Self).ok_or_else(odd)
    }
}

/// A bundle key wrapped under a passphrase and a share.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSlot {
    pub(super) cost: KdfCost,
    pub(super) salt: [u8; 32],
    pub(super) commitment: [u8; 32],
    pub(super) wrapped: [u8; WRAPPED_LEN],
}

impl Share {
    /// Draws one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::generate(random))
    }

    /// One that somebody kept.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Key::from_bytes(bytes))
    }

    /// Its bytes, to be handed on.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.expose()[..].ct_eq(&other.expose()[..]).into()
    }
}

impl Eq for Share {}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

impl SharedSlot {
    /// Wraps `bundle_key` for slot `number` of `bundle` under a passphrase that was hardened, and a share that was never used before.
    pub fn create(bundle: BundleId, number: u8, bundle_key: &Key, root: &Root, share: &Share) -> Self {
        let mixed = root.with(share);
        let (commitment, wrapped) = wrapped(&mixed, bundle, number, bundle_key, root.cost);
        Self {
            cost: root.cost,
            salt: root.salt,
            commitment,
            wrapped,
        }
    }

    /// Pays for one guess of the passphrase.
    pub fn harden(&self, passphrase: &[u8]) -> Result<Root, KeySlotError> {
        Root::of(passphrase, self.salt, self.cost)
    }

    /// Recovers the bundle key. A passphrase that is wrong and a share that is another one cannot be told apart.
    pub fn open(
        &self,
        bundle: BundleId,
        number: u8,
        root: &Root,
        share: &Share,
    ) -> Result<Key, KeySlotError> {
        unwrapped(
            &root.with(share),
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

impl Root {
    /// The key by which a stick proves to the server that somebody typed its passphrase. The server knows the public half alone.
    pub fn proof_key(&self, bundle: BundleId) -> SigningKey {
        SigningKey::from_seed(&self.key.derive("keyslot share proof", &bundle.0))
    }

    fn with(&self, share: &Share) -> Key {
        self.key.derive("keyslot share", share.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keyslot::KeySlot, limits::MIN_KDF_MEMORY_KIB, reader::Reader, testing::Fixed};

    const BUNDLE: BundleId = BundleId([3; 16]);
    const CHEAP: KdfCost = KdfCost {
        memory_kib: MIN_KDF_MEMORY_KIB,
        passes: 1,
        lanes: 2,
    };

    fn share(seed: u8) -> Share {
        Share::generate(&Fixed::new(seed))
    }

    fn root(passphrase: &[u8]) -> Root {
        Root::of(passphrase, [7; 32], CHEAP).unwrap()
    }

    fn slot() -> SharedSlot {
        let key = Key::from_bytes([9; 32]);
        SharedSlot::create(BUNDLE, 0, &key, &root(b"correct horse"), &share(1))
    }

    #[test]
    fn it_opens_by_both_and_by_neither_alone() {
        let slot = slot();
        let right = slot.harden(b"correct horse").unwrap();
        let opened = slot.open(BUNDLE, 0, &right, &share(1)).unwrap();
        assert!(opened.expose() == &[9; 32]);
        let wrong = slot.harden(b"battery staple").unwrap();
        for (root, share) in [(&right, share(2)), (&wrong, share(1)), (&wrong, share(2))] {
            let refused = slot.open(BUNDLE, 0, root, &share).err();
            assert_eq!(
                refused,
                Some(KeySlotError::WrongPassphrase),
                "and which of them is not said"
            );
        }
        assert_eq!(
            slot.open(BUNDLE, 1, &right, &share(1)).err(),
            Some(KeySlotError::Damaged)
        );
        assert_eq!(
            slot.open(BundleId([4; 16]), 0, &right, &share(1)).err(),
            Some(KeySlotError::Damaged)
        );
    }

    #[test]
    fn nothing_of_it_tells_a_right_passphrase_without_the_share() {
        // The same passphrase and salt under two shares: no byte but cost and salt is the same.
        let key = Key::from_bytes([9; 32]);
        let encoded = [1, 2].map(|seed| {
            let slot = SharedSlot::create(BUNDLE, 0, &key, &root(b"correct horse"), &share(seed));
            KeySlot::Shared(slot).encode()
        });
        assert_eq!(encoded[0][..48], encoded[1][..48]);
        let same = encoded[0][48..]
            .iter()
            .zip(&encoded[1][48..])
            .filter(|(a, b)| a == b)
            .count();
        assert!(same < 8, "{same}");
        let commitment = root(b"correct horse").key.derive("keyslot commitment", &[]);
        assert!(encoded.iter().all(|slot| slot[48..80] != commitment.expose()[..]));
    }

    #[test]
    fn all_kinds_are_written_as_they_were_read() {
        let name = ShareName([6; SHARE_NAME_LEN]);
        for kind in [
            KeySlot::Shared(slot()),
            KeySlot::Share(share(5)),
            KeySlot::ShareName(name),
        ] {
            let bytes = kind.encode();
            let back = KeySlot::decode(&mut Reader(&bytes)).ok().unwrap();
            assert!(back == kind && back.encode() == bytes);
        }
        assert_eq!(format!("{:?}", share(5)), "Share(…)");
    }

    #[test]
    fn the_proof_is_of_the_passphrase_and_the_stick_and_of_no_share() {
        let key = |passphrase, bundle| root(passphrase).proof_key(bundle).verifying_key();
        let ours = key(&b"correct horse"[..], BUNDLE);
        assert_eq!(
            slot()
                .harden(b"correct horse")
                .unwrap()
                .proof_key(BUNDLE)
                .verifying_key(),
            ours
        );
        assert_ne!(key(b"correct horse", BundleId([4; 16])), ours);
        assert_ne!(key(b"battery staple", BUNDLE), ours);
    }
}
