//! Keys, key derivation and sealing: the only place that calls a cipher.
//!
//! Three rules hold for everything built on this module:
//! 1. a key is random or derived under a label of its own, never used for two purposes;
//! 2. a (key, nonce) pair seals one plaintext only: nonces are positions under keys that are fresh for each
//!    writing of a file (`docs/format.md`, "Nonces");
//! 3. opening says one thing only: [`OpenError`], wrong key or damaged data.

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Stack that is wiped after hashing, bytes: more than the frames of BLAKE3 for a chunk take; `tests/it/secrets.rs` finds
/// nothing left behind them.
const HASHING_STACK: usize = 16 << 10;

/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// Bytes that sealing adds.
pub const TAG_LEN: usize = 16;
/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `out`; a source that cannot must panic, for nothing safe can be done without randomness.
    fn fill(&self, out: &mut [u8]);
}

/// Returns `N` fresh random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// A 256-bit secret; erased on drop, printed by nothing.
///
/// On the heap, so that there is one copy: a key that is moved, or lies in a vector that grows, would leave its bytes on
/// the stack and in memory that was given back, where nothing erases them.
pub struct Key(Box<[u8; KEY_LEN]>);

impl ZeroizeOnDrop for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        Self::filled(|bytes| bytes.copy_from_slice(&self.0[..]))
    }
}

impl Key {
    /// A key whose bytes are written where they stay.
    fn filled(fill: impl FnOnce(&mut [u8; KEY_LEN])) -> Self {
        let mut key = Self(Box::new([0; KEY_LEN]));
        fill(&mut key.0);
        key
    }

    /// Takes over existing key bytes, and erases the copy that was handed over.
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> Self {
        let key = Self::filled(|place| place.copy_from_slice(&bytes));
        bytes.zeroize();
        key
    }

    /// Draws a fresh key.
    pub fn generate(random: &dyn Random) -> Self {
        Self::filled(|bytes| random.fill(bytes))
    }

    /// Derives the key for one purpose: BLAKE3 `derive_key` with context `gobag v1 <label>` over this key
    /// followed by `context`, whose length must be fixed for a label.
    pub fn derive(&self, label: &str, context: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(&format!("gobag v1 {label}"));
        hasher.update(&self.0[..]);
        hasher.update(context);
        let mut hash = hasher.finalize();
        hasher.zeroize();
        let key = Self::filled(|bytes| bytes.copy_from_slice(hash.as_bytes()));
        hash.zeroize();
        key
    }

    /// The keyed BLAKE3 hash of `data` under this key.
    pub fn mac(&self, data: &[u8]) -> blake3::Hash {
        let mac = blake3::keyed_hash(&self.0, data);
        wipe_stack();
        mac
    }

    /// The secret itself; for sealing it under another key or writing it to a sealed document.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

/// Overwrites the part of the stack below the caller. BLAKE3 leaves the key's words in the frames of its functions, and
/// the stack of a thread that has ended stays in the process's memory.
#[inline(never)]
fn wipe_stack() {
    let mut frames = [0_u8; HASHING_STACK];
    // Without it the compiler would see that nobody reads the array.
    std::hint::black_box(&mut frames);
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64.encode(&self.0[..]));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(D::Error::custom)?);
        let bytes: &[u8; KEY_LEN] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| D::Error::custom("a key has 32 bytes"))?;
        Ok(Self::filled(|place| place.copy_from_slice(bytes)))
    }
}

/// Wrong key or damaged data; which of the two cannot be known, and is not said.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("wrong key or damaged data")]
pub struct OpenError;

/// A cipher ready to seal and open under one key.
pub struct Cipher(LessSafeKey);

impl Cipher {
    /// AES-256-GCM: for what is written once and never continued (packs, maps, manifests).
    pub fn gcm(key: &Key) -> Self {
        Self::new(&AES_256_GCM, key)
    }

    /// AES-256-GCM-SIV: for what is rewritten in place (key slots, header, log, checkpoints); a nonce that
    /// came twice against all rules would only show that two plaintexts are equal.
    pub fn gcm_siv(key: &Key) -> Self {
        Self::new(&AES_256_GCM_SIV, key)
    }

    fn new(algorithm: &'static Algorithm, key: &Key) -> Self {
        let unbound = UnboundKey::new(algorithm, key.expose()).expect("a 32-byte key fits both ciphers");
        Self(LessSafeKey::new(unbound))
    }

    /// Seals `buffer[from..]` in place and appends the tag.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>, from: usize) {
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut buffer[from..],
            )
            .expect("lengths are far below the cipher's limit");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Opens `sealed` (ciphertext followed by its tag) in place and returns the plaintext.
    pub fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], OpenError> {
        self.0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed)
            .map_err(|_| OpenError)
    }
}

/// A nonce made of a domain byte and a position; positions of one domain never repeat under one key.
pub fn position_nonce(domain: u8, position: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[0] = domain;
    nonce[4..].copy_from_slice(&position.to_le_bytes());
    nonce
}
