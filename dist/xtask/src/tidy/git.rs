//! What may be in the repository, and what must be.

use std::path::{Path, PathBuf};

use super::Findings;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// A file larger than this needs a reason to be in git.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Folders whose large files have that reason.
const LARGE_ALLOWED: &[&str] = &["tests/bundles/", "tests/vectors/"];

/// Manifests with lints of their own; each says why, and ARCHITECTURE.md names the crate.
const OWN_LINTS: &[&str] = &["launcher/engine/Cargo.toml", "launcher/host/Cargo.toml"];

/// Every file that is in git or would be added to it, relative to the root.
pub(super) fn files() -> Result<Vec<PathBuf>> {
    let text = Cmd::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .dir(disk::root())
        .text()?;
    let mut files: Vec<PathBuf> = text
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        // A file deleted in the work tree and not yet in git is still listed.
        .filter(|path| disk::root().join(path).symlink_metadata().is_ok())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

pub(super) fn check(files: &[PathBuf], findings: &mut Findings) -> Result<()> {
    for path in files {
        let size = size_bytes(path)?;
        let allowed = LARGE_ALLOWED.iter().any(|folder| path.starts_with(folder));
        if size > MAX_FILE_BYTES && !allowed {
            findings.fail(format!("{}: {size} bytes are too many for git", path.display()));
        }
        if path.ends_with("Cargo.toml") && path.components().count() > 1 {
            let text = disk::read(&disk::root().join(path))?;
            let own = OWN_LINTS.iter().any(|known| path == Path::new(known));
            if own == text.contains("[lints]\nworkspace = true") {
                findings.fail(format!(
                    "{}: lints are not the workspace's, or no longer its own",
                    path.display()
                ));
            }
        }
    }
    let changelog = disk::read(&disk::root().join("CHANGELOG.md"))?;
    if !changelog.lines().any(|line| line.trim() == "## [Unreleased]") {
        findings.fail("CHANGELOG.md: has no `## [Unreleased]`".to_owned());
    }
    Ok(())
}

fn size_bytes(path: &Path) -> Result<u64> {
    let full = disk::root().join(path);
    let meta = full
        .symlink_metadata()
        .map_err(|cause| Error::because(format!("cannot look at {}", full.display()), cause))?;
    Ok(meta.len())
}
