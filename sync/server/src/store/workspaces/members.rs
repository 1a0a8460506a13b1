//! Who reaches a workspace, and as what.

use gobag_protocol::{error::Code, ids::BundleId, limits::MAX_MEMBERS, workspaces::MemberRole};
use sqlx::Row;

use super::{held, note, role_of, too_many};
use crate::{
    refusal::{Answer, Refusal},
    store::{
        OwnerKey, StickKey,
        database::{Database, Write},
        signed, sticks, unsigned,
    },
};

/// Admits a stick, or gives a member another role. The same again changes nothing.
pub async fn admit(
    database: &Database,
    workspace: &OwnerKey,
    bundle: BundleId,
    role: MemberRole,
    by: &str,
    now_s: u64,
) -> Answer<()> {
    let stick = StickKey {
        tenant: workspace.tenant.clone(),
        bundle,
    };
    if !sticks::exists(database, &stick).await? {
        return Err(Refusal::new(Code::RequestUnknown, "there is no such stick"));
    }
    let mut write = database.write().await?;
    let name = held(&mut write, workspace).await?;
    let (found, count) = member(&mut write, workspace, bundle).await?;
    if found.as_deref() == Some(role.as_str()) {
        return Ok(());
    }
    if found.is_none() && count >= MAX_MEMBERS as u64 {
        return Err(too_many(format!("a workspace has at most {MAX_MEMBERS} members")));
    }
    sqlx::query(
        "INSERT INTO workspace_members (tenant, workspace, bundle, role, since_s) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant, workspace, bundle) DO UPDATE SET role = $4, since_s = $5",
    )
    .bind(workspace.tenant())
    .bind(workspace.bundle())
    .bind(stick.bundle())
    .bind(role.as_str())
    .bind(signed(now_s))
    .execute(write.connection())
    .await?;
    let about = format!("{bundle} to {} {name} as {}", workspace.bundle, role.as_str());
    note(
        &mut write,
        &workspace.tenant,
        by,
        "workspace.admitted",
        &about,
        now_s,
    )
    .await?;
    write.commit().await
}

/// Takes a member away; whoever is none stays none.
pub async fn remove(
    database: &Database,
    workspace: &OwnerKey,
    bundle: BundleId,
    by: &str,
    now_s: u64,
) -> Answer<()> {
    let mut write = database.write().await?;
    let name = held(&mut write, workspace).await?;
    let gone =
        sqlx::query("DELETE FROM workspace_members WHERE tenant = $1 AND workspace = $2 AND bundle = $3")
            .bind(workspace.tenant())
            .bind(workspace.bundle())
            .bind(bundle.0.to_vec())
            .execute(write.connection())
            .await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    let about = format!("{bundle} from {} {name}", workspace.bundle);
    note(
        &mut write,
        &workspace.tenant,
        by,
        "workspace.removed",
        &about,
        now_s,
    )
    .await?;
    write.commit().await
}

/// What a stick may do in a workspace; `None` if it is no member, or cut off, or there is no such workspace.
pub async fn role(database: &Database, workspace: &OwnerKey, stick: &StickKey) -> Answer<Option<MemberRole>> {
    let row = sqlx::query(
        "SELECT m.role FROM workspace_members m JOIN sticks s ON s.tenant = m.tenant AND s.bundle = m.bundle \
         WHERE m.tenant = $1 AND m.workspace = $2 AND m.bundle = $3 AND s.revoked = 0",
    )
    .bind(stick.tenant())
    .bind(workspace.bundle())
    .bind(stick.bundle())
    .fetch_optional(database.read())
    .await?;
    row.map(|row| role_of(&row.try_get::<String, _>(0)?)).transpose()
}

/// The role that a stick has, and how many members there are.
async fn member(write: &mut Write, workspace: &OwnerKey, bundle: BundleId) -> Answer<(Option<String>, u64)> {
    let row = sqlx::query(
        "SELECT COUNT(*), COALESCE(MAX(CASE WHEN bundle = $3 THEN role ELSE '' END), '') FROM workspace_members \
         WHERE tenant = $1 AND workspace = $2",
    )
    .bind(workspace.tenant())
    .bind(workspace.bundle())
    .bind(bundle.0.to_vec())
    .fetch_one(write.connection())
    .await?;
    let role: String = row.try_get(1)?;
    Ok((
        Some(role).filter(|role| !role.is_empty()),
        unsigned(row.try_get(0)?),
    ))
}
