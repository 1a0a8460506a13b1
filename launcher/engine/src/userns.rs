//! User namespaces: whether an ordinary user gets one here, found by making one.
//!
//! Settings only explain a refusal, and there are too many of them (`user.max_user_namespaces`,
//! `kernel.unprivileged_userns_clone`, AppArmor's restriction since Ubuntu 23.10, which lets the namespace be made and
//! then refuses everything in it). So the probe makes the namespaces that a container needs, writes the maps, and mounts
//! a `/proc` in there, which needs a capability that works.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{getegid, geteuid};
use serde::Serialize;

use crate::{
    container::{Agent, AgentError, unshare_args},
    limits::SUBID_FILE_BYTES,
    run::{Run, RunError},
    tools::{self, NotFound},
};

/// Users that a container can tell apart at most: 0 to 65535.
pub(crate) const ID_COUNT: u32 = 1 << 16;

/// Which users a container can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdMap {
    /// We are root: all of them, and no user namespace is needed to mount.
    Host,
    /// User 0 is the caller, all others come from the ranges the administrator set aside (`/etc/subuid`).
    Ranges {
        /// Its users from 1 on.
        first_user: u32,
        /// Its groups from 1 on.
        first_group: u32,
    },
    /// One: the caller, under whatever number the container wants. Files of all others belong to nobody.
    Single,
}

/// What was seen working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsernsProof {
    /// The best map that worked.
    pub map: IdMap,
    /// Why it is no better one.
    pub ranges_refused: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Why there is no user namespace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsernsError {
    /// A tool is not installed.
    #[error(transparent)]
    NoTool(#[from] NotFound),
    /// The namespaces were refused, or what was made is without power.
    #[error("this host refuses a namespace to an ordinary user")]
    Refused(#[source] AgentError),
    /// The maps of users could not be written.
    #[error("cannot map the users of a namespace")]
    Map(#[from] MapError),
}

impl UsernsError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Refused(_) => "engine.userns-refused",
            Self::Map(error) => error.code(),
        }
    }
}

/// Why the users of a namespace could not be mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The kernel refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// The map.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No ranges are set aside for the caller.
    #[error("no range of {ID_COUNT} users is set aside for user {user} in {}", path.display())]
    NoRange {
        /// The caller's name.
        user: String,
        /// The file with the ranges.
        path: PathBuf,
    },
    /// A tool is not installed.
    #[error(transparent)]
    NoTool(#[from] NotFound),
    /// The privileged helper failed.
    #[error("the ranges of users cannot be used")]
    Helper(#[from] RunError),
}

impl MapError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "engine.userns-map",
            Self::NoRange { .. } => "engine.userns-no-range",
            Self::NoTool(_) => "engine.tool-missing",
            Self::Helper(_) => "engine.userns-helper",
        }
    }
}

/// Makes the namespaces of a container and reports the best map of users that works; as root, just the namespaces.
/// `path` is the caller's `PATH`.
pub fn probe_userns(path: Option<&OsStr>, deadline: Duration) -> Result<UsernsProof, UsernsError> {
    let started = Instant::now();
    let left = || deadline.saturating_sub(started.elapsed());
    let proof = |map, ranges_refused| UsernsProof {
        map,
        ranges_refused,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    if geteuid().is_root() {
        try_map(path, IdMap::Host, left())?;
        return Ok(proof(IdMap::Host, None));
    }
    let refused = match own_ranges(path, left()) {
        Ok(map) => match try_map(path, map, left()) {
            Ok(()) => return Ok(proof(map, None)),
            Err(error) => words(&error),
        },
        Err(error) => words(&error),
    };
    try_map(path, IdMap::Single, left())?;
    Ok(proof(IdMap::Single, Some(refused)))
}

/// An error with its causes, for a report.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn try_map(path: Option<&OsStr>, map: IdMap, deadline: Duration) -> Result<(), UsernsError> {
    let unshare = tools::find("unshare", path)?;
    let sh = tools::find("sh", path)?;
    let args = unshare_args(&sh, map != IdMap::Host, Path::new("/"), &[]);
    let mut agent = Agent::start(&unshare, &args, deadline).map_err(UsernsError::Refused)?;
    write_maps(
        agent.pid(),
        map,
        geteuid().as_raw(),
        getegid().as_raw(),
        path,
        deadline,
    )?;
    agent.tell("go").map_err(UsernsError::Refused)?;
    agent
        .expect("mounting", "mounting in a namespace", deadline)
        .map_err(UsernsError::Refused)
}

/// The ranges that are set aside for the caller.
fn own_ranges(path: Option<&OsStr>, deadline: Duration) -> Result<IdMap, MapError> {
    let output = Run::new(&tools::find("id", path)?)
        .arg("-un")
        .deadline(deadline)
        .success()?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let own_uid = geteuid().as_raw();
    let first = |path: &str| {
        let path = Path::new(path);
        let text = read_limited(path).unwrap_or_default();
        first_of_range(&text, &name, own_uid).ok_or_else(|| MapError::NoRange {
            user: name.clone(),
            path: path.to_owned(),
        })
    };
    Ok(IdMap::Ranges {
        first_user: first("/etc/subuid")?,
        first_group: first("/etc/subgid")?,
    })
}

fn read_limited(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    fs::File::open(path)?
        .take(SUBID_FILE_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The start of the first range of at least 65535 for the user, by name or number; lines are `user:start:count`.
fn first_of_range(text: &str, name: &str, uid: u32) -> Option<u32> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let user = fields.next()?;
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let whole = count >= ID_COUNT - 1 && start.checked_add(count).is_some();
        ((user == name || user == number) && whole).then_some(start)
    })
}

/// Writes the maps of the user namespace of process `pid`; with [`IdMap::Single`] the caller becomes `uid` and `gid`.
pub(crate) fn write_maps(
    pid: u32,
    map: IdMap,
    uid: u32,
    gid: u32,
    path: Option<&OsStr>,
    deadline: Duration,
) -> Result<(), MapError> {
    match map {
        IdMap::Host => Ok(()),
        IdMap::Single => {
            // An ordinary user may map one group only after giving up the power to drop groups.
            write_proc(pid, "setgroups", "deny")?;
            write_proc(pid, "uid_map", &format!("{uid} {} 1\n", geteuid().as_raw()))?;
            write_proc(pid, "gid_map", &format!("{gid} {} 1\n", getegid().as_raw()))
        }
        IdMap::Ranges {
            first_user,
            first_group,
        } => {
            for (helper, own, first) in [
                ("newuidmap", geteuid().as_raw(), first_user),
                ("newgidmap", getegid().as_raw(), first_group),
            ] {
                let helper = tools::find(helper, path)?;
                Run::new(&helper)
                    .arg(pid.to_string())
                    .args(["0", &own.to_string(), "1"])
                    .args(["1", &first.to_string(), &(ID_COUNT - 1).to_string()])
                    .deadline(deadline)
                    .success()?;
            }
            Ok(())
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's map files are written with one write; they are not on the stick"
)]
fn write_proc(pid: u32, name: &str, text: &str) -> Result<(), MapError> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    fs::write(&path, text).map_err(|source| MapError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Ubuntu's AppArmor does since 23.10: the namespaces are made, and whoever is in them may do nothing.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "puts a program in place of `unshare`")]
    fn p30_namespaces_without_capabilities_are_refused() {
        use std::os::unix::fs::PermissionsExt;

        let path: &OsStr = "/usr/sbin:/usr/bin:/sbin:/bin".as_ref();
        let deadline = Duration::from_secs(20);
        let there = ["unshare", "setpriv"].map(|name| tools::find(name, Some(path)));
        let [Ok(unshare), Ok(setpriv)] = there else {
            eprintln!("skipped: no unshare or no setpriv here");
            return;
        };
        if let Err(error) = probe_userns(Some(path), deadline) {
            eprintln!("skipped: no namespaces here: {error}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let fake = folder.path().join("unshare");
        let script = format!(
            "#!/bin/sh\ndone=\nfor arg; do\n shift\n case $done$arg in\n  */sh) done=1 && set -- \"$@\" {} --bounding-set=-all \
             --inh-caps=-all ;;\n esac\n set -- \"$@\" \"$arg\"\ndone\nexec {} \"$@\"\n",
            setpriv.display(),
            unshare.display()
        );
        fs::write(&fake, script).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        let mut both = folder.path().as_os_str().to_owned();
        both.push(":");
        both.push(path);
        let error = probe_userns(Some(&both), deadline).unwrap_err();
        assert!(matches!(error, UsernsError::Refused(_)), "{}", words(&error));
        assert!(words(&error).contains("mounting"), "{}", words(&error));
    }

    #[test]
    fn ranges_are_found_by_name_or_number() {
        let text =
            "root:1:65536\nann:100000:65536\n1001:300000:65535\nbob:5:10\nbob:500000:70000\nbad:x:65536\n";
        assert_eq!(first_of_range(text, "ann", 1000), Some(100_000));
        assert_eq!(first_of_range(text, "eve", 1001), Some(300_000));
        assert_eq!(
            first_of_range(text, "bob", 1002),
            Some(500_000),
            "the first is too short"
        );
        assert_eq!(first_of_range(text, "bad", 1003), None);
        assert_eq!(first_of_range("ann:4294967295:65536", "ann", 1000), None);
    }
}
