//! An office made for a bench: keys, an image, a stick. Nothing in it is secret, so one passphrase serves all.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};
use crate::programs;
use crate::sh::Cmd;

/// Everybody's passphrase, for peers too.
pub(super) const PASSPHRASE: &str = "two green plants";
/// The only image.
const IMAGE: &str = "disk";

/// IT of a bench.
pub(super) struct Office {
    folder: PathBuf,
    words: PathBuf,
}

/// The rooms a stick has for changes, as on the command line.
pub(super) struct Rooms {
    pub(super) home: &'static str,
    pub(super) system: &'static str,
}

impl Office {
    /// Makes keys and an empty repository in the new folder `folder`; the passphrase lies beside it.
    pub(super) fn found(folder: &Path) -> Result<Self> {
        let office = Self::at(folder);
        words(&office.words)?;
        gobag_image("init")
            .args(["--name", "Bench", "--contact", "nobody", "--new-passphrase-file"])
            .arg(&office.words)
            .arg(&office.folder)
            .text()?;
        Ok(office)
    }

    /// The one that was made in `folder`.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            words: folder.with_extension("words"),
        }
    }

    /// Where the passphrase stands.
    pub(super) fn words(&self) -> &Path {
        &self.words
    }

    /// What all versions of the image take.
    pub(super) fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    /// Makes an image, or its next version, of a disk.
    pub(super) fn build(&self, disk: &Path) -> Result<()> {
        self.ready(gobag_image("build").args(["--name", IMAGE]))
            .arg(disk)
            .text()
            .map(drop)
    }

    /// Makes a stick in the folder `to`.
    pub(super) fn stick(&self, rooms: &Rooms, to: &Path) -> Result<()> {
        let command = gobag_image("stick")
            .args(["--image", IMAGE, "--user", "bench"])
            .args(["--home-size", rooms.home, "--system-space", rooms.system]);
        self.ready(command)
            .arg("--new-passphrase-file")
            .arg(&self.words)
            .arg(to)
            .text()
            .map(drop)
    }

    /// The number of the only stick.
    pub(super) fn number(&self) -> Result<String> {
        let said = gobag_image("list")
            .args(["--sticks", "--json", "--org"])
            .arg(&self.folder)
            .text()?;
        let said: serde_json::Value = serde_json::from_str(&said)
            .map_err(|cause| Error::because("`gobag-image list --sticks --json` is no JSON", cause))?;
        let number = said["sticks"][0]["bundle"].as_str().map(str::to_owned);
        number.ok_or_else(|| Error::because("the register names no stick", said.to_string()))
    }

    fn ready(&self, command: Cmd) -> Cmd {
        let command = command.arg("--org").arg(&self.folder);
        command.arg("--passphrase-file").arg(&self.words)
    }
}

/// Writes the passphrase to a file that its owner alone can read.
pub(super) fn words(file: &Path) -> Result<()> {
    disk::write(file, PASSPHRASE)?;
    disk::set_mode(file, 0o600)
}

/// A squashfs of one file, with chunks of twice our size and our level.
pub(super) fn squash(file: &Path, to: &Path) -> Result<()> {
    Cmd::new("mksquashfs")
        .args([file, to])
        .args(["-comp", "zstd", "-Xcompression-level", "5", "-b", "131072"])
        .args(["-no-progress", "-quiet"])
        .text()
        .map(drop)
}

fn gobag_image(command: &str) -> Cmd {
    Cmd::new(programs::folder().join("gobag-image")).arg(command)
}
