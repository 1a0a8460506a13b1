//! The company's side of one measurement.

use std::path::{Path, PathBuf};

use super::{Plan, Work};
use crate::company_side::{Bucket, Cluster, Serving};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const DATABASE: &str = "gobag";
/// Nobody is slowed down: what the machine does is measured, not what IT allows.
const RATES: &str = "[rates]\nstick = { a_second = 1000000, burst = 1000000 }\n\
                     tenant = { a_second = 1000000, burst = 1000000 }\n\
                     address = { a_second = 1000000, burst = 1000000 }\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objects {
    Folder,
    Bucket,
}

/// Servers that share a database, objects and a CA; all gone when dropped.
pub(super) struct Side {
    // In this order they end.
    servers: Vec<Serving>,
    cluster: Option<Cluster>,
    bucket: Option<Bucket>,
    folder: Folder,
    program: PathBuf,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = disk::remove(&self.0);
    }
}

impl Side {
    pub(super) fn start(plan: &Plan, built: &Path) -> Result<Self> {
        let mut side = Self {
            servers: Vec::new(),
            cluster: None,
            bucket: None,
            folder: Folder(disk::target().join("bench/company")),
            program: built.join("gobag-server"),
        };
        let folder = side.folder.0.clone();
        disk::remove(&folder)?;
        disk::make_dir(&folder)?;
        let mut config = format!(
            "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndata = \"{}\"\n{RATES}",
            folder.join("data").display()
        );
        if plan.database == Database::Postgres {
            let cluster = Cluster::start()?;
            let url_file = cluster.database(&folder, DATABASE)?;
            config.push_str(&format!("[postgres]\nurl_file = \"{}\"\n", url_file.display()));
            side.cluster = Some(cluster);
        }
        if plan.objects == Objects::Bucket {
            let bucket = Bucket::start()?;
            config.push_str(&bucket.config(&folder)?);
            side.bucket = Some(bucket);
        }
        disk::write(&side.config(), config)?;
        for _ in 0..plan.replicas {
            // One after the other: the first one makes tables and the CA.
            side.servers.push(Serving::start(
                side.server(&["serve", "--quiet"]),
                &folder.join("log"),
            )?);
        }
        Ok(side)
    }

    fn config(&self) -> PathBuf {
        self.folder.0.join("server.toml")
    }

    fn server(&self, arguments: &[&str]) -> Cmd {
        Cmd::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.config())
    }

    /// A folder of letters, one for each stick, that name all servers.
    pub(super) fn letters(&self, sticks: u32) -> Result<PathBuf> {
        let folder = self.folder.0.join("letters");
        disk::make_dir(&folder)?;
        for stick in 1..=sticks {
            let addresses = self
                .servers
                .iter()
                .flat_map(|server| ["--address", &server.address]);
            self.server(&["enrol", "--tenant", "bench", "--user", "Ada"])
                .arg("--bundle")
                .arg(format!("{stick:032x}"))
                .args(addresses)
                .arg("--letter")
                .arg(folder.join(format!("{stick:06}")))
                .text()?;
        }
        Ok(folder)
    }

    /// Processor time so far.
    pub(super) fn work(&self) -> Result<Work> {
        let mut work = Work::default();
        for server in &self.servers {
            work.servers += server.processor_time()?;
        }
        if let Some(cluster) = &self.cluster {
            work.database = cluster.processor_time()?;
        }
        if let Some(bucket) = &self.bucket {
            work.bucket = bucket.processor_time()?;
        }
        Ok(work)
    }

    /// Most memory that one of the servers had, bytes.
    pub(super) fn peak_memory(&self) -> Result<u64> {
        let peaks: Result<Vec<u64>> = self.servers.iter().map(Serving::peak_memory).collect();
        peaks.map(|peaks| peaks.into_iter().max().unwrap_or_default())
    }

    /// Bytes of the database on the disk, with what SQLite has yet to take over from its log.
    pub(super) fn database_bytes(&self) -> Result<u64> {
        match &self.cluster {
            Some(cluster) => cluster.size_bytes(DATABASE),
            None => ["gobag.sqlite", "gobag.sqlite-wal"]
                .iter()
                .map(|name| {
                    let path = self.folder.0.join("data").join(name);
                    let unknown = |cause| Error::because(format!("cannot see {}", path.display()), cause);
                    path.metadata().map(|meta| meta.len()).map_err(unknown)
                })
                .sum(),
        }
    }
}
