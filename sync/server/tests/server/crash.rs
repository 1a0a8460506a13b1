//! The real program, killed with -9 at bad moments and started again: what it acknowledged is there.

#![expect(clippy::disallowed_methods, reason = "a test of the program itself starts it")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use gobag_protocol::{
    enrol::{Enrolled, TokenText},
    ids::BundleId,
    ids::ObjectId,
    points::MadePoint,
};
use hyper::StatusCode;
use serde_json::Value;
use tokio::{sync::mpsc, task::block_in_place};

use crate::harness::{Client, point};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gobag-server");
const BUNDLE: BundleId = BundleId([1; 16]);

/// A configuration with ports of the system's choice and a data folder beside it.
fn configured(folder: &Path) -> PathBuf {
    let config = folder.join("config.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndata = {:?}\n",
        folder.join("data")
    );
    std::fs::write(&config, text).unwrap();
    config
}

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(config: &Path) -> Self {
        Self::start_with(config, Stdio::null())
    }

    fn start_with(config: &Path, log: Stdio) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--verbose", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take().unwrap());
        block_in_place(|| said.take(1000).read_line(&mut line)).unwrap();
        let address = line.strip_prefix("serving at ").expect("it says where it serves");
        Self {
            address: address.trim().parse().unwrap(),
            child,
        }
    }

    /// With -9: no handler runs.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of a test that failed.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn run(config: &Path, words: &[&str]) -> Value {
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--config").arg(config).arg("--json");
    let output = block_in_place(|| command.output()).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_objects_and_point_and_again_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path());
    let probed = run(&config, &["probe-store"]);
    assert_eq!(probed["kept"].as_array().unwrap().len(), 4);
    let bundle = BUNDLE.to_string();
    let made = run(
        &config,
        &["enrol", "--tenant", "acme", "--user", "Ada", "--bundle", &bundle],
    );
    let token = serde_json::from_value(made["token"].clone()).unwrap();

    let server = Process::start(&config);
    let ca = std::fs::read_to_string(folder.path().join("data/ca/ca.pem")).unwrap();
    let nobody = Client::new(server.address, &ca, None);
    let enrolled: Enrolled = nobody.enrol(&token, BUNDLE, 1).await.is(StatusCode::OK).json();
    let stick = Client::new(server.address, &ca, Some((&enrolled, 1)));

    // Killed while objects come in, after the tenth was acknowledged.
    let (acknowledged, mut seen) = mpsc::unbounded_channel::<ObjectId>();
    let writers: Vec<_> = (0..4u8)
        .map(|writer| {
            let (stick, acknowledged) = (stick.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for number in 0..=u8::MAX {
                    let bytes = [writer, number].repeat(20_000);
                    let id = ObjectId::of(&bytes);
                    let path = format!("/v1/objects/{id}");
                    match stick.try_send("PUT", &path, &[], bytes).await {
                        Ok(reply) if reply.status == StatusCode::NO_CONTENT => {
                            acknowledged.send(id).unwrap();
                        }
                        _ => return,
                    }
                }
            })
        })
        .collect();
    drop(acknowledged);
    let mut kept = Vec::new();
    while kept.len() < 10 {
        kept.push(seen.recv().await.unwrap());
    }
    server.kill();
    for writer in writers {
        writer.await.unwrap();
    }
    while let Some(id) = seen.recv().await {
        kept.push(id);
    }

    let server = Process::start(&config);
    let stick = stick.at(server.address);
    assert_eq!(stick.missing(&kept).await, []);
    for id in &kept {
        let reply = stick.get(&format!("/v1/objects/{id}")).await.is(StatusCode::OK);
        assert_eq!(ObjectId::of(&reply.body), *id);
    }
    // The stick goes on where it was; then the answer to its point gets lost with the server.
    let new = point(1, 1, &kept, &[]);
    let made: MadePoint = stick.made("volumes", &new).await;
    server.kill();

    let server = Process::start(&config);
    let stick = stick.at(server.address);
    assert_eq!(stick.made("volumes", &new).await, made);
    stick.made("volumes", &point(2, 2, &[], &kept)).await;
    let token = run(
        &config,
        &[
            "token", "create", "--tenant", "acme", "--role", "viewer", "--name", "Grace",
        ],
    );
    let mut viewer = Client::new(server.address, &ca, None);
    viewer.token = token["token"].as_str().map(str::to_owned);
    let sticks: Value = viewer.get("/v1/admin/sticks").await.is(StatusCode::OK).json();
    assert_eq!(sticks["sticks"][0]["user"], "Ada");
    // Beside a server that runs; nothing is old enough to go.
    for words in [&["prune", "--dry-run"][..], &["prune"]] {
        assert_eq!(run(&config, words)["objects"], 0);
    }
    let key = run(&config, &["lease-key", "--tenant", "acme"]);
    assert_eq!(key["key"].as_str().unwrap().len(), 44);
    server.kill();
}

#[test]
fn a_wrong_command_line_and_a_wrong_configuration_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "lisen = 1\n").unwrap();
    let config = config.to_str().unwrap();
    for words in [
        &["serve", "--config", config][..],
        &[
            "token", "create", "--tenant", "A B", "--role", "admin", "--name", "x",
        ],
        &["enrol", "--tenant", "a", "--user", "x", "--bundle", "12"],
        &["moon"],
    ] {
        let output = Command::new(PROGRAM).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    let output = Command::new(PROGRAM).arg("default-config").output().unwrap();
    assert_eq!(output.stdout, gobag_server::config::DEFAULT.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_in_order_and_its_log_is_json_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path());
    let bundle = BUNDLE.to_string();
    let made = run(
        &config,
        &["enrol", "--tenant", "acme", "--user", "Ada", "--bundle", &bundle],
    );
    let made_too = run(
        &config,
        &[
            "token", "create", "--tenant", "acme", "--role", "admin", "--name", "Grace",
        ],
    );
    let log = folder.path().join("log");
    let to = std::fs::OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(&log)
        .unwrap();
    let mut server = Process::start_with(&config, to.into());
    let ca = std::fs::read_to_string(folder.path().join("data/ca/ca.pem")).unwrap();
    let mut client = Client::new(server.address, &ca, None);
    let token: TokenText = serde_json::from_value(made["token"].clone()).unwrap();
    client.enrol(&token, BUNDLE, 1).await.is(StatusCode::OK);
    let person = made_too["token"].as_str().unwrap();
    client.token = Some(person.to_owned());
    client.get("/v1/admin/sticks").await.is(StatusCode::OK);

    let id = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let ended = block_in_place(|| server.child.wait()).unwrap();
    assert_eq!(ended.code(), Some(0));
    let log = std::fs::read_to_string(&log).unwrap();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].is_string(), "{line}");
    }
    assert!(
        log.contains("/v1/enrol") && log.contains("acme person Grace"),
        "{log}"
    );
    for secret in [token.expose(), person, "BEGIN"] {
        assert!(!log.contains(secret), "{log}");
    }
}
