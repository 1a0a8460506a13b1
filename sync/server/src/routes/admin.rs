//! What people ask. The tenant is that of their token; a stick of another is one that is not there.

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gobag_protocol::{
    ids::BundleId,
    limits::MAX_SMALL_BODY,
    people::{Audit, Enrolment, EnrolmentRequest, Pruned, Reason, RevokeRequest, Role, StickDetails, Sticks},
    points::{Point, Points, Wanted},
    policy::Policy,
};
use serde::Deserialize;

use super::{lines, objects, unknown_address};
use crate::{
    app::Shared,
    body,
    identity::Somebody,
    refusal::Answer,
    store::{
        StickKey, audit, details, leases,
        people::Person,
        points::{self, LineKey},
        policies, revocation, sticks,
    },
};

#[derive(Deserialize)]
pub(super) struct After<T> {
    after: Option<T>,
}

pub(super) async fn sticks(
    somebody: Somebody,
    State(app): State<Shared>,
    Query(page): Query<After<BundleId>>,
) -> Answer<Json<Sticks>> {
    let person = somebody.at_least(Role::Viewer)?;
    let sticks = sticks::list(&app.database, &person.tenant, page.after).await?;
    Ok(Json(Sticks { sticks }))
}

pub(super) async fn stick(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(bundle): Path<String>,
) -> Answer<Json<StickDetails>> {
    let person = somebody.at_least(Role::Viewer)?;
    let stick = stick_of(&person, &bundle)?;
    details::get(&app.database, &stick, app.clock.now_s())
        .await
        .map(Json)
}

pub(super) async fn revoke(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(bundle): Path<String>,
    body: Body,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    let request: RevokeRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    set_revoked(&person, &app, &bundle, Some(request.reason)).await
}

pub(super) async fn restore(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(bundle): Path<String>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    set_revoked(&person, &app, &bundle, None).await
}

pub(super) async fn mark_lost(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(bundle): Path<String>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    set_revoked(&person, &app, &bundle, Some(Reason::Lost)).await
}

async fn set_revoked(
    person: &Person,
    app: &Shared,
    bundle: &str,
    reason: Option<Reason>,
) -> Answer<StatusCode> {
    let stick = stick_of(person, bundle)?;
    revocation::set(&app.database, &stick, reason, &by(person), app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn clear_clone(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(bundle): Path<String>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    let stick = stick_of(&person, &bundle)?;
    leases::clear_clone(&app.database, &stick, &by(&person), app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn enrolment(
    somebody: Somebody,
    State(app): State<Shared>,
    body: Body,
) -> Answer<Json<Enrolment>> {
    let person = somebody.at_least(Role::Operator)?;
    let request: EnrolmentRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: person.tenant.clone(),
        bundle: request.bundle,
    };
    let now_s = app.clock.now_s();
    let (user, group) = (&request.user, &request.group);
    let (token, ends_s) =
        sticks::make_enrolment(&app.database, &stick, user, group, now_s, &by(&person)).await?;
    Ok(Json(Enrolment {
        token: token.expose().to_owned(),
        ends_s,
    }))
}

pub(super) async fn audit(
    somebody: Somebody,
    State(app): State<Shared>,
    Query(page): Query<After<u64>>,
) -> Answer<Json<Audit>> {
    let person = somebody.at_least(Role::Viewer)?;
    let rows = audit::list(&app.database, &person.tenant, page.after.unwrap_or(0)).await?;
    Ok(Json(Audit { rows }))
}

pub(super) async fn object(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((bundle, id)): Path<(String, String)>,
    Query(how): Query<objects::How>,
    headers: HeaderMap,
) -> Answer<Response> {
    let stick = recovered(&app, somebody, &bundle).await?;
    objects::send(&app, &stick, &id, how, &headers).await
}

pub(super) async fn list_points(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((bundle, line)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<Points>> {
    let stick = recovered(&app, somebody, &bundle).await?;
    lines::tell_many(&app, &stick, &line, &wanted).await
}

pub(super) async fn point(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((bundle, line, generation)): Path<(String, String, String)>,
) -> Answer<Json<Point>> {
    let stick = recovered(&app, somebody, &bundle).await?;
    lines::tell_one(&app, &stick, &line, &generation).await
}

pub(super) async fn drilled(
    somebody: Somebody,
    State(app): State<Shared>,
    Path((bundle, line, generation)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Operator)?;
    let stick = known(&app, &person, &bundle).await?;
    let (line, generation) = (lines::line_of(&line)?, lines::generation_of(&generation)?);
    let key = LineKey {
        owner: &stick,
        line: &line,
    };
    points::note_drill(&app.database, &key, generation, &by(&person), app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn policy(somebody: Somebody, State(app): State<Shared>) -> Answer<Json<Policy>> {
    let person = somebody.at_least(Role::Viewer)?;
    let mut connection = app.database.read().acquire().await?;
    policies::get(&mut connection, &person.tenant).await.map(Json)
}

pub(super) async fn set_policy(
    somebody: Somebody,
    State(app): State<Shared>,
    body: Body,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Admin)?;
    let policy: Policy = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let now_s = app.clock.now_s();
    policies::set(&app.database, &person.tenant, &policy, &by(&person), now_s).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct PruneQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn prune(
    somebody: Somebody,
    State(app): State<Shared>,
    Query(query): Query<PruneQuery>,
) -> Answer<Json<Pruned>> {
    let person = somebody.at_least(Role::Admin)?;
    let pruned = app
        .prune(Some(&person.tenant), query.dry_run, &by(&person))
        .await?;
    Ok(Json(pruned))
}

/// A stick whose sealed state somebody may read: recovery, also of a revoked one.
async fn recovered(app: &Shared, somebody: Somebody, bundle: &str) -> Answer<StickKey> {
    let person = somebody.at_least(Role::Operator)?;
    known(app, &person, bundle).await
}

/// A stick that is one, and no workspace.
async fn known(app: &Shared, person: &Person, bundle: &str) -> Answer<StickKey> {
    let stick = stick_of(person, bundle)?;
    match sticks::exists(&app.database, &stick).await? {
        true => Ok(stick),
        false => Err(unknown_address()),
    }
}

fn stick_of(person: &Person, bundle: &str) -> Answer<StickKey> {
    Ok(StickKey {
        tenant: person.tenant.clone(),
        bundle: BundleId::parse(bundle).ok_or_else(unknown_address)?,
    })
}

pub(super) fn by(person: &Person) -> String {
    format!("person {}", person.name)
}
