//! Leases of sticks and their renewals, judged by `gobag_format::lease::renewal`.
//!
//! A renewal is one transaction under the stick's row of `leases`: what the judgement changed is durable before the stick hears of it, also
//! that two copies were seen.

use std::collections::BTreeMap;

use gobag_format::{
    digest::Digest,
    lease::renewal::{Answer as Judged, RenewalToken, Renewals},
};
use gobag_protocol::{
    enrol::EnrolRequest,
    error::Code,
    ids::{GroupName, OrgId, VerifyingKey},
    lease::RenewRequest,
};
use sqlx::{Row, any::AnyRow};

use super::{
    StickKey,
    audit::{self, Event},
    database::{Database, Write},
    policies, signed, unsigned,
};
use crate::{
    config::Leases,
    lease::{About, LeaseKeys},
    refusal::{Answer, Refusal},
};

/// What makes leases.
#[derive(Clone, Copy)]
pub struct Issuer<'a> {
    /// With what they are signed.
    pub keys: &'a LeaseKeys,
    /// How long they last.
    pub leases: &'a Leases,
}

/// What a stick gets.
pub struct Given {
    /// The lease, an envelope's text.
    pub lease: String,
    /// The token for the next one.
    pub token: RenewalToken,
}

/// The row of a stick.
struct Held {
    about: About,
    renewals: Renewals,
    lease: String,
}

/// The first lease after an enrolment, part of its transaction. Tokens from before it count no more.
pub(super) async fn first(
    write: &mut Write,
    issuer: Issuer<'_>,
    stick: &StickKey,
    request: &EnrolRequest,
    group: GroupName,
    now_s: u64,
) -> Answer<Given> {
    let before = held(write, stick).await?;
    if before.as_ref().is_some_and(|held| held.renewals.suspended) {
        return Err(clone_suspected());
    }
    let number = before.map_or(1, |held| held.renewals.number + 1);
    let words = [
        request.token.expose().as_bytes(),
        &request.public_key.0,
        &now_s.to_le_bytes(),
    ];
    let token = issuer.keys.mint(stick).token(number, &words.concat());
    let about = About {
        org: request.org,
        group,
        sequence: number,
        oldest_versions: policies::get(write.connection(), &stick.tenant)
            .await?
            .oldest_versions,
    };
    let renewals = Renewals::new(number, &token);
    let lease = keep(write, issuer, stick, &about, &renewals, now_s).await?;
    Ok(Given { lease, token })
}

/// Renews the lease of a stick that proved its key.
pub async fn renew(
    database: &Database,
    issuer: Issuer<'_>,
    stick: &StickKey,
    request: &RenewRequest,
    now_s: u64,
) -> Answer<Given> {
    let mut write = database.write().await?;
    let Some(mut found) = held(&mut write, stick).await? else {
        return Err(unknown_token());
    };
    let was_suspended = found.renewals.suspended;
    let mint = issuer.keys.mint(stick);
    let judged = found
        .renewals
        .renew(&mint, &request.renewal_token, request.request.0);
    let (given, what) = match judged {
        Judged::Again(token) => {
            let lease = found.lease;
            return Ok(Given { lease, token });
        }
        Judged::Renew {
            next,
            server_was_behind,
        } => {
            found.about.sequence = found.renewals.number;
            let policy = policies::get(write.connection(), &stick.tenant).await?;
            found.about.oldest_versions = policy.oldest_versions;
            let lease = keep(&mut write, issuer, stick, &found.about, &found.renewals, now_s).await?;
            let what = match server_was_behind {
                true => "lease.renewed-ahead",
                false => "lease.renewed",
            };
            (Ok(Given { lease, token: next }), what)
        }
        Judged::CloneSuspected if was_suspended => return Err(clone_suspected()),
        Judged::CloneSuspected => {
            suspend(&mut write, stick, true).await?;
            (Err(clone_suspected()), "stick.clone-suspected")
        }
        Judged::Unknown => (Err(unknown_token()), "lease.refused"),
    };
    let who = format!("stick {}", stick.bundle);
    let about = format!("{} number {}", stick.bundle, found.renewals.number);
    let event = Event {
        who: &who,
        what,
        about: &about,
    };
    audit::append(&mut write, &stick.tenant, now_s, &event).await?;
    write.commit().await?;
    given
}

/// IT has decided: the token that counts may be used again.
pub async fn clear_clone(database: &Database, stick: &StickKey, by: &str, now_s: u64) -> Answer<()> {
    let mut write = database.write().await?;
    if held(&mut write, stick).await?.is_none() {
        return Err(Refusal::new(Code::RequestUnknown, "there is no such stick"));
    }
    suspend(&mut write, stick, false).await?;
    let about = stick.bundle.to_string();
    let event = Event {
        who: by,
        what: "stick.clone-cleared",
        about: &about,
    };
    audit::append(&mut write, &stick.tenant, now_s, &event).await?;
    write.commit().await
}

/// Refuses a stick of which two copies were seen.
pub(super) async fn refuse_copies(write: &mut Write, stick: &StickKey) -> Answer<()> {
    match held(write, stick).await? {
        Some(held) if held.renewals.suspended => Err(clone_suspected()),
        _ => Ok(()),
    }
}

/// Which key a stick enrolled with, if it is neither unknown nor revoked, and proves it has that key.
pub async fn proven(
    database: &Database,
    stick: &StickKey,
    is_proven: impl FnOnce(&VerifyingKey) -> bool,
) -> Answer<VerifyingKey> {
    let (key, revoked) = key_of(database, stick, is_proven).await?;
    match revoked {
        Some(reason) => Err(super::revocation::refusal(&reason)),
        None => Ok(key),
    }
}

/// The same also of a revoked stick, with the reason.
pub(super) async fn key_of(
    database: &Database,
    stick: &StickKey,
    is_proven: impl FnOnce(&VerifyingKey) -> bool,
) -> Answer<(VerifyingKey, Option<String>)> {
    let row = sqlx::query(
        "SELECT public_key, revoked, revoked_reason FROM sticks WHERE tenant = $1 AND bundle = $2",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .fetch_optional(database.read())
    .await?;
    // A stick that is not there looks like one with another key.
    let refused = || {
        let text = "the server does not know a stick with this key";
        Refusal::new(Code::StickProof, text).hint("enrol it again with a token of IT")
    };
    let row = row.ok_or_else(refused)?;
    let key: Vec<u8> = row.try_get(0)?;
    let key = VerifyingKey(key.try_into().map_err(|_| odd())?);
    if !is_proven(&key) {
        return Err(refused());
    }
    let reason = match row.try_get::<i64, _>(1)? {
        0 => None,
        _ => Some(row.try_get(2)?),
    };
    Ok((key, reason))
}

/// The row of a stick, held until the transaction ends.
async fn held(write: &mut Write, stick: &StickKey) -> Answer<Option<Held>> {
    let row = sqlx::query(
        "UPDATE leases SET number = number WHERE tenant = $1 AND bundle = $2 \
         RETURNING org, team, number, token, taken, request, suspended, lease",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .fetch_optional(write.connection())
    .await?;
    row.map(|row| read(&row)).transpose()
}

fn read(row: &AnyRow) -> Answer<Held> {
    let org: Vec<u8> = row.try_get(0)?;
    let group: String = row.try_get(1)?;
    let number = unsigned(row.try_get(2)?);
    let current: Vec<u8> = row.try_get(3)?;
    let (taken, request): (Vec<u8>, Vec<u8>) = (row.try_get(4)?, row.try_get(5)?);
    let taken = match taken.is_empty() {
        true => None,
        false => Some((
            Digest(taken.try_into().map_err(|_| odd())?),
            request.try_into().map_err(|_| odd())?,
        )),
    };
    Ok(Held {
        about: About {
            org: OrgId(org.try_into().map_err(|_| odd())?),
            group: GroupName::parse(&group).ok_or_else(odd)?,
            sequence: number,
            oldest_versions: BTreeMap::new(),
        },
        renewals: Renewals {
            number,
            current: Digest(current.try_into().map_err(|_| odd())?),
            taken,
            suspended: row.try_get::<i64, _>(6)? != 0,
        },
        lease: row.try_get(7)?,
    })
}

/// Makes a lease and keeps it with its renewals.
async fn keep(
    write: &mut Write,
    issuer: Issuer<'_>,
    stick: &StickKey,
    about: &About,
    renewals: &Renewals,
    now_s: u64,
) -> Answer<String> {
    let (lease, text) = issuer.keys.sign(stick, about, issuer.leases, now_s);
    let (taken, request) = match renewals.taken {
        Some((taken, request)) => (taken.0.to_vec(), request.to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    sqlx::query(
        "INSERT INTO leases (tenant, bundle, org, team, number, token, taken, request, suspended, lease, expires_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10) \
         ON CONFLICT (tenant, bundle) DO UPDATE SET org = $3, team = $4, number = $5, token = $6, taken = $7, request = $8, \
         lease = $9, expires_s = $10",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(about.org.0.to_vec())
    .bind(about.group.as_str().to_owned())
    .bind(signed(renewals.number))
    .bind(renewals.current.0.to_vec())
    .bind(taken)
    .bind(request)
    .bind(text.clone())
    .bind(signed(lease.expires_s))
    .execute(write.connection())
    .await?;
    Ok(text)
}

async fn suspend(write: &mut Write, stick: &StickKey, to: bool) -> Answer<()> {
    sqlx::query("UPDATE leases SET suspended = $3 WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(i64::from(to))
        .execute(write.connection())
        .await?;
    Ok(())
}

fn clone_suspected() -> Refusal {
    let text = "two copies of this stick asked for leases; renewals stop until IT has decided";
    Refusal::new(Code::StickCloneSuspected, text)
        .hint("call IT; the lease that the stick has goes on to its end")
}

fn unknown_token() -> Refusal {
    Refusal::new(Code::LeaseToken, "this server did not make that renewal token")
        .hint("enrol the stick again with a token of IT")
}

fn odd() -> Refusal {
    Refusal::unavailable("cannot read the row of a stick's lease")
}
