//! Leases: how long a stick may be started without a word from the company (`docs/format/lease.md`).
//!
//! A lease is the server's signed word that one stick may be started until a day. Being online renews it, long before it ends; so a
//! company that is down for weeks locks nobody out. When it has ended, an *extension* that enough officers signed lets sticks of a
//! group start again. Everything here is a pure judgement of what the stick holds and what its clock says; a launcher that was altered
//! asks nobody, which the threat model says.

mod document;
mod effective;
pub mod phone;
mod policy;
pub mod renewal;
pub mod share;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

pub use document::{EXTENSION, Extension, LEASE, Lease, Span};
pub use effective::{CLOCK_TOLERANCE_S, effective_s, raised};
pub use policy::{LeasePolicy, PolicyError, UnlockMode};

use crate::{
    envelope::{Envelope, EnvelopeError},
    ids::{BundleId, OrgId},
    sign::VerifyingKey,
};

/// Whose stick it is, and what it shall start.
#[derive(Debug, Clone, Copy)]
pub struct Stick<'a> {
    /// The organisation.
    pub org: OrgId,
    /// The stick.
    pub bundle: BundleId,
    /// The image's name.
    pub image: &'a str,
    /// Its version.
    pub version: u64,
}

/// What a stick holds of leases.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The last lease.
    pub lease: Option<Envelope>,
    /// Extensions that somebody handed over.
    pub extensions: Vec<Envelope>,
    /// Until when officers extended it by codes ([`phone`]), seconds since 1970 UTC; 0 for never.
    pub phoned_until_s: u64,
    /// The latest moment that is known to have been, seconds since 1970 UTC; 0 for none.
    pub high_water_s: u64,
    /// The company cut this stick off.
    pub revoked: bool,
}

/// How a stick stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it ends.
    pub until_s: u64,
    /// Whether it should be renewed as soon as the company can be reached.
    pub renew: bool,
    /// Whether the person should be told that it ends soon.
    pub warn: bool,
    /// Whether it stands by officers' extension alone.
    pub extended: bool,
}

/// Why a stick must not be started. What was not yet sent to the company still is.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseError {
    /// The company cut the stick off.
    #[error("this stick was cut off by your company")]
    Revoked,
    /// It was never enrolled, or what it held is lost.
    #[error("this stick has no lease")]
    None,
    /// The lease is no lease.
    #[error("the lease cannot be used")]
    Envelope(#[from] EnvelopeError),
    /// It makes no sense to this version.
    #[error("the lease is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// Another stick's, or another organisation's.
    #[error("the lease is for another stick")]
    OtherStick,
    /// The computer's clock shows a time that is over.
    #[error("this computer's clock is wrong: it shows a time before the last one this stick has seen")]
    ClockBehind {
        /// The latest time that is known to have been.
        high_water_s: u64,
    },
    /// It begins later.
    #[error("the lease does not count yet")]
    NotYet {
        /// When it does.
        from_s: u64,
    },
    /// It has ended.
    #[error("the lease of this stick has ended")]
    Ended {
        /// When.
        until_s: u64,
        /// The most officers that signed one extension for this stick.
        officers: usize,
        /// How many have to.
        needed: usize,
    },
    /// The image is older than the company allows.
    #[error("version {found} of the image is older than the oldest that your company allows, {oldest}")]
    OldImage {
        /// Version on the stick.
        found: u64,
        /// Oldest version allowed.
        oldest: u64,
    },
}

impl LeaseError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Revoked => "lease.revoked",
            Self::None => "lease.none",
            Self::Envelope(error) => error.code(),
            Self::Malformed { .. } => "lease.malformed",
            Self::OtherStick => "lease.other-stick",
            Self::ClockBehind { .. } => "lease.clock-behind",
            Self::NotYet { .. } => "lease.not-yet",
            Self::Ended { .. } => "lease.ended",
            Self::OldImage { .. } => "lease.old-image",
        }
    }
}

/// Whether `stick` may be started now, by its policy and what it holds. Nothing is ever erased because of a clock.
pub fn judge(
    policy: &LeasePolicy,
    held: &Held,
    stick: Stick<'_>,
    now_s: u64,
) -> Result<Standing, LeaseError> {
    if held.revoked {
        return Err(LeaseError::Revoked);
    }
    let envelope = held.lease.as_ref().ok_or(LeaseError::None)?;
    let lease = Lease::verified(envelope, &policy.server)?;
    if (lease.org, lease.bundle) != (stick.org, stick.bundle) {
        return Err(LeaseError::OtherStick);
    }
    let now_s = effective_s(held.high_water_s.max(lease.issued_s), now_s)
        .map_err(|high_water_s| LeaseError::ClockBehind { high_water_s })?;
    if now_s < lease.not_before_s {
        return Err(LeaseError::NotYet {
            from_s: lease.not_before_s,
        });
    }
    if let Some(&oldest) = lease
        .oldest_versions
        .get(stick.image)
        .filter(|oldest| stick.version < **oldest)
    {
        return Err(LeaseError::OldImage {
            found: stick.version,
            oldest,
        });
    }
    if now_s < lease.expires_s {
        return Ok(Standing {
            until_s: lease.expires_s,
            renew: now_s >= lease.renew_after_s,
            warn: now_s >= lease.warn_after_s,
            extended: false,
        });
    }
    extended(policy, held, &lease, now_s)
}

/// The standing by the extension that lasts longest, of those that enough officers signed: in one letter, or the same words in several.
fn extended(policy: &LeasePolicy, held: &Held, lease: &Lease, now_s: u64) -> Result<Standing, LeaseError> {
    let mut extensions: BTreeMap<Vec<u8>, (Extension, Vec<VerifyingKey>)> = BTreeMap::new();
    for envelope in &held.extensions {
        // One that is none is passed over: another may do.
        let Ok((words, extension, signers)) = Extension::signed(envelope, &policy.officers) else {
            continue;
        };
        let (_, officers) = extensions.entry(words).or_insert((extension, Vec::new()));
        let further: Vec<_> = signers
            .into_iter()
            .filter(|signer| !officers.contains(signer))
            .collect();
        officers.extend(further);
    }
    let fitting = extensions
        .values()
        .filter(|(extension, _)| extension.is_for(lease));
    let officers = fitting
        .clone()
        .map(|(_, officers)| officers.len())
        .max()
        .unwrap_or(0);
    fitting
        .filter(|(extension, officers)| officers.len() >= policy.threshold && now_s < extension.until_s)
        .map(|(extension, _)| extension.until_s)
        .chain((now_s < held.phoned_until_s).then_some(held.phoned_until_s))
        .max()
        .map(|until_s| Standing {
            until_s,
            renew: true,
            warn: true,
            extended: true,
        })
        .ok_or(LeaseError::Ended {
            until_s: lease.expires_s,
            officers,
            needed: policy.threshold,
        })
}
