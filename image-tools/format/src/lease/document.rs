//! Leases and extensions as signed documents ([`crate::envelope`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LeaseError;
use crate::{
    envelope::{Envelope, EnvelopeError},
    ids::{BundleId, OrgId},
    sign::{SigningKey, VerifyingKey},
};

/// The kind of a lease.
pub const LEASE: &str = "application/vnd.gobag.lease+json";
/// The kind of an extension.
pub const EXTENSION: &str = "application/vnd.gobag.lease-extension+json";
const FORMAT: u32 = 1;

/// The server's word that a stick may be started until a day. Times are seconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    format: u32,
    /// Whose stick.
    pub org: OrgId,
    /// Which one.
    pub bundle: BundleId,
    /// The group of sticks it is in, by which officers extend.
    pub group: String,
    /// Rises with each lease of a stick.
    pub sequence: u64,
    /// When it was made: a moment that has certainly been.
    pub issued_s: u64,
    /// From when it counts.
    pub not_before_s: u64,
    /// From when it should be renewed.
    pub renew_after_s: u64,
    /// From when the person should be told that it ends.
    pub warn_after_s: u64,
    /// When it ends.
    pub expires_s: u64,
    /// Oldest version of each image that may still be started.
    #[serde(default)]
    pub oldest_versions: BTreeMap<String, u64>,
}

/// When a lease of a stick counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it is made.
    pub issued_s: u64,
    /// How long until it should be renewed.
    pub renew_after_s: u64,
    /// How long before its end the person is told.
    pub warn_before_s: u64,
    /// How long it lasts.
    pub lasts_s: u64,
}

impl Lease {
    /// A lease for a stick.
    pub fn new(org: OrgId, bundle: BundleId, group: &str, sequence: u64, span: Span) -> Self {
        let expires_s = span.issued_s.saturating_add(span.lasts_s);
        Self {
            format: FORMAT,
            org,
            bundle,
            group: group.to_owned(),
            sequence,
            issued_s: span.issued_s,
            not_before_s: span.issued_s,
            renew_after_s: span.issued_s.saturating_add(span.renew_after_s),
            warn_after_s: expires_s.saturating_sub(span.warn_before_s),
            expires_s,
            oldest_versions: BTreeMap::new(),
        }
    }

    /// As it travels.
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        Envelope::sign(LEASE, &json(self), key)
    }

    /// Reads one that this server signed.
    pub fn verified(envelope: &Envelope, server: &VerifyingKey) -> Result<Self, LeaseError> {
        let (payload, _) = envelope.verify(LEASE, [server])?;
        let lease: Self = parsed(&payload)?;
        match lease.format == FORMAT {
            true => Ok(lease),
            false => Err(malformed(format!("format {} is not known", lease.format))),
        }
    }
}

/// Officers' word that the sticks of a group, or one of them, may be started until a day although their leases have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    format: u32,
    /// Whose sticks.
    pub org: OrgId,
    /// Sticks of this group, if it is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// This one, if it is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleId>,
    /// When it was made.
    pub issued_s: u64,
    /// When it ends.
    pub until_s: u64,
}

impl Extension {
    /// For all sticks of a group.
    pub fn for_group(org: OrgId, group: &str, issued_s: u64, until_s: u64) -> Self {
        Self::new(org, Some(group), None, issued_s, until_s)
    }

    /// For the sticks of a group, one stick, or that stick if it is in that group.
    pub fn new(
        org: OrgId,
        group: Option<&str>,
        bundle: Option<BundleId>,
        issued_s: u64,
        until_s: u64,
    ) -> Self {
        Self {
            format: FORMAT,
            org,
            group: group.map(str::to_owned),
            bundle,
            issued_s,
            until_s,
        }
    }

    /// As it goes to the officers, before the first of them signs; they add their signatures by [`Envelope::sign_too`].
    pub fn unsigned(&self) -> Envelope {
        Envelope::unsigned(EXTENSION, &json(self))
    }

    /// What a letter says, for whoever shall sign it; nothing of it is believed.
    pub fn unverified(envelope: &Envelope) -> Result<Self, LeaseError> {
        parsed(&envelope.unverified(EXTENSION)?).and_then(Self::of_this_format)
    }

    fn of_this_format(self) -> Result<Self, LeaseError> {
        match self.format == FORMAT {
            true => Ok(self),
            false => Err(malformed(format!("format {} is not known", self.format))),
        }
    }

    /// As it travels, with the first officer's signature; others add theirs by [`Envelope::sign_too`].
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        Envelope::sign(EXTENSION, &json(self), key)
    }

    /// Reads one: its exact words, what they say, and which of the officers signed them.
    pub fn signed(
        envelope: &Envelope,
        officers: &[VerifyingKey],
    ) -> Result<(Vec<u8>, Self, Vec<VerifyingKey>), LeaseError> {
        let (payload, signers) = envelope.signers(EXTENSION, officers)?;
        if signers.is_empty() {
            return Err(EnvelopeError::BadSignature.into());
        }
        let extension = parsed(&payload).and_then(Self::of_this_format)?;
        Ok((payload, extension, signers.into_iter().copied().collect()))
    }

    /// Whether it is for the stick of this lease. One that names nobody is for nobody.
    pub fn is_for(&self, lease: &Lease) -> bool {
        let group = self.group.as_ref().map(|group| *group == lease.group);
        let bundle = self.bundle.map(|bundle| bundle == lease.bundle);
        let named = [group, bundle].into_iter().flatten();
        self.org == lease.org && named.clone().count() > 0 && named.into_iter().all(|is| is)
    }
}

fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("plain fields always serialise")
}

fn parsed<T: for<'de> Deserialize<'de>>(payload: &[u8]) -> Result<T, LeaseError> {
    serde_json::from_slice(payload).map_err(|error| malformed(error.to_string()))
}

fn malformed(reason: String) -> LeaseError {
    LeaseError::Malformed { reason }
}
