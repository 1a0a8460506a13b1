//! The company's side as IT starts it, its letters and tokens, and what befalls it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::line::Line;
use crate::company_side::{Bucket, Cluster, Serving};
use crate::demo::scene::{Scene, expect};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const TENANT: &str = "example";
/// Where the first server is asked; of the second one it is the next port, and so on. Metrics are as far above.
const PORT: u16 = 18_443;
const METRICS: u16 = 10;

/// What a company runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server with SQLite and a folder.
    #[default]
    Small,
    /// Two servers with PostgreSQL and a bucket.
    Large,
}

/// `gobag-server` once or twice, its folder, and the way to it.
pub(super) struct Server {
    // In this order they end.
    serving: RefCell<Vec<Option<Serving>>>,
    stores: Option<(Cluster, Bucket)>,
    /// How many databases were made, as each backup is put back into an empty one.
    databases: Cell<u32>,
    folder: PathBuf,
    line: Line,
}

impl Server {
    pub(super) fn start(scene: &Scene, kind: Kind, bad_network: bool) -> Result<Self> {
        let folder = scene.place("server");
        disk::make_dir(&folder)?;
        let (stores, servers) = match kind {
            Kind::Small => (None, 1),
            Kind::Large => (Some((Cluster::start()?, Bucket::start()?)), 2),
        };
        let server = Self {
            serving: RefCell::new((0..servers).map(|_| None).collect()),
            stores,
            databases: Cell::new(0),
            folder,
            line: if bad_network { Line::bad()? } else { Line::good() },
        };
        server.configure()?;
        server.serve()?;
        server.make_token()?;
        Ok(server)
    }

    pub(super) fn summary(&self) -> String {
        let kind = match self.stores {
            None => "SQLite and a folder",
            Some(_) => "PostgreSQL and a bucket (moto)",
        };
        format!(
            "{kind}, at {}; {}",
            self.addresses().join(" and "),
            self.line.summary()
        )
    }

    /// One of two servers is killed and stays away; a single one is killed and comes back.
    pub(super) fn trouble(&self) -> Result<()> {
        let alone = self.serving.borrow().len() == 1;
        drop(self.serving.borrow_mut()[0].take());
        if alone { self.serve() } else { Ok(()) }
    }

    /// A backup, as IT makes it each night.
    pub(super) fn back_up(&self) -> Result<()> {
        let backup = self.program(self.count() - 1, &["backup"]).arg(self.backup());
        expect(backup, 0).map(drop)
    }

    /// The database is lost; what is put back in its place is the backup.
    pub(super) fn put_back(&self) -> Result<()> {
        self.serving
            .borrow_mut()
            .iter_mut()
            .for_each(|serving| *serving = None);
        self.configure()?;
        let replace: &[&str] = if self.stores.is_none() {
            &["--replace"]
        } else {
            &[]
        };
        // The bucket or folder was another database's.
        expect(self.program(0, &["restore"]).args(replace).arg(self.backup()), 3)?;
        expect(self.program(0, &["adopt-store", "--yes"]), 0)?;
        self.serve()
    }

    /// A letter for a stick.
    pub(super) fn letter(&self, scene: &Scene, number: &str) -> Result<PathBuf> {
        let letter = scene.place("letter.json");
        let addresses = self.addresses();
        let enrol = self
            .program(
                0,
                &["enrol", "--tenant", TENANT, "--user", "alice", "--bundle", number],
            )
            .args(
                addresses
                    .iter()
                    .flat_map(|address| ["--address", address.as_str()]),
            )
            .arg("--letter")
            .arg(&letter);
        expect(enrol, 0)?;
        Ok(letter)
    }

    /// The stick was lost: the company cuts it off.
    pub(super) fn revoke(&self, scene: &Scene, number: &str) -> Result<String> {
        let revoke = scene.image(&["company", "revoke", number, "--reason", "lost", "--yes"]);
        expect(self.asked(revoke), 0)?;
        Ok("IT revokes the stick".to_owned())
    }

    /// `gobag-image recover COMMAND` of a stick.
    pub(super) fn recover(&self, scene: &Scene, command: &str, number: &str) -> Cmd {
        self.asked(scene.image(&["recover", command, number]))
            .arg("--org")
            .arg(scene.org())
            .arg("--passphrase-file")
            .arg(scene.passphrase("it"))
    }

    /// A command of IT's with the server that it asks, which is the last one: that one is never killed for long.
    fn asked(&self, command: Cmd) -> Cmd {
        let address = self.address(self.count() - 1);
        command
            .args(["--server", &address, "--ca"])
            .arg(self.folder.join("data/ca/ca.pem"))
            .arg("--token-file")
            .arg(self.token())
    }

    /// A configuration for each server, with a database that is new.
    fn configure(&self) -> Result<()> {
        let mut stores = String::new();
        if let Some((cluster, bucket)) = &self.stores {
            let database = format!("gobag{}", self.databases.replace(self.databases.get() + 1));
            let url_file = cluster.database(&self.folder, &database)?;
            stores = format!("[postgres]\nurl_file = \"{}\"\n", url_file.display());
            stores.push_str(&bucket.config(&self.folder)?);
        }
        let host = self.line.host();
        for nth in 0..self.count() {
            let (address, metrics) = (self.address(nth), self.port(nth) + METRICS);
            let data = self.folder.join("data");
            let config = format!(
                "listen = \"{address}\"\nmetrics_listen = \"{host}:{metrics}\"\nnames = [\"{host}\"]\ndata = \"{}\"\n{stores}",
                data.display()
            );
            disk::write(&self.config(nth), config)?;
        }
        Ok(())
    }

    /// Starts those that do not run.
    fn serve(&self) -> Result<()> {
        for nth in 0..self.count() {
            if self.serving.borrow()[nth].is_none() {
                let serve = self.line.at_server(self.program(nth, &["serve"]));
                let serving = Serving::start(serve, &self.folder.join("log"))?;
                self.serving.borrow_mut()[nth] = Some(serving);
            }
        }
        Ok(())
    }

    fn make_token(&self) -> Result<()> {
        let token = self.program(
            0,
            &[
                "token", "create", "--tenant", TENANT, "--role", "operator", "--name", "Grace", "--json",
            ],
        );
        let said = token.output()?.stdout;
        let said: serde_json::Value = serde_json::from_slice(&said)
            .map_err(|cause| Error::because("`gobag-server token create --json` is no JSON", cause))?;
        let token = said["token"]
            .as_str()
            .ok_or_else(|| Error::new("no token was made"))?;
        disk::write(&self.token(), format!("{token}\n"))?;
        disk::set_mode(&self.token(), 0o600)
    }

    fn program(&self, nth: usize, command: &[&str]) -> Cmd {
        Cmd::new(disk::target().join("release/gobag-server"))
            .args(command)
            .arg("--config")
            .arg(self.config(nth))
    }

    fn count(&self) -> usize {
        self.serving.borrow().len()
    }

    fn port(&self, nth: usize) -> u16 {
        PORT + nth as u16
    }

    fn address(&self, nth: usize) -> String {
        format!("{}:{}", self.line.host(), self.port(nth))
    }

    fn addresses(&self) -> Vec<String> {
        (0..self.count()).map(|nth| self.address(nth)).collect()
    }

    fn config(&self, nth: usize) -> PathBuf {
        self.folder.join(format!("server-{}.toml", nth + 1))
    }

    fn token(&self) -> PathBuf {
        self.folder.join("token")
    }

    fn backup(&self) -> PathBuf {
        self.folder.join("backup")
    }
}

/// Waits on the bad line's own clock.
pub(super) fn pause(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
    }
}
