//! What a stick takes here, against its quota and its tenant's: its objects, and its rows (points with their heads, names, ids). Each row counts
//! as [`ROW`] bytes and what it has of heads and labels, so that what one row was counted for is known from it when it goes.

use gobag_protocol::error::Code;
use sqlx::AssertSqlSafe;

use super::{StickKey, database::Write, signed};
use crate::{
    config::Quotas,
    refusal::{Answer, Refusal},
};

/// Bytes that a row counts for without heads and labels. Migration 5 has the same number.
pub(super) const ROW: i64 = 128;

/// What is counted; one quota holds for both.
#[derive(Clone, Copy)]
pub(super) enum Space {
    Objects,
    Rows,
}

impl Space {
    /// The column in `sticks` and in `tenants`.
    const fn column(self) -> &'static str {
        match self {
            Self::Objects => "bytes",
            Self::Rows => "row_bytes",
        }
    }
}

/// Counts so many bytes more, if they fit; what is less than none always does.
pub(super) async fn charge(
    write: &mut Write,
    stick: &StickKey,
    space: Space,
    bytes: i64,
    quotas: &Quotas,
) -> Answer<()> {
    if bytes <= 0 {
        return refund(write, stick, space, -bytes).await;
    }
    // Counted and compared in one statement: two uploads at once cannot both take the last room.
    let column = space.column();
    let of_stick = format!(
        "UPDATE sticks SET {column} = {column} + $3 WHERE tenant = $1 AND bundle = $2 AND bytes + row_bytes + $3 <= $4"
    );
    let of_stick = sqlx::query(AssertSqlSafe(of_stick))
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(bytes)
        .bind(signed(quotas.stick_bytes))
        .execute(write.connection())
        .await?;
    let of_tenant = format!(
        "UPDATE tenants SET {column} = {column} + $2 WHERE tenant = $1 AND bytes + row_bytes + $2 <= $3"
    );
    let of_tenant = sqlx::query(AssertSqlSafe(of_tenant))
        .bind(stick.tenant())
        .bind(bytes)
        .bind(signed(quotas.tenant_bytes))
        .execute(write.connection())
        .await?;
    match of_stick.rows_affected() == 1 && of_tenant.rows_affected() == 1 {
        true => Ok(()),
        false => Err(no_room()),
    }
}

/// Counts so many bytes less.
pub(super) async fn refund(write: &mut Write, stick: &StickKey, space: Space, bytes: i64) -> Answer<()> {
    if bytes == 0 {
        return Ok(());
    }
    let column = space.column();
    let of_stick = format!("UPDATE sticks SET {column} = {column} - $3 WHERE tenant = $1 AND bundle = $2");
    sqlx::query(AssertSqlSafe(of_stick))
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(bytes)
        .execute(write.connection())
        .await?;
    let of_tenant = format!("UPDATE tenants SET {column} = {column} - $2 WHERE tenant = $1");
    sqlx::query(AssertSqlSafe(of_tenant))
        .bind(stick.tenant())
        .bind(bytes)
        .execute(write.connection())
        .await?;
    Ok(())
}

pub(super) fn no_room() -> Refusal {
    Refusal::new(Code::QuotaExceeded, "there is no room left for this stick")
        .hint("what is already here is safe; IT can raise the quota or prune earlier points")
}
