//! Addresses: what each asks for stands in `docs/sync-protocol.md`, one file per group here.

mod admin;
mod enrol;
mod lease;
mod lines;
mod memory;
mod objects;
mod share;
mod tokens;
mod workspaces;

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};
use gobag_protocol::{error::Code, hello::Hello};
use tracing::Instrument as _;

use crate::{
    app::Shared,
    identity::Anybody,
    refusal::{Answer, Refusal},
};

/// Seconds for one request with its body and answer's beginning.
const MOST_S: u64 = 900;

/// Everything on the port for sticks and people.
pub(crate) fn public(app: Shared) -> Router {
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/enrol", post(enrol::enrol))
        .route("/v1/lease/renew", post(lease::renew))
        .route("/v1/certificate", post(lease::certificate))
        .route("/v1/revoked", post(lease::revoked))
        .route("/v1/share/question", post(share::question))
        .route("/v1/share", post(share::give))
        .route("/v1/share/next", post(share::next))
        .route("/v1/share/held", post(share::held))
        .route("/v1/objects/missing", post(objects::missing))
        .route("/v1/objects/{id}", put(objects::put).get(objects::get))
        .route("/v1/lines/{line}/parts", post(lines::part))
        .route("/v1/lines/{line}/points", post(lines::make).get(lines::list))
        .route("/v1/lines/{line}/points/{generation}", get(lines::get))
        .route(
            "/v1/lines/{line}/points/{generation}/bookmarks",
            post(lines::bookmark),
        )
        .route("/v1/memory", put(memory::put).get(memory::get))
        .route("/v1/results", post(memory::result))
        .route("/v1/workspaces", get(workspaces::mine))
        .route(
            "/v1/workspaces/{workspace}/objects/missing",
            post(objects::missing),
        )
        .route(
            "/v1/workspaces/{workspace}/objects/{id}",
            put(objects::put).get(objects::get),
        )
        .route("/v1/workspaces/{workspace}/lines/{line}/parts", post(lines::part))
        .route(
            "/v1/workspaces/{workspace}/lines/{line}/points",
            post(lines::make).get(lines::list),
        )
        .route(
            "/v1/workspaces/{workspace}/lines/{line}/points/{generation}",
            get(lines::get),
        )
        .route("/v1/admin/sticks", get(admin::sticks))
        .route("/v1/admin/sticks/{bundle}", get(admin::stick))
        .route("/v1/admin/sticks/{bundle}/revoke", post(admin::revoke))
        .route("/v1/admin/sticks/{bundle}/restore", post(admin::restore))
        .route("/v1/admin/sticks/{bundle}/mark-lost", post(admin::mark_lost))
        .route("/v1/admin/sticks/{bundle}/clear-clone", post(admin::clear_clone))
        .route("/v1/admin/sticks/{bundle}/objects/{id}", get(admin::object))
        .route(
            "/v1/admin/sticks/{bundle}/lines/{line}/points",
            get(admin::list_points),
        )
        .route(
            "/v1/admin/sticks/{bundle}/lines/{line}/points/{generation}",
            get(admin::point),
        )
        .route(
            "/v1/admin/sticks/{bundle}/lines/{line}/points/{generation}/drilled",
            post(admin::drilled),
        )
        .route(
            "/v1/admin/workspaces",
            get(workspaces::list).post(workspaces::make),
        )
        .route("/v1/admin/workspaces/{id}", get(workspaces::get))
        .route(
            "/v1/admin/workspaces/{id}/members/{bundle}",
            put(workspaces::admit).delete(workspaces::remove),
        )
        .route("/v1/admin/enrolments", post(admin::enrolment))
        .route("/v1/admin/tokens", get(tokens::list).post(tokens::make))
        .route("/v1/admin/tokens/{id}", delete(tokens::remove))
        .route("/v1/admin/policy", get(admin::policy).put(admin::set_policy))
        .route("/v1/admin/prune", post(admin::prune))
        .route("/v1/admin/audit", get(admin::audit))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(app.clone(), observed))
        .with_state(app)
}

/// Everything on the port for Prometheus and load balancers.
pub(crate) fn private(app: Shared) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|State(app): State<Shared>| async move { measured(&app) }),
        )
        .with_state(app)
}

async fn hello(_: Anybody, State(app): State<Shared>) -> Json<Hello> {
    Json(Hello::at(app.clock.now_s()))
}

/// What Prometheus reads.
fn measured(app: &Shared) -> String {
    app.metrics.waiting.store(app.news.len() as u64, Relaxed);
    app.metrics.text()
}

async fn ready(State(app): State<Shared>) -> Answer<&'static str> {
    match app.database.is_ready().await {
        true => Ok("ready\n"),
        false => Err(Refusal::unavailable("the database does not answer")),
    }
}

async fn unknown(_: Anybody) -> Refusal {
    unknown_address()
}

async fn other_method(_: Anybody) -> Refusal {
    Refusal::new(Code::RequestMethod, "this address has no such method")
}

fn unknown_address() -> Refusal {
    Refusal::new(Code::RequestUnknown, "there is nothing at this address")
}

/// Logs and counts a request, and ends it when it takes too long. Nothing of its headers or body is logged.
async fn observed(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method(request.method());
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", method, route, who = tracing::field::Empty);
    let answer = tokio::time::timeout(Duration::from_secs(MOST_S), next.run(request));
    let response = match answer.instrument(span.clone()).await {
        Ok(response) => response,
        Err(_) => Refusal::new(Code::RequestStalled, "the request took too long").into_response(),
    };
    let took = start.elapsed();
    let status = response.status().as_u16();
    app.metrics.answered(&route, method, status, took);
    span.in_scope(|| tracing::info!(status, took_us = took.as_micros() as u64, "answered"));
    response
}

/// Methods are the client's words; only those we know become a label.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
