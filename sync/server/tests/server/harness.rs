//! A server, and clients of it: each request on a connection of its own.

use std::{net::SocketAddr, sync::Arc};

use axum::body::Body;
use futures_util::TryStreamExt as _;
use gobag_format::{crypto::Key, sign::SigningKey};
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled, TokenText},
    error::ErrorBody,
    ids::{BundleId, GroupName, ObjectId, OrgId, PersonName, TenantName},
    lease::{CertificateRequest, Certified},
    people::Role,
    points::{MadePoint, NewPoint},
};
use gobag_server::{
    clock::Clock,
    config::Config,
    serve::{Server, open_blobs, open_database},
    store::{
        StickKey,
        database::Database,
        people::{self, Person},
        sticks, ticks,
    },
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, header::HeaderMap};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::stores;

/// What an Ed25519 seed begins with as PKCS #8 (RFC 8410).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// What addresses of a stick's own begin with.
const OWN: &str = "/v1";

/// The organisation that all sticks say they are of.
pub(crate) const ORG: OrgId = OrgId([0xac; 16]);

pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) config: Config,
    _folder: TempDir,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: folder.path().to_owned(),
            ..Config::default()
        };
        stores::choose(&mut config);
        change(&mut config);
        let clock = Clock::default();
        let server = Server::start(&config, clock.clone()).await.unwrap();
        // Nothing of a test on PostgreSQL may run on SQLite unnoticed.
        let is_lite = config.data.join("gobag.sqlite").exists();
        assert_eq!(is_lite, config.postgres.is_none());
        let database = open_database(&config).await.unwrap();
        Self {
            server,
            config,
            _folder: folder,
            clock,
            database,
        }
    }

    pub(crate) fn nobody(&self) -> Client {
        Client::new(self.server.address, self.server.ca_pem(), None)
    }

    pub(crate) async fn person(&self, tenant: &str, role: Role) -> Client {
        let person = Person {
            tenant: TenantName::parse(tenant).unwrap(),
            name: PersonName::parse(&format!("{role:?} of {tenant}")).unwrap(),
            role,
        };
        let token = people::make_token(&self.database, &person, self.clock.now_s(), "test")
            .await
            .unwrap();
        let mut client = self.nobody();
        client.token = Some(token.expose().to_owned());
        client
    }

    pub(crate) async fn token(&self, tenant: &str, bundle: BundleId) -> TokenText {
        let stick = StickKey {
            tenant: TenantName::parse(tenant).unwrap(),
            bundle,
        };
        let user = PersonName::parse("Ada").unwrap();
        let group = GroupName::parse("sales").unwrap();
        let now_s = self.clock.now_s();
        let made = sticks::make_enrolment(&self.database, &stick, &user, &group, now_s, "test").await;
        made.unwrap().0
    }

    /// A stick of a tenant that has enrolled; its key is the number.
    pub(crate) async fn stick(&self, tenant: &str, number: u8) -> Client {
        let bundle = BundleId([number; 16]);
        let token = self.token(tenant, bundle).await;
        let enrolled = self.nobody().enrol(&token, bundle, number).await;
        let enrolled: Enrolled = enrolled.is(StatusCode::OK).json();
        Client::new(
            self.server.address,
            self.server.ca_pem(),
            Some((&enrolled, number)),
        )
    }

    /// A stick that has enrolled, with a certificate that counts by the clock of now.
    pub(crate) async fn stick_again(&self, tenant: &str, number: u8) -> Client {
        let bundle = BundleId([number; 16]);
        let tenant = TenantName::parse(tenant).unwrap();
        let request = CertificateRequest::sign(tenant, bundle, &signing_key(number));
        let request = serde_json::to_value(request).unwrap();
        let reply = self.nobody().post("/v1/certificate", &request).await;
        let certified: Certified = reply.is(StatusCode::OK).json();
        let (address, ca) = (self.server.address, self.server.ca_pem());
        Client::with_certificate(address, ca, Some((&certified.certificate, number)))
    }

    /// So much time passes while the server runs, and notes it.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.advance(seconds);
        ticks::confirm(&self.database, self.clock.now_s(), "test")
            .await
            .unwrap();
    }

    /// Names of objects in the store; not the marks of places, nor the store's own.
    pub(crate) async fn blobs(&self) -> Vec<String> {
        let blobs = open_blobs(&self.config).unwrap();
        let found: Vec<_> = blobs.store().list(None).try_collect().await.unwrap();
        let names = found.iter().filter_map(|found| found.location.filename());
        names
            .filter(|name| ObjectId::parse(name).is_some())
            .map(str::to_owned)
            .collect()
    }
}

/// What Prometheus reads of a server.
pub(crate) async fn metrics(server: &Server) -> String {
    let stream = TcpStream::connect(server.metrics_address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().uri("/metrics").header("host", "localhost");
    let request = request.body(Body::empty()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body();
    let body = body.collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// What was done, oldest first. Asking makes a person's token, which is the last row.
pub(crate) async fn audited(site: &Site) -> Vec<String> {
    audited_by(&site.person("acme", Role::Viewer).await).await
}

/// The same, as a person sees it who is there already.
pub(crate) async fn audited_by(viewer: &Client) -> Vec<String> {
    let reply: Value = viewer.get("/v1/admin/audit").await.is(StatusCode::OK).json();
    let rows = reply["rows"].as_array().unwrap().iter();
    rows.map(|row| row["what"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([number; 32]))
}

#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
    pub(crate) token: Option<String>,
    /// What addresses of objects and lines begin with.
    pub(crate) base: String,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn is(self, expected: StatusCode) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, expected, "{text}");
        self
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn refused(&self) -> ErrorBody {
        let body: ErrorBody = self.json();
        assert!(!self.status.is_success());
        body
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.refused().error.code
    }
}

impl Client {
    /// A client that trusts this CA alone; with a stick's certificate and key.
    pub(crate) fn new(address: SocketAddr, ca: &str, stick: Option<(&Enrolled, u8)>) -> Self {
        let stick = stick.map(|(enrolled, number)| (enrolled.certificate.as_str(), number));
        Self::with_certificate(address, ca, stick)
    }

    fn with_certificate(address: SocketAddr, ca: &str, stick: Option<(&str, u8)>) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match stick {
            None => builder.with_no_client_auth(),
            Some((certificate, number)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = [&ED25519_PKCS8[..], &[number; 32]].concat();
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Self {
            address,
            connector: TlsConnector::from(Arc::new(config)),
            token: None,
            base: OWN.to_owned(),
        }
    }

    /// The same, whose objects and lines are a workspace's.
    pub(crate) fn within(&self, workspace: &str) -> Self {
        Self {
            base: format!("/v1/workspaces/{workspace}"),
            ..self.clone()
        }
    }

    /// The same, whose objects and lines are the stick's own.
    pub(crate) fn own(&self) -> Self {
        Self {
            base: OWN.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    /// What `GET` of `path` answers over HTTP/2, as agreed in the handshake.
    pub(crate) async fn get_by_http2(&self, path: &str) -> StatusCode {
        let mut config = self.connector.config().as_ref().clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .unwrap();
        tokio::spawn(connection);
        let uri = format!("https://localhost{path}");
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        sender.send_request(request).await.unwrap().status()
    }

    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        self.connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
    }

    /// An error is a connection that did not last.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let io = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::new(Full::from(body)))?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes().to_vec(),
        })
    }

    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> impl Future<Output = Reply> {
        let sent = self.try_send(method, path, headers, body);
        async move { sent.await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], serde_json::to_vec(body).unwrap())
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, &[], serde_json::to_vec(body).unwrap())
            .await
    }

    pub(crate) async fn enrol(&self, token: &TokenText, bundle: BundleId, number: u8) -> Reply {
        let request = EnrolRequest::sign(token.clone(), bundle, ORG, &signing_key(number));
        self.post("/v1/enrol", &serde_json::to_value(request).unwrap())
            .await
    }

    pub(crate) async fn put_object(&self, bytes: &[u8]) -> ObjectId {
        let id = ObjectId::of(bytes);
        let path = format!("{}/objects/{id}", self.base);
        self.send("PUT", &path, &[], bytes.to_vec())
            .await
            .is(StatusCode::NO_CONTENT);
        id
    }

    pub(crate) async fn missing(&self, ids: &[ObjectId]) -> Vec<ObjectId> {
        let path = format!("{}/objects/missing", self.base);
        let reply = self.post(&path, &json!({ "ids": ids })).await;
        let reply: Value = reply.is(StatusCode::OK).json();
        serde_json::from_value(reply["missing"].clone()).unwrap()
    }

    pub(crate) async fn point(&self, line: &str, new: &NewPoint) -> Reply {
        let path = format!("{}/lines/{line}/points", self.base);
        self.post(&path, &serde_json::to_value(new).unwrap()).await
    }

    pub(crate) async fn made(&self, line: &str, new: &NewPoint) -> MadePoint {
        self.point(line, new).await.is(StatusCode::CREATED).json()
    }
}

/// A point whose request is made of two numbers.
pub(crate) fn point(generation: u64, request: u64, adds: &[ObjectId], drops: &[ObjectId]) -> NewPoint {
    let value = json!({
        "request": format!("{generation:016x}{request:016x}"),
        "generation": generation,
        "head": "c2VhbGVk",
        "adds": adds,
        "drops": drops,
    });
    serde_json::from_value(value).unwrap()
}
