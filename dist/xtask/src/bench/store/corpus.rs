//! What every system stores: a 1 GiB ext4 disk with the real programs and libraries of this machine.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// Size of the disk, bytes.
pub(super) const SIZE_BYTES: u64 = 1 << 30;
/// Files that go in, bytes: a disk is never quite full.
const CONTENT_BYTES: u64 = 880 << 20;

/// The disk as a file; made once and kept in `folder`.
pub(in crate::bench) fn ensure(folder: &Path) -> Result<PathBuf> {
    let disk = folder.join("corpus.raw");
    if disk.exists() {
        return Ok(disk);
    }
    eprintln!("making {} of /usr/bin and /usr/lib", disk.display());
    let unfinished = folder.join("corpus.unfinished");
    disk::remove(&unfinished)?;
    // Files in the order of their names up to the wanted size: the same machine always gives the same disk.
    let script = "set -e; mkdir \"$1\"; cd /; \
                  find usr/bin usr/lib -xdev -type f -size +0 -printf '%s %p\\n' | LC_ALL=C sort -k2 \
                  | awk -v limit=\"$2\" '{ sum += $1; if (sum > limit) exit; print $2 }' > \"$1/list\"; \
                  mkdir \"$1/root\"; tar -cf - -T \"$1/list\" | tar -C \"$1/root\" -xf -; \
                  truncate -s \"$3\" \"$1/disk\"; mke2fs -q -t ext4 -d \"$1/root\" \"$1/disk\"";
    Cmd::new("sh")
        .args(["-c", script, "sh"])
        .arg(&unfinished)
        .args([CONTENT_BYTES.to_string(), SIZE_BYTES.to_string()])
        .quiet()
        .run()?;
    disk::rename(&unfinished.join("disk"), &disk)?;
    disk::remove(&unfinished)?;
    Ok(disk)
}
