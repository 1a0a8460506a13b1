//! The golden disk with packages to install in it: real ones of the same Debian, as files under `/opt/packages`, so that a guest
//! without a network can install and remove them.

use std::path::{Path, PathBuf};

use super::golden::Golden;
use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// Where they lie in the guest.
pub(crate) const FOLDER: &str = "/opt/packages";
/// An editor with its two thousand files, in the order of its needs: what bench and soak install.
pub(crate) const EDITOR: &[&str] = &[
    "xxd",
    "vim-common",
    "libgpm2",
    "libsodium23",
    "vim-runtime",
    "vim",
];
/// Small sets that need nothing else.
pub(crate) const TOOLS: &[&[&str]] = &[
    &["tree"],
    &["less"],
    &["zip"],
    &["unzip"],
    &["libmagic-mgc", "libmagic1", "file"],
];

/// The guest's names of the files of a set.
pub(crate) fn files(set: &[&str]) -> String {
    let names: Vec<String> = set.iter().map(|name| format!("{FOLDER}/{name}.deb")).collect();
    names.join(" ")
}

/// The root file system with the packages, made of `golden`; kept for as long as that is.
pub(crate) fn ensure(golden: &Golden) -> Result<PathBuf> {
    let tar = golden.tar.with_extension("installable.tar");
    let names: Vec<&str> = EDITOR
        .iter()
        .chain(TOOLS.iter().copied().flatten())
        .copied()
        .collect();
    // Beside the disk stands what is in it: another list makes another disk.
    let list = tar.with_extension("list");
    if tar.exists() && disk::read(&list).is_ok_and(|made| made == names.join("\n")) {
        return Ok(tar);
    }
    let folder = disk::target().join("demo/packages");
    fetch(&folder, &names)?;
    let unfinished = disk::target().join("demo/installable-unfinished.tar");
    disk::copy(&golden.tar, &unfinished)?;
    Cmd::new("tar")
        .args([
            "--append",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--sort=name",
        ])
        .arg(format!("--transform=s,^packages,.{FOLDER},"))
        .arg("--file")
        .arg(&unfinished)
        .arg("--directory")
        .arg(disk::target().join("demo"))
        .arg("packages")
        .text()?;
    disk::rename(&unfinished, &tar)?;
    disk::write(&list, names.join("\n"))?;
    disk::remove(&folder)?;
    Ok(tar)
}

/// Downloads the packages, each under its bare name.
fn fetch(folder: &Path, names: &[&str]) -> Result<()> {
    disk::remove(folder)?;
    disk::make_dir(folder)?;
    let script = "set -e; cd \"$1\"; shift; apt-get download -q \"$@\"; for name; do mv \"$name\"_*.deb \"$name.deb\"; done";
    Cmd::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder)
        .args(names)
        .env("LC_ALL", "C")
        .text()
        .map(drop)
        .map_err(|cause| {
            cause.hint("this step needs Debian's package mirror once; target/demo keeps the result")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_named_as_the_guest_sees_it() {
        assert_eq!(files(TOOLS[0]), "/opt/packages/tree.deb");
        assert_eq!(files(TOOLS[4]).split(' ').count(), 3);
    }
}
