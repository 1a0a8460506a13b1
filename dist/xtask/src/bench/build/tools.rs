//! The tools that store a disk, each as its users call it.

use std::path::{Path, PathBuf};

use super::versions::Versions;
use crate::bench::office::{Office, PASSPHRASE, squash};
use crate::demo::scene::size_of;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// A tool under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Gobag,
    Restic,
    Borg,
    Mksquashfs,
    QemuImg,
    /// Only brings a copy up to date; what it sends is what it adds.
    Rsync,
}

/// All of them, ours first.
pub(super) const TOOLS: &[Tool] = &[
    Tool::Gobag,
    Tool::Restic,
    Tool::Borg,
    Tool::Mksquashfs,
    Tool::QemuImg,
    Tool::Rsync,
];

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gobag => "gobag-image build",
            Self::Restic => "restic",
            Self::Borg => "borg, zstd",
            Self::Mksquashfs => "mksquashfs, zstd (whole each time)",
            Self::QemuImg => "qemu-img convert -c, zstd (whole each time)",
            Self::Rsync => "rsync --inplace, zstd",
        }
    }

    /// Makes an empty store.
    pub(super) fn prepare(self, versions: &Versions, store: &Path) -> Result<()> {
        match self {
            Self::Gobag => Office::found(&office(store)).map(drop),
            Self::Restic => restic(store)
                .args(["init", "--quiet", "--repository-version", "2"])
                .text()
                .map(drop),
            Self::Borg => borg(store)
                .args(["init", "--encryption=repokey-blake2"])
                .arg(store.join("repository"))
                .text()
                .map(drop),
            Self::Mksquashfs | Self::QemuImg => Ok(()),
            Self::Rsync => {
                let copy = store.join("copy");
                disk::make_dir(&copy)?;
                Cmd::new("cp")
                    .args(["--sparse=always"])
                    .arg(&versions.disks[0])
                    .arg(copy.join("disk.raw"))
                    .text()
                    .map(drop)
            }
        }
    }

    /// Stores version number `version`; bytes that went over, where the tool itself is the one to tell.
    pub(super) fn run(self, versions: &Versions, version: usize, store: &Path) -> Result<Option<u64>> {
        let source = &versions.disks[version];
        match self {
            Self::Gobag => Office::at(&office(store)).build(source).map(|()| None),
            Self::Restic => restic(store)
                .args([
                    "backup",
                    "--quiet",
                    "--compression",
                    "auto",
                    "--stdin-filename",
                    "disk.raw",
                ])
                .arg("--stdin")
                .text_from(source)
                .map(|_| None),
            Self::Borg => borg(store)
                .args(["create", "--compression", "zstd,5", "--stdin-name", "disk.raw"])
                .arg(format!("{}::{version}", store.join("repository").display()))
                .arg("-")
                .text_from(source)
                .map(|_| None),
            Self::Mksquashfs => squash(source, &store.join(format!("{version}.sqfs"))).map(|()| None),
            Self::QemuImg => Cmd::new("qemu-img")
                .args([
                    "convert",
                    "-q",
                    "-c",
                    "-f",
                    "raw",
                    "-O",
                    "qcow2",
                    "-o",
                    "compression_type=zstd",
                ])
                .arg(source)
                .arg(store.join(format!("{version}.qcow2")))
                .text()
                .map(|_| None),
            Self::Rsync => {
                let said = Cmd::new("rsync")
                    .args([
                        "--inplace",
                        "--no-whole-file",
                        "--compress",
                        "--compress-choice=zstd",
                        "--stats",
                    ])
                    .arg(source)
                    .arg(store.join("copy/disk.raw"))
                    .env("LC_ALL", "C")
                    .text()?;
                sent(&said).map(Some)
            }
        }
    }

    /// Bytes that are stored now.
    pub(super) fn stored(self, store: &Path) -> Result<u64> {
        match self {
            Self::Gobag => size_of(&Office::at(&office(store)).repository()),
            Self::Restic | Self::Borg => size_of(&store.join("repository")),
            Self::Mksquashfs | Self::QemuImg => size_of(store),
            Self::Rsync => Ok(0),
        }
    }
}

fn office(store: &Path) -> PathBuf {
    store.join("office")
}

fn restic(store: &Path) -> Cmd {
    Cmd::new("restic")
        .env("RESTIC_PASSWORD", PASSPHRASE)
        .env("RESTIC_CACHE_DIR", store.join("cache"))
        .env("RESTIC_REPOSITORY", store.join("repository"))
}

fn borg(store: &Path) -> Cmd {
    Cmd::new("borg")
        .env("BORG_PASSPHRASE", PASSPHRASE)
        .env("BORG_BASE_DIR", store.join("base"))
}

/// `Total bytes sent: 1,234,567` in rsync's statistics.
fn sent(said: &str) -> Result<u64> {
    let number = said
        .lines()
        .find_map(|line| line.strip_prefix("Total bytes sent:"));
    let digits: String = number
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .map_err(|cause| Error::because("rsync's statistics are not understood", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsync_s_statistics_are_read() {
        assert_eq!(
            sent("a: 1\nTotal bytes sent: 1,234,567\nb: 2\n").unwrap(),
            1_234_567
        );
        assert!(sent("nothing").is_err());
    }
}
