//! Objects: which are missing, putting and getting them.

use std::sync::atomic::Ordering::Relaxed;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use gobag_protocol::{
    error::Code,
    ids::{Digest, ObjectId},
    limits::{MAX_MISSING_IDS, MAX_OBJECT_BYTES, MAX_SMALL_BODY},
    objects::{Missing, MissingRequest},
};
use object_store::GetRange;
use serde::Deserialize;

use super::unknown_address;
use crate::{
    app::{App, Shared},
    body,
    identity::{Reads, Writes},
    refusal::{Answer, Refusal},
    store::{OwnerKey, marker, objects, prune, space},
};

/// A full list of ids with quotes, commas and some room.
const MAX_MISSING_BODY: usize = MAX_MISSING_IDS * 72 + MAX_SMALL_BODY;

/// Which object an address names, whatever else it names.
#[derive(Deserialize)]
pub(super) struct OneObject {
    id: String,
}

pub(super) async fn missing(
    Reads { owner, .. }: Reads,
    State(app): State<Shared>,
    body: Body,
) -> Answer<Json<Missing>> {
    let request: MissingRequest = body::json(&app.bodies, body, MAX_MISSING_BODY).await?;
    let missing = objects::missing(&app.database, &owner, &request.ids).await?;
    Ok(Json(Missing { missing }))
}

pub(super) async fn put(
    Writes { owner, .. }: Writes,
    State(app): State<Shared>,
    Path(OneObject { id }): Path<OneObject>,
    body: Body,
) -> Answer<StatusCode> {
    let id = ObjectId::parse(&id).ok_or_else(unknown_address)?;
    let mut digest = gobag_format::digest::DigestStream::new();
    // Nothing of it is anywhere but in memory until all of it has come and is what its id says.
    let body = body::whole(&app.bodies, body, MAX_OBJECT_BYTES, |piece| digest.update(piece)).await?;
    let found: Digest = digest.finish();
    if found != id.0 || body.bytes.is_empty() {
        let text = format!("the bytes are those of {found}; nothing was kept");
        return Err(Refusal::new(Code::ObjectOtherContent, text));
    }
    let bytes = body.bytes.len();
    let now_s = app.clock.now_s();
    if objects::touch(&app.database, &owner, id, now_s).await? {
        // The row may have outlived the bytes: a backup was put back, or a file got lost.
        if !app.blobs.has(&owner, id, bytes).await? {
            app.blobs.put(&owner, id, body.bytes.clone()).await?;
        }
        return Ok(StatusCode::NO_CONTENT);
    }
    let tombstone = prune::tombstone(&app.database, &owner, id).await?;
    space::check(&app.database, &owner, bytes as u64, &app.quotas).await?;
    app.blobs.put(&owner, id, body.bytes.clone()).await?;
    if objects::note(&app.database, &owner, id, bytes, tombstone, now_s, &app.quotas).await? {
        app.metrics.objects_stored.fetch_add(1, Relaxed);
        app.metrics.object_bytes_stored.fetch_add(bytes as u64, Relaxed);
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get(
    Reads { owner, .. }: Reads,
    State(app): State<Shared>,
    Path(OneObject { id }): Path<OneObject>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Answer<Response> {
    send(&app, &owner, &id, how, &headers).await
}

/// How an object is wanted.
#[derive(Deserialize)]
pub(super) struct How {
    /// `true`: from where it is kept, if that can be.
    direct: Option<String>,
}

/// An object, or the range of it that was asked for; or where it is to be had.
pub(super) async fn send(
    app: &App,
    owner: &OwnerKey,
    id: &str,
    how: How,
    headers: &HeaderMap,
) -> Answer<Response> {
    let id = ObjectId::parse(id).ok_or_else(unknown_address)?;
    let unknown = || Refusal::new(Code::ObjectUnknown, "there is no such object here");
    let len = objects::len(&app.database, owner, id)
        .await?
        .ok_or_else(unknown)?;
    if how.direct.as_deref() == Some("true")
        && let Some(address) = app.blobs.address(owner, id).await?
    {
        app.metrics.objects_redirected.fetch_add(1, Relaxed);
        return elsewhere(&address);
    }
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = match asked.map(|text| Range::parse(text, len)) {
        None | Some(Range::Other) => None,
        Some(Range::Part(start, end)) => Some((start, end)),
        Some(Range::Outside) => {
            let text = format!("the object has {len} bytes");
            return Err(Refusal::new(Code::ObjectRange, text));
        }
    };
    let wanted = range.map(|(start, end)| GetRange::Bounded(start..end));
    let found = match app.blobs.get(owner, id, wanted).await {
        Ok(Some(found)) if found.meta.size == len => found,
        Err(error) if app.blobs.has(owner, id, len as usize).await? => return Err(error),
        _ => {
            // A store that is not mounted has nothing of anybody, and says nothing of any object.
            marker::check(&app.database, &app.blobs).await?;
            tracing::error!(%id, ?owner, "the bytes of an object are gone: see `gobag-server check --forget`");
            return Err(unknown());
        }
    };
    let (start, end) = range.unwrap_or((0, len));
    app.metrics.object_bytes_read.fetch_add(end - start, Relaxed);
    let mut response = Body::from_stream(found.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    if range.is_some() {
        let text = format!("bytes {start}-{}/{len}", end - 1);
        headers.insert(header::CONTENT_RANGE, text.parse().map_err(Refusal::unavailable)?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The object is at this address, which is a secret for as long as it lasts.
fn elsewhere(address: &str) -> Answer<Response> {
    let mut location = HeaderValue::from_str(address).map_err(Refusal::unavailable)?;
    location.set_sensitive(true);
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

/// What a `Range` header asks of an object.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From here to before there.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
    /// Something we do not do: the whole object is as good an answer (RFC 9110).
    Other,
}

impl Range {
    fn parse(text: &str, len: u64) -> Self {
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else {
            return Self::Other;
        };
        let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(len)),
            (Ok(first), Err(_)) if last.is_empty() => (first, len),
            (Err(_), Ok(last)) if first.is_empty() => (len.saturating_sub(last), len),
            _ => return Self::Other,
        };
        match start < end {
            true => Self::Part(start, end),
            false => Self::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, expected) in [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=90-200", Range::Part(90, 100)),
            ("bytes=99-", Range::Part(99, 100)),
            ("bytes=-5", Range::Part(95, 100)),
            ("bytes=-500", Range::Part(0, 100)),
            ("bytes=100-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-18446744073709551615", Range::Part(5, 100)),
            ("bytes=9-5", Range::Other),
            ("bytes=0-1,5-6", Range::Other),
            ("items=0-1", Range::Other),
            ("bytes=-", Range::Other),
        ] {
            assert_eq!(Range::parse(text, 100), expected, "{text}");
        }
    }
}
