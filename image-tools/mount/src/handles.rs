//! Who holds a file of the mount open.
//!
//! The kernel tells of every `open` and of the `release` after the last close; that is what counts. Who it is, is another
//! question: the opener may have ended and a child of it goes on, a shell may only stand in the folder, a loop device
//! outlives its `losetup`. So `/proc` and `/sys` are asked at the moment somebody wants to know, and the opener
//! (looked up at once, for the thread may end while the file stays open) is named only where they show nobody.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// One program, or one loop device, that keeps a mount busy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Process id, if it is a process.
    pub pid: Option<u32>,
    /// Name of the program or of the device.
    pub name: String,
    /// The file it holds, or the mount point if its current folder is there.
    pub path: PathBuf,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.pid {
            Some(pid) => write!(f, "`{}` (process {pid}) in {path}", self.name),
            None => write!(f, "{} on {path}", self.name),
        }
    }
}

impl Holder {
    /// Process `pid`, if it can be seen from here, with its name.
    pub(crate) fn of(pid: Option<u32>, path: PathBuf) -> Self {
        Self {
            name: pid.map_or_else(|| UNSEEN.to_owned(), program),
            pid,
            path,
        }
    }
}

/// An open file.
#[derive(Clone)]
pub(crate) struct Opened {
    /// Process that opened it; `None` if it cannot be seen from here.
    pub(crate) pid: Option<u32>,
    /// Index of the export; `None` is the folder itself.
    pub(crate) export: Option<usize>,
    /// Whether it was opened for writing, so that closing it must flush.
    pub(crate) for_writing: bool,
}

/// All open files of one mount.
#[derive(Default)]
pub(crate) struct Handles {
    table: Mutex<Table>,
    closed: Condvar,
}

#[derive(Default)]
struct Table {
    last: u64,
    is_refusing: bool,
    open: HashMap<u64, Opened>,
}

impl Handles {
    /// The number of a newly opened file; `None` while nothing more may be opened.
    pub(crate) fn open(&self, opened: Opened) -> Option<u64> {
        let mut table = self.lock();
        if table.is_refusing {
            return None;
        }
        table.last += 1;
        let number = table.last;
        table.open.insert(number, opened);
        Some(number)
    }

    /// From now on nothing (or anything again) may be opened.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.lock().is_refusing = refuse;
    }

    pub(crate) fn get(&self, number: u64) -> Option<Opened> {
        self.lock().open.get(&number).cloned()
    }

    pub(crate) fn close(&self, number: u64) {
        self.lock().open.remove(&number);
        self.closed.notify_all();
    }

    /// Waits until no file is open or `deadline` has passed; tells which.
    pub(crate) fn wait_for_last_close(&self, deadline: Instant) -> bool {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let has_open = |table: &mut Table| !table.open.is_empty();
        let waited = self.closed.wait_timeout_while(self.lock(), timeout, has_open);
        let (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        table.open.is_empty()
    }

    /// Everybody who keeps the mount busy, as far as this process may see.
    pub(crate) fn holders(&self, mountpoint: &Path, name_of: impl Fn(usize) -> String) -> Vec<Holder> {
        let opened: Vec<Opened> = self.lock().open.values().cloned().collect();
        let mut holders = processes(mountpoint);
        holders.extend(loop_devices(mountpoint));
        for opened in opened {
            let path = match opened.export {
                Some(index) => mountpoint.join(name_of(index)),
                None => mountpoint.to_owned(),
            };
            if !holders.iter().any(|holder| holder.path == path) {
                holders.push(Holder::of(opened.pid, path));
            }
        }
        holders.sort();
        holders.dedup();
        holders
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a program is called that `/proc` does not show.
const UNSEEN: &str = "a program that cannot be seen from here";

fn program(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => name.trim_end().to_owned(),
        Err(_) => UNSEEN.to_owned(),
    }
}

/// The process a thread belongs to. `thread` is 0 for a process outside our process namespace.
pub(crate) fn process_of(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Processes that have a file of the mount open, or stand in it, as far as we may look into them.
fn processes(mountpoint: &Path) -> Vec<Holder> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut holders = Vec::new();
    for pid in pids {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let links = files
            .map(|file| file.path())
            .chain([format!("/proc/{pid}/cwd").into()]);
        // Reading the link asks the kernel, not the mount.
        let held = links
            .filter_map(|link| fs::read_link(link).ok())
            .filter(|path| path.starts_with(mountpoint));
        holders.extend(held.map(|path| Holder {
            pid: Some(pid),
            name: program(pid),
            path,
        }));
    }
    holders
}

/// Loop devices on a file of the mount.
fn loop_devices(mountpoint: &Path) -> Vec<Holder> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let backing = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
            let path = PathBuf::from(backing.trim_end());
            path.starts_with(mountpoint).then(|| Holder {
                pid: None,
                name: format!("/dev/{}", entry.file_name().to_string_lossy()),
                path,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_until_its_last_close() {
        let handles = Handles::default();
        let opened = Opened {
            pid: Some(std::process::id()),
            export: Some(0),
            for_writing: true,
        };
        let first = handles.open(opened.clone()).unwrap();
        let second = handles.open(opened.clone()).unwrap();
        handles.refuse(true);
        assert_eq!(handles.open(opened), None);
        let folder = Path::new("/nowhere");
        let holders = handles.holders(folder, |_| "system.img".to_owned());
        assert_eq!(holders.len(), 1, "the same program once: {holders:?}");
        assert_eq!(holders[0].pid, Some(std::process::id()));
        assert_eq!(holders[0].path, folder.join("system.img"));

        handles.close(first);
        assert!(!handles.wait_for_last_close(Instant::now()));
        handles.close(second);
        assert!(handles.wait_for_last_close(Instant::now()));
        assert!(handles.holders(folder, |_| String::new()).is_empty());
    }
}
