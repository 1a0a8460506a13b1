//! The server itself: two ports, connections with TLS, and an end that lets requests finish.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use object_store::Certificate;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::{
    app::{App, Shared},
    clock::Clock,
    config::{Config, ConfigError, read_secret},
    identity::Peer,
    lease::LeaseKeys,
    metrics::Metrics,
    news::News,
    probe::{self, ProbeError},
    rates::Rates,
    refusal::Refusal,
    routes,
    store::{
        blobs::Blobs,
        database::{Database, DatabaseError},
        marker::{self, MarkerError},
        settings,
        ticks::{self, Belief},
    },
    tls::{self, Ca, TlsError},
};

/// Seconds for a handshake, and for a request's head.
const HANDSHAKE_S: u64 = 15;
/// Seconds that requests have to finish when the server ends.
const END_S: u64 = 30;
/// Connections to the port for Prometheus.
const PRIVATE_CONNECTIONS: usize = 64;
/// Requests at once of one HTTP/2 connection.
const STREAMS: u32 = 64;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration, or a file it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// CA and certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The bucket cannot be trusted.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The store of objects is not this database's.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// The data folder.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store of objects.
    #[error("cannot open the store of objects")]
    Store {
        /// What the store said.
        source: object_store::Error,
    },
    /// The key for leases is another than the other replicas', or than it was.
    #[error("the key for leases is not the one that this database's leases are signed with")]
    LeaseKey,
    /// The database did not answer.
    #[error("cannot use the database")]
    Refused {
        /// Why.
        source: Refusal,
    },
    /// A port.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ServeError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Database(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Probe(error) => error.code(),
            Self::Marker(error) => error.code(),
            Self::Folder { .. } => "server.folder",
            Self::Store { .. } => "server.store",
            Self::LeaseKey => "server.lease-key",
            Self::Refused { .. } => "server.database-use",
            Self::Listen { .. } => "server.listen",
        }
    }
}

/// A server that runs.
pub struct Server {
    /// Where sticks and people ask.
    pub address: SocketAddr,
    /// Where Prometheus asks.
    pub metrics_address: SocketAddr,
    app: Shared,
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the database that `config` names.
pub async fn open_database(config: &Config) -> Result<Database, ServeError> {
    match &config.postgres {
        Some(postgres) => {
            let url = read_secret(&postgres.url_file)?;
            Ok(Database::postgres(&url, postgres.connections).await?)
        }
        None => {
            make_folder(&config.data)?;
            Ok(Database::sqlite(&config.sqlite_file()).await?)
        }
    }
}

/// Opens the store of objects that `config` names.
pub fn open_blobs(config: &Config) -> Result<Blobs, ServeError> {
    let opened = match &config.s3 {
        Some(s3) => {
            let (access, secret) = (
                read_secret(&s3.access_key_file)?,
                read_secret(&s3.secret_key_file)?,
            );
            let roots = match &s3.ca_file {
                Some(file) => read_certificates(file)?,
                None => Vec::new(),
            };
            Blobs::s3(s3, &access, &secret, roots)
        }
        None => Blobs::folder(&make_folder(&config.data.join("blobs"))?),
    };
    opened.map_err(|source| ServeError::Store { source })
}

fn read_certificates(file: &Path) -> Result<Vec<Certificate>, ServeError> {
    let text = read_secret(file)?;
    Certificate::from_pem_bundle(text.as_bytes()).map_err(|source| ServeError::Store { source })
}

/// Opens both, which have to belong together.
pub async fn open_stores(config: &Config) -> Result<(Database, Blobs), ServeError> {
    let database = open_database(config).await?;
    let blobs = open_blobs(config)?;
    marker::check(&database, &blobs).await?;
    Ok((database, blobs))
}

/// For its owner alone: it has the CA's key and people's names.
fn make_folder(path: &Path) -> Result<PathBuf, ServeError> {
    let made = std::path::absolute(path).and_then(|path| {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        Ok(path)
    });
    made.map_err(|source| ServeError::Folder {
        path: path.to_owned(),
        source,
    })
}

impl Server {
    /// Starts; when this returns both ports answer.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, ServeError> {
        let database = open_database(config).await?;
        let blobs = open_blobs(config)?;
        if config.s3.is_some() {
            probe::probe(blobs.store()).await?;
        }
        marker::check(&database, &blobs).await?;
        let ca = Ca::open_or_make(&config.ca_folder(), &clock)?;
        let lease_keys = LeaseKeys::open_or_make(&config.ca_folder())?;
        check_lease_key(&database, &lease_keys).await?;
        let acceptor = TlsAcceptor::from(Arc::new(ca.server(&config.names, &clock)?));
        let (end, ended) = watch::channel(false);
        let app = Arc::new(App {
            database,
            blobs,
            ca,
            lease_keys,
            clock,
            quotas: config.quotas,
            leases: config.leases,
            rates: Rates::new(&config.rates),
            metrics: Metrics::default(),
            news: News::new(config.most.waits, ended.clone()),
            bodies: Arc::new(Semaphore::new(config.most.bodies.max(1))),
        });
        let refused = |source| ServeError::Refused { source };
        app.tick().await.map_err(refused)?;
        let (public, address) = listen(config.listen).await?;
        let (private, metrics_address) = listen(config.metrics_listen).await?;
        let port = |listener, acceptor, router, connections: usize| Port {
            listener,
            acceptor,
            router,
            turns: Arc::new(Semaphore::new(connections.max(1))),
            app: app.clone(),
            ended: ended.clone(),
        };
        let public = port(
            public,
            Some(acceptor),
            routes::public(app.clone()),
            config.most.connections,
        );
        let private = port(private, None, routes::private(app.clone()), PRIVATE_CONNECTIONS);
        let mut tasks = vec![tokio::spawn(public.run()), tokio::spawn(private.run())];
        tasks.push(tokio::spawn(tick_each(app.clone(), ended.clone())));
        if config.prune_every_hours > 0 {
            let every = Duration::from_secs(config.prune_every_hours.saturating_mul(3600));
            tasks.push(tokio::spawn(prune_each(app.clone(), every, ended)));
        }
        Ok(Self {
            address,
            metrics_address,
            app,
            end,
            tasks,
        })
    }

    /// SHA-256 of the CA's certificate, as enrolment letters say it.
    pub fn ca_fingerprint(&self) -> String {
        self.app.ca.fingerprint()
    }

    /// The CA's certificate, PEM.
    pub fn ca_pem(&self) -> &str {
        self.app.ca.pem()
    }

    /// Ends: no new connections; requests have half a minute to finish.
    pub async fn end(self) {
        self.end.send_replace(true);
        for task in self.tasks {
            // A task that panicked has ended, too.
            let _ = task.await;
        }
        self.app.database.close().await;
    }
}

/// Notes the time each minute until the server ends.
async fn tick_each(app: Shared, mut ended: watch::Receiver<bool>) {
    let mut before = Belief::Right;
    let mut minutes = tokio::time::interval(Duration::from_secs(ticks::TICK_S));
    loop {
        tokio::select! {
            _ = minutes.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        match app.tick().await {
            Ok(belief) if belief.is_right() == before.is_right() => {}
            Ok(belief) => {
                before = belief;
                match belief.is_right() {
                    true => tracing::info!("the clock is right again"),
                    false => tracing::error!(
                        ?belief,
                        "the clock is in doubt: nothing is pruned until it is right, or `gobag-server clock --is-right`"
                    ),
                }
            }
            Err(error) => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "the time was not noted")
            }
        }
    }
}

/// Seconds after its start that a server first prunes: one that is restarted every night prunes, too.
const FIRST_PRUNE_S: u64 = 3600;

/// Prunes from time to time until the server ends; a run that is under way is then given up, which is as safe as a crash.
async fn prune_each(app: Shared, every: Duration, mut ended: watch::Receiver<bool>) {
    let mut wait = every.min(Duration::from_secs(FIRST_PRUNE_S));
    loop {
        let run = async {
            tokio::time::sleep(wait).await;
            match app.prune(None, false, "server").await {
                Ok(pruned) => tracing::info!(
                    points = pruned.points,
                    objects = pruned.objects,
                    bytes = pruned.object_bytes,
                    failed = pruned.failed,
                    "pruned"
                ),
                Err(error) => {
                    tracing::warn!(%error, cause = ?std::error::Error::source(&error), "not pruned")
                }
            }
        };
        tokio::select! {
            () = run => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        wait = every;
    }
}

/// Leases of replicas with different keys would be worth nothing to half of the sticks.
async fn check_lease_key(database: &Database, keys: &LeaseKeys) -> Result<(), ServeError> {
    match settings::is_same(database, "lease-key", &keys.name()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(ServeError::LeaseKey),
        Err(source) => Err(ServeError::Refused { source }),
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

struct Port {
    listener: TcpListener,
    /// None: without TLS.
    acceptor: Option<TlsAcceptor>,
    router: Router,
    turns: Arc<Semaphore>,
    app: Shared,
    ended: watch::Receiver<bool>,
}

impl Port {
    async fn run(self) {
        let graceful = GracefulShutdown::new();
        let mut ended = self.ended.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                _ = ended.wait_for(|ended| *ended) => break,
            };
            if let Some((stream, address, turn)) = accepted {
                let connection = Connection {
                    acceptor: self.acceptor.clone(),
                    router: self.router.clone(),
                    app: self.app.clone(),
                    address,
                    _turn: turn,
                };
                tokio::spawn(connection.serve(stream, graceful.watcher()));
            }
        }
        drop(self.listener);
        // A handshake that is under way is waited for, too; it ends by itself.
        if tokio::time::timeout(Duration::from_secs(END_S), graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests were cut off at the end");
        }
    }

    async fn accept(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, address)) => Some((stream, address, turn)),
            Err(error) => {
                // Too many open files, mostly: a short pause, or this would spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }
}

struct Connection {
    acceptor: Option<TlsAcceptor>,
    router: Router,
    app: Shared,
    address: SocketAddr,
    _turn: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, graceful: Watcher) {
        // Small answers at once.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.acceptor else {
            return self.answer(TokioIo::new(stream), None, false, graceful).await;
        };
        let handshake = tokio::time::timeout(Duration::from_secs(HANDSHAKE_S), acceptor.accept(stream));
        let stream = match handshake.await {
            Ok(Ok(stream)) => stream,
            other => {
                self.app.metrics.handshakes_failed.fetch_add(1, Relaxed);
                let error = other.map_or_else(
                    |_| "too slow".to_owned(),
                    |result| result.err().map(|error| error.to_string()).unwrap_or_default(),
                );
                tracing::debug!(address = %self.address, error, "handshake failed");
                return;
            }
        };
        let session = stream.get_ref().1;
        let stick = session
            .peer_certificates()
            .and_then(|chain| tls::who(chain.first()?))
            .map(Arc::new);
        let is_two = session.alpn_protocol() == Some(b"h2");
        self.answer(TokioIo::new(stream), stick, is_two, graceful).await;
    }

    async fn answer<I>(
        &self,
        io: I,
        stick: Option<Arc<(crate::store::StickKey, gobag_protocol::ids::VerifyingKey)>>,
        is_two: bool,
        graceful: Watcher,
    ) where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let peer = Peer {
            address: self.address,
            stick,
        };
        let router = self.router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut request, router) = (request.map(Body::new), router.clone());
            request.extensions_mut().insert(peer.clone());
            async move {
                Ok::<_, Infallible>(
                    router
                        .oneshot(request)
                        .await
                        .unwrap_or_else(|never| match never {}),
                )
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // What was agreed in the handshake; without one the old protocol.
        builder = if is_two {
            builder.http2_only()
        } else {
            builder.http1_only()
        };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(HANDSHAKE_S));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(15));
        let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
        self.app.metrics.connections.fetch_add(1, Relaxed);
        if let Err(error) = connection.await {
            tracing::debug!(address = %self.address, %error, "connection ended early");
        }
        self.app.metrics.connections.fetch_sub(1, Relaxed);
    }
}
