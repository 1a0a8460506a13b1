//! A real server for the tests of those who speak to it: on a loopback port, with SQLite and a folder, that can be ended and killed.
//!
//! Its methods block, for its clients do; the server runs on threads of its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use gobag_protocol::{
    enrol::TokenText,
    ids::{BundleId, GroupName, PersonName, TenantName, VerifyingKey},
    people::{Pruned, Reason, Role},
    policy::{Policy, Retention, Tier},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    backup::objects::{CheckOptions, check},
    clock::Clock,
    config::Config,
    lease::LeaseKeys,
    serve::{Server, open_blobs, open_database},
    store::{
        StickKey,
        database::Database,
        people::{self, Person},
        policies,
        prune::Pruner,
        revocation, sticks, ticks,
    },
};

/// A server and its folder.
pub struct Site {
    config: Config,
    /// The server's clock.
    pub clock: Clock,
    running: Option<(Runtime, Server)>,
    ca: String,
    folder: TempDir,
}

impl Site {
    /// Starts one with nothing in it.
    pub fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// Starts one that is configured otherwise.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: folder.path().to_owned(),
            ..Config::default()
        };
        change(&mut config);
        let mut site = Self {
            config,
            clock: Clock::default(),
            running: None,
            ca: String::new(),
            folder,
        };
        site.start_again();
        let (_, server) = site.running.as_ref().expect("it was started");
        // The same place from now on, for whoever comes back.
        (site.config.listen, site.ca) = (server.address, server.ca_pem().to_owned());
        site
    }

    /// Starts the server again, where it was, with what it has stored.
    pub fn start_again(&mut self) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = runtime
            .block_on(Server::start(&self.config, self.clock.clone()))
            .expect("a server");
        self.running = Some((runtime, server));
    }

    /// Starts the server again, at the address of another one that is gone.
    pub fn move_to(&mut self, other: &Self) {
        self.config.listen = other.config.listen;
        self.start_again();
    }

    /// Cuts it off in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some((runtime, server)) = self.running.take() {
            // Not in order: connections break where they are.
            runtime.shutdown_background();
            drop(server);
        }
    }

    /// Ends it in good order: nothing of its folder is open any more.
    pub fn end(&mut self) {
        if let Some((runtime, server)) = self.running.take() {
            runtime.block_on(server.end());
        }
    }

    /// What Prometheus would read.
    #[expect(clippy::disallowed_methods, reason = "Prometheus' part, for a test")]
    pub fn metrics(&self) -> String {
        let (_, server) = self.running.as_ref().expect("it runs");
        let mut line = TcpStream::connect(server.metrics_address).expect("a port");
        line.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .expect("a request");
        let mut text = String::new();
        line.read_to_string(&mut text).expect("an answer");
        text
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.config.listen.to_string()
    }

    /// The CA's certificate, PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The folder with all that it stores.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What leases of a tenant are signed with: its public half, for a policy.
    pub fn lease_key(&self, tenant: &str) -> VerifyingKey {
        let keys = LeaseKeys::open_or_make(&self.config.ca_folder()).expect("a key");
        keys.public(&TenantName::parse(tenant).expect("a tenant"))
    }

    /// A token by which a stick of Ada enrols.
    pub fn token(&self, tenant: &str, bundle: BundleId) -> TokenText {
        let stick = stick(tenant, bundle);
        let user = PersonName::parse("Ada").expect("a name");
        let now_s = self.clock.now_s();
        let (token, _) = self.with_database(async |database| {
            let made =
                sticks::make_enrolment(database, &stick, &user, &GroupName::default(), now_s, "test").await;
            made.expect("a token")
        });
        token
    }

    /// A token of a person.
    pub fn person(&self, tenant: &str, role: Role) -> TokenText {
        let person = Person {
            tenant: TenantName::parse(tenant).expect("a tenant"),
            name: PersonName::parse("Grace").expect("a name"),
            role,
        };
        let now_s = self.clock.now_s();
        self.with_database(async |database| {
            let made = people::make_token(database, &person, now_s, "test").await;
            made.expect("a token")
        })
    }

    /// Cuts a stick off, or takes that back.
    pub fn set_revoked(&self, tenant: &str, bundle: BundleId, is_revoked: bool) {
        let stick = stick(tenant, bundle);
        let now_s = self.clock.now_s();
        self.with_database(async |database| {
            let reason = is_revoked.then_some(Reason::Lost);
            let set = revocation::set(database, &stick, reason, "test", now_s).await;
            set.expect("a stick");
        });
    }

    /// Whether a stick said that it erased itself.
    pub fn is_erased(&self, tenant: &str, bundle: BundleId) -> bool {
        let tenant = stick(tenant, bundle).tenant;
        let sticks = self.with_database(async |database| {
            let listed = sticks::list(database, &tenant, None).await;
            listed.expect("sticks")
        });
        let found = sticks.into_iter().find(|stick| stick.bundle == bundle);
        found.is_some_and(|stick| stick.erased_s.is_some())
    }

    /// Time goes by until nothing is young any more; then of each line of a tenant all points go but the newest, with all that they alone need.
    pub fn keep_newest_alone(&self, tenant: &str) -> Pruned {
        let tenant = TenantName::parse(tenant).expect("a tenant");
        let retention = Retention {
            last: Some(Tier::Count(1)),
            ..Retention::default()
        };
        let policy = Policy {
            retention: Some(retention),
            ..Policy::default()
        };
        self.clock.advance(4 * 86_400);
        let now_s = self.clock.now_s();
        let blobs = open_blobs(&self.config).expect("a store");
        self.with_database(async |database| {
            let is_right = ticks::confirm(database, now_s, "test").await;
            is_right.expect("a clock");
            let set = policies::set(database, &tenant, &policy, "test", now_s).await;
            set.expect("a policy");
            let pruner = Pruner {
                database,
                blobs: &blobs,
                clock: &self.clock,
                by: "test",
            };
            pruner.prune(Some(&tenant), false).await.expect("a pruning")
        })
    }

    /// As `gobag-server check --forget`; says how many objects were lost.
    pub fn forget_lost(&self) -> u64 {
        let blobs = open_blobs(&self.config).expect("a store");
        self.with_database(async |database| {
            let options = CheckOptions {
                is_read: false,
                forget: Some(&self.clock),
            };
            let checked = check(database, &blobs, &options, &|_, _| ()).await;
            checked.expect("a check").forgotten
        })
    }

    /// What `ask` finds in the server's database, whether it runs or not.
    pub fn with_database<T>(&self, ask: impl AsyncFnOnce(&Database) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let database = open_database(&self.config).await.expect("a database");
            let found = ask(&database).await;
            database.close().await;
            found
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Names a stick.
pub fn stick(tenant: &str, bundle: BundleId) -> StickKey {
    let tenant = TenantName::parse(tenant).expect("a tenant");
    StickKey { tenant, bundle }
}
