//! Files: the only place of the house that writes, moves or removes one. Every error names its path.

#![expect(
    clippy::disallowed_methods,
    reason = "xtask writes below target/ and the generated documents; this is its one door to writing files"
)]

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target folder, where everything made here goes.
pub(crate) fn target() -> PathBuf {
    match crate::sh::env("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|cause| Error::because(format!("cannot read {}", path.display()), cause))
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    std::fs::write(path, text)
        .map_err(|cause| Error::because(format!("cannot write {}", path.display()), cause))
}

/// Opens a file to which is added; it is made if it is not there.
pub(crate) fn append(path: &Path) -> Result<std::fs::File> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|cause| Error::because(format!("cannot write {}", path.display()), cause))
}

pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .map_err(|cause| Error::because(format!("cannot make folder {}", path.display()), cause))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        make_dir(parent)?;
    }
    std::fs::copy(from, to).map(drop).map_err(|cause| {
        Error::because(
            format!("cannot copy {} to {}", from.display(), to.display()),
            cause,
        )
    })
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|cause| {
        Error::because(
            format!("cannot rename {} to {}", from.display(), to.display()),
            cause,
        )
    })
}

/// A new folder that only this user can enter, in the system's folder for temporary files.
pub(crate) fn private_dir() -> Result<PathBuf> {
    let text = crate::sh::Cmd::new("mktemp")
        .args(["-d", "-t", "gobag-xtask.XXXXXXXX"])
        .text()?;
    Ok(PathBuf::from(text.trim_end()))
}

/// The same in memory, where the system has a place for that.
pub(crate) fn private_memory_dir() -> Result<Option<PathBuf>> {
    let shared = Path::new("/dev/shm");
    if !shared.is_dir() {
        return Ok(None);
    }
    let text = crate::sh::Cmd::new("mktemp")
        .args(["-d", "-p"])
        .arg(shared)
        .arg("gobag-xtask.XXXXXXXX")
        .text()?;
    Ok(Some(PathBuf::from(text.trim_end())))
}

/// Sets the permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|cause| Error::because(format!("cannot set the mode of {}", path.display()), cause))
}

/// Sets when a file was last modified, seconds since 1970 UTC.
pub(crate) fn set_modified(path: &Path, time_s: u64) -> Result<()> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time_s);
    std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(time))
        .map_err(|cause| Error::because(format!("cannot set the time of {}", path.display()), cause))
}

/// Removes a file or a folder with all it holds; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let result = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    };
    result.map_err(|cause| Error::because(format!("cannot remove {}", path.display()), cause))
}

/// Every regular file below `dir`, sorted by path; `skip` names folders that are not entered.
pub(crate) fn files_below(dir: &Path, skip: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        let unreadable = |cause| Error::because(format!("cannot list {}", folder.display()), cause);
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() && !skip.iter().any(|name| entry.file_name() == *name) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The lower-case hexadecimal SHA-256 of each file, by coreutils' `sha256sum`.
pub(crate) fn sha256(paths: &[PathBuf]) -> Result<Vec<String>> {
    let text = crate::sh::Cmd::new("sha256sum").arg("--").args(paths).text()?;
    Ok(text
        .lines()
        .map(|line| line.trim_start_matches('\\').chars().take(64).collect())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(read(&root().join("Cargo.toml")).unwrap().contains("[workspace]"));
    }

    #[test]
    fn sha256_agrees_with_the_standard_vector() {
        let file = std::env::temp_dir().join(format!("xtask-sha-{}", std::process::id()));
        write(&file, "abc").unwrap();
        let sum = sha256(std::slice::from_ref(&file)).unwrap();
        remove(&file).unwrap();
        assert_eq!(
            sum,
            ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
        );
        assert!(read(&file).is_err());
    }
}
