//! Processes by their names. Only those that were asked for are told: what else somebody runs is their business.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::answer;
use crate::capture::{Capture, refused};
use crate::read;

/// Longest name the kernel keeps of a process.
const COMM_BYTES: usize = 15;

/// What a look through the processes gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Processes {
    /// Can this user see what others run? Not where `/proc` is mounted with `hidepid`.
    pub(in crate::linux) others_visible: bool,
    /// Those that were asked for.
    #[serde(default)]
    pub(in crate::linux) found: Vec<Process>,
}

/// A process. Everybody can name one as they like: only the executable says what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::linux) struct Process {
    /// The name that was asked for.
    pub(in crate::linux) name: String,
    /// Its executable, if this user may know; other people's processes tell only the administrator.
    #[serde(default)]
    pub(in crate::linux) executable: Option<String>,
    /// Number of the user it runs as.
    pub(in crate::linux) owner: u32,
}

pub(super) fn find(proc: &Path, names: &str) -> Capture {
    let names: Vec<&str> = names.split(',').collect();
    let entries = match std::fs::read_dir(proc) {
        Ok(entries) => entries,
        Err(error) => return refused("list", "/proc", &error),
    };
    let mut processes = Processes {
        others_visible: read::text(&proc.join("1/comm")).is_ok(),
        found: Vec::new(),
    };
    for entry in entries.flatten() {
        let is_process = entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if is_process && let Some(process) = look(&entry.path(), &names) {
            processes.found.push(process);
        }
    }
    processes.found.sort();
    answer(&processes)
}

fn look(folder: &Path, names: &[&str]) -> Option<Process> {
    let comm = read::text(&folder.join("comm")).ok()?;
    let executable = std::fs::read_link(folder.join("exe")).ok();
    let executable = executable.map(|path| path.to_string_lossy().into_owned());
    let base = executable.as_deref().map(base_name);
    let name = names.iter().find(|name| {
        is_called(comm.trim_end_matches('\n'), name) || base.is_some_and(|base| base == **name)
    })?;
    Some(Process {
        name: (*name).to_owned(),
        executable,
        owner: std::fs::metadata(folder).ok()?.uid(),
    })
}

/// The last part of a path; of an executable that was replaced since, without the kernel's mark.
fn base_name(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// The kernel cuts names.
fn is_called(comm: &str, name: &str) -> bool {
    comm == name || (comm.len() == COMM_BYTES && name.starts_with(comm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_by_the_kernel() {
        assert!(is_called("gnome-remote-de", "gnome-remote-desktop-daemon"));
        assert!(is_called("clamd", "clamd") && !is_called("clam", "clamd") && !is_called("clamd2", "clamd"));
        assert_eq!(base_name("/usr/sbin/clamd (deleted)"), "clamd");
    }

    #[test]
    fn our_own_process_is_found_with_its_executable_and_no_other() {
        let own = std::env::current_exe().expect("a path");
        let name = own.file_name().expect("a name").to_string_lossy().into_owned();
        let found: Processes = find(Path::new("/proc"), &format!("no-such-program,{name}"))
            .json()
            .expect("an answer");
        assert!(
            found
                .found
                .iter()
                .any(|process| process.executable.as_deref() == own.to_str()),
            "{found:?}"
        );
        assert!(
            found.found.iter().all(|process| process.name == name),
            "{found:?}"
        );
    }
}
