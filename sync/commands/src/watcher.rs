//! That something changed in a folder, as a hint: whoever waits for it may miss some, and looks for itself from time to time.
//!
//! What is ours at the top of a folder is not watched. So each folder at the top is watched by itself; which there are is looked up before each pass, so that none
//! of the changes in one that came meanwhile is missed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use gobag_files::OURS;
use notify::{
    Config, ErrorKind, Event, EventKind, INotifyWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// Hints that wait; whoever has so many has enough.
const WAITING: usize = 256;

/// What a watcher says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Something changed.
    Changed,
    /// Not all of it is watched: the system has a limit.
    Limited,
}

/// By what a folder is the one that is watched: its file system's number, and its own.
type Identity = (u64, u64);

/// Watches folders, which may come and go.
pub(crate) struct Watcher {
    watcher: Option<INotifyWatcher>,
    sender: Sender<Hint>,
    watched: BTreeMap<PathBuf, Identity>,
}

impl Watcher {
    pub(crate) fn new() -> (Self, Receiver<Hint>) {
        let (sender, receiver) = bounded(WAITING);
        let told = sender.clone();
        let handler = move |event: notify::Result<Event>| {
            if let Some(hint) = hint(&event) {
                // Where there is no room, enough was said.
                let _ = told.try_send(hint);
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = INotifyWatcher::new(handler, config);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "nothing is watched");
            let _ = sender.try_send(Hint::Limited);
        }
        let watcher = Self {
            watcher: watcher.ok(),
            sender,
            watched: BTreeMap::new(),
        };
        (watcher, receiver)
    }

    /// For others who have hints.
    pub(crate) fn teller(&self) -> Sender<Hint> {
        self.sender.clone()
    }

    /// Watches all that is in these folders now.
    pub(crate) fn refresh(&mut self, tops: &[&Path]) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut are = BTreeMap::new();
        for top in tops.iter().copied() {
            are.extend(identity(top).map(|identity| (top.to_owned(), identity)));
            for entry in fs::read_dir(top).into_iter().flatten().flatten() {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && entry.file_name() != OURS {
                    let path = entry.path();
                    are.extend(identity(&path).map(|identity| (path, identity)));
                }
            }
        }
        // First those that are gone: one that was moved is watched by its new name then.
        self.watched.retain(|path, was| {
            let stays = are.get(path) == Some(was);
            if !stays {
                // It may be gone with its folder.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        for (path, identity) in are {
            if self.watched.contains_key(&path) {
                continue;
            }
            let mode = match tops.contains(&path.as_path()) {
                true => RecursiveMode::NonRecursive,
                false => RecursiveMode::Recursive,
            };
            match watcher.watch(&path, mode) {
                Ok(()) => drop(self.watched.insert(path, identity)),
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "not watched");
                    if matches!(error.kind, ErrorKind::MaxFilesWatch) {
                        let _ = self.sender.try_send(Hint::Limited);
                        return;
                    }
                }
            }
        }
    }
}

/// What it means to us; none: nothing.
fn hint(event: &notify::Result<Event>) -> Option<Hint> {
    match event {
        Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => Some(Hint::Limited),
        // Whatever went wrong, or was too much at once: all is looked at.
        Err(_) => Some(Hint::Changed),
        Ok(event) if event.need_rescan() => Some(Hint::Changed),
        Ok(Event { kind, paths, .. }) => {
            let is_read =
                matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write));
            let is_ours = |path: &PathBuf| path.file_name().is_some_and(|name| name == OURS);
            (!is_read && !paths.iter().all(is_ours)).then_some(Hint::Changed)
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether a root is there, and which.
pub(crate) fn presence(top: &Path) -> Option<Identity> {
    identity(&top.join(OURS))
}
