//! Bodies: never more bytes than allowed, never longer without a byte than allowed, and only so many large ones in memory at once.
//!
//! Small ones need no turn: as many as there are connections do no harm, and nobody who is not known can take turns away.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gobag_protocol::{
    error::Code,
    limits::{MAX_OBJECT_BYTES, MAX_SMALL_BODY, STALL_S},
};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::{Answer, Refusal};

/// Bytes of a refused body that are read and forgotten, and seconds for that.
const MAX_DRAINED: usize = 2 * MAX_OBJECT_BYTES;
const DRAIN_S: u64 = 10;
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

/// A body that can be taken back from who did not read it to its end. Who is refused while still sending would not hear why: a
/// connection that is closed with bytes unread takes the answer with it.
#[derive(Clone)]
pub(crate) struct Lent(Arc<Mutex<Body>>);

impl Lent {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left, as far as that takes little.
    pub(crate) async fn drain(mut self) {
        let rest = async {
            let mut left = MAX_DRAINED;
            while let Some(Ok(frame)) = self.frame().await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(len) {
                    Some(less) => left = less,
                    None => break,
                }
            }
        };
        // Whoever is slower does not hear the answer.
        let _ = tokio::time::timeout(Duration::from_secs(DRAIN_S), rest).await;
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hyper::body::Body::size_hint(&*body)
    }
}
