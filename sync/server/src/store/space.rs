//! What the rows of a stick take, against the same quotas as its objects: points with their heads, names, ids. Each row counts as
//! [`ROW`] bytes and what it has of heads and labels, so that what one row was counted for is known from it when it goes.

use gobag_protocol::error::Code;

use super::{StickKey, database::Write, signed};
use crate::{
    config::Quotas,
    refusal::{Answer, Refusal},
};

/// Bytes that a row counts for without heads and labels. Migration 5 has the same number.
pub(super) const ROW: i64 = 128;

/// Counts so many bytes more, if they fit.
pub(super) async fn charge(write: &mut Write, stick: &StickKey, bytes: i64, quotas: &Quotas) -> Answer<()> {
    if bytes <= 0 {
        return refund(write, stick, -bytes).await;
    }
    // Counted and compared in one statement, as objects are.
    let of_stick = sqlx::query(
        "UPDATE sticks SET row_bytes = row_bytes + $3 WHERE tenant = $1 AND bundle = $2 AND bytes + row_bytes + $3 <= $4",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(bytes)
    .bind(signed(quotas.stick_bytes))
    .execute(write.connection())
    .await?;
    let of_tenant = sqlx::query(
        "UPDATE tenants SET row_bytes = row_bytes + $2 WHERE tenant = $1 AND bytes + row_bytes + $2 <= $3",
    )
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
pub(super) async fn refund(write: &mut Write, stick: &StickKey, bytes: i64) -> Answer<()> {
    if bytes == 0 {
        return Ok(());
    }
    sqlx::query("UPDATE sticks SET row_bytes = row_bytes - $3 WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(bytes)
        .execute(write.connection())
        .await?;
    sqlx::query("UPDATE tenants SET row_bytes = row_bytes - $2 WHERE tenant = $1")
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
