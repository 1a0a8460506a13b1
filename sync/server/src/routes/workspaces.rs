//! Workspaces: whose a stick is a member of, and what people decide about them. Their objects and lines have the handlers of a stick's own.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use gobag_protocol::{
    ids::{BundleId, TenantName, WorkspaceId},
    limits::MAX_SMALL_BODY,
    people::Role,
    workspaces::{
        MadeWorkspace, MemberRequest, WorkspaceDetails, WorkspaceInfos, WorkspaceRequest, Workspaces,
    },
};

use super::{admin::by, unknown_address};
use crate::{
    app::Shared,
    body,
    identity::{Somebody, Stick},
    refusal::Answer,
    store::{OwnerKey, workspaces},
};

pub(super) async fn mine(Stick(stick): Stick, State(app): State<Shared>) -> Answer<Json<Workspaces>> {
    let workspaces = workspaces::of_member(&app.database, &stick).await?;
    Ok(Json(Workspaces { workspaces }))
}

pub(super) async fn make(
    somebody: Somebody,
    State(app): State<Shared>,
    body: Body,
) -> Answer<(StatusCode, Json<MadeWorkspace>)> {
    let person = somebody.at_least(Role::Admin)?;
    let request: WorkspaceRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let (tenant, by, now_s) = (&person.tenant, by(&person), app.clock.now_s());
    let id = workspaces::make(&app.database, &app.blobs, tenant, &request.name, &by, now_s).await?;
    Ok((StatusCode::CREATED, Json(MadeWorkspace { id })))
}

pub(super) async fn list(somebody: Somebody, State(app): State<Shared>) -> Answer<Json<WorkspaceInfos>> {
    let person = somebody.at_least(Role::Viewer)?;
    let workspaces = workspaces::list(&app.database, &person.tenant).await?;
    Ok(Json(WorkspaceInfos { workspaces }))
}

pub(super) async fn get(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<WorkspaceDetails>> {
    let person = somebody.at_least(Role::Viewer)?;
    let workspace = named(&person.tenant, &id)?;
    workspaces::get(&app.database, &workspace, app.clock.now_s())
        .await
        .map(Json)
}

pub(super) async fn admit(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((id, bundle)): Path<(String, String)>,
    body: Body,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    let request: MemberRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let (workspace, bundle) = (named(&person.tenant, &id)?, bundle_of(&bundle)?);
    let (by, now_s) = (by(&person), app.clock.now_s());
    workspaces::admit(&app.database, &workspace, bundle, request.role, &by, now_s).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((id, bundle)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    let (workspace, bundle) = (named(&person.tenant, &id)?, bundle_of(&bundle)?);
    let (by, now_s) = (by(&person), app.clock.now_s());
    workspaces::remove(&app.database, &workspace, bundle, &by, now_s).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The workspace of a tenant that has this number, if there is one.
fn named(tenant: &TenantName, id: &str) -> Answer<OwnerKey> {
    let id = WorkspaceId::parse(id).ok_or_else(workspaces::unknown)?;
    Ok(OwnerKey::workspace(tenant, id))
}

fn bundle_of(text: &str) -> Answer<BundleId> {
    BundleId::parse(text).ok_or_else(unknown_address)
}
