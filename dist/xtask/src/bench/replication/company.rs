//! The company: one server as it starts without a configuration, and what it counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::company_side::Serving;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

pub(super) struct Company {
    serving: Serving,
    folder: PathBuf,
}

impl Company {
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

    /// A letter for a stick.
    pub(super) fn letter(&self, number: &str) -> Result<PathBuf> {
        let letter = self.folder.join("letter");
        program(
            &self.folder,
            &[
                "enrol", "--tenant", "bench", "--user", "bench", "--bundle", number,
            ],
        )
        .args(["--address", &self.serving.address, "--letter"])
        .arg(&letter)
        .text()?;
        Ok(letter)
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
