//! Lines: making points, and telling them.

use std::sync::atomic::Ordering::Relaxed;

use super::unknown_address;
use crate::{
    app::{App, Shared},
    body,
    identity::Stick,
    refusal::Answer,
    store::{StickKey, points, points::LineKey},
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::StatusCode,
};
use gobag_protocol::{
    ids::LineName,
    limits::{MAX_BODY, MAX_LISTED_POINTS, MAX_SMALL_BODY},
    points::{Bookmark, MadePoint, NewPoint, Part, Point, Points, Wanted},
};

pub(super) async fn part(
    Stick(stick): Stick,
    State(app): State<Shared>,
    Path(line): Path<String>,
    body: Body,
) -> Answer<StatusCode> {
    let line = line_of(&line)?;
    let part: Part = body::json(&app.bodies, body, MAX_BODY).await?;
    let key = LineKey {
        stick: &stick,
        line: &line,
    };
    points::keep_part(&app.database, &key, part, app.clock.now_s(), &app.quotas).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn make(
    Stick(stick): Stick,
    State(app): State<Shared>,
    Path(line): Path<String>,
    body: Body,
) -> Answer<(StatusCode, Json<MadePoint>)> {
    let line = line_of(&line)?;
    let new: NewPoint = body::json(&app.bodies, body, MAX_BODY).await?;
    let key = LineKey {
        stick: &stick,
        line: &line,
    };
    let made = points::make(&app.database, &key, new, app.clock.now_s(), &app.quotas).await?;
    app.metrics.points.fetch_add(1, Relaxed);
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(
    Stick(stick): Stick,
    State(app): State<Shared>,
    Path(line): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<Points>> {
    tell_many(&app, &stick, &line, &wanted).await
}

pub(super) async fn get(
    Stick(stick): Stick,
    State(app): State<Shared>,
    Path((line, generation)): Path<(String, String)>,
) -> Answer<Json<Point>> {
    tell_one(&app, &stick, &line, &generation).await
}

pub(super) async fn bookmark(
    Stick(stick): Stick,
    State(app): State<Shared>,
    Path((line, generation)): Path<(String, String)>,
    body: Body,
) -> Answer<StatusCode> {
    let (line, generation) = (line_of(&line)?, generation_of(&generation)?);
    let new: Bookmark = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let key = LineKey {
        stick: &stick,
        line: &line,
    };
    points::add_bookmark(&app.database, &key, generation, new, &app.quotas).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Points of a line, newest first.
pub(super) async fn tell_many(
    app: &App,
    stick: &StickKey,
    line: &str,
    wanted: &Wanted,
) -> Answer<Json<Points>> {
    let line = line_of(line)?;
    let key = LineKey { stick, line: &line };
    let limit = wanted
        .limit
        .unwrap_or(MAX_LISTED_POINTS)
        .clamp(1, MAX_LISTED_POINTS);
    let points = points::list(&app.database, &key, wanted, limit).await?;
    Ok(Json(Points { points }))
}

/// One point with its head.
pub(super) async fn tell_one(
    app: &App,
    stick: &StickKey,
    line: &str,
    generation: &str,
) -> Answer<Json<Point>> {
    let (line, generation) = (line_of(line)?, generation_of(generation)?);
    let key = LineKey { stick, line: &line };
    points::get(&app.database, &key, generation).await.map(Json)
}

pub(super) fn line_of(text: &str) -> Answer<LineName> {
    LineName::parse(text).ok_or_else(unknown_address)
}

pub(super) fn generation_of(text: &str) -> Answer<u64> {
    text.parse().map_err(|_| unknown_address())
}
