//! People's tokens over HTTP. A token is told once, when it is made.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use gobag_protocol::{
    limits::MAX_SMALL_BODY,
    people::{MadeToken, Role, TokenRequest, Tokens},
};

use super::admin::by;
use crate::{
    app::Shared,
    body,
    identity::Somebody,
    refusal::Answer,
    store::people::{self, Person},
};

pub(super) async fn list(somebody: Somebody, State(app): State<Shared>) -> Answer<Json<Tokens>> {
    let person = somebody.at_least(Role::Admin)?;
    let tokens = people::tokens(&app.database, &person.tenant).await?;
    Ok(Json(Tokens { tokens }))
}

pub(super) async fn make(
    somebody: Somebody,
    State(app): State<Shared>,
    body: Body,
) -> Answer<Json<MadeToken>> {
    let person = somebody.at_least(Role::Admin)?;
    let request: TokenRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let new = Person {
        tenant: person.tenant.clone(),
        name: request.name,
        role: request.role,
    };
    let token = people::make_token(&app.database, &new, app.clock.now_s(), &by(&person)).await?;
    Ok(Json(MadeToken {
        token: token.expose().to_owned(),
    }))
}

pub(super) async fn remove(
    somebody: Somebody,
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let person = somebody.at_least(Role::Admin)?;
    let now_s = app.clock.now_s();
    people::remove_token(&app.database, &person.tenant, &id, now_s, &by(&person)).await?;
    Ok(StatusCode::NO_CONTENT)
}
