//! How a stick becomes known to the server: a token for once, and a proof that the stick has its key.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gobag_format::{
    envelope::Envelope,
    lease::renewal::RenewalToken,
    sign::{SIGNATURE_LEN, SigningKey},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{BundleId, OrgId, TenantName, VerifyingKey};

/// What an enrolment token begins with.
pub const ENROLMENT_TOKEN_PREFIX: &str = "gbe_";
/// What a person's token begins with.
pub const PERSON_TOKEN_PREFIX: &str = "gbt_";
/// Characters of a token: the prefix and 32 bytes in base64 without padding.
pub const TOKEN_CHARS: usize = 4 + 43;

/// What the stick's signature is for.
const DOMAIN: &str = "enrol";

/// The text of a token; `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TokenText(String);

impl TokenText {
    /// Reads a token that begins with `prefix`.
    pub fn parse(text: &str, prefix: &str) -> Option<Self> {
        let digits = text.strip_prefix(prefix)?;
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() == TOKEN_CHARS && digits.bytes().all(valid)).then(|| Self(text.to_owned()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }
}

impl<'de> Deserialize<'de> for TokenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text, ENROLMENT_TOKEN_PREFIX).ok_or_else(|| {
            serde::de::Error::custom("an enrolment token begins with `gbe_` and has 47 characters")
        })
    }
}

/// A signature in JSON: base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature(pub [u8; SIGNATURE_LEN]);

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a signature is 64 bytes in base64"))
    }
}

/// The body of `POST /v1/enrol`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// IT's token for this stick.
    pub token: TokenText,
    /// The stick.
    pub bundle: BundleId,
    /// Whose it says it is: the organisation in its header, which its leases will name.
    pub org: OrgId,
    /// Its key.
    pub public_key: VerifyingKey,
    /// By that key over `gobag v1 enrol`, a zero byte, the token's text, the bundle's 16 bytes, the organisation's 16 bytes.
    pub proof: Signature,
}

impl EnrolRequest {
    /// A request with its proof.
    pub fn sign(token: TokenText, bundle: BundleId, org: OrgId, key: &SigningKey) -> Self {
        let proof = Signature(key.sign(DOMAIN, &proven(&token, bundle, org)));
        Self {
            token,
            bundle,
            org,
            public_key: key.verifying_key(),
            proof,
        }
    }

    /// Whether who asks has the key.
    pub fn is_proven(&self) -> bool {
        let proven = proven(&self.token, self.bundle, self.org);
        self.public_key.verifies(DOMAIN, &proven, &self.proof.0)
    }
}

fn proven(token: &TokenText, bundle: BundleId, org: OrgId) -> Vec<u8> {
    [token.0.as_bytes(), &bundle.0, &org.0].concat()
}

/// The answer to `POST /v1/enrol`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The stick's certificate, PEM.
    pub certificate: String,
    /// When it ends, seconds since 1970 UTC.
    pub certificate_ends_s: u64,
    /// The organisation's CA, PEM.
    pub ca: String,
    /// The tenant the stick now belongs to.
    pub tenant: TenantName,
    /// Its first lease.
    pub lease: Envelope,
    /// The token for the next one.
    pub renewal_token: RenewalToken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_format::crypto::Key;

    fn token(fill: char) -> TokenText {
        TokenText::parse(&format!("gbe_{}", fill.to_string().repeat(43)), "gbe_").unwrap()
    }

    #[test]
    fn a_proof_is_for_one_token_one_stick_and_one_key() {
        let key = SigningKey::from_seed(&Key::from_bytes([1; 32]));
        let request = EnrolRequest::sign(token('a'), BundleId([1; 16]), OrgId([3; 16]), &key);
        assert!(request.is_proven());
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<EnrolRequest>(&text).unwrap(), request);
        let mut other = request.clone();
        other.token = token('b');
        assert!(!other.is_proven());
        let mut other = request.clone();
        other.org = OrgId([4; 16]);
        assert!(!other.is_proven());
        let mut other = request.clone();
        other.bundle = BundleId([2; 16]);
        assert!(!other.is_proven());
        let mut other = request;
        other.public_key = SigningKey::from_seed(&Key::from_bytes([2; 32])).verifying_key();
        assert!(!other.is_proven());
    }

    #[test]
    fn what_is_no_token_is_refused_and_debug_does_not_tell_one() {
        for bad in [
            "",
            "gbe_",
            "gbt_aaaa",
            &"gbe_".repeat(20),
            &format!("gbe_{}", "ä".repeat(43)),
        ] {
            assert!(TokenText::parse(bad, "gbe_").is_none(), "{bad}");
        }
        assert!(!format!("{:?}", token('q')).contains("qq"));
    }
}
