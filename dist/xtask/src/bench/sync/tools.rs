//! The tools that keep folders the same, each as its users call it.

use std::path::{Path, PathBuf};

use super::{Job, Tree};
use crate::disk;
use crate::error::{Error, Result};
use crate::packages::python;
use crate::sh::Cmd;

/// A tool under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Gobag,
    /// One way: makes the right folder what the left one is.
    Rsync,
    /// The same, durable for each file as ours is.
    RsyncFsync,
    Unison,
    Rclone,
}

/// All of them, ours first.
pub(super) const TOOLS: &[Tool] = &[
    Tool::Gobag,
    Tool::Rsync,
    Tool::RsyncFsync,
    Tool::Unison,
    Tool::Rclone,
];

/// Two folders that one tool keeps the same, and where it keeps what it knows of them.
pub(super) struct Place {
    pub(super) left: PathBuf,
    pub(super) right: PathBuf,
    state: PathBuf,
}

impl Place {
    pub(super) fn new(folder: &Path, tree: Tree, tool: Tool) -> Self {
        let folder = folder.join(tree.word()).join(tool.word());
        Self {
            left: folder.join("left"),
            right: folder.join("right"),
            state: folder.join("state"),
        }
    }
}

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gobag => "gobag-sync",
            Self::Rsync => "rsync -a --delete",
            Self::RsyncFsync => "rsync -a --delete --fsync",
            Self::Unison => "unison",
            Self::Rclone => "rclone bisync",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Gobag => "gobag",
            Self::Rsync => "rsync",
            Self::RsyncFsync => "rsync-fsync",
            Self::Unison => "unison",
            Self::Rclone => "rclone",
        }
    }

    /// Whether it is measured at this job: nothing to do is nothing to flush.
    pub(super) fn takes(self, job: Job) -> bool {
        self != Self::RsyncFsync || !matches!(job, Job::NothingWarm | Job::NothingCold)
    }

    /// Two folders that have nothing in common yet, the right one empty.
    pub(super) fn part(self, place: &Place) -> Result<()> {
        for old in [&place.right, &place.state, &place.left.join(".gobag-sync")] {
            disk::remove(old)?;
        }
        disk::make_dir(&place.right)?;
        disk::make_dir(&place.state)?;
        match self {
            Self::Gobag => gobag("pair", place).text().map(drop),
            Self::Rsync | Self::RsyncFsync | Self::Unison | Self::Rclone => Ok(()),
        }
    }

    /// Makes both the same; the first time after they were parted, or once more.
    pub(super) fn pass(self, place: &Place, is_first: bool) -> Cmd {
        let (left, right, state) = (&place.left, &place.right, &place.state);
        match self {
            Self::Gobag => gobag("sync", place),
            Self::Rsync => rsync(place, &[]),
            Self::RsyncFsync => rsync(place, &["--fsync"]),
            Self::Unison => Cmd::new("unison")
                .args([left, right])
                .args(["-batch", "-auto", "-times", "-silent", "-log=false"])
                .env("UNISON", state)
                .env("HOME", state),
            Self::Rclone => Cmd::new(rclone())
                .arg("bisync")
                .args([left, right])
                .arg("--workdir")
                .arg(state)
                .args(["--config", ""])
                .args(is_first.then_some("--resync"))
                .env("HOME", state),
        }
    }

    /// Takes away what ours keeps of what was replaced: others keep nothing, and disks are full some time.
    pub(super) fn forget_versions(self, place: &Place) -> Result<()> {
        match self {
            Self::Gobag => disk::remove(&place.right.join(".gobag-sync/versions")),
            Self::Rsync | Self::RsyncFsync | Self::Unison | Self::Rclone => Ok(()),
        }
    }
}

/// Fails if anything differs.
pub(super) fn check(tool: Tool, place: &Place) -> Result<()> {
    Cmd::new("diff")
        .args([
            "--recursive",
            "--brief",
            "--no-dereference",
            "--exclude=.gobag-sync",
        ])
        .args([&place.left, &place.right])
        .text()
        .map(drop)
        .map_err(|cause| Error::because(format!("{} left a difference", tool.name()), cause))
}

/// The versions of these others.
pub(super) fn versions(names: &[&str]) -> Result<String> {
    let told = names.iter().map(|name| {
        let ask = match *name {
            "rclone" => Cmd::new(rclone()).arg("version"),
            "unison" => Cmd::new(name).arg("-version"),
            _ => Cmd::new(name).arg("--version"),
        };
        Ok(format!("{name} {}", version(&ask.text()?)))
    });
    Ok(told.collect::<Result<Vec<String>>>()?.join(", "))
}

/// The first word that is a number with dots.
fn version(text: &str) -> &str {
    let mut words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    words
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
        .unwrap_or("of unknown version")
}

fn gobag(command: &str, place: &Place) -> Cmd {
    Cmd::new(super::program())
        .args([command, "--quiet"])
        .args([&place.left, &place.right])
}

fn rsync(place: &Place, options: &[&str]) -> Cmd {
    // With a slash at its end a folder means what is in it.
    Cmd::new("rsync")
        .args(["-a", "--delete"])
        .args(options)
        .args([place.left.join(""), place.right.join("")])
}

fn rclone() -> PathBuf {
    python::STORES.program("rclone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        for (said, wanted) in [
            ("rsync  version 3.5.0  protocol version 32\n", "3.5.0"),
            ("unison version 2.52.1 (ocaml 4.13.1)\n", "2.52.1"),
            ("rclone v1.75.2\n- os/version: debian 12.9 (64 bit)\n", "1.75.2"),
            (
                "syncthing v1.19.2-ds1 \"Fermium Flea\" (go1.19.8 linux-amd64)\n",
                "1.19.2-ds1",
            ),
            ("rclone\n", "of unknown version"),
        ] {
            assert_eq!(version(said), wanted, "{said}");
        }
    }
}
