//! No: the one error of everything behind a route, and what it looks like as an answer.
//!
//! What the client may know is in the code, the message and the hint. A cause (database, store) is for the log alone.

use std::{error::Error, fmt};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gobag_protocol::{
    error::{Code, ErrorBody, ErrorWords},
    ids::ObjectId,
};

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// Elsewhere, so that every function that may refuse stays cheap.
    words: Box<Words>,
}

#[derive(Debug)]
struct Words {
    message: String,
    hint: Option<String>,
    generation: Option<u64>,
    ids: Vec<ObjectId>,
    retry_after_s: Option<u64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// What a route or the store gives.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal with words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let words = Words {
            message: message.into(),
            hint: None,
            generation: None,
            ids: Vec::new(),
            retry_after_s: None,
            cause: None,
        };
        Self {
            code,
            words: Box::new(words),
        }
    }

    /// The server cannot do it now, for a reason that is the log's alone.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut refusal = Self::new(
            Code::ServerUnavailable,
            "the server cannot do this now; nothing was changed that it has not confirmed",
        )
        .retry_after(5);
        refusal.words.cause = Some(cause.into());
        refusal
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.words.hint = Some(hint.into());
        self
    }

    /// What helps.
    pub(crate) fn hinted(&self) -> Option<&str> {
        self.words.hint.as_deref()
    }

    pub(crate) fn generation(mut self, generation: u64) -> Self {
        self.words.generation = Some(generation);
        self
    }

    pub(crate) fn ids(mut self, ids: Vec<ObjectId>) -> Self {
        self.words.ids = ids;
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.words.retry_after_s = Some(seconds);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.message)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.words.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable(error)
    }
}

impl From<object_store::Error> for Refusal {
    fn from(error: object_store::Error) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let said = *self.words;
        if let Some(cause) = &said.cause {
            tracing::error!(code = self.code.as_str(), %cause, "refused");
        } else {
            tracing::debug!(code = self.code.as_str(), "refused");
        }
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let words = ErrorWords {
            code: self.code.as_str().to_owned(),
            message: said.message,
            hint: said.hint,
            generation: said.generation,
            ids: said.ids,
        };
        let mut response = (status, Json(ErrorBody { error: words })).into_response();
        if let Some(seconds) = said.retry_after_s {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}
