//! A PostgreSQL cluster in a folder of its own, reached by a socket in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::machine;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::{self, Cmd};

/// Connections for all replicas of a bench together.
const CONNECTIONS: u32 = 400;
/// Who PostgreSQL is where we are root, as which it does not run.
const NOBODY: &str = "65534";

/// Where Debian has the newest version's programs.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// A running cluster; ended and removed when dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Makes and starts one. What it commits is on the disk, as it is in an office.
    pub(crate) fn start() -> Result<Self> {
        let programs = programs().ok_or_else(|| Error::new("Debian's `postgresql` is not installed"))?;
        let cluster = Self {
            programs,
            folder: disk::private_dir()?,
        };
        if sh::is_root() {
            Cmd::new("chown").arg(NOBODY).arg(&cluster.folder).text()?;
        }
        cluster.run("initdb", &["-U", "gobag", "-A", "trust", "-D"])?;
        let options = format!(
            "-c listen_addresses= -c max_connections={CONNECTIONS} -k {}",
            cluster.folder.display()
        );
        let log = cluster.folder.join("log");
        let log = log.to_string_lossy();
        cluster.run("pg_ctl", &["start", "-w", "-s", "-l", &log, "-o", &options, "-D"])?;
        Ok(cluster)
    }

    /// Makes a database, and the file with its address in `folder`.
    pub(crate) fn database(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        let file = folder.join("postgres-url");
        disk::write(
            &file,
            format!(
                "postgres://gobag@localhost/{name}?host={}\n",
                self.folder.display()
            ),
        )?;
        disk::set_mode(&file, 0o600)?;
        Ok(file)
    }

    /// Bytes of a database on the disk.
    pub(crate) fn size_bytes(&self, name: &str) -> Result<u64> {
        let said = self.psql(name, &format!("SELECT pg_database_size('{name}')"))?;
        let size = said.trim().parse();
        size.map_err(|cause| Error::because("PostgreSQL does not say how large a database is", cause))
    }

    /// Processor time of all its processes so far, as long as they live and of those that ended.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let pid = disk::read(&self.folder.join("data/postmaster.pid"))?;
        let pid = pid.lines().next().and_then(|line| line.parse().ok());
        let pid = pid.ok_or_else(|| Error::new("PostgreSQL's postmaster.pid names no process"))?;
        machine::family(pid)
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String> {
        Cmd::new(self.programs.join("psql"))
            .args(["-q", "-A", "-t", "-U", "gobag", "-d", database, "-h"])
            .arg(&self.folder)
            .args(["-c", sql])
            .text()
    }

    /// A program of the cluster, with its folder of data as the last argument.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let command = Cmd::new(self.programs.join(program))
            .args(arguments)
            .arg(self.folder.join("data"))
            .dir("/");
        let command = match sh::is_root() {
            true => command.inside(Cmd::new("setpriv").args([
                "--reuid",
                NOBODY,
                "--regid",
                NOBODY,
                "--clear-groups",
            ])),
            false => command,
        };
        // The server that `pg_ctl` starts keeps what it is given open; a pipe would be waited for as long as it runs.
        let status = command.spawn(
            std::process::Stdio::null(),
            std::process::Stdio::null(),
            std::process::Stdio::null(),
        );
        let status = status?
            .wait()
            .map_err(|cause| Error::because(format!("{program} is lost"), cause))?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::new(format!("PostgreSQL's {program} ended with {status}"))),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that did not start has nothing to end.
        let _ = self.run("pg_ctl", &["stop", "-s", "-m", "immediate", "-D"]);
        let _ = disk::remove(&self.folder);
    }
}
