//! What an owner takes here, against its quota and its tenant's: its objects, and its rows (points with their heads, names, ids). Each row counts
//! as [`ROW`] bytes and what it has of heads and labels, so that what one row was counted for is known from it when it goes.
//!
//! An owner's count is in its own row and exact; a tenant's is the sum of its owners' ([`Sums`]).

mod sums;

use gobag_protocol::error::Code;
use sqlx::{AssertSqlSafe, Row};

pub(super) use sums::Sums;

use super::{
    OwnerKey,
    database::{Database, Write},
    signed, unsigned,
};
use crate::{
    config::Quotas,
    refusal::{Answer, Refusal},
};

/// Bytes that a row counts for without heads and labels. Migration 5 has the same number.
pub(super) const ROW: i64 = 128;

/// The quota that holds for a row of `owners`.
const QUOTA: &str = "CASE WHEN kind = 'workspace' THEN CAST($4 AS BIGINT) ELSE CAST($3 AS BIGINT) END";

/// What is counted; one quota holds for both.
#[derive(Clone, Copy)]
pub(super) enum Space {
    Objects,
    Rows,
}

impl Space {
    /// The column in `owners`.
    const fn column(self) -> &'static str {
        match self {
            Self::Objects => "bytes",
            Self::Rows => "row_bytes",
        }
    }
}

/// Whether so many bytes more fit; asked before they are written.
pub(crate) async fn check(database: &Database, owner: &OwnerKey, bytes: u64, quotas: &Quotas) -> Answer<()> {
    let mut connection = database.read().acquire().await?;
    let sql = format!("SELECT bytes + row_bytes, {QUOTA} FROM owners WHERE tenant = $1 AND bundle = $2");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(signed(quotas.stick_bytes))
        .bind(signed(quotas.workspace_bytes))
        .fetch_one(&mut *connection)
        .await?;
    let of_owner = unsigned(row.try_get(0)?).saturating_add(bytes);
    let (sums, of_tenant) = (database.sums(), quotas.tenant_bytes);
    let fits = of_owner <= unsigned(row.try_get(1)?)
        && (sums.fits(&owner.tenant, bytes, of_tenant)
            || sums
                .look(&mut connection, &owner.tenant)
                .await?
                .saturating_add(bytes)
                <= of_tenant);
    match fits {
        true => Ok(()),
        false => Err(no_room()),
    }
}

/// Counts so many bytes more, if they fit; what is less than none always does.
pub(super) async fn charge(
    write: &mut Write,
    owner: &OwnerKey,
    space: Space,
    bytes: i64,
    quotas: &Quotas,
) -> Answer<()> {
    if bytes <= 0 {
        return refund(write, owner, space, -bytes).await;
    }
    // Counted and compared in one statement: two uploads at once cannot both take the last room.
    let column = space.column();
    let of_owner = format!(
        "UPDATE owners SET {column} = {column} + $5 WHERE tenant = $1 AND bundle = $2 AND bytes + row_bytes + $5 <= {QUOTA}"
    );
    let of_owner = sqlx::query(AssertSqlSafe(of_owner))
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(signed(quotas.stick_bytes))
        .bind(signed(quotas.workspace_bytes))
        .bind(bytes)
        .execute(write.connection())
        .await?;
    let (sums, of_tenant) = (write.sums(), quotas.tenant_bytes);
    let fits = of_owner.rows_affected() == 1
        && (sums.add(&owner.tenant, unsigned(bytes), of_tenant)
            || sums.look(write.connection(), &owner.tenant).await? <= of_tenant);
    match fits {
        true => Ok(()),
        false => Err(no_room()),
    }
}

/// Counts so many bytes less.
pub(super) async fn refund(write: &mut Write, owner: &OwnerKey, space: Space, bytes: i64) -> Answer<()> {
    if bytes == 0 {
        return Ok(());
    }
    let column = space.column();
    let sql = format!("UPDATE owners SET {column} = {column} - $3 WHERE tenant = $1 AND bundle = $2");
    sqlx::query(AssertSqlSafe(sql))
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(bytes)
        .execute(write.connection())
        .await?;
    Ok(())
}

fn no_room() -> Refusal {
    Refusal::new(Code::QuotaExceeded, "there is no room left")
        .hint("what is already here is safe; IT can raise the quota or prune earlier points")
}
