//! Two versions of a golden disk: the demo's Debian, and the same after its packages were upgraded.
//!
//! No mirror keeps the versions of last month, so the upgrade unpacks the packages of today once more, with dpkg as
//! apt does it: every file is written anew and renamed over the old one, which is all that an upgrade is to a disk.
//! Afterwards the file system is trimmed, as Debian's weekly timer does it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::demo::golden;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const SIZE: &str = "2G";
/// What is upgraded: what changes most often in a stable release.
const UPGRADED: &[&str] = &[
    "apt",
    "bash",
    "bsdutils",
    "coreutils",
    "dpkg",
    "libapt-pkg6.0",
    "libc-bin",
    "libc6",
    "libgnutls30",
    "libmount1",
    "libpam-modules",
    "libssl3",
    "libsystemd-shared",
    "libsystemd0",
    "libudev1",
    "login",
    "mount",
    "passwd",
    "perl-base",
    "systemd",
    "systemd-sysv",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
];
const BLOCK: usize = 4096;

/// The disks, oldest first.
pub(super) struct Versions {
    pub(super) disks: [PathBuf; 2],
    folder: PathBuf,
}

/// Makes the disks, or finds those of an earlier run.
pub(super) fn ensure(folder: &Path) -> Result<Versions> {
    let golden = golden::ensure(false)?;
    let made = folder.join(
        golden
            .tar
            .with_extension("versions")
            .file_name()
            .unwrap_or_default(),
    );
    let versions = Versions {
        disks: [made.join("first.raw"), made.join("second.raw")],
        folder: made.clone(),
    };
    if made.exists() {
        return Ok(versions);
    }
    let unfinished = folder.join("unfinished");
    disk::remove(&unfinished)?;
    disk::make_dir(&unfinished)?;
    // dpkg needs a mounted root, hence a loop device and root. It configures nothing: maintainers' scripts write little.
    let script = "set -e; cd \"$1\"; tar=$2; size=$3; shift 3
        mkdir root debs; tar -C root -xf \"$tar\"; truncate -s \"$size\" first.raw
        mke2fs -q -t ext4 -L gobag-system -d root first.raw; rm -r root
        cp --sparse=always first.raw second.raw
        cd debs; for name; do if apt-cache show \"$name\" >/dev/null 2>&1; then apt-get download -q \"$name\"; fi; done; cd ..
        mkdir root; mount -o loop second.raw root; trap 'umount root' EXIT
        dpkg --root=\"$PWD/root\" --force-all --no-triggers --unpack debs/*.deb
        fstrim root";
    Cmd::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&unfinished)
        .arg(&golden.tar)
        .arg(SIZE)
        .args(UPGRADED)
        .env("LC_ALL", "C")
        .text()
        .map_err(|cause| {
            cause.hint("making the upgraded disk needs root, and Debian's package mirror once")
        })?;
    disk::remove(&unfinished.join("debs"))?;
    disk::rename(&unfinished, &made)?;
    Ok(versions)
}

impl Versions {
    /// Bytes of the differing blocks of 4 KiB, zeros left out, compressed as one stream: what no tool can do much
    /// better than without knowing the files.
    pub(super) fn changed_compressed(&self) -> Result<u64> {
        let open = |path: &Path| {
            File::open(path)
                .map(BufReader::new)
                .map_err(|cause| Error::because(format!("cannot open {}", path.display()), cause))
        };
        let packed = self.folder.join("changed.zst");
        let mut zstd = Cmd::new("zstd")
            .args(["-q", "-5", "-f", "-o"])
            .arg(&packed)
            .quiet()
            .spawn(Stdio::piped(), Stdio::null(), Stdio::inherit())?;
        let (mut old, mut new) = (open(&self.disks[0])?, open(&self.disks[1])?);
        let (mut was, mut is) = ([0; BLOCK], [0; BLOCK]);
        let failed = |cause| Error::because("cannot compare the versions", cause);
        if let Some(mut pipe) = zstd.stdin.take() {
            // Both have the same whole number of blocks.
            while new.read_exact(&mut is).is_ok() {
                old.read_exact(&mut was).map_err(failed)?;
                if is != was && is != [0; BLOCK] {
                    pipe.write_all(&is).map_err(failed)?;
                }
            }
        }
        zstd.wait().map_err(failed)?;
        Ok(packed.metadata().map_err(failed)?.len())
    }
}
