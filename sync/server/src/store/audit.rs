//! The audit log of a tenant: rows that are only ever added, each with a hash over itself and the row before.
//!
//! A row is part of the transaction that does what it tells. Who can write to the database can make another chain, but not one
//! that ends in a hash that somebody noted elsewhere; the newest hash is in every answer to `GET /v1/admin/audit`.

use gobag_protocol::{ids::TenantName, people::AuditRow};
use sqlx::Row;

use super::{
    database::{Database, Write},
    signed, unsigned,
};
use crate::refusal::{Answer, Refusal};

/// What the chain begins with.
const START: [u8; 32] = [0; 32];
/// Rows in one answer.
const PAGE: i64 = 1000;

/// What happened.
pub struct Event<'a> {
    /// Who did it: `stick <id>`, `person <name>`, `console`.
    pub who: &'a str,
    /// What: a stable word.
    pub what: &'a str,
    /// About what.
    pub about: &'a str,
}

/// Makes the tenant if it is not there yet.
pub async fn make_tenant(write: &mut Write, tenant: &TenantName) -> Answer<()> {
    sqlx::query(
        "INSERT INTO tenants (tenant, audit_number, audit_hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str().to_owned())
    .bind(START.to_vec())
    .execute(write.connection())
    .await?;
    Ok(())
}

/// Adds a row to every tenant's log: of what befell the whole server.
pub async fn append_to_all(write: &mut Write, now_s: u64, event: &Event<'_>) -> Answer<()> {
    let rows = sqlx::query("SELECT tenant FROM tenants ORDER BY tenant")
        .fetch_all(write.connection())
        .await?;
    for row in rows {
        let tenant: String = row.try_get(0)?;
        let tenant =
            TenantName::parse(&tenant).ok_or_else(|| Refusal::unavailable("a tenant without a name"))?;
        append(write, &tenant, now_s, event).await?;
    }
    Ok(())
}

/// Adds a row to the log of a tenant that is there.
pub async fn append(write: &mut Write, tenant: &TenantName, now_s: u64, event: &Event<'_>) -> Answer<()> {
    // The row of the tenant is held from here on, so that one row follows another.
    let row = sqlx::query(
        "UPDATE tenants SET audit_number = audit_number + 1 WHERE tenant = $1 RETURNING audit_number, audit_hash",
    )
    .bind(tenant.as_str().to_owned())
    .fetch_one(write.connection())
    .await?;
    let number: i64 = row.try_get(0)?;
    let before: Vec<u8> = row.try_get(1)?;
    let hash = hash(&before, tenant, unsigned(number), now_s, event).to_vec();
    sqlx::query(
        "INSERT INTO audit (tenant, number, time_s, who, what, about, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.as_str().to_owned())
    .bind(number)
    .bind(signed(now_s))
    .bind(event.who.to_owned())
    .bind(event.what.to_owned())
    .bind(event.about.to_owned())
    .bind(hash.clone())
    .execute(write.connection())
    .await?;
    sqlx::query("UPDATE tenants SET audit_hash = $2 WHERE tenant = $1")
        .bind(tenant.as_str().to_owned())
        .bind(hash)
        .execute(write.connection())
        .await?;
    Ok(())
}

/// Rows after number `after`, oldest first. Refuses to give rows whose chain is broken.
pub async fn list(database: &Database, tenant: &TenantName, after: u64) -> Answer<Vec<AuditRow>> {
    let rows = sqlx::query(
        "SELECT number, time_s, who, what, about, hash FROM audit WHERE tenant = $1 AND number >= $2 ORDER BY number LIMIT $3",
    )
    .bind(tenant.as_str().to_owned())
    .bind(signed(after))
    .bind(PAGE)
    .fetch_all(database.read())
    .await?;
    let mut before = START.to_vec();
    let mut next = after.max(1);
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        let number = unsigned(row.try_get(0)?);
        let (who, what, about): (String, String, String) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        let found: Vec<u8> = row.try_get(5)?;
        let time_s = unsigned(row.try_get(1)?);
        // The row asked to begin after is read for its hash alone.
        if number > after {
            let event = Event {
                who: &who,
                what: &what,
                about: &about,
            };
            if number != next || hash(&before, tenant, number, time_s, &event).as_slice() != found {
                let text = format!("the audit log of {tenant} is broken at row {number}");
                return Err(Refusal::unavailable(text));
            }
            told.push(AuditRow {
                number,
                time_s,
                who,
                what,
                about,
                hash: hex(&found),
            });
        }
        before = found;
        next = number + 1;
    }
    Ok(told)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Over the hash before and the row; every text with its length, so that no two rows are the same bytes.
fn hash(before: &[u8], tenant: &TenantName, number: u64, time_s: u64, event: &Event<'_>) -> [u8; 32] {
    let mut bytes = before.to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&time_s.to_le_bytes());
    for text in [tenant.as_str(), event.who, event.what, event.about] {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    gobag_protocol::ids::Digest::of(&bytes).0
}
