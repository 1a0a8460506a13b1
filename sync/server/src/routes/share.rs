//! Shares: asked for by a locked stick, which proves that somebody typed its passphrase; made for an unlocked one, which has its certificate.

use axum::{Json, body::Body, extract::State, http::StatusCode};
use gobag_protocol::{
    limits::MAX_SMALL_BODY,
    share::{Asked, NextRequest, NextShare, Question, QuestionRequest, ShareGiven, ShareHeld, ShareRequest},
};

use crate::{
    app::Shared,
    body,
    identity::{Anybody, Stick},
    refusal::Answer,
    secret,
    store::{StickKey, shares},
};

pub(super) async fn question(_: Anybody, State(app): State<Shared>, body: Body) -> Answer<Json<Asked>> {
    let request: QuestionRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: request.tenant,
        bundle: request.bundle,
    };
    // Whether there is such a stick is not looked at, so it does not show.
    let question = app
        .lease_keys
        .shares(&stick)
        .question(app.clock.now_s(), secret::random()?);
    Ok(Json(Asked {
        question: Question(question),
    }))
}

pub(super) async fn give(_: Anybody, State(app): State<Shared>, body: Body) -> Answer<Json<ShareGiven>> {
    let request: ShareRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: request.tenant.clone(),
        bundle: request.bundle,
    };
    let ca = app.ca.digest();
    let mint = app.lease_keys.shares(&stick);
    let share = shares::give(&app.database, &mint, &stick, &request, &ca, app.clock.now_s()).await?;
    Ok(Json(ShareGiven { share }))
}

pub(super) async fn next(
    Stick(stick): Stick,
    State(app): State<Shared>,
    body: Body,
) -> Answer<Json<NextShare>> {
    let request: NextRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let mint = app.lease_keys.shares(&stick);
    shares::next(&app.database, &mint, &stick, &request, app.clock.now_s())
        .await
        .map(Json)
}

pub(super) async fn held(Stick(stick): Stick, State(app): State<Shared>, body: Body) -> Answer<StatusCode> {
    let said: ShareHeld = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let mint = app.lease_keys.shares(&stick);
    shares::confirm(&app.database, &mint, &stick, &said, app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}
