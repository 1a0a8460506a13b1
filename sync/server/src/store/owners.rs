//! Owners: who has objects, lines and points here, a stick or a workspace. What both have in common is in one row of each: what it takes, and that
//! whoever changes what it has waits for its row.

use gobag_protocol::{
    error::Code,
    ids::{BundleId, TenantName},
};
use sqlx::{AnyConnection, Row};

use super::{
    OwnerKey,
    database::{Database, Write},
    space,
};
use crate::refusal::{Answer, Refusal};

/// What an owner is. No number is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stick,
    Workspace,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stick => "stick",
            Self::Workspace => "workspace",
        }
    }
}

/// Holds the owner's row until the transaction ends: of two who change what it has here, one waits.
pub(crate) async fn hold(write: &mut Write, owner: &OwnerKey) -> Answer<()> {
    sqlx::query("UPDATE owners SET bytes = bytes WHERE tenant = $1 AND bundle = $2")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .execute(write.connection())
        .await?;
    Ok(())
}

/// Adds an owner that has nothing yet. One that is there already stays as it is, if it is of this kind.
pub(super) async fn add(write: &mut Write, owner: &OwnerKey, kind: Kind) -> Answer<()> {
    sqlx::query(
        "INSERT INTO owners (tenant, bundle, kind, bytes, row_bytes) VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING",
    )
    .bind(owner.tenant())
    .bind(owner.bundle())
    .bind(kind.as_str())
    .execute(write.connection())
    .await?;
    check(write.connection(), owner, kind).await
}

/// Fails if there is an owner of this number that is of the other kind.
pub(super) async fn check(connection: &mut AnyConnection, owner: &OwnerKey, kind: Kind) -> Answer<()> {
    let row = sqlx::query("SELECT kind FROM owners WHERE tenant = $1 AND bundle = $2")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .fetch_optional(connection)
        .await?;
    let there: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    match (there, kind) {
        (None, _) => Ok(()),
        (Some(there), _) if there == kind.as_str() => Ok(()),
        (Some(_), Kind::Stick) => Err(Refusal::new(
            Code::EnrolWorkspace,
            "this is the number of a workspace, and of no stick",
        )),
        (Some(_), Kind::Workspace) => Err(Refusal::unavailable("a stick has the number that was drawn")),
    }
}

/// All owners, or those of one tenant, in the order of their tenants.
pub(super) async fn all(database: &Database, tenant: Option<&TenantName>) -> Answer<Vec<OwnerKey>> {
    let rows = sqlx::query("SELECT tenant, bundle FROM owners ORDER BY tenant, bundle")
        .fetch_all(database.read())
        .await?;
    let odd = || Refusal::unavailable("cannot read the row of an owner");
    let mut owners = Vec::with_capacity(rows.len());
    for row in rows {
        let (found, bundle): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        if tenant.is_none_or(|tenant| tenant.as_str() == found) {
            owners.push(OwnerKey {
                tenant: TenantName::parse(&found).ok_or_else(odd)?,
                bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
            });
        }
    }
    Ok(owners)
}

/// Gives sticks of a backup from before migration 8 their row, by counting what they have.
pub(crate) async fn complete(write: &mut Write) -> Answer<()> {
    let of = "t.tenant = sticks.tenant AND t.bundle = sticks.bundle";
    let rows = |table: &str, counted: &str| {
        let row = space::ROW;
        format!("(SELECT CAST(COALESCE(SUM({row} + {counted}), 0) AS BIGINT) FROM {table} t WHERE {of})")
    };
    let sql = format!(
        "INSERT INTO owners (tenant, bundle, kind, bytes, row_bytes) SELECT tenant, bundle, '{}', \
         (SELECT CAST(COALESCE(SUM(t.bytes), 0) AS BIGINT) FROM objects t WHERE {of}), {} + {} + {} + {} FROM sticks \
         WHERE NOT EXISTS (SELECT 1 FROM owners t WHERE {of})",
        Kind::Stick.as_str(),
        rows("points", "LENGTH(t.head)"),
        rows("bookmarks", "LENGTH(t.label)"),
        rows("refs", "0"),
        rows("parts", "0"),
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(write.connection())
        .await?;
    Ok(())
}
