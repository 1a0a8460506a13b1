//! Signed documents: what a stick says, so that whoever knows its key can tell that nobody altered it on the way.
//!
//! A DSSE envelope (*Dead Simple Signing Envelope* v1, <https://github.com/secure-systems-lab/dsse>): the exact bytes of the document in base64, what kind
//! of document it is, and Ed25519 signatures over both. The bytes are signed as they are, so nothing depends on how a JSON library
//! orders or spaces fields, and any program that knows DSSE can check it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    digest::Digest,
    limits::{MAX_ENVELOPE_LEN, MAX_SIGNATURES},
    sign::{SigningKey, VerifyingKey},
};

/// The kind of a signed result of `gobag check`.
pub const CHECK_RESULT: &str = "application/vnd.gobag.check+json";

/// Characters of a key's digest that name the key; a hint, never a proof.
const KEY_NAME_LEN: usize = 16;

/// A signed document as it travels: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// Why an envelope is refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More bytes than one has.
    #[error("a signed document has at most {MAX_ENVELOPE_LEN} bytes")]
    TooLarge,
    /// Something else, or cut.
    #[error("not a signed document: {reason}")]
    Malformed {
        /// What is wrong, in words.
        reason: String,
    },
    /// A signed document of another kind.
    #[error("a signed document of another kind (`{found}`)")]
    OtherKind {
        /// The kind found.
        found: String,
    },
    /// None of its signatures is by a key that counts.
    #[error("not signed by a key that is known here, or altered")]
    BadSignature,
    /// Two documents that should be one.
    #[error("it does not say the same as the others")]
    OtherWords,
}

impl EnvelopeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "envelope.too-large",
            Self::Malformed { .. } => "envelope.malformed",
            Self::OtherKind { .. } => "envelope.other-kind",
            Self::BadSignature => "envelope.bad-signature",
            Self::OtherWords => "envelope.other-words",
        }
    }
}

impl Envelope {
    /// Signs `payload`, a document of this kind.
    pub fn sign(kind: &str, payload: &[u8], key: &SigningKey) -> Self {
        let signature = Signed {
            keyid: key_name(&key.verifying_key()),
            sig: BASE64.encode(key.sign_exactly(&encoded(kind, payload))),
        };
        Self {
            payload: BASE64.encode(payload),
            payload_type: kind.to_owned(),
            signatures: vec![signature],
        }
    }

    /// A document of this kind that nobody signed yet.
    pub fn unsigned(kind: &str, payload: &[u8]) -> Self {
        Self {
            payload: BASE64.encode(payload),
            payload_type: kind.to_owned(),
            signatures: Vec::new(),
        }
    }

    /// Adds the signatures of `other`, which must be the same document; each signature once.
    pub fn join(&mut self, other: &Self) -> Result<(), EnvelopeError> {
        let kind = self.payload_type.clone();
        if other.unverified(&kind)? != self.unverified(&kind)? {
            return Err(EnvelopeError::OtherWords);
        }
        let further = other
            .signatures
            .iter()
            .filter(|signature| !self.signatures.contains(signature));
        let further: Vec<Signed> = further.cloned().collect();
        if self.signatures.len() + further.len() > MAX_SIGNATURES {
            return Err(malformed(format!("more than {MAX_SIGNATURES} signatures")));
        }
        self.signatures.extend(further);
        Ok(())
    }

    /// Adds the signature of another key, over the same document.
    pub fn sign_too(&mut self, key: &SigningKey) -> Result<(), EnvelopeError> {
        let kind = self.payload_type.clone();
        let payload = self.unverified(&kind)?;
        let again = Self::sign(&kind, &payload, key);
        self.signatures.extend(again.signatures);
        Ok(())
    }

    /// Reads one; what it holds is believed only after [`Envelope::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_LEN {
            return Err(EnvelopeError::TooLarge);
        }
        let envelope: Self = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        // Each costs a verification with each key.
        match envelope.signatures.len() <= MAX_SIGNATURES {
            true => Ok(envelope),
            false => Err(malformed(format!("more than {MAX_SIGNATURES} signatures"))),
        }
    }

    /// As it travels.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts always serialise")
    }

    /// The document, if it is of this kind and one of `keys` signed it; with that key.
    pub fn verify<'k>(
        &self,
        kind: &str,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<(Vec<u8>, &'k VerifyingKey), EnvelopeError> {
        let (payload, signers) = self.signers(kind, keys)?;
        match signers.first() {
            Some(key) => Ok((payload, key)),
            None => Err(EnvelopeError::BadSignature),
        }
    }

    /// The document, and which of `keys` signed it, each once however often it signed.
    pub fn signers<'k>(
        &self,
        kind: &str,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<(Vec<u8>, Vec<&'k VerifyingKey>), EnvelopeError> {
        let payload = self.unverified(kind)?;
        let message = encoded(kind, &payload);
        let signatures: Vec<[u8; 64]> = self.signatures.iter().filter_map(Signed::bytes).collect();
        let mut signers: Vec<&VerifyingKey> = Vec::new();
        for key in keys {
            let mut signatures = signatures.iter();
            let signed = signatures.any(|signature| key.verifies_exactly(&message, signature));
            if signed && !signers.contains(&key) {
                signers.push(key);
            }
        }
        Ok((payload, signers))
    }

    /// The document as it claims to be, for whoever has no key to check it with.
    pub fn unverified(&self, kind: &str) -> Result<Vec<u8>, EnvelopeError> {
        if self.payload_type != kind {
            return Err(EnvelopeError::OtherKind {
                found: self.payload_type.chars().take(100).collect(),
            });
        }
        let payload = BASE64.decode(&self.payload);
        payload.map_err(|error| malformed(format!("its payload: {error}")))
    }
}

impl Signed {
    fn bytes(&self) -> Option<[u8; 64]> {
        BASE64.decode(&self.sig).ok()?.try_into().ok()
    }
}

/// DSSE's "pre-authentication encoding".
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

fn key_name(key: &VerifyingKey) -> String {
    let mut name = Digest::of(&key.0).to_string();
    name.truncate(KEY_NAME_LEN);
    name
}

fn malformed(reason: String) -> EnvelopeError {
    EnvelopeError::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;

    const KIND: &str = "application/vnd.gobag.test+json";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Key::from_bytes([seed; 32]))
    }

    #[test]
    fn what_was_signed_is_what_comes_out_under_that_key_alone() {
        let (ours, other) = (key(1).verifying_key(), key(2).verifying_key());
        let text = Envelope::sign(KIND, b"{\"a\":1}", &key(1)).to_json();
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!(
            envelope.verify(KIND, [&other, &ours]),
            Ok((b"{\"a\":1}".to_vec(), &ours))
        );
        assert_eq!(envelope.verify(KIND, [&other]), Err(EnvelopeError::BadSignature));
        assert_eq!(envelope.verify(KIND, []), Err(EnvelopeError::BadSignature));
        assert_eq!(
            envelope.verify("text/plain", [&ours]).unwrap_err().code(),
            "envelope.other-kind"
        );
    }

    #[test]
    fn signatures_that_came_apart_are_joined_and_each_counts_once() {
        let keys = [key(1).verifying_key(), key(2).verifying_key()];
        let unsigned = Envelope::unsigned(KIND, b"{}");
        assert_eq!(unsigned.verify(KIND, &keys), Err(EnvelopeError::BadSignature));
        let signed = |seeds: &[u8]| {
            let mut envelope = unsigned.clone();
            seeds
                .iter()
                .for_each(|seed| envelope.sign_too(&key(*seed)).unwrap());
            envelope
        };
        let mut joined = unsigned.clone();
        for part in [signed(&[1]), signed(&[2]), signed(&[2, 1]), signed(&[])] {
            joined.join(&part).unwrap();
        }
        assert_eq!(joined, signed(&[1, 2]));
        assert_eq!(joined.signers(KIND, &keys).unwrap().1.len(), 2);
        let other = Envelope::unsigned(KIND, b"{\"a\":1}");
        assert_eq!(joined.join(&other), Err(EnvelopeError::OtherWords));
        let kind = Envelope::unsigned("text/plain", b"{}");
        assert_eq!(joined.join(&kind).unwrap_err().code(), "envelope.other-kind");
        let many: Vec<u8> = (1..=16).collect();
        let mut full = signed(&many);
        assert_eq!(
            full.join(&signed(&[17])).unwrap_err().code(),
            "envelope.malformed"
        );
        full.join(&signed(&[3])).unwrap();
    }

    #[test]
    fn another_kind_or_other_bytes_under_the_same_signature_are_refused() {
        let ours = key(1).verifying_key();
        let signed = Envelope::sign(KIND, b"one", &key(1));
        let mut kind = signed.clone();
        kind.payload_type = "text/plain".to_owned();
        assert_eq!(
            kind.verify("text/plain", [&ours]),
            Err(EnvelopeError::BadSignature)
        );
        let mut payload = signed;
        payload.payload = BASE64.encode(b"two");
        assert_eq!(payload.verify(KIND, [&ours]), Err(EnvelopeError::BadSignature));
    }

    #[test]
    fn the_encoding_is_that_of_the_published_example() {
        // protocol.md of DSSE: PAE("http://example.com/HelloWorld", "hello world").
        assert_eq!(
            encoded("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in ["", "{}", "[]", "{\"payload\":1}"] {
            let error = Envelope::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "envelope.malformed", "{text}");
        }
        let long = vec![b' '; MAX_ENVELOPE_LEN + 1];
        assert_eq!(Envelope::parse(&long), Err(EnvelopeError::TooLarge));
        let not_base64 = format!("{{\"payload\":\"?\",\"payloadType\":\"{KIND}\",\"signatures\":[]}}");
        let envelope = Envelope::parse(not_base64.as_bytes()).unwrap();
        assert_eq!(
            envelope.verify(KIND, []).unwrap_err().code(),
            "envelope.malformed"
        );
    }
}
