//! Bodies: never more bytes than allowed, never longer without a byte than allowed, and only so many large ones in memory at once.
//!
//! Small ones need no turn: as many as there are connections do no harm, and nobody who is not known can take turns away.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gobag_protocol::{
    error::Code,
    limits::{MAX_SMALL_BODY, STALL_S},
};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::{Answer, Refusal};

/// Seconds that a body waits for its turn.
const TURN_S: u64 = 30;

/// A whole body; its turn ends with it.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    _turn: Option<OwnedSemaphorePermit>,
}

/// The whole body of at most `most` bytes. `each` sees every piece as it comes.
pub(crate) async fn whole(
    turns: &Arc<Semaphore>,
    mut body: Body,
    most: usize,
    mut each: impl FnMut(&[u8]),
) -> Answer<Whole> {
    use hyper::body::Body as _;
    let too_large = || Refusal::new(Code::RequestTooLarge, format!("at most {most} bytes fit here"));
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let turn = match most <= MAX_SMALL_BODY {
        true => None,
        false => Some(turn(turns).await?),
    };
    let mut bytes = BytesMut::new();
    let stall = Duration::from_secs(STALL_S);
    loop {
        let frame = tokio::time::timeout(stall, body.frame()).await.map_err(|_| {
            Refusal::new(
                Code::RequestStalled,
                format!("no byte came for {STALL_S} seconds"),
            )
        })?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                return Err(Refusal::new(
                    Code::RequestMalformed,
                    "the body ended before its end",
                ));
            }
        };
        if bytes.len() + data.len() > most {
            return Err(too_large());
        }
        each(&data);
        bytes.extend_from_slice(&data);
    }
    Ok(Whole {
        bytes: bytes.freeze(),
        _turn: turn,
    })
}

async fn turn(turns: &Arc<Semaphore>) -> Answer<OwnedSemaphorePermit> {
    let turn = turns.clone().acquire_owned();
    let turn = tokio::time::timeout(Duration::from_secs(TURN_S), turn).await;
    turn.map_err(Refusal::unavailable)?.map_err(Refusal::unavailable)
}

/// A JSON body of at most `most` bytes.
pub(crate) async fn json<T: DeserializeOwned>(turns: &Arc<Semaphore>, body: Body, most: usize) -> Answer<T> {
    let whole = whole(turns, body, most, |_| ()).await?;
    serde_json::from_slice(&whole.bytes).map_err(|error| {
        // Where and why, but nothing of what was sent: it may be a token.
        let text = format!(
            "the body cannot be read at line {}, column {}",
            error.line(),
            error.column()
        );
        let refusal = Refusal::new(Code::RequestMalformed, text);
        match error.classify() {
            serde_json::error::Category::Data => refusal.hint("see docs/sync-protocol.md for its fields"),
            _ => refusal.hint("it must be JSON"),
        }
    })
}
