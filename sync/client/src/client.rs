//! A client of one server, shared by all threads that speak to it: its connections, and answers up to a limit. What it asks is in
//! [`crate::requests`].

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gobag_protocol::{
    error::ErrorBody,
    ids::Digest,
    limits::{MAX_BODY, MAX_SMALL_BODY, STALL_S},
};
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    config::Config,
    http::{Response, StatusCode, header, response},
    unversioned::{
        resolver::DefaultResolver,
        transport::{Connector as _, TcpConnector},
    },
};

use crate::{
    direct::Direct,
    error::{ClientError, Refused},
    pace::{Pace, UploadLimit},
    retry::Backoff,
    tls::{self, Identity, Secured},
};

/// Seconds for a connection with its handshake.
const CONNECT_S: u64 = 15;
/// Seconds that a connection is kept for the next request.
const IDLE_S: u64 = 60;
/// Connections that are kept.
const IDLE: usize = 8;
/// Bytes of the largest answer in JSON: a page of points with all their bookmarks.
const MAX_ANSWER: u64 = MAX_BODY as u64;

/// What is up to the caller.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How fast bytes leave by all requests together, of this client and of those that share the limit.
    pub upload: UploadLimit,
}

/// How a body is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Post,
    Put,
}

/// Speaks to one server. Dropping it lets requests of other threads finish; [`Client::close`] does not.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    server: String,
    ca: Digest,
    pace: Arc<Pace>,
    /// Whether the company has answered once.
    has_answered: Arc<AtomicBool>,
    pub(crate) direct: Arc<Direct>,
}

impl Client {
    /// A client of `server` (`host:port`, or a host that answers at 443), whose certificate must be of the organisation's `ca` (PEM).
    /// Without an `identity` it can say hello and enrol. Does not connect yet.
    pub fn new(
        server: &str,
        ca: &str,
        identity: Option<&Identity>,
        options: Options,
    ) -> Result<Self, ClientError> {
        let pace = Arc::new(Pace::new(options.upload));
        let (config, trusted) = tls::config(ca, identity)?;
        let connector = TcpConnector::default().chain(Secured {
            config: Arc::new(config),
            pace: Arc::clone(&pace),
        });
        let config = agent_config(Duration::from_secs(CONNECT_S));
        let client = Self {
            agent: Agent::with_parts(config, connector, DefaultResolver::default()),
            server: server.to_owned(),
            direct: Arc::new(Direct::new(ca, &pace)),
            has_answered: Arc::default(),
            ca: trusted,
            pace,
        };
        let uri: Result<ureq::http::Uri, _> = client.url("/v1/hello").parse();
        match uri {
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) && uri.path() == "/v1/hello" => {
                Ok(client)
            }
            _ => Err(ClientError::Setup {
                reason: "the address of the company's server is none".to_owned(),
            }),
        }
    }

    /// Whom it speaks to.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// BLAKE3 of the one CA that it trusts, for proofs that count for that company alone.
    pub fn ca(&self) -> &Digest {
        &self.ca
    }

    /// Ends: what waits or is under way in other threads fails with [`ClientError::Closed`].
    pub fn close(&self) {
        self.pace.close();
        self.agent.clone().shutdown();
        self.direct.close();
    }

    /// Asks until it works, `backoff` gives up, or the client is closed.
    pub fn retry<T>(
        &self,
        backoff: &mut Backoff<'_>,
        ask: impl Fn(&Self) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            let error = match ask(self) {
                Ok(answer) => {
                    backoff.reset();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let Some(wait) = backoff.after(&error) else {
                return Err(error);
            };
            tracing::debug!(code = error.code(), ?wait, "asks the server again");
            if !self.pace.pause(wait) {
                return Err(ClientError::Closed);
            }
        }
    }

    pub(crate) fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.get_path(path, &[])?)
    }

    pub(crate) fn get_path(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, ClientError> {
        self.heard(self.asked(path, headers))
    }

    /// The same where the answer may be another address.
    pub(crate) fn get_or_elsewhere(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, ClientError> {
        match self.asked(path, headers) {
            Ok(response) if response.status() == StatusCode::TEMPORARY_REDIRECT => Ok(response),
            answer => self.heard(answer),
        }
    }

    fn asked(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call()
    }

    pub(crate) fn put_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        bytes: &[u8],
    ) -> Result<Response<Body>, ClientError> {
        let mut request = self.agent.put(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.heard(request.send(bytes))
    }

    pub(crate) fn answered<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let response = self.post(path, &self.written(body)?)?;
        self.json(response)
    }

    pub(crate) fn posted(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        self.post(path, &self.written(body)?).map(drop)
    }

    /// The same with headers of the caller's, by `POST` or `PUT`.
    pub(crate) fn send_json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<Response<Body>, ClientError> {
        let mut request = match method {
            Method::Post => self.agent.post(self.url(path)),
            Method::Put => self.agent.put(self.url(path)),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.heard(request.send(&self.written(body)?[..]))
    }

    pub(crate) fn delete(&self, path: &str, headers: &[(&str, &str)]) -> Result<(), ClientError> {
        let mut request = self.agent.delete(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.heard(request.call()).map(drop)
    }

    pub(crate) fn post(&self, path: &str, json: &[u8]) -> Result<Response<Body>, ClientError> {
        let request = self.agent.post(self.url(path));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.heard(request.send(json))
    }

    /// The answer if it is a yes; else the error that it is.
    fn heard(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, ClientError> {
        let response = answer.map_err(|error| self.failed(error))?;
        self.has_answered.store(true, Ordering::Relaxed);
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        Err(self.refusal(&parts, body))
    }

    fn refusal(&self, parts: &response::Parts, body: Body) -> ClientError {
        let status = parts.status.as_u16();
        let retry_after = parts.headers.get(header::RETRY_AFTER);
        let retry_after_s = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let read = body.into_with_config().limit(MAX_SMALL_BODY as u64).read_to_vec();
        match read {
            Ok(bytes) => match serde_json::from_slice::<ErrorBody>(&bytes) {
                Ok(said) => ClientError::Refused(Box::new(Refused::new(status, said.error, retry_after_s))),
                // Something in between, a proxy, answers in its own words.
                Err(_) => ClientError::Refused(Box::new(Refused {
                    status,
                    code: format!("http.{status}"),
                    message: format!("status {status}, in no words of ours"),
                    retry_after_s,
                    ..Refused::default()
                })),
            },
            Err(error) => self.failed(error),
        }
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T, ClientError> {
        let bytes = self.body(response, MAX_ANSWER)?;
        // Where it stopped, and nothing of what was said: there are tokens in answers.
        serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            self.protocol(format!("it stops to make sense in line {line} at {column}"))
        })
    }

    pub(crate) fn body(&self, response: Response<Body>, most: u64) -> Result<Vec<u8>, ClientError> {
        let mut body = response.into_body();
        // As much room as it says that it takes: a pack that grows as it comes would have twice as much.
        let room = body.content_length().map_or(0, |len| len.min(most));
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
        // The limit is one byte more than is read.
        let mut reader = body.with_config().limit(most + 1).reader();
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(ureq::Error::from(error)))?;
        Ok(bytes)
    }

    pub(crate) fn tag(&self, response: &Response<Body>) -> Result<String, ClientError> {
        let tag = response.headers().get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok());
        tag.map(str::to_owned)
            .ok_or_else(|| self.protocol("a memory without a tag".to_owned()))
    }

    fn written(&self, body: &impl Serialize) -> Result<Vec<u8>, ClientError> {
        serde_json::to_vec(body).map_err(|error| self.protocol(error.to_string()))
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        if self.pace.is_closed() {
            return ClientError::Closed;
        }
        match ClientError::of(error, &self.server) {
            // The company was there: a page for guests, or whoever else is in between, has taken its place for a while.
            ClientError::OtherServer { server, source } if self.has_answered.load(Ordering::Relaxed) => {
                ClientError::Offline { server, source }
            }
            error => error,
        }
    }

    pub(crate) fn protocol(&self, reason: String) -> ClientError {
        ClientError::Protocol {
            server: self.server.clone(),
            reason,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server)
    }
}

/// How connections are used, to whomever they are.
pub(crate) fn agent_config(connect: Duration) -> Config {
    let stall = Some(Duration::from_secs(STALL_S));
    Agent::config_builder()
        .http_status_as_error(false)
        .https_only(true)
        .max_redirects(0)
        // Not even by the environment: what leads to the company is in the ledger.
        .proxy(None)
        .user_agent("gobag")
        .timeout_resolve(Some(connect))
        .timeout_connect(Some(connect))
        .timeout_per_read(stall)
        .timeout_per_write(stall)
        .timeout_await_100(stall)
        .max_idle_age(Duration::from_secs(IDLE_S))
        .max_idle_connections(IDLE)
        .max_idle_connections_per_host(IDLE)
        .build()
}
