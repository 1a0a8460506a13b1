//! The system packages that tests and demo need, and making sure they are there.
//!
//! When nothing is missing, nothing touches the network. On a system without dpkg the needed programs are looked up
//! on the search path instead, and a missing one is named; installing is then the person's business.

mod apt;
pub(crate) mod python;

use crate::error::{Error, Result};
use crate::sh::{self, Cmd};

/// A Debian package, one program it brings, and what that is needed for.
struct Package {
    name: &'static str,
    program: &'static str,
    why: &'static str,
}

const fn package(name: &'static str, program: &'static str, why: &'static str) -> Package {
    Package { name, program, why }
}

const PACKAGES: &[Package] = &[
    package("gcc", "gcc", "C parts of zstd and the cryptography"),
    package("g++", "g++", "LLVM's fuzzer"),
    package("libc6-dev", "cc", "C parts of zstd and the cryptography"),
    package("qemu-system-x86", "qemu-system-x86_64", "runs the guest"),
    package("qemu-utils", "qemu-img", "reads qcow2, vmdk, vhdx, vdi"),
    package("ovmf", "", "firmware for images with their own boot loader"),
    package("fuse3", "fusermount3", "mounts as an ordinary user"),
    package("fuse2fs", "fuse2fs", "container mode as an ordinary user"),
    package("e2fsprogs", "mke2fs", "makes and checks ext4 volumes"),
    package("fdisk", "sfdisk", "divides disks as installers do"),
    package("bubblewrap", "bwrap", "container mode"),
    package("uidmap", "newuidmap", "user namespaces for mmdebstrap"),
    package("mmdebstrap", "mmdebstrap", "makes the demo's Debian"),
    package("fakeroot", "fakeroot", "root file systems without root"),
    package("age", "age", "opens the escrow the stock way"),
    package("zstd", "zstd", "checks frames with the stock tool"),
    package("exfatprogs", "mkfs.exfat", "sticks on real exFAT"),
    package("exfat-fuse", "mount.exfat-fuse", "sticks on real exFAT, mounted"),
    package(
        "rsync",
        "rsync",
        "others' programs at work in a synchronised folder",
    ),
    package(
        "samba",
        "smbd",
        "others' programs at work in a synchronised folder",
    ),
    package(
        "smbclient",
        "smbclient",
        "others' programs at work in a synchronised folder",
    ),
    package("vim", "vim", "editors that save in place and by a rename"),
    package("ed", "ed", "an editor that saves in place"),
    package("busybox-static", "busybox", "tiny guests of the tests"),
    package("cpio", "cpio", "tiny guests of the tests"),
    package("python3", "python3", "the second reader of the format"),
    package("python3-venv", "", "the second reader's packages, and buckets"),
    package("postgresql", "", "the server's tests on the real one"),
    package("strace", "strace", "watches system calls in tests"),
    package("expect", "expect", "types passphrases in tests"),
    package("libnbd-bin", "nbdinfo", "clients for the block socket"),
    package("fio", "fio", "checks and measures block devices"),
    package("binutils", "readelf", "shows that released programs are static"),
    package("zip", "zip", "packs the release"),
    package("clamav-daemon", "clamd", "host checks see the real scanner"),
    package("clamav-freshclam", "freshclam", "and its updater"),
    package("nftables", "nft", "host checks see the real packet filter"),
    package("iproute2", "ip", "a line of its own between a stick and a server"),
    package("curl", "curl", "asks the server as IT may"),
    package("openssh-server", "sshd", "workspaces by SFTP"),
    package("openssh-client", "ssh", "workspaces by SFTP"),
    package("apache2-bin", "apache2", "workspaces by WebDAV"),
    package("chromium", "chromium", "shows and prints the checklist"),
    package(
        "fonts-liberation",
        "",
        "the checklist's letters, as wide as Arial's",
    ),
    package("poppler-utils", "pdfinfo", "counts the checklist's printed pages"),
];

/// Systems that `bench store` measures beside ours.
const PEERS: &[Package] = &[
    package("gocryptfs", "gocryptfs", "encrypted files by FUSE"),
    package("securefs", "securefs", "encrypted files by FUSE"),
    package("squashfuse", "squashfuse", "compressed images by FUSE"),
    package("squashfs-tools", "mksquashfs", "compressed images"),
    package("nbdkit", "nbdkit", "block sockets with filters"),
    package("restic", "restic", "deduplicating backups"),
    package("borgbackup", "borg", "deduplicating backups"),
    package("rsync", "rsync", "copies of changes"),
];

/// What `bench sync` measures beside ours, and with.
const SYNC_PEERS: &[Package] = &[
    package("rsync", "rsync", "copies of changes"),
    package("unison", "unison", "folders kept the same both ways"),
    package("syncthing", "syncthing", "folders kept the same by two daemons"),
    package("curl", "curl", "asks such daemons"),
    package("time", "time", "work and memory of programs that have ended"),
];

/// What `cross` builds for Windows with, and runs the result in.
const CROSS: &[Package] = &[
    package(
        "gcc-mingw-w64-x86-64-posix",
        "x86_64-w64-mingw32-gcc",
        "links programs for Windows",
    ),
    package("wine64", "", "runs programs for Windows"),
];

/// Installs what is missing and says so; returns the names that had to be installed.
pub(crate) fn ensure() -> Result<Vec<&'static str>> {
    ensure_all(PACKAGES)
}

/// The same for the systems that a bench compares ours with.
pub(crate) fn ensure_peers() -> Result<Vec<&'static str>> {
    ensure_all(PEERS)
}

/// The same for those that keep folders the same; rclone is among the Python packages.
pub(crate) fn ensure_sync_peers() -> Result<()> {
    ensure_all(SYNC_PEERS)?;
    python::STORES.ensure()
}

/// The same for building for Windows.
pub(crate) fn ensure_cross() -> Result<Vec<&'static str>> {
    ensure_all(CROSS)
}

fn ensure_all(packages: &'static [Package]) -> Result<Vec<&'static str>> {
    if !sh::on_path("dpkg-query") {
        return without_dpkg(packages);
    }
    let missing = missing(packages)?;
    if missing.is_empty() {
        eprintln!("system packages: all {} are installed", packages.len());
        return Ok(Vec::new());
    }
    eprintln!("system packages missing: {} of {}", missing.len(), packages.len());
    for package in &missing {
        eprintln!("  {:<16} {}", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    apt::install(&names)?;
    let still: Vec<&str> = self::missing(packages)?
        .iter()
        .map(|package| package.name)
        .collect();
    if !still.is_empty() {
        return Err(Error::new(format!(
            "apt reported success, but these are not installed: {}",
            still.join(" ")
        )));
    }
    eprintln!("system packages: installed {}", names.join(" "));
    Ok(names)
}

/// [`ensure`], and the Python packages that only tests need.
pub(crate) fn ensure_for_tests() -> Result<String> {
    let installed = ensure()?.join(" ");
    python::READER.ensure()?;
    python::STORES.ensure()?;
    Ok(installed)
}

fn missing(packages: &'static [Package]) -> Result<Vec<&'static Package>> {
    // An unknown name makes dpkg-query exit with 1, but it still prints the known ones.
    let output = Cmd::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(packages.iter().map(|package| package.name))
        .env("LC_ALL", "C")
        .output()?;
    let installed = installed_names(&String::from_utf8_lossy(&output.stdout));
    Ok(packages
        .iter()
        .filter(|package| !installed.iter().any(|name| name == package.name))
        .collect())
}

fn installed_names(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .map(str::to_owned)
        .collect()
}

fn without_dpkg(packages: &[Package]) -> Result<Vec<&'static str>> {
    let absent: Vec<&Package> = packages
        .iter()
        .filter(|package| !package.program.is_empty() && !sh::on_path(package.program))
        .collect();
    if absent.is_empty() {
        eprintln!("system packages: no dpkg here, but every needed program is on the path");
        return Ok(Vec::new());
    }
    let mut error = Error::new("this system has no dpkg, and programs are missing");
    for package in absent {
        error = error.hint(format!(
            "install `{}` ({}); Debian calls the package {}",
            package.program, package.why, package.name
        ));
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fully_installed_packages_count() {
        let listing = "age installed\nfio config-files\ncpio half-installed\nzstd installed\n";
        assert_eq!(installed_names(listing), ["age", "zstd"]);
    }

    #[test]
    fn no_package_is_listed_twice() {
        // Each list is installed for itself; what a bench needs may be what tests need, too.
        for list in [PACKAGES, PEERS, SYNC_PEERS, CROSS] {
            let mut names: Vec<&str> = list.iter().map(|package| package.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
