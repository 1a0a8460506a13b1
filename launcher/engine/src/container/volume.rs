//! What must be known or done in a volume before it is mounted.
//!
//! Looked at with `debugfs`, which needs no mount and no privilege, and which cannot be led out of the image by a link.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    limits::DEBUGFS_DEADLINE,
    run::{Run, RunError},
    tools::{self, NotFound},
};

/// A user of the system in a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Number of the user.
    pub uid: u32,
    /// Number of the user's group.
    pub gid: u32,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

impl User {
    /// The administrator, with the shell every system has.
    pub fn root() -> Self {
        Self {
            name: "root".to_owned(),
            uid: 0,
            gid: 0,
            home: "/root".into(),
            shell: "/bin/sh".into(),
        }
    }

    /// Whether this is a person's account, not the administrator's or a service's.
    pub fn is_person(&self) -> bool {
        (1000..60000).contains(&self.uid)
            && !self.shell.ends_with("nologin")
            && !self.shell.ends_with("false")
    }
}

/// Why a volume cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// `debugfs` is not installed.
    #[error(transparent)]
    NoTool(#[from] NotFound),
    /// `debugfs` cannot read the file system.
    #[error("cannot look into volume {}", image.display())]
    Unreadable {
        /// The volume.
        image: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// The user's home folder could not be made.
    #[error("cannot make folder `{folder}` in volume {}: {said}", image.display())]
    NoFolder {
        /// The volume.
        image: PathBuf,
        /// The folder.
        folder: String,
        /// What the tool said.
        said: String,
    },
}

impl VolumeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Unreadable { .. } => "engine.volume-unreadable",
            Self::NoFolder { .. } => "engine.volume-no-folder",
        }
    }
}

/// All users of the system in the ext4 volume `image`, in the order of its `/etc/passwd`; none if it has no such file.
pub fn users(image: &Path) -> Result<Vec<User>, VolumeError> {
    Ok(parse_passwd(&debugfs(image, &["cat /etc/passwd"], false)?))
}

fn parse_passwd(text: &str) -> Vec<User> {
    let user = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, uid, gid, _, home, shell] = fields.as_slice() else {
            return None;
        };
        Some(User {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: home.into(),
            shell: if shell.is_empty() { "/bin/sh" } else { shell }.into(),
        })
    };
    text.lines().filter_map(user).collect()
}

/// Whether `path` in the volume is a file, and not a link or missing.
pub(super) fn is_file(image: &Path, path: &Path) -> Result<bool, VolumeError> {
    is_of_type(image, path, "Type: regular")
}

/// Whether `path` in the volume is a folder, and not a link or missing.
pub(super) fn is_folder(image: &Path, path: &Path) -> Result<bool, VolumeError> {
    is_of_type(image, path, "Type: directory")
}

/// A name that the request language of `debugfs` could misread counts as missing.
fn is_of_type(image: &Path, path: &Path, wanted: &str) -> Result<bool, VolumeError> {
    let Some(path) = path.to_str().filter(|path| !path.contains(['"', '\n'])) else {
        return Ok(false);
    };
    Ok(debugfs(image, &[&format!("stat \"{path}\"")], false)?.contains(wanted))
}

/// Makes the folder `name` of `user` at the top of the volume, unless something of that name is there. Returns whether
/// it was made. `name` has only letters, digits, `.`, `_` and `-`.
pub(super) fn ensure_folder(image: &Path, name: &str, user: &User) -> Result<bool, VolumeError> {
    let stat = format!("stat /{name}");
    if debugfs(image, &[&stat], false)?.contains("Inode:") {
        return Ok(false);
    }
    let said = debugfs(
        image,
        &[
            &format!("mkdir /{name}"),
            &format!("set_inode_field /{name} uid {}", user.uid),
            &format!("set_inode_field /{name} gid {}", user.gid),
            &format!("set_inode_field /{name} mode 040700"),
        ],
        true,
    )?;
    let found = debugfs(image, &[&stat], false)?;
    let owner = found.lines().find(|line| line.starts_with("User:")).unwrap_or("");
    let owner: Vec<&str> = owner.split_whitespace().collect();
    match owner.as_slice() {
        ["User:", uid, "Group:", gid, ..] if *uid == user.uid.to_string() && *gid == user.gid.to_string() => {
            Ok(true)
        }
        _ => Err(VolumeError::NoFolder {
            image: image.to_owned(),
            folder: name.to_owned(),
            said,
        }),
    }
}

/// Runs `debugfs` with requests, one a line, and returns its output. It ends with success whatever a request did.
fn debugfs(image: &Path, requests: &[&str], write: bool) -> Result<String, VolumeError> {
    let program = tools::find("debugfs", None)?;
    let unreadable = |source| VolumeError::Unreadable {
        image: image.to_owned(),
        source,
    };
    let absolute = std::path::absolute(image).map_err(|source| {
        unreadable(RunError::Start {
            program: program.clone(),
            source,
        })
    })?;
    let mut output = String::new();
    for request in requests {
        let mut run = Run::new(&program).deadline(DEBUGFS_DEADLINE);
        if write {
            run = run.arg("-w");
        }
        let found = run
            .args(["-R", request])
            .arg(&absolute)
            .success()
            .map_err(unreadable)?;
        let stderr = String::from_utf8_lossy(&found.stderr);
        if stderr.contains("Filesystem not open") {
            return Err(unreadable(RunError::Failed {
                program: program.clone(),
                status: found.status,
                stderr: stderr.into_owned(),
            }));
        }
        output.push_str(&String::from_utf8_lossy(&found.stdout));
        if write {
            output.push_str(&stderr);
        }
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_of_a_system_are_read_and_nonsense_is_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann,,,:/home/ann:\n\
                    nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nshort:x:1\nbad:x:one:1::/:/bin/sh\n\
                    svc:x:1001:1001::/srv:/usr/sbin/nologin\n";
        let users = parse_passwd(text);
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["root", "ann", "nobody", "svc"]);
        assert_eq!(users[1].shell, Path::new("/bin/sh"));
        let people: Vec<&User> = users.iter().filter(|user| user.is_person()).collect();
        assert_eq!(people, [&users[1]]);
    }
}
