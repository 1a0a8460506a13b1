//! Shares, by which sticks open in the modes `leased` and `online` (`docs/format/lease.md`, section 6).
//!
//! A locked stick has no certificate: it answers a question of the server with a signature that only somebody who typed its passphrase can make. The
//! signature is also over the organisation's CA, so that one who pretends to be the company to a stick cannot pass it on to the company.
//! An unlocked stick has its certificate, and is given the share that its header is written with next.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
pub use gobag_format::keyslot::{Share, ShareName};
use gobag_format::{
    lease::share::QUESTION_LEN,
    sign::{SigningKey, VerifyingKey},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    enrol::Signature,
    ids::{BundleId, Digest, TenantName},
};

/// What the signatures are for.
const SHARE: &str = "share";
const KEY: &str = "share key";

/// A question of the server's; only the server can tell what is in it. Text form: base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Question(pub [u8; QUESTION_LEN]);

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a question")
    }
}

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("this is no question of a server"))
    }
}

/// The body of `POST /v1/share/question`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionRequest {
    /// Whose stick, as it says itself.
    pub tenant: TenantName,
    /// Which one.
    pub bundle: BundleId,
}

/// The answer to `POST /v1/share/question`, the same whether there is such a stick or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// To be answered within two minutes.
    pub question: Question,
}

/// The body of `POST /v1/share`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRequest {
    /// Whose stick.
    pub tenant: TenantName,
    /// Which one.
    pub bundle: BundleId,
    /// Which share its header wants.
    pub name: ShareName,
    /// What the server asked.
    pub question: Question,
    /// By the key that follows from the passphrase, over `gobag v1 share`, a zero byte, the question's 56 bytes, the bundle's 16 bytes, the name's 88
    /// bytes, BLAKE3 of the CA's certificate, the tenant's text.
    pub proof: Signature,
}

impl ShareRequest {
    /// A request with its proof, for the company with this CA: BLAKE3 of the certificate, as it was read by whoever trusts it. Who read its text another
    /// way could be shown two certificates in one text.
    pub fn sign(
        tenant: TenantName,
        bundle: BundleId,
        name: ShareName,
        question: Question,
        ca: &Digest,
        key: &SigningKey,
    ) -> Self {
        let mut unsigned = Self {
            tenant,
            bundle,
            name,
            question,
            proof: Signature([0; 64]),
        };
        unsigned.proof = Signature(key.sign(SHARE, &unsigned.proven(ca)));
        unsigned
    }

    /// Whether somebody asks the company with this CA who knows the passphrase that this key follows from.
    pub fn is_proven(&self, ca: &Digest, key: &VerifyingKey) -> bool {
        key.verifies(SHARE, &self.proven(ca), &self.proof.0)
    }

    fn proven(&self, ca: &Digest) -> Vec<u8> {
        [
            &self.question.0[..],
            &self.bundle.0,
            &self.name.0,
            &ca.0,
            self.tenant.as_str().as_bytes(),
        ]
        .concat()
    }
}

/// The answer to `POST /v1/share`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareGiven {
    /// What opens the stick together with the passphrase.
    pub share: Share,
}

/// The body of `POST /v1/share/next`, from an unlocked stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextRequest {
    /// What will prove the passphrase that the share is for.
    pub proof_key: VerifyingKey,
    /// The share that the stick wants now, if it wants one: the next has a higher number, whatever the server remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ShareName>,
    /// By that key over `gobag v1 share key`, a zero byte, the bundle's 16 bytes: nobody makes a stick depend on a key that it has not.
    pub proof: Signature,
}

impl NextRequest {
    /// A request with its proof.
    pub fn sign(bundle: BundleId, held: Option<ShareName>, key: &SigningKey) -> Self {
        Self {
            proof_key: key.verifying_key(),
            held,
            proof: Signature(key.sign(KEY, &bundle.0)),
        }
    }

    /// Whether who asks for `bundle` has the key.
    pub fn is_proven(&self, bundle: BundleId) -> bool {
        self.proof_key.verifies(KEY, &bundle.0, &self.proof.0)
    }
}

/// The answer to `POST /v1/share/next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextShare {
    /// What the server calls it.
    pub name: ShareName,
    /// A fresh one.
    pub share: Share,
}

/// The body of `POST /v1/share/held`: every copy of the stick's header wants this share, so those from before need not be given any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareHeld {
    /// Which one.
    pub name: ShareName,
    /// What proves the passphrase that is in force.
    pub proof_key: VerifyingKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_format::{crypto::Key, keyslot::SHARE_NAME_LEN};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Key::from_bytes([seed; 32]))
    }

    #[test]
    fn a_proof_is_for_one_question_stick_share_and_company_alone() {
        let tenant = |text| TenantName::parse(text).unwrap();
        let ca = Digest([5; 32]);
        let request = ShareRequest::sign(
            tenant("acme"),
            BundleId([1; 16]),
            ShareName([2; SHARE_NAME_LEN]),
            Question([3; QUESTION_LEN]),
            &ca,
            &key(1),
        );
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<ShareRequest>(&text).unwrap(), request);
        let public = key(1).verifying_key();
        assert!(request.is_proven(&ca, &public));
        assert!(!request.is_proven(&Digest([6; 32]), &public));
        assert!(!request.is_proven(&ca, &key(2).verifying_key()));
        let changes: [fn(&mut ShareRequest); 4] = [
            |request| request.tenant = TenantName::parse("other").unwrap(),
            |request| request.bundle = BundleId([9; 16]),
            |request| request.name = ShareName([9; SHARE_NAME_LEN]),
            |request| request.question = Question([9; QUESTION_LEN]),
        ];
        for change in changes {
            let mut other = request.clone();
            change(&mut other);
            assert!(!other.is_proven(&ca, &public), "{other:?}");
        }
    }

    #[test]
    fn nobody_makes_a_stick_depend_on_a_key_of_others() {
        let mut request = NextRequest::sign(BundleId([1; 16]), None, &key(1));
        assert!(request.is_proven(BundleId([1; 16])) && !request.is_proven(BundleId([2; 16])));
        request.proof_key = key(2).verifying_key();
        assert!(!request.is_proven(BundleId([1; 16])));
    }

    #[test]
    fn debug_tells_no_share() {
        let given: ShareGiven =
            serde_json::from_str(&format!("{{\"share\":\"{}\"}}", BASE64.encode([7; 32]))).unwrap();
        assert_eq!(format!("{given:?}"), "ShareGiven { share: Share(…) }");
    }
}
