//! Objects from the company's bucket itself, where the server says at which address one is to be had for some minutes.
//!
//! Nothing depends on it: bytes count only if they are those of their id, and where the bucket cannot be reached from here, or anything about
//! it is not as it should be, the server is asked for the bytes, and after a few such failures always. Neither certificate nor token goes to the bucket, and the
//! address, which is a secret as long as it lasts, goes nowhere else.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use gobag_protocol::{ids::ObjectId, limits::MAX_OBJECT_BYTES};
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
    unversioned::{
        resolver::DefaultResolver,
        transport::{Connector as _, TcpConnector},
    },
};

use crate::{
    client::{Client, agent_config},
    error::ClientError,
    owner::same_object,
    pace::Pace,
    tls::{self, Secured},
};

/// Seconds for a name, for a connection, and for the beginning of an answer.
const PATIENCE_S: u64 = 5;
/// Failures one after the other after which the bucket is left alone.
const MOST_FAILURES: u32 = 3;

/// Connections to the bucket, from the first address on.
pub(crate) struct Direct {
    ca: String,
    pace: Arc<Pace>,
    agent: OnceLock<Agent>,
    failures: AtomicU32,
}

impl Direct {
    pub(crate) fn new(ca: &str, pace: &Arc<Pace>) -> Self {
        Self {
            ca: ca.to_owned(),
            pace: Arc::clone(pace),
            agent: OnceLock::new(),
            failures: AtomicU32::new(0),
        }
    }

    pub(crate) fn close(&self) {
        if let Some(agent) = self.agent.get() {
            agent.clone().shutdown();
        }
    }

    fn is_off(&self) -> bool {
        self.failures.load(Relaxed) >= MOST_FAILURES
    }

    fn agent(&self) -> Result<&Agent, ClientError> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let connector = TcpConnector::default().chain(Secured {
            config: Arc::new(tls::bucket_config(&self.ca)?),
            pace: Arc::clone(&self.pace),
        });
        let config = agent_config(Duration::from_secs(PATIENCE_S));
        let made = Agent::with_parts(config, connector, DefaultResolver::default());
        Ok(self.agent.get_or_init(|| made))
    }

    /// The object that is at this address, if it is; counts when it is not.
    fn fetch(&self, address: &str, id: ObjectId) -> Option<Vec<u8>> {
        let why = match self.try_fetch(address, id) {
            Ok(sealed) => {
                self.failures.store(0, Relaxed);
                return Some(sealed);
            }
            Err(why) => why,
        };
        // Never the address.
        tracing::info!(%id, why, "an object does not come from the bucket; the company's server is asked for it");
        self.failures.fetch_add(1, Relaxed);
        None
    }

    fn try_fetch(&self, address: &str, id: ObjectId) -> Result<Vec<u8>, &'static str> {
        let agent = self.agent().map_err(|_| "no connection can be set up")?;
        let patience = Some(Duration::from_secs(PATIENCE_S));
        let request = agent
            .get(address)
            .config()
            .timeout_recv_response(patience)
            .build();
        let response = request.call().map_err(|_| "it does not answer")?;
        if response.status() != StatusCode::OK {
            return Err("it says no");
        }
        let body = response.into_body().into_with_config();
        let sealed = body.limit(MAX_OBJECT_BYTES as u64 + 1).read_to_vec();
        let sealed = sealed.map_err(|_| "its answer breaks off")?;
        same_object(id, sealed).map_err(|_| "these are other bytes")
    }
}

impl Client {
    /// The whole object at `path`, whose bytes are those of its id: from the bucket where that works, else from the server.
    pub(crate) fn whole(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        id: ObjectId,
    ) -> Result<Vec<u8>, ClientError> {
        if self.direct.is_off() {
            return self.received(self.get_path(path, headers)?, id);
        }
        let response = self.get_or_elsewhere(&format!("{path}?direct=true"), headers)?;
        // A server that has no bucket, or knows nothing of this, gives the bytes themselves.
        if response.status() != StatusCode::TEMPORARY_REDIRECT {
            return self.received(response, id);
        }
        let address = response.headers().get(header::LOCATION);
        let address = address.and_then(|address| address.to_str().ok());
        if let Some(sealed) = address.and_then(|address| self.direct.fetch(address, id)) {
            return Ok(sealed);
        }
        self.received(self.get_path(path, headers)?, id)
    }

    fn received(&self, response: Response<Body>, id: ObjectId) -> Result<Vec<u8>, ClientError> {
        same_object(id, self.body(response, MAX_OBJECT_BYTES as u64)?)
    }
}
