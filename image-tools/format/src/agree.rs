//! Key agreement: a secret that two sides have in common, each from its own key and the other's public half (X25519).

use std::fmt;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crypto::{KEY_LEN, Key, OpenError};

/// One side's key; made from a 32-byte seed that is kept like any other key.
pub struct AgreementKey(PrivateKey);

impl AgreementKey {
    /// The key that belongs to `seed`.
    pub fn from_seed(seed: &Key) -> Self {
        let key = PrivateKey::from_private_key(&X25519, seed.expose());
        Self(key.expect("every 32 bytes are an X25519 key"))
    }

    /// The public half.
    pub fn public(&self) -> AgreementPublic {
        let public = self
            .0
            .compute_public_key()
            .expect("a private key has a public half");
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(public.as_ref());
        AgreementPublic(bytes)
    }

    /// What both sides have in common; nobody uses it but through [`Key::derive`]. Fails for a public half that would make it known to everybody.
    pub fn shared(&self, other: &AgreementPublic) -> Result<Key, OpenError> {
        let other = UnparsedPublicKey::new(&X25519, &other.0[..]);
        agree(&self.0, other, OpenError, |secret| {
            <[u8; KEY_LEN]>::try_from(secret)
                .map(Key::from_bytes)
                .map_err(|_| OpenError)
        })
    }
}

/// The public half of an [`AgreementKey`]; text form: base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AgreementPublic(pub [u8; KEY_LEN]);

impl AgreementPublic {
    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for AgreementPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for AgreementPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AgreementPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AgreementPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a public key has 32 bytes in base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hex: &str) -> AgreementKey {
        AgreementKey::from_seed(&Key::from_bytes(crate::ids::parse_hex(hex).unwrap()))
    }

    #[test]
    fn both_sides_have_what_rfc_7748_says() {
        // RFC 7748, section 6.1.
        let alice = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
        assert_eq!(
            bob.public(),
            AgreementPublic(crate::ids::parse_hex(public).unwrap())
        );
        let said = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        let (one, other) = (
            alice.shared(&bob.public()).unwrap(),
            bob.shared(&alice.public()).unwrap(),
        );
        assert!(one.expose() == other.expose());
        assert!(*one.expose() == crate::ids::parse_hex::<32>(said).unwrap());
    }

    #[test]
    fn a_public_half_that_gives_the_secret_away_is_refused() {
        let key = AgreementKey::from_seed(&Key::from_bytes([7; 32]));
        assert!(key.shared(&AgreementPublic([0; 32])).is_err());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(key.shared(&AgreementPublic(one)).is_err());
        assert_eq!(
            AgreementPublic::parse(&key.public().to_string()),
            Some(key.public())
        );
    }
}
