//! Leases, certificates and the end of a revoked stick. These requests need no certificate, for the last one may have ended while the
//! stick lay in a drawer: each carries a proof by the stick's own key, over what it asks and for whom, in a domain of its own.

use gobag_format::{
    envelope::Envelope,
    lease::renewal::RenewalToken,
    sign::{SigningKey, VerifyingKey},
};
use serde::{Deserialize, Serialize};

use crate::{
    enrol::Signature,
    ids::{BundleId, RequestId, TenantName},
};

/// What the stick's signatures are for.
const RENEW: &str = "renew";
const CERTIFICATE: &str = "certificate";
const ERASED: &str = "erased";

/// The body of `POST /v1/lease/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewRequest {
    /// Whose stick, as its enrolment said.
    pub tenant: TenantName,
    /// Which one.
    pub bundle: BundleId,
    /// The token that the last lease came with.
    pub renewal_token: RenewalToken,
    /// Drawn and noted by the stick before it asks; the same when it asks again.
    pub request: RequestId,
    /// By the stick's key over `gobag v1 renew`, a zero byte, the bundle's 16 bytes, the request's 16 bytes, BLAKE3 of the token's text,
    /// the tenant's text.
    pub proof: Signature,
}

impl RenewRequest {
    /// A request with its proof.
    pub fn sign(
        tenant: TenantName,
        bundle: BundleId,
        renewal_token: RenewalToken,
        request: RequestId,
        key: &SigningKey,
    ) -> Self {
        let mut unsigned = Self {
            tenant,
            bundle,
            renewal_token,
            request,
            proof: Signature([0; 64]),
        };
        unsigned.proof = Signature(key.sign(RENEW, &unsigned.proven()));
        unsigned
    }

    /// Whether the stick with this key asks.
    pub fn is_proven(&self, key: &VerifyingKey) -> bool {
        key.verifies(RENEW, &self.proven(), &self.proof.0)
    }

    fn proven(&self) -> Vec<u8> {
        let token = self.renewal_token.digest();
        [
            &self.bundle.0[..],
            &self.request.0,
            &token.0,
            self.tenant.as_str().as_bytes(),
        ]
        .concat()
    }
}

/// The answer to `POST /v1/lease/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// The new lease.
    pub lease: Envelope,
    /// The token for the next renewal; the one before counts no more.
    pub renewal_token: RenewalToken,
    /// A fresh certificate, PEM.
    pub certificate: String,
    /// When it ends, seconds since 1970 UTC.
    pub certificate_ends_s: u64,
}

/// The body of `POST /v1/certificate`: what was not yet sent may be sent, whatever became of the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// Whose stick.
    pub tenant: TenantName,
    /// Which one.
    pub bundle: BundleId,
    /// By the stick's key over `gobag v1 certificate`, a zero byte, the bundle's 16 bytes, the tenant's text.
    pub proof: Signature,
}

impl CertificateRequest {
    /// A request with its proof.
    pub fn sign(tenant: TenantName, bundle: BundleId, key: &SigningKey) -> Self {
        let proof = Signature(key.sign(CERTIFICATE, &named(&tenant, bundle)));
        Self {
            tenant,
            bundle,
            proof,
        }
    }

    /// Whether the stick with this key asks.
    pub fn is_proven(&self, key: &VerifyingKey) -> bool {
        key.verifies(CERTIFICATE, &named(&self.tenant, self.bundle), &self.proof.0)
    }
}

/// The answer to `POST /v1/certificate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// The stick's certificate, PEM.
    pub certificate: String,
    /// When it ends, seconds since 1970 UTC.
    pub certificate_ends_s: u64,
}

/// The body of `POST /v1/revoked`: the stick was told that it is revoked, and has erased its key slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Whose stick.
    pub tenant: TenantName,
    /// Which one.
    pub bundle: BundleId,
    /// By the stick's key over `gobag v1 erased`, a zero byte, the bundle's 16 bytes, the tenant's text.
    pub proof: Signature,
}

impl Erased {
    /// A confirmation with its proof.
    pub fn sign(tenant: TenantName, bundle: BundleId, key: &SigningKey) -> Self {
        let proof = Signature(key.sign(ERASED, &named(&tenant, bundle)));
        Self {
            tenant,
            bundle,
            proof,
        }
    }

    /// Whether the stick with this key says so.
    pub fn is_proven(&self, key: &VerifyingKey) -> bool {
        key.verifies(ERASED, &named(&self.tenant, self.bundle), &self.proof.0)
    }
}

fn named(tenant: &TenantName, bundle: BundleId) -> Vec<u8> {
    [&bundle.0[..], tenant.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_format::crypto::Key;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Key::from_bytes([seed; 32]))
    }

    fn tenant(text: &str) -> TenantName {
        TenantName::parse(text).unwrap()
    }

    #[test]
    fn a_renewal_is_proven_for_one_stick_token_and_request_alone() {
        let token: RenewalToken = serde_json::from_str("\"gbr_one\"").unwrap();
        let request = RenewRequest::sign(
            tenant("acme"),
            BundleId([1; 16]),
            token,
            RequestId([2; 16]),
            &key(1),
        );
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<RenewRequest>(&text).unwrap(), request);
        assert!(!format!("{request:?}").contains("gbr_one"));
        let public = key(1).verifying_key();
        assert!(request.is_proven(&public) && !request.is_proven(&key(2).verifying_key()));
        let changes: [fn(&mut RenewRequest); 4] = [
            |request| request.tenant = tenant("other"),
            |request| request.bundle = BundleId([9; 16]),
            |request| request.request = RequestId([9; 16]),
            |request| request.renewal_token = serde_json::from_str("\"gbr_two\"").unwrap(),
        ];
        for change in changes {
            let mut other = request.clone();
            change(&mut other);
            assert!(!other.is_proven(&public), "{other:?}");
        }
    }

    #[test]
    fn a_proof_for_one_purpose_is_none_for_another() {
        let public = key(1).verifying_key();
        let asked = CertificateRequest::sign(tenant("acme"), BundleId([1; 16]), &key(1));
        let mut erased = Erased::sign(tenant("acme"), BundleId([1; 16]), &key(1));
        assert!(asked.is_proven(&public) && erased.is_proven(&public));
        erased.proof = asked.proof;
        assert!(!erased.is_proven(&public));
        let mut other = asked;
        other.tenant = tenant("other");
        assert!(!other.is_proven(&public));
    }
}
