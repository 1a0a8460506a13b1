//! The company: one server as it starts without a configuration, and what it counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::company_side::Serving;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const TENANT: &str = "bench";

pub(super) struct Site {
    serving: Serving,
    folder: PathBuf,
}

impl Site {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        disk::make_dir(folder)?;
        let config = format!(
            "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndata = \"{}\"\n",
            folder.join("data").display()
        );
        disk::write(&folder.join("server.toml"), config)?;
        let serve = program(folder, &["serve", "--quiet"]);
        Ok(Self {
            serving: Serving::start(serve, &folder.join("log"))?,
            folder: folder.to_owned(),
        })
    }

    /// Where it answers, `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.serving.address
    }

    /// A letter for a stick.
    pub(super) fn letter(&self, number: &str) -> Result<PathBuf> {
        self.letter_by(number, self.address())
    }

    /// The same for one that reaches the server by another address.
    pub(super) fn letter_by(&self, number: &str, address: &str) -> Result<PathBuf> {
        let letter = self.folder.join(format!("letter of {number}"));
        program(
            &self.folder,
            &["enrol", "--tenant", TENANT, "--user", "bench", "--bundle", number],
        )
        .args(["--address", address, "--letter"])
        .arg(&letter)
        .text()?;
        Ok(letter)
    }

    /// What an administrator types: `gobag-image company …`.
    pub(super) fn administrate(&self, command: &[&str]) -> Result<Cmd> {
        let token = self.folder.join("token");
        if !token.exists() {
            let create = [
                "token", "create", "--tenant", TENANT, "--role", "admin", "--name", "bench",
            ];
            disk::write(&token, program(&self.folder, &create).text()?)?;
            disk::set_mode(&token, 0o600)?;
        }
        let asks = Cmd::new(disk::target().join("release/gobag-image"))
            .arg("company")
            .args(command);
        let asks = asks
            .args(["--server", self.address(), "--ca"])
            .arg(self.folder.join("data/ca/ca.pem"));
        Ok(asks.arg("--token-file").arg(token))
    }

    pub(super) fn processor_time(&self) -> Result<Duration> {
        self.serving.processor_time()
    }

    /// Bytes of objects that sticks have sent so far.
    pub(super) fn bytes_stored(&self) -> Result<u64> {
        let said = Cmd::new("curl")
            .args(["--silent", "--show-error", "--fail"])
            .arg(format!("http://{}/metrics", self.serving.metrics_address))
            .text()?;
        said.lines()
            .find_map(|line| {
                line.strip_prefix("gobag_object_bytes_stored_total ")?
                    .parse()
                    .ok()
            })
            .ok_or_else(|| Error::new("the server does not count bytes"))
    }
}

fn program(folder: &Path, command: &[&str]) -> Cmd {
    Cmd::new(disk::target().join("release/gobag-server"))
        .args(command)
        .arg("--config")
        .arg(folder.join("server.toml"))
}
