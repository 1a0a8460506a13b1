//! The company's side: a server as IT starts it, its letters and tokens, and what befalls it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::line::Line;
use crate::demo::scene::{Scene, expect, must_say};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const TENANT: &str = "example";
const PORT: u16 = 18_443;
const METRICS_PORT: u16 = 18_444;
/// How long a request of curl's may take.
const CURL_S: &str = "120";

/// A running `gobag-server`, its folder and the way to it.
pub(super) struct Server {
    folder: PathBuf,
    line: Line,
    process: RefCell<Option<Child>>,
}

impl Server {
    /// Starts one with SQLite and a folder.
    pub(super) fn start(scene: &Scene, bad_network: bool) -> Result<Self> {
        let folder = scene.place("server");
        disk::make_dir(&folder)?;
        let line = if bad_network { Line::bad()? } else { Line::good() };
        let host = line.host();
        let config = format!(
            "listen = \"{host}:{PORT}\"\nmetrics_listen = \"{host}:{METRICS_PORT}\"\nnames = [\"{host}\"]\ndata = \"{}\"\n",
            folder.join("data").display()
        );
        disk::write(&folder.join("server.toml"), config)?;
        let server = Self {
            folder,
            line,
            process: RefCell::default(),
        };
        server.serve()?;
        let token = server.program(&[
            "token", "create", "--tenant", TENANT, "--role", "operator", "--name", "Grace", "--json",
        ]);
        let said = token.output()?.stdout;
        let said: serde_json::Value = serde_json::from_slice(&said)
            .map_err(|cause| Error::because("`gobag-server token create --json` is no JSON", cause))?;
        let token = said["token"]
            .as_str()
            .ok_or_else(|| Error::new("no token was made"))?;
        disk::write(&server.token(), format!("{token}\n"))?;
        disk::set_mode(&server.token(), 0o600)?;
        Ok(server)
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "SQLite and a folder, at {}; {}",
            self.address(),
            self.line.summary()
        )
    }

    /// Killed, away for as long as the next step takes, and back with what it had.
    pub(super) fn trouble(&self) -> Result<()> {
        self.kill();
        self.serve()
    }

    /// A letter for a stick.
    pub(super) fn letter(&self, scene: &Scene, number: &str) -> Result<PathBuf> {
        let letter = scene.place("letter.json");
        let enrol = self
            .program(&["enrol", "--tenant", TENANT, "--user", "alice", "--bundle", number])
            .args(["--address", &self.address(), "--letter"])
            .arg(&letter);
        expect(enrol, 0)?;
        Ok(letter)
    }

    /// The stick was lost: the company cuts it off.
    pub(super) fn revoke(&self, number: &str) -> Result<String> {
        let header = self.folder.join("authorization");
        let token = disk::read(&self.token())?;
        disk::write(&header, format!("Authorization: Bearer {}\n", token.trim()))?;
        disk::set_mode(&header, 0o600)?;
        let curl = Cmd::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                CURL_S,
                "--request",
                "POST",
                "--write-out",
                "%{http_code}",
            ])
            .arg("--cacert")
            .arg(self.ca())
            .arg("--header")
            .arg(format!("@{}", header.display()))
            .arg(format!(
                "https://{}/v1/admin/sticks/{number}/mark-lost",
                self.address()
            ));
        must_say(&expect(curl, 0)?, "204")?;
        Ok("IT revokes the stick".to_owned())
    }

    /// `gobag-image recover COMMAND` of a stick.
    pub(super) fn recover(&self, scene: &Scene, command: &str, number: &str) -> Cmd {
        scene
            .image(&["recover", command, number, "--server", &self.address(), "--ca"])
            .arg(self.ca())
            .arg("--token-file")
            .arg(self.token())
            .arg("--org")
            .arg(scene.org())
            .arg("--passphrase-file")
            .arg(scene.passphrase("it"))
    }

    fn serve(&self) -> Result<()> {
        let serve = self.line.at_server(self.program(&["serve"]));
        let mut process = serve.spawn(Stdio::null(), Stdio::piped(), Stdio::null())?;
        let output = process
            .stdout
            .take()
            .ok_or_else(|| Error::new("the server says nothing"))?;
        let mut said = String::new();
        // It says where it serves when it does.
        BufReader::new(output)
            .read_line(&mut said)
            .map_err(|cause| Error::because("the server says nothing", cause))?;
        *self.process.borrow_mut() = Some(process);
        must_say(&said, "serving at")
    }

    fn kill(&self) {
        if let Some(mut process) = self.process.borrow_mut().take() {
            // Gone already is what we want.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn program(&self, command: &[&str]) -> Cmd {
        Cmd::new(disk::target().join("release/gobag-server"))
            .args(command)
            .arg("--config")
            .arg(self.folder.join("server.toml"))
    }

    fn address(&self) -> String {
        format!("{}:{PORT}", self.line.host())
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("data/ca/ca.pem")
    }

    fn token(&self) -> PathBuf {
        self.folder.join("token")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits on the bad line's own clock.
pub(super) fn pause(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
    }
}
