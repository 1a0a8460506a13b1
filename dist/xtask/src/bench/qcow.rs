//! qcow2 with LUKS: what an expert would build for an encrypted disk in a file.

use std::error::Error as _;
use std::path::Path;

use crate::error::{Error, Result};
use crate::sh::Cmd;

/// The key as an object of QEMU and its tools; [`ENCRYPTION`] names it. Nothing here is secret.
pub(super) const SECRET: &str = "secret,id=key,data=two green plants";
/// What a `-blockdev` of such a disk says beside its file.
pub(super) const ENCRYPTION: &str = "encrypt.format=luks,encrypt.key-secret=key";

/// A disk in `file`, for tools that are given a whole disk in one argument.
pub(super) fn options(file: &Path) -> String {
    format!(
        "driver=qcow2,encrypt.key-secret=key,file.filename={}",
        file.display()
    )
}

/// How often a disk is begun.
const ATTEMPTS: usize = 5;

/// Makes a disk in the new file `to` with the content of a raw one.
pub(super) fn make(raw: &Path, to: &Path) -> Result<()> {
    let unreadable = |cause| Error::because(format!("cannot look at {}", raw.display()), cause);
    let bytes = raw.metadata().map_err(unreadable)?.len();
    create(to, bytes)?;
    Cmd::new("qemu-img")
        .args(["convert", "-q", "-n", "--object", SECRET, "-f", "raw"])
        .arg(raw)
        .arg("--target-image-opts")
        .arg(options(to))
        .text()
        .map(drop)
}

/// An empty disk. `qemu-img` times its key derivation, and gives up where the machine's clock of processor time stood still meanwhile.
fn create(disk: &Path, bytes: u64) -> Result<()> {
    let attempt = || {
        Cmd::new("qemu-img")
            .args(["create", "-q", "--object", SECRET, "-f", "qcow2", "-o"])
            // Key derivation is made cheap, for it is not what is measured.
            .arg(format!("{ENCRYPTION},encrypt.iter-time=100"))
            .arg(disk)
            .arg(bytes.to_string())
            .text()
    };
    let is_timing = |error: &Error| {
        let cause = error.source().map(ToString::to_string);
        cause.is_some_and(|cause| cause.contains("accurate CPU usage"))
    };
    let mut done = attempt();
    for _ in 1..ATTEMPTS {
        if done.as_ref().err().is_some_and(is_timing) {
            done = attempt();
        }
    }
    done.map(drop)
}
