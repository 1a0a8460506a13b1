//! Sticks: enrolment, who is let in, what is known of them.

use gobag_protocol::{
    enrol::{ENROLMENT_TOKEN_PREFIX, EnrolRequest, TokenText},
    error::Code,
    ids::{BundleId, GroupName, PersonName, TenantName, VerifyingKey},
    limits::ENROLMENT_TOKEN_S,
    people::{Reason, StickInfo},
};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    StickKey,
    audit::{self, Event},
    database::Database,
    leases::{self, Given, Issuer},
    owners::{self, Kind},
    people::digest,
    revocation, signed, unsigned,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

/// Sticks in one answer.
pub const PAGE: i64 = 500;

/// Makes a token with which one stick enrols for one person; the tenant is made if it is not there.
pub async fn make_enrolment(
    database: &Database,
    stick: &StickKey,
    user: &PersonName,
    group: &GroupName,
    now_s: u64,
    by: &str,
) -> Answer<(TokenText, u64)> {
    let token = secret::token(ENROLMENT_TOKEN_PREFIX)?;
    let ends_s = now_s + ENROLMENT_TOKEN_S;
    let mut write = database.write().await?;
    owners::check(write.connection(), stick, Kind::Stick).await?;
    audit::make_tenant(&mut write, &stick.tenant).await?;
    sqlx::query(
        "INSERT INTO enrolments (token_hash, tenant, bundle, person, ends_s, used_by, team) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(digest(&token))
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(user.as_str().to_owned())
    .bind(signed(ends_s))
    .bind(Vec::<u8>::new())
    .bind(group.as_str().to_owned())
    .execute(write.connection())
    .await?;
    let about = format!("{} of {user} in {group}", stick.bundle);
    let event = Event {
        who: by,
        what: "enrolment.made",
        about: &about,
    };
    audit::append(&mut write, &stick.tenant, now_s, &event).await?;
    write.commit().await?;
    Ok((token, ends_s))
}

/// Whose the token of a request is, if it is one that was made.
pub async fn tenant_of(database: &Database, token: &TokenText) -> Answer<Option<TenantName>> {
    let row = sqlx::query("SELECT tenant FROM enrolments WHERE token_hash = $1")
        .bind(digest(token))
        .fetch_optional(database.read())
        .await?;
    let tenant: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(tenant.as_deref().and_then(TenantName::parse))
}

/// Enrols a stick that proved its key, and gives its first lease. The token counts once; only the key that used it may ask again, for an answer can get lost.
pub async fn enrol(
    database: &Database,
    issuer: Issuer<'_>,
    tenant: &TenantName,
    request: &EnrolRequest,
    now_s: u64,
) -> Answer<(StickKey, Given)> {
    let refused = || {
        Refusal::new(Code::EnrolToken, "the token was used, or its 15 minutes are over")
            .hint("ask IT for a new one: `gobag-server enrol`")
    };
    let public_key = request.public_key.0.to_vec();
    let stick = StickKey {
        tenant: tenant.clone(),
        bundle: request.bundle,
    };
    let mut write = database.write().await?;
    // Taken and judged in one statement, so that of two who use it at once one does.
    let taken = sqlx::query(
        "UPDATE enrolments SET used_by = $4 WHERE token_hash = $1 AND tenant = $2 AND ends_s > $3 AND (used_by = $5 OR used_by = $4) \
         RETURNING bundle, person, team",
    )
    .bind(digest(&request.token))
    .bind(stick.tenant())
    .bind(signed(now_s))
    .bind(public_key.clone())
    .bind(Vec::<u8>::new())
    .fetch_optional(write.connection())
    .await?
    .ok_or_else(refused)?;
    let bundle: Vec<u8> = taken.try_get(0)?;
    if bundle != stick.bundle() {
        // The token stays unused: the transaction is dropped.
        return Err(Refusal::new(
            Code::EnrolOtherStick,
            "the token is for another stick",
        ));
    }
    let (person, group): (String, String) = (taken.try_get(1)?, taken.try_get(2)?);
    let group = GroupName::parse(&group).unwrap_or_default();
    let there = sqlx::query("SELECT revoked, revoked_reason FROM sticks WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(write.connection())
        .await?;
    if let Some(there) = there
        && there.try_get::<i64, _>(0)? != 0
    {
        return Err(revocation::refusal(&there.try_get::<String, _>(1)?));
    }
    owners::add(&mut write, &stick, Kind::Stick).await?;
    sqlx::query(
        "INSERT INTO sticks (tenant, bundle, person, public_key, revoked, enrolled_s, last_contact_s) \
         VALUES ($1, $2, $3, $4, 0, $5, $5) \
         ON CONFLICT (tenant, bundle) DO UPDATE SET person = $3, public_key = $4, enrolled_s = $5, last_contact_s = $5",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(person)
    .bind(public_key)
    .bind(signed(now_s))
    .execute(write.connection())
    .await?;
    let given = leases::first(&mut write, issuer, &stick, request, group, now_s).await?;
    let who = format!("stick {}", stick.bundle);
    let about = format!("{} with key {}", stick.bundle, request.public_key);
    let event = Event {
        who: &who,
        what: "stick.enrolled",
        about: &about,
    };
    audit::append(&mut write, tenant, now_s, &event).await?;
    write.commit().await?;
    Ok((stick, given))
}

/// Notes that an enrolment was refused.
pub async fn note_refusal(
    database: &Database,
    tenant: &TenantName,
    request: &EnrolRequest,
    code: Code,
    now_s: u64,
) -> Answer<()> {
    let mut write = database.write().await?;
    let (who, about) = (format!("stick {}", request.bundle), code.as_str());
    let event = Event {
        who: &who,
        what: "enrolment.refused",
        about,
    };
    audit::append(&mut write, tenant, now_s, &event).await?;
    write.commit().await
}

/// Lets a stick with this certificate in, or not; and notes that it was here, once a minute.
pub async fn let_in(
    database: &Database,
    stick: &StickKey,
    public_key: &VerifyingKey,
    now_s: u64,
) -> Answer<()> {
    let row = sqlx::query(
        "SELECT public_key, revoked, last_contact_s, revoked_reason FROM sticks WHERE tenant = $1 AND bundle = $2",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .fetch_optional(database.read())
    .await?;
    let Some(row) = row else {
        let text = "the server does not know this stick";
        return Err(Refusal::new(Code::IdentityMissing, text).hint("enrol it again"));
    };
    if row.try_get::<i64, _>(1)? != 0 {
        return Err(revocation::refusal(&row.try_get::<String, _>(3)?));
    }
    if row.try_get::<Vec<u8>, _>(0)? != public_key.0 {
        return Err(Refusal::new(
            Code::StickOtherKey,
            "this stick enrolled again with another key",
        ));
    }
    let now = signed(now_s);
    if row.try_get::<i64, _>(2)? + 60 <= now {
        let mut write = database.write().await?;
        sqlx::query(
            "UPDATE sticks SET last_contact_s = $3 WHERE tenant = $1 AND bundle = $2 AND last_contact_s < $3",
        )
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(now)
        .execute(write.connection())
        .await?;
        write.commit().await?;
    }
    Ok(())
}

/// What is told of sticks, by [`info`].
const INFO: &str = "SELECT s.bundle, s.person, s.revoked, s.enrolled_s, s.last_contact_s, o.bytes, \
    COALESCE((SELECT MAX(p.time_s) FROM points p WHERE p.tenant = s.tenant AND p.bundle = s.bundle), -1), \
    s.revoked_reason, s.revoked_s, s.erased_s, COALESCE(l.team, ''), COALESCE(l.suspended, 0), COALESCE(l.expires_s, 0), o.row_bytes, \
    COALESCE((SELECT h.wrong FROM shares h WHERE h.tenant = s.tenant AND h.bundle = s.bundle), 0) \
    FROM sticks s JOIN owners o ON o.tenant = s.tenant AND o.bundle = s.bundle \
    LEFT JOIN leases l ON l.tenant = s.tenant AND l.bundle = s.bundle WHERE s.tenant = $1";

/// One stick, if the tenant has it.
pub async fn get(database: &Database, stick: &StickKey) -> Answer<Option<StickInfo>> {
    let row = sqlx::query(AssertSqlSafe(format!("{INFO} AND s.bundle = $2")))
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(database.read())
        .await?;
    row.as_ref().map(info).transpose()
}

/// The tenant's sticks after `after` in the order of their ids.
pub async fn list(
    database: &Database,
    tenant: &TenantName,
    after: Option<BundleId>,
) -> Answer<Vec<StickInfo>> {
    let sql = format!("{INFO} AND s.bundle > $2 ORDER BY s.bundle LIMIT $3");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(tenant.as_str().to_owned())
        .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
        .bind(PAGE)
        .fetch_all(database.read())
        .await?;
    rows.iter().map(info).collect()
}

/// Whether the tenant has this stick.
pub async fn exists(database: &Database, stick: &StickKey) -> Answer<bool> {
    let row = sqlx::query("SELECT 1 FROM sticks WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(database.read())
        .await?;
    Ok(row.is_some())
}

fn info(row: &AnyRow) -> Answer<StickInfo> {
    let odd = || Refusal::unavailable("cannot read the row of a stick");
    let bundle: Vec<u8> = row.try_get(0)?;
    let (person, reason, group): (String, String, String) =
        (row.try_get(1)?, row.try_get(7)?, row.try_get(10)?);
    // 0 stands for never.
    let time = |column: usize| -> Answer<Option<u64>> {
        Ok(Some(unsigned(row.try_get(column)?)).filter(|seconds| *seconds != 0))
    };
    Ok(StickInfo {
        bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
        user: PersonName::parse(&person).ok_or_else(odd)?,
        group: GroupName::parse(&group),
        revoked: row.try_get::<i64, _>(2)? != 0,
        revoked_reason: Reason::parse(&reason),
        revoked_s: time(8)?,
        erased_s: time(9)?,
        clone_suspected: row.try_get::<i64, _>(11)? != 0,
        wrong_passphrases: unsigned(row.try_get(14)?),
        lease_ends_s: time(12)?,
        enrolled_s: unsigned(row.try_get(3)?),
        last_contact_s: unsigned(row.try_get(4)?),
        space_bytes: unsigned(row.try_get(5)?),
        row_bytes: unsigned(row.try_get(13)?),
        newest_point_s: u64::try_from(row.try_get::<i64, _>(6)?).ok(),
    })
}
