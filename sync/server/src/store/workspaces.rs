//! Workspaces and their members. What a workspace has is in the same tables as what a stick has, under its own number ([`super::owners`]).

mod members;

use gobag_protocol::{
    error::Code,
    ids::{BundleId, PersonName, TenantName, WorkspaceId, WorkspaceName},
    limits::MAX_WORKSPACES,
    workspaces::{Member, MemberRole, NewestOfLine, Workspace, WorkspaceDetails, WorkspaceInfo},
};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    OwnerKey, StickKey,
    audit::{self, Event},
    blobs::Blobs,
    database::{Database, Write, is_there_already},
    details,
    owners::{self, Kind},
    signed, unsigned,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

pub use members::{admit, remove, role};

impl OwnerKey {
    /// A workspace of a tenant: its number is in the place of the bundle's.
    pub fn workspace(tenant: &TenantName, id: WorkspaceId) -> Self {
        Self {
            tenant: tenant.clone(),
            bundle: BundleId(id.0),
        }
    }
}

/// Makes a workspace without members. The place of its objects is durable before its rows are.
pub async fn make(
    database: &Database,
    blobs: &Blobs,
    tenant: &TenantName,
    name: &WorkspaceName,
    by: &str,
    now_s: u64,
) -> Answer<WorkspaceId> {
    let id = WorkspaceId(secret::random()?);
    let owner = OwnerKey::workspace(tenant, id);
    let mut write = database.write().await?;
    let about = format!("{id} {name}");
    // Holds the tenant's row: of two at once each is counted.
    note(&mut write, tenant, by, "workspace.made", &about, now_s).await?;
    let count: i64 = sqlx::query("SELECT COUNT(*) FROM workspaces WHERE tenant = $1")
        .bind(owner.tenant())
        .fetch_one(write.connection())
        .await?
        .try_get(0)?;
    if unsigned(count) >= MAX_WORKSPACES as u64 {
        return Err(too_many(format!(
            "a tenant has at most {MAX_WORKSPACES} workspaces"
        )));
    }
    owners::add(&mut write, &owner, Kind::Workspace).await?;
    let made = sqlx::query("INSERT INTO workspaces (tenant, id, name, made_s) VALUES ($1, $2, $3, $4)")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(name.as_str().to_owned())
        .bind(signed(now_s))
        .execute(write.connection())
        .await;
    match made {
        Ok(_) => {
            blobs.make_place(&owner).await?;
            write.commit().await.map(|()| id)
        }
        Err(error) if is_there_already(&error) => Err(Refusal::new(
            Code::WorkspaceName,
            format!("there is a workspace {name} already"),
        )),
        Err(error) => Err(error.into()),
    }
}

/// The workspaces of a member, in the order of names.
pub async fn of_member(database: &Database, stick: &StickKey) -> Answer<Vec<Workspace>> {
    let rows = sqlx::query(
        "SELECT w.id, w.name, m.role FROM workspace_members m \
         JOIN workspaces w ON w.tenant = m.tenant AND w.id = m.workspace WHERE m.tenant = $1 AND m.bundle = $2 ORDER BY w.name",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .fetch_all(database.read())
    .await?;
    let mut workspaces = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, name) = named(&row)?;
        workspaces.push(Workspace {
            id,
            name,
            role: role_of(&row.try_get::<String, _>(2)?)?,
            lines: Vec::new(),
        });
    }
    let rows = sqlx::query(
        "SELECT p.bundle, p.line, MAX(p.generation) FROM workspace_members m \
         JOIN points p ON p.tenant = m.tenant AND p.bundle = m.workspace WHERE m.tenant = $1 AND m.bundle = $2 \
         GROUP BY p.bundle, p.line ORDER BY p.line",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .fetch_all(database.read())
    .await?;
    for row in rows {
        let id: Vec<u8> = row.try_get(0)?;
        if let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.id.0 == *id) {
            workspace.lines.push(NewestOfLine {
                line: row.try_get(1)?,
                generation: unsigned(row.try_get(2)?),
            });
        }
    }
    Ok(workspaces)
}

/// What is told of workspaces, by [`info`].
const INFO: &str = "SELECT w.id, w.name, w.made_s, o.bytes, o.row_bytes, \
    (SELECT COUNT(*) FROM workspace_members m WHERE m.tenant = w.tenant AND m.workspace = w.id), \
    COALESCE((SELECT MAX(p.time_s) FROM points p WHERE p.tenant = w.tenant AND p.bundle = w.id), -1) \
    FROM workspaces w JOIN owners o ON o.tenant = w.tenant AND o.bundle = w.id WHERE w.tenant = $1";

/// All workspaces of a tenant, in the order of names.
pub async fn list(database: &Database, tenant: &TenantName) -> Answer<Vec<WorkspaceInfo>> {
    let rows = sqlx::query(AssertSqlSafe(format!("{INFO} ORDER BY w.name")))
        .bind(tenant.as_str().to_owned())
        .fetch_all(database.read())
        .await?;
    rows.iter().map(info).collect()
}

/// One workspace with its lines and members, by the server's time.
pub async fn get(database: &Database, workspace: &OwnerKey, now_s: u64) -> Answer<WorkspaceDetails> {
    let row = sqlx::query(AssertSqlSafe(format!("{INFO} AND w.id = $2")))
        .bind(workspace.tenant())
        .bind(workspace.bundle())
        .fetch_optional(database.read())
        .await?;
    let found = info(&row.ok_or_else(unknown)?)?;
    let rows = sqlx::query(
        "SELECT m.bundle, s.person, m.role, m.since_s, s.revoked FROM workspace_members m \
         JOIN sticks s ON s.tenant = m.tenant AND s.bundle = m.bundle WHERE m.tenant = $1 AND m.workspace = $2 ORDER BY m.bundle",
    )
    .bind(workspace.tenant())
    .bind(workspace.bundle())
    .fetch_all(database.read())
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let (bundle, person): (Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?);
        members.push(Member {
            bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
            user: PersonName::parse(&person).ok_or_else(odd)?,
            role: role_of(&row.try_get::<String, _>(2)?)?,
            since_s: unsigned(row.try_get(3)?),
            revoked: row.try_get::<i64, _>(4)? != 0,
        });
    }
    let lines = details::lines(database, workspace, now_s).await?.0;
    Ok(WorkspaceDetails {
        workspace: found,
        lines,
        members,
    })
}

/// Whoever is no member hears the same as where there is no workspace.
pub(crate) fn unknown() -> Refusal {
    Refusal::new(Code::WorkspaceUnknown, "there is no such workspace")
}

/// The name of a workspace, whose row is held until the transaction ends.
async fn held(write: &mut Write, workspace: &OwnerKey) -> Answer<String> {
    owners::hold(write, workspace).await?;
    let row = sqlx::query("SELECT name FROM workspaces WHERE tenant = $1 AND id = $2")
        .bind(workspace.tenant())
        .bind(workspace.bundle())
        .fetch_optional(write.connection())
        .await?;
    Ok(row.ok_or_else(unknown)?.try_get(0)?)
}

async fn note(
    write: &mut Write,
    tenant: &TenantName,
    who: &str,
    what: &'static str,
    about: &str,
    now_s: u64,
) -> Answer<()> {
    audit::append(write, tenant, now_s, &Event { who, what, about }).await
}

fn info(row: &AnyRow) -> Answer<WorkspaceInfo> {
    let (id, name) = named(row)?;
    Ok(WorkspaceInfo {
        id,
        name,
        made_s: unsigned(row.try_get(2)?),
        members: unsigned(row.try_get(5)?),
        newest_point_s: u64::try_from(row.try_get::<i64, _>(6)?).ok(),
        space_bytes: unsigned(row.try_get(3)?),
        row_bytes: unsigned(row.try_get(4)?),
    })
}

/// A row that begins with number and name.
fn named(row: &AnyRow) -> Answer<(WorkspaceId, WorkspaceName)> {
    let (id, name): (Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?);
    let id = WorkspaceId(id.try_into().map_err(|_| odd())?);
    Ok((id, WorkspaceName::parse(&name).ok_or_else(odd)?))
}

fn role_of(text: &str) -> Answer<MemberRole> {
    MemberRole::parse(text).ok_or_else(odd)
}

fn too_many(text: String) -> Refusal {
    Refusal::new(Code::WorkspaceTooMany, text)
}

fn odd() -> Refusal {
    Refusal::unavailable("cannot read the row of a workspace or a member")
}
