//! Where the stick is: named, beside this program, or among what is plugged in.
//!
//! A stick is a folder with a bundle in it (see [`gobag_bundle::medium::BUNDLE_FOLDER`]). Nothing is read from a place
//! but the bundle's public header, and network file systems are not looked at: a dead one would block for minutes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gobag_bundle::medium::{BUNDLE_FOLDER, FileRef};
use gobag_mount::{MountPoint, mount_points};
use thiserror::Error;

/// Folders whose subfolders are usual places for sticks, and how deep below them.
const ROOTS: [(&str, usize); 3] = [("/media", 2), ("/run/media", 2), ("/mnt", 1)];

/// File systems that cannot hold a stick, or may block: the kernel's own, the network's, and ours.
const PASSED_OVER: [&str; 21] = [
    "9p",
    "autofs",
    "binfmt_misc",
    "bpf",
    "ceph",
    "cgroup",
    "cgroup2",
    "cifs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fuse.sshfs",
    "fusectl",
    "glusterfs",
    "mqueue",
    "nfs",
    "nfs4",
    "proc",
    "smb3",
    "sysfs",
    "tracefs",
];

/// Why no stick was chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum FindError {
    /// The named folder is none.
    #[error("there is no Gobag stick at {path}", path = .path.display())]
    NotAStick {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing is plugged in.
    #[error("no Gobag stick was found on this computer")]
    None,
    /// More than one.
    #[error("there are {count} Gobag sticks on this computer: {list}", count = .sticks.len(), list = list(.sticks))]
    Several {
        /// Where they are.
        sticks: Vec<PathBuf>,
    },
}

impl FindError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotAStick { .. } => "gobag.not-a-stick",
            Self::None => "gobag.no-stick",
            Self::Several { .. } => "gobag.several-sticks",
        }
    }
}

fn list(sticks: &[PathBuf]) -> String {
    let sticks = sticks.iter().map(|stick| stick.display().to_string());
    sticks.collect::<Vec<_>>().join(", ")
}

/// The stick to use: the one named by `given`, else the one this program lies on, else the only one plugged in.
pub(crate) fn find(given: Option<&Path>, program: Option<&Path>) -> Result<PathBuf, FindError> {
    if let Some(given) = given {
        return named(given);
    }
    if let Some(stick) = program.and_then(beside) {
        return Ok(stick);
    }
    let mut sticks = plugged_in();
    match sticks.len() {
        0 => Err(FindError::None),
        1 => Ok(sticks.remove(0)),
        _ => Err(FindError::Several { sticks }),
    }
}

/// The stick that a program lies on.
pub(crate) fn beside(program: &Path) -> Option<PathBuf> {
    let mut folders = program.ancestors().skip(1).take(4);
    folders.find(|folder| is_stick(folder)).map(Path::to_owned)
}

/// The stick's root, also when the bundle's folder inside it was named.
fn named(given: &Path) -> Result<PathBuf, FindError> {
    let absolute = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    let inside = absolute.parent().filter(|_| absolute.ends_with(BUNDLE_FOLDER));
    [Some(absolute.as_path()), inside]
        .into_iter()
        .flatten()
        .find(|folder| is_stick(folder))
        .map(Path::to_owned)
        .ok_or_else(|| FindError::NotAStick {
            path: given.to_owned(),
        })
}

/// Whether a bundle lies in this folder.
fn is_stick(folder: &Path) -> bool {
    let bundle = folder.join(BUNDLE_FOLDER);
    [0, 1]
        .into_iter()
        .any(|number| bundle.join(FileRef::Header(number).path()).is_file())
}

/// Every stick that is plugged in, each once.
pub(crate) fn plugged_in() -> Vec<PathBuf> {
    let mut sticks: Vec<PathBuf> = places().into_iter().filter(|place| is_stick(place)).collect();
    sticks.sort();
    sticks.dedup();
    sticks
}

fn places() -> Vec<PathBuf> {
    let mounts = mount_points();
    let is_open = |mount: &MountPoint| !mount.is_ours() && !PASSED_OVER.contains(&mount.kind.as_str());
    let mounted = mounts
        .iter()
        .filter(|mount| is_open(mount))
        .map(|mount| mount.path.clone());
    // A subfolder of a root may be a mount that was passed over above.
    let closed: Vec<&Path> = mounts
        .iter()
        .filter(|mount| !is_open(mount))
        .map(|mount| mount.path.as_path())
        .collect();
    let below = ROOTS
        .iter()
        .flat_map(|(root, depth)| subfolders(Path::new(root), *depth));
    let below = below.filter(|folder| !closed.contains(&folder.as_path()));
    mounted.chain(below).collect()
}

fn subfolders(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    // The kind comes with the entry: a dead mount is not touched for it.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut found = Vec::new();
    for entry in folders {
        let path = entry.path();
        if depth > 1 {
            found.extend(subfolders(&path, depth - 1));
        }
        found.push(path);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the test makes its own stick")]
    fn stick() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let header = folder.path().join(BUNDLE_FOLDER).join(FileRef::Header(1).path());
        fs::create_dir_all(header.parent().unwrap()).unwrap();
        fs::write(header, "").unwrap();
        folder
    }

    #[test]
    fn a_stick_is_found_by_its_name_or_its_bundles_name() {
        let stick = stick();
        let root = stick.path().canonicalize().unwrap();
        assert_eq!(find(Some(&root), None).unwrap(), root);
        assert_eq!(find(Some(&root.join(BUNDLE_FOLDER)), None).unwrap(), root);
        let error = find(Some(&root.join("elsewhere")), None).unwrap_err();
        assert_eq!(error.code(), "gobag.not-a-stick");
        assert!(error.to_string().contains("elsewhere"));
    }

    #[test]
    fn a_program_finds_the_stick_it_lies_on() {
        let stick = stick();
        for place in ["gobag", "linux/gobag", "linux/x86_64/gobag"] {
            assert_eq!(
                find(None, Some(&stick.path().join(place))).unwrap(),
                stick.path(),
                "{place}"
            );
        }
    }

    #[test]
    fn a_named_folder_is_never_replaced_by_another_stick() {
        let (named, beside) = (tempfile::tempdir().unwrap(), stick());
        let result = find(Some(named.path()), Some(&beside.path().join("gobag")));
        assert!(matches!(result, Err(FindError::NotAStick { .. })));
    }
}
