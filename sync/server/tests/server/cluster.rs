//! A private PostgreSQL in a temporary folder, reached by a socket there.
//!
//! Part of the tests of `gobag-pair`, too.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the stores that the server uses"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gobag_server::config::Postgres;
use tempfile::TempDir;

/// A running one.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// None: it is not installed. Flushes are left out: what a crash does is PostgreSQL's own matter.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL does not run as root.
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let cluster = Self { programs, folder };
        let data = cluster.folder.path().join("data");
        cluster.run("initdb", &["-U", "gobag", "-A", "trust", "-N", "-D"], &data, &[]);
        let socket = format!(
            "-c listen_addresses= -c fsync=off -c max_connections=400 -k {}",
            cluster.folder.path().display()
        );
        let log = cluster.folder.path().join("log");
        let log = log.to_str().unwrap();
        cluster.run(
            "pg_ctl",
            &["start", "-w", "-s", "-l", log, "-o", &socket, "-D"],
            &data,
            &[],
        );
        Some(cluster)
    }

    fn run(&self, program: &str, before: &[&str], data: &Path, after: &[&str]) {
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                let nobody = NOBODY.to_string();
                command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
                command.arg(self.programs.join(program));
                command
            }
            false => Command::new(self.programs.join(program)),
        };
        let status = command
            .args(before)
            .arg(data)
            .args(after)
            .current_dir("/")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{program}: {status}");
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A new database of the cluster whose socket is in this folder, for a server that keeps its data in `data`.
pub(crate) fn database(socket: &Path, data: &Path, name: &str) -> Postgres {
    let socket = socket.to_str().unwrap();
    let sql = format!("CREATE DATABASE {name}");
    let status = Command::new(programs().unwrap().join("psql"))
        .args(["-q", "-h", socket, "-U", "gobag", "-d", "postgres", "-c", &sql])
        .status()
        .unwrap();
    assert!(status.success());
    let url_file = data.join("url");
    fs::write(
        &url_file,
        format!("postgres://gobag@localhost/{name}?host={socket}\n"),
    )
    .unwrap();
    Postgres {
        url_file,
        connections: 16,
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.find(|programs| programs.join("initdb").exists())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        self.run("pg_ctl", &["stop", "-s", "-m", "immediate", "-D"], &data, &[]);
    }
}

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
