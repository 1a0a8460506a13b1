//! The key that leases are signed with, and the leases made with it.
//!
//! One seed lies beside the CA's key and is the same at every replica. Each tenant has a key of its own that follows from it, so that a lease for one
//! tenant's stick is none for another's, whatever organisation a stick says it is of. Renewal tokens and shares follow from the same seed.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gobag_format::{
    crypto::{KEY_LEN, Key},
    digest::Digest,
    lease::{Lease, Span, renewal::Mint, share::ShareMint},
    sign::{SigningKey, VerifyingKey},
};
use gobag_protocol::ids::{GroupName, OrgId, TenantName};

use crate::{
    config::Leases,
    secret,
    store::StickKey,
    tls::{TlsError, write_private},
};

/// The seed's file in the CA's folder: base64.
const FILE: &str = "lease-key";

/// The seed of all lease keys.
pub struct LeaseKeys(Key);

/// What a lease of a stick says besides its times.
#[derive(Debug, Clone)]
pub struct About {
    /// The organisation the stick said it is of.
    pub org: OrgId,
    /// The group that IT put it into.
    pub group: GroupName,
    /// Rises with each lease.
    pub sequence: u64,
    /// Oldest version of each image that may still be started.
    pub oldest_versions: BTreeMap<String, u64>,
}

impl LeaseKeys {
    /// The seed in the CA's `folder`, which is there; made if it is not.
    pub fn open_or_make(folder: &Path) -> Result<Self, TlsError> {
        let path = folder.join(FILE);
        let failed = |source| TlsError::File {
            path: path.clone(),
            source,
        };
        if !path.exists() {
            let seed: [u8; KEY_LEN] = secret::random().map_err(|error| TlsError::Setup {
                source: Box::new(error),
            })?;
            write_private(&path, &format!("{}\n", BASE64.encode(seed))).map_err(failed)?;
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let seed: Option<[u8; KEY_LEN]> = BASE64
            .decode(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        match seed {
            Some(seed) => Ok(Self(Key::from_bytes(seed))),
            None => Err(TlsError::NoCa { path }),
        }
    }

    /// What IT writes into the images' policy.
    pub fn public(&self, tenant: &TenantName) -> VerifyingKey {
        self.key(tenant).verifying_key()
    }

    /// What tells this seed from another, and nothing of it.
    pub(crate) fn name(&self) -> [u8; KEY_LEN] {
        *self.0.derive("lease key name", &[]).expose()
    }

    /// A signed lease from now on, as it travels.
    pub(crate) fn sign(
        &self,
        stick: &StickKey,
        about: &About,
        leases: &Leases,
        now_s: u64,
    ) -> (Lease, String) {
        let span = Span {
            issued_s: now_s,
            renew_after_s: leases.renew_after_days * DAY_S,
            warn_before_s: leases.warn_days * DAY_S,
            lasts_s: leases.days * DAY_S,
        };
        let mut lease = Lease::new(
            about.org,
            stick.bundle,
            about.group.as_str(),
            about.sequence,
            span,
        );
        lease.oldest_versions.clone_from(&about.oldest_versions);
        let envelope = lease.sign(&self.key(&stick.tenant)).to_json();
        (lease, envelope)
    }

    /// Makes and knows the renewal tokens of a stick.
    pub(crate) fn mint(&self, stick: &StickKey) -> Mint {
        Mint::new(&self.0, stick.tenant.as_str(), stick.bundle)
    }

    /// Makes and knows the shares of a stick.
    pub(crate) fn shares(&self, stick: &StickKey) -> ShareMint {
        ShareMint::new(&self.0, stick.tenant.as_str(), stick.bundle)
    }

    fn key(&self, tenant: &TenantName) -> SigningKey {
        let tenant = Digest::of(tenant.as_str().as_bytes());
        SigningKey::from_seed(&self.0.derive("lease key", &tenant.0))
    }
}

/// Seconds of a day.
const DAY_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_seed_stays_is_for_its_owner_alone_and_each_tenant_has_a_key_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let tenant = |text| TenantName::parse(text).unwrap();
        let made = LeaseKeys::open_or_make(folder.path()).unwrap();
        let again = LeaseKeys::open_or_make(folder.path()).unwrap();
        assert_eq!(made.public(&tenant("acme")), again.public(&tenant("acme")));
        assert_ne!(made.public(&tenant("acme")), made.public(&tenant("other")));
        let path = folder.path().join(FILE);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
