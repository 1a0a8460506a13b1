//! The guest's disks: a Debian 12 with what is to be switched, kept between runs, and a small one with the program.

use std::path::{Path, PathBuf};

use crate::demo::golden;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Beside what the demo's Debian has.
const PACKAGES: &[&str] = &[
    "nftables",
    "ufw",
    "clamav-daemon",
    "clamav-freshclam",
    "clamdscan",
    "cryptsetup-bin",
];
/// Room for the system and two small files with file systems in them; sparse.
const SIZE: &str = "1800M";

/// What QEMU is given.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    /// Never written: changes are thrown away with the guest.
    pub(super) system: PathBuf,
    pub(super) program: PathBuf,
}

/// Makes what is missing.
pub(super) fn ensure(fresh: bool, gobag: &Path) -> Result<Image> {
    let golden = golden::ensure_with("protected", PACKAGES, fresh)?;
    eprintln!("{}", golden.summary());
    let folder = disk::target().join("guest-checks");
    disk::make_dir(&folder)?;
    let image = Image {
        kernel: folder.join("kernel"),
        initrd: folder.join("initrd"),
        system: folder.join("system.img"),
        program: folder.join("program.img"),
    };
    let made_of = folder.join("made-of");
    let name = golden.tar.display().to_string();
    if fresh || !image.system.exists() || disk::read(&made_of).is_ok_and(|made| made != name) {
        unpack(&golden.tar, &folder)?;
        disk::write(&made_of, &name)?;
    }
    put_program(gobag, &folder, &image.program)?;
    Ok(image)
}

/// Owners and modes as in the archive: as root or not, `fakeroot` keeps them.
fn unpack(tar: &Path, folder: &Path) -> Result<()> {
    let root = folder.join("root");
    disk::remove(&root)?;
    disk::make_dir(&root)?;
    let script = "set -e; cd \"$2\"; tar -x -f \"$1\" -C root; cp root/boot/vmlinuz-* kernel; cp root/boot/initrd.img-* initrd; \
                  rm -f unfinished.img; mke2fs -q -t ext4 -d root unfinished.img \"$3\"; mv unfinished.img system.img";
    let made = Cmd::new("fakeroot")
        .args(["sh", "-c", script, "sh"])
        .arg(tar)
        .arg(folder)
        .arg(SIZE)
        .env("LC_ALL", "C")
        .text();
    disk::remove(&root)?;
    made.map(drop)
        .map_err(|cause| Error::because("the guest's disk could not be made", cause))
}

/// Without what only a debugger reads.
fn put_program(gobag: &Path, folder: &Path, to: &Path) -> Result<()> {
    let files = folder.join("program");
    disk::remove(&files)?;
    disk::make_dir(&files)?;
    Cmd::new("strip")
        .arg("-o")
        .arg(files.join("gobag"))
        .arg(gobag)
        .text()?;
    disk::remove(to)?;
    Cmd::new("mke2fs")
        .args([
            "-q",
            "-t",
            "ext4",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
            "-d",
        ])
        .arg(&files)
        .arg(to)
        .arg("96M")
        .text()
        .map(drop)
}
