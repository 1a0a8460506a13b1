//! What the server keeps of a stick besides points: its memory, and its check results.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use gobag_protocol::{
    error::Code,
    limits::{MAX_RESULT_BYTES, MEMORY_BYTES},
};

use crate::{
    app::Shared,
    body,
    identity::Stick,
    refusal::{Answer, Refusal},
    store::{
        memories::{self, Expected},
        results,
    },
};

pub(super) async fn get(Stick(stick): Stick, State(app): State<Shared>) -> Answer<Response> {
    let sealed = memories::get(&app.database, &stick).await?;
    let tag = memories::tag(&sealed);
    Ok(([(header::ETAG, tag)], sealed).into_response())
}

pub(super) async fn put(
    Stick(stick): Stick,
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let expected = expected(&headers)?;
    let body = body::whole(&app.bodies, body, MEMORY_BYTES, |_| ()).await?;
    let sealed: [u8; MEMORY_BYTES] = body.bytes.as_ref().try_into().map_err(|_| {
        let text = format!("a memory has {MEMORY_BYTES} bytes");
        Refusal::new(Code::RequestMalformed, text)
    })?;
    memories::put(&app.database, &stick, &expected, sealed).await?;
    let tag = memories::tag(&sealed);
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, tag)]).into_response())
}

/// A memory is never written over one that was not seen.
fn expected(headers: &HeaderMap) -> Answer<Expected> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), None) if tag != "*" => Ok(Expected::Tag(tag.to_owned())),
        (None, Some("*")) => Ok(Expected::Nothing),
        _ => Err(Refusal::new(
            Code::MemoryUnconditional,
            "a memory is put with `If-Match` and the tag of the one before, or `If-None-Match: *`",
        )),
    }
}

pub(super) async fn result(Stick(stick): Stick, State(app): State<Shared>, body: Body) -> Answer<StatusCode> {
    let body = body::whole(&app.bodies, body, MAX_RESULT_BYTES, |_| ()).await?;
    // A DSSE envelope: who reads it checks the signature, here only that it is JSON with the envelope's three fields.
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only that the fields are there counts")]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        #[serde(borrow)]
        payload: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        payload_type: std::borrow::Cow<'a, str>,
        signatures: Vec<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Envelope<'_>>(&body.bytes)
        .map_err(|_| Refusal::new(Code::RequestMalformed, "this is no DSSE envelope"))?;
    results::keep(&app.database, &stick, body.bytes.to_vec(), app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}
