//! Signatures: what IT released, as opposed to what somebody with a key to read could have written.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crypto::{KEY_LEN, Key};

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// What a client signs in a TLS 1.3 handshake begins with: 64 spaces, then this (RFC 8446, 4.4.3).
const HANDSHAKE: &[u8] = b"TLS 1.3, client CertificateVerify\0";

/// Signs for an organisation; made from a 32-byte seed that is kept like any other key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The signing key that belongs to `seed`.
    pub fn from_seed(seed: &Key) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        Self(pair.expect("every 32 bytes are an Ed25519 seed"))
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs `message` for one purpose: `domain` keeps signatures of different kinds of documents apart.
    pub fn sign(&self, domain: &str, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.sign_exactly(&in_domain(domain, message))
    }

    /// Signs a client's part of a TLS 1.3 handshake; `None` for anything else, so that nobody gets a document signed by it.
    pub fn sign_handshake(&self, message: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
        let said = message.strip_prefix(&[b' '; 64])?;
        said.starts_with(HANDSHAKE).then(|| self.sign_exactly(message))
    }

    /// Signs bytes that say themselves what they are for, so that they can never be those of a document in a domain.
    pub(crate) fn sign_exactly(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.0.sign(message).as_ref());
        signature
    }
}

/// The public half of a [`SigningKey`]; text form: base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey(pub [u8; KEY_LEN]);

impl VerifyingKey {
    /// Whether `signature` is this key's signature of `message` for `domain`.
    pub fn verifies(&self, domain: &str, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.verifies_exactly(&in_domain(domain, message), signature)
    }

    /// The same for bytes that say themselves what they are for.
    pub(crate) fn verifies_exactly(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// `gobag v1 <domain>`, a zero byte, the message.
fn in_domain(domain: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = format!("gobag v1 {domain}\0").into_bytes();
    bytes.extend_from_slice(message);
    bytes
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a verifying key is 32 bytes in base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        crate::ids::parse_hex(text).unwrap()
    }

    #[test]
    fn the_public_key_is_that_of_rfc_8032() {
        // RFC 8032, section 7.1, test 1.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(
            SigningKey::from_seed(&Key::from_bytes(seed)).verifying_key(),
            VerifyingKey(public)
        );
    }

    #[test]
    fn a_signature_holds_for_one_message_in_one_domain_under_one_key() {
        let key = SigningKey::from_seed(&Key::from_bytes([1; 32]));
        let public = key.verifying_key();
        let signature = key.sign("manifest", b"message");
        assert!(public.verifies("manifest", b"message", &signature));
        assert!(!public.verifies("manifest", b"massage", &signature));
        assert!(!public.verifies("lease", b"message", &signature));
        let other = SigningKey::from_seed(&Key::from_bytes([2; 32])).verifying_key();
        assert!(!other.verifies("manifest", b"message", &signature));
        assert_eq!(VerifyingKey::parse(&public.to_string()), Some(public));
    }

    #[test]
    fn a_handshake_is_signed_and_nothing_that_only_looks_like_one() {
        let key = SigningKey::from_seed(&Key::from_bytes([1; 32]));
        let handshake = [&[b' '; 64], HANDSHAKE, &[7; 48]].concat();
        let signature = key.sign_handshake(&handshake).unwrap();
        assert!(key.verifying_key().verifies_exactly(&handshake, &signature));
        for other in [
            b"gobag v1 manifest\0message".as_slice(),
            b"DSSEv1 1 a 1 a",
            &handshake[1..],
            &[&[b' '; 64], b"TLS 1.3, server CertificateVerify\0".as_slice()].concat(),
        ] {
            assert_eq!(key.sign_handshake(other), None);
        }
    }
}
