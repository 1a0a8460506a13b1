//! Revocation: a stick that is refused everything, but for telling that it erased its key slots.

use gobag_protocol::{error::Code, lease::Erased, people::Reason};

use super::{
    StickKey,
    audit::{self, Event},
    database::Database,
    leases, shares, signed,
};
use crate::refusal::{Answer, Refusal};

/// Revokes a stick for a reason, or takes that back.
pub async fn set(
    database: &Database,
    stick: &StickKey,
    reason: Option<Reason>,
    by: &str,
    now_s: u64,
) -> Answer<()> {
    let word = reason.map_or("", Reason::as_str);
    let mut write = database.write().await?;
    let changed = sqlx::query(
        "UPDATE sticks SET revoked = $3, revoked_reason = $4, revoked_s = $5, erased_s = 0 WHERE tenant = $1 AND bundle = $2",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(i64::from(reason.is_some()))
    .bind(word.to_owned())
    .bind(reason.map_or(0, |_| signed(now_s)))
    .execute(write.connection())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Refusal::new(Code::RequestUnknown, "there is no such stick"));
    }
    if reason.is_none() {
        shares::forgive(&mut write, stick).await?;
    }
    let about = match reason {
        Some(_) => format!("{} as {word}", stick.bundle),
        None => stick.bundle.to_string(),
    };
    let event = Event {
        who: by,
        what: match reason {
            Some(_) => "stick.revoked",
            None => "stick.restored",
        },
        about: &about,
    };
    audit::append(&mut write, &stick.tenant, now_s, &event).await?;
    write.commit().await
}

/// Notes that a revoked stick erased its key slots. Again changes nothing.
pub async fn erased(database: &Database, stick: &StickKey, said: &Erased, now_s: u64) -> Answer<()> {
    let (_, revoked) = leases::key_of(database, stick, |key| said.is_proven(key)).await?;
    if revoked.is_none() {
        return Err(Refusal::new(Code::StickNotRevoked, "this stick is not revoked"));
    }
    let mut write = database.write().await?;
    let changed = sqlx::query(
        "UPDATE sticks SET erased_s = $3 WHERE tenant = $1 AND bundle = $2 AND revoked = 1 AND erased_s = 0",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(signed(now_s))
    .execute(write.connection())
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(());
    }
    let (who, about) = (format!("stick {}", stick.bundle), stick.bundle.to_string());
    let event = Event {
        who: &who,
        what: "stick.erased",
        about: &about,
    };
    audit::append(&mut write, &stick.tenant, now_s, &event).await?;
    write.commit().await
}

/// What a revoked stick is told.
pub(crate) fn refusal(reason: &str) -> Refusal {
    let text = match Reason::parse(reason) {
        None | Some(Reason::Other) => "IT revoked this stick".to_owned(),
        Some(reason) => format!("IT revoked this stick ({})", reason.as_str()),
    };
    Refusal::new(Code::StickRevoked, text)
}
