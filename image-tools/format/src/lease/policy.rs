//! What IT wants of leases: in the signed manifest's policy, under `lease`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{agree::AgreementPublic, limits::MAX_OFFICERS, sign::VerifyingKey};

/// The key in a manifest's policy.
const LEASE: &str = "lease";

/// Whose word counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePolicy {
    /// Key that the server signs leases with.
    pub server: VerifyingKey,
    /// Keys of the officers who can extend leases when the server is gone; kept offline.
    #[serde(default)]
    pub officers: Vec<VerifyingKey>,
    /// How many of them have to sign.
    #[serde(default)]
    pub threshold: usize,
    /// What the officers make codes for the telephone with, in the same order; empty where there are no such codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_keys: Vec<AgreementPublic>,
    /// What opens the stick besides its passphrase, once the company gave it a share.
    #[serde(default, skip_serializing_if = "UnlockMode::is_offline")]
    pub unlock: UnlockMode,
}

/// What opens a stick besides its passphrase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnlockMode {
    /// Nothing.
    #[default]
    Offline,
    /// A share that lies on the stick until it is taken away; each renewal brings a fresh one.
    Leased,
    /// A share that the company gives at each unlocking: no server, no work.
    Online,
}

impl UnlockMode {
    fn is_offline(&self) -> bool {
        *self == Self::Offline
    }
}

/// The policy asks something of leases that cannot be understood. The stick is then not started: it would be a way around the lease.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the image's policy for leases cannot be used: {reason}")]
pub struct PolicyError {
    /// What is wrong with it.
    pub reason: String,
}

impl PolicyError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        "lease.policy"
    }
}

impl LeasePolicy {
    /// What a manifest's policy says; `None` where sticks need no lease.
    pub fn of_policy(policy: &serde_json::Value) -> Result<Option<Self>, PolicyError> {
        let Some(stated) = policy.get(LEASE).filter(|stated| !stated.is_null()) else {
            return Ok(None);
        };
        let unusable = |reason: String| PolicyError { reason };
        let policy: Self =
            serde_json::from_value(stated.clone()).map_err(|error| unusable(error.to_string()))?;
        let mut distinct = policy.officers.clone();
        distinct.sort_unstable_by_key(|key| key.0);
        distinct.dedup();
        if policy.officers.len() > MAX_OFFICERS || distinct.len() != policy.officers.len() {
            return Err(unusable("too many officers, or one twice".to_owned()));
        }
        let mut distinct = policy.code_keys.clone();
        distinct.sort_unstable_by_key(|key| key.0);
        distinct.dedup();
        let is_each = policy.code_keys.is_empty() || distinct.len() == policy.officers.len();
        if !is_each || distinct.len() != policy.code_keys.len() {
            return Err(unusable("not one key for codes for each officer".to_owned()));
        }
        // Nobody, or more than there are, would mean that everybody may extend, or nobody can.
        let is_possible = (1..=policy.officers.len()).contains(&policy.threshold);
        if !policy.officers.is_empty() && !is_possible {
            return Err(unusable(format!(
                "{} of {} officers cannot be asked for",
                policy.threshold,
                policy.officers.len()
            )));
        }
        Ok(Some(policy))
    }
}
