//! Lines: making points, and telling them.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::unknown_address;
use crate::{
    app::{App, Shared},
    body,
    identity::{Reads, Stick, Writes},
    refusal::Answer,
    store::{OwnerKey, points, points::LineKey},
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::StatusCode,
};
use gobag_protocol::{
    ids::LineName,
    limits::{MAX_BODY, MAX_LISTED_POINTS, MAX_SMALL_BODY, MAX_WAIT_S},
    points::{Bookmark, MadePoint, NewPoint, Part, Point, Points, Wanted},
};
use serde::Deserialize;
use tokio::time::Instant;

/// Which line an address names, whatever else it names.
#[derive(Deserialize)]
pub(super) struct OneLine {
    line: String,
}

/// Which point of a line.
#[derive(Deserialize)]
pub(super) struct OnePoint {
    line: String,
    generation: String,
}

pub(super) async fn part(
    Writes { owner, .. }: Writes,
    State(app): State<Shared>,
    Path(OneLine { line }): Path<OneLine>,
    body: Body,
) -> Answer<StatusCode> {
    let line = line_of(&line)?;
    let part: Part = body::json(&app.bodies, body, MAX_BODY).await?;
    let key = LineKey {
        owner: &owner,
        line: &line,
    };
    points::keep_part(&app.database, &key, part, app.clock.now_s(), &app.quotas).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn make(
    Writes { owner, made_by }: Writes,
    State(app): State<Shared>,
    Path(OneLine { line }): Path<OneLine>,
    body: Body,
) -> Answer<(StatusCode, Json<MadePoint>)> {
    let line = line_of(&line)?;
    let new: NewPoint = body::json(&app.bodies, body, MAX_BODY).await?;
    let key = LineKey {
        owner: &owner,
        line: &line,
    };
    let made = points::make(&app.database, &key, new, made_by, app.clock.now_s(), &app.quotas).await?;
    app.news.made(&key, made.generation);
    app.metrics.points.fetch_add(1, Relaxed);
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(
    asked: Reads,
    State(app): State<Shared>,
    Path(OneLine { line }): Path<OneLine>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<Points>> {
    let told = tell_many(&app, &asked.owner, &line, &wanted).await?;
    match (wanted.after, wanted.wait_s) {
        (Some(after), Some(wait_s)) if wait_s > 0 && told.points.is_empty() => {
            wait(&app, &asked, &line, &wanted, after, wait_s).await
        }
        _ => Ok(told),
    }
}

/// The same as soon as there is a point that is wanted, or when the time is over.
async fn wait(
    app: &Shared,
    asked: &Reads,
    line: &str,
    wanted: &Wanted,
    after: u64,
    wait_s: u32,
) -> Answer<Json<Points>> {
    let until = Instant::now() + Duration::from_secs(wait_s.min(MAX_WAIT_S).into());
    let name = line_of(line)?;
    let key = LineKey {
        owner: &asked.owner,
        line: &name,
    };
    let turn = app.news.wait(&asked.stick, &key)?;
    let mut seen = after;
    loop {
        let newest = turn.newer(&app.database, seen, until).await?;
        // It may have been cut off meanwhile.
        asked.check(app).await?;
        let told = tell_many(app, &asked.owner, line, wanted).await?;
        if newest <= seen || !told.points.is_empty() {
            return Ok(told);
        }
        seen = newest;
    }
}

pub(super) async fn get(
    Reads { owner, .. }: Reads,
    State(app): State<Shared>,
    Path(OnePoint { line, generation }): Path<OnePoint>,
) -> Answer<Json<Point>> {
    tell_one(&app, &owner, &line, &generation).await
}

pub(super) async fn bookmark(
    Stick(owner): Stick,
    State(app): State<Shared>,
    Path((line, generation)): Path<(String, String)>,
    body: Body,
) -> Answer<StatusCode> {
    let (line, generation) = (line_of(&line)?, generation_of(&generation)?);
    let new: Bookmark = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let key = LineKey {
        owner: &owner,
        line: &line,
    };
    points::add_bookmark(&app.database, &key, generation, new, &app.quotas).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Points of a line, newest first.
pub(super) async fn tell_many(
    app: &App,
    owner: &OwnerKey,
    line: &str,
    wanted: &Wanted,
) -> Answer<Json<Points>> {
    let line = line_of(line)?;
    let key = LineKey { owner, line: &line };
    let limit = wanted
        .limit
        .unwrap_or(MAX_LISTED_POINTS)
        .clamp(1, MAX_LISTED_POINTS);
    let mut points = points::list(&app.database, &key, wanted, limit).await?;
    if let (1, Some(true), [only]) = (limit, wanted.head, &mut points[..]) {
        // One that went meanwhile is told without.
        if let Ok(with_head) = points::get(&app.database, &key, only.generation).await {
            *only = with_head;
        }
    }
    let newest = match wanted.after {
        Some(_) => Some(points::newest_generation(&app.database, &key).await?),
        None => None,
    };
    Ok(Json(Points { points, newest }))
}

/// One point with its head.
pub(super) async fn tell_one(
    app: &App,
    owner: &OwnerKey,
    line: &str,
    generation: &str,
) -> Answer<Json<Point>> {
    let (line, generation) = (line_of(line)?, generation_of(generation)?);
    let key = LineKey { owner, line: &line };
    points::get(&app.database, &key, generation).await.map(Json)
}

pub(super) fn line_of(text: &str) -> Answer<LineName> {
    LineName::parse(text).ok_or_else(unknown_address)
}

pub(super) fn generation_of(text: &str) -> Answer<u64> {
    text.parse().map_err(|_| unknown_address())
}
