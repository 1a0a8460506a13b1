//! The demo's folders and the two programs, called as their users call them.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::disk;
use crate::error::{Error, Result};
use crate::programs;
use crate::sh::Cmd;

/// IT's passphrase and those of the two users; a demo has no secrets.
const IT: &str = "the office burned this morning";
pub(crate) const ALICE: &str = "alice walks home in the rain";
const BOB: &str = "bob waters seven green plants";

/// Everything of one run, in one folder.
pub(crate) struct Scene {
    folder: PathBuf,
}

impl Scene {
    /// An empty stage. Passphrases are files only their owner can read, as for `--passphrase-file`.
    pub(crate) fn set(folder: PathBuf) -> Result<Self> {
        let scene = Self { folder };
        disk::remove(&scene.folder)?;
        for stick in ["alice", "bob"] {
            disk::make_dir(&scene.stick(stick))?;
        }
        for (name, text) in [
            ("it", IT),
            ("alice", ALICE),
            ("bob", BOB),
            ("wrong", "not this one, surely"),
        ] {
            let file = scene.passphrase(name);
            disk::write(&file, format!("{text}\n"))?;
            disk::set_mode(&file, 0o600)?;
        }
        Ok(scene)
    }

    /// Somewhere for a step of its own.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn org(&self) -> PathBuf {
        self.folder.join("office")
    }

    /// Where a stick would be mounted.
    pub(crate) fn stick(&self, user: &str) -> PathBuf {
        self.folder.join(format!("stick-{user}"))
    }

    pub(crate) fn passphrase(&self, whose: &str) -> PathBuf {
        self.folder.join(format!("passphrase-{whose}"))
    }

    pub(crate) fn mountpoint(&self) -> PathBuf {
        self.folder.join("disks")
    }

    /// `gobag-image COMMAND …` with IT's passphrase.
    pub(crate) fn image(&self, command: &[&str]) -> Cmd {
        Cmd::new(programs::folder().join("gobag-image")).args(command)
    }

    /// `gobag COMMAND --stick …` as the user of that stick, from the stick itself.
    pub(crate) fn gobag(&self, user: &str, command: &str) -> Cmd {
        Self::gobag_of(&self.stick(user), command)
    }

    /// The same for a stick wherever it is plugged in.
    pub(crate) fn gobag_of(stick: &Path, command: &str) -> Cmd {
        Cmd::new(stick.join("linux/gobag"))
            .arg(command)
            .arg("--stick")
            .arg(stick)
    }

    /// The same with the user's passphrase.
    pub(crate) fn unlocked(&self, user: &str, command: &str) -> Cmd {
        self.gobag(user, command)
            .arg("--passphrase-file")
            .arg(self.passphrase(user))
    }

    /// `gobag start` as a container, with IT's waiver (see `office::waive`).
    pub(crate) fn container(&self, user: &str) -> Cmd {
        self.unlocked(user, "start")
            .args(["--mode", "container", "--network", "off", "--waiver"])
            .arg(self.waiver())
    }

    pub(crate) fn waiver(&self) -> PathBuf {
        self.folder.join("waiver.txt")
    }
}

/// Runs a command and requires an exit code; returns what it said, both streams.
pub(crate) fn expect(command: Cmd, code: i32) -> Result<String> {
    run(command, code).map(|said| said.concat())
}

/// Runs a command with `--json`, which must succeed; returns its answer.
pub(crate) fn answer(command: Cmd) -> Result<Value> {
    let line = command.line();
    let [_, said] = run(command, 0)?;
    serde_json::from_str(&said)
        .map_err(|cause| Error::because(format!("what `{line}` says is no JSON"), cause))
}

/// Standard error and standard output of a command that ends with `code`.
fn run(command: Cmd, code: i32) -> Result<[String; 2]> {
    let line = command.line();
    eprintln!("$ {line}");
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    let said = [stderr, stdout].map(|stream| String::from_utf8_lossy(&stream).into_owned());
    for line in said.iter().flat_map(|stream| stream.lines()) {
        eprintln!("  {line}");
    }
    if status.code() == Some(code) {
        return Ok(said);
    }
    Err(Error::because(
        format!("`{line}` ended with {status}, not {code}"),
        said.concat().trim().to_owned(),
    ))
}

/// Requires that `text` holds `part`.
pub(crate) fn must_say(text: &str, part: &str) -> Result<()> {
    if text.contains(part) {
        return Ok(());
    }
    Err(Error::because(
        format!("`{part}` was not said"),
        text.trim().to_owned(),
    ))
}

/// Bytes of all files below a folder.
pub(crate) fn size_of(folder: &Path) -> Result<u64> {
    let files = disk::files_below(folder, &[])?;
    Ok(files
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|meta| meta.len())
        .sum())
}
