//! What differs in a folder from what was known of it.
//!
//! Folder by folder, in the order of names, beside what the base has in the same folder: what is as it was takes no room and no reading. A file is as
//! it was if its stamp is. Any other is read, unless it has another size; so is one whose stamp is so young that a change since could have left it.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use gobag_reconcile::{Item, Name, RelPath, Unknown, composed};
use rustix::{
    fs::{AtFlags, Dir, FileType, Stat, readlinkat, statat},
    io::Errno,
};

use crate::{
    FilesError, Filter, OURS, Root, Stamp, content_of, limits,
    names::is_ours,
    root::{folder_flags, open_beneath},
};

/// What was at a path when both sides were last the same there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What.
    pub item: Item,
    /// Its stamp on this side; none if it has to be read again.
    pub stamp: Option<Stamp>,
}

/// What was known, folder by folder.
pub trait Base {
    /// Why it cannot be told.
    type Error;

    /// Everything in this folder.
    fn children(&mut self, folder: &RelPath) -> Result<BTreeMap<Name, Known>, Self::Error>;
}

/// What is at a path where something differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, where something was known.
    Gone,
    /// This, which is not what was known.
    Item(Item, Stamp),
    /// What was known, with another stamp.
    Same(Stamp),
    /// Nobody knows, there and below.
    Unknown(Unknown),
    /// A filter leaves out what was known: so many files, there and below.
    Filtered(u64),
}

/// What of a root is looked at.
pub struct Scope<'a> {
    /// What is left out.
    pub filter: &'a Filter,
    /// Whether a name that is new here cannot be had on the other side.
    pub is_refused: &'a (dyn Fn(&Name) -> bool + Sync),
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    now: (i64, u32),
    /// What differs, by path.
    pub found: BTreeMap<RelPath, Found>,
    /// Files in all.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that had to be read.
    pub read: u64,
}

impl Scan {
    /// An empty one, of what has no stamps.
    pub fn without_stamps() -> Self {
        Self {
            now: (i64::MIN, 0),
            found: BTreeMap::new(),
            files: 0,
            bytes: 0,
            read: 0,
        }
    }

    /// The stamp, if what has it now cannot have changed since and kept it.
    pub fn lasting(&self, stamp: &Stamp) -> Option<Stamp> {
        (!stamp.is_young(self.now)).then_some(*stamp)
    }

    /// The same of something that was put there or moved since.
    pub fn lasting_made(&self, stamp: &Stamp) -> Option<Stamp> {
        (!stamp.is_made_young(self.now)).then_some(*stamp)
    }
}

/// Compares everything below `root` with `base`. `was_read` hears of the bytes of each file that was read, and ends it by saying `false`.
pub fn scan<B: Base>(
    root: &Root,
    base: &mut B,
    scope: &Scope<'_>,
    was_read: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Scan, ScanError<B::Error>> {
    let failed = FilesError::root(root.path());
    let now = root.now().map_err(&failed)?;
    let top = root.open_at(&RelPath::root(), folder_flags()).map_err(&failed)?;
    let mut walk = Walk {
        root,
        base,
        scope,
        scan: Scan {
            now,
            found: BTreeMap::new(),
            files: 0,
            bytes: 0,
            read: 0,
        },
        unread: Vec::new(),
    };
    // A top that cannot be listed is no empty one.
    let names = names(root, &top).map_err(failed)?;
    walk.folder(&RelPath::root(), &top, names, 0)
        .map_err(ScanError::Base)?;
    let Walk { scan, unread, .. } = walk;
    read_all(root, scan, unread, was_read).ok_or(ScanError::Ended)
}

/// Why a scan ended early.
#[derive(Debug)]
pub enum ScanError<E> {
    /// The folder.
    Files(FilesError),
    /// What was known.
    Base(E),
    /// The caller wanted it.
    Ended,
}

impl<E> From<FilesError> for ScanError<E> {
    fn from(error: FilesError) -> Self {
        Self::Files(error)
    }
}

/// A file that has to be read before anything can be said of it.
struct Unread {
    path: RelPath,
    size: u64,
    was: Option<Item>,
}

struct Walk<'a, B> {
    root: &'a Root,
    base: &'a mut B,
    scope: &'a Scope<'a>,
    scan: Scan,
    unread: Vec<Unread>,
}

impl<B: Base> Walk<'_, B> {
    fn folder(
        &mut self,
        path: &RelPath,
        folder: &OwnedFd,
        names: Vec<Name>,
        depth: usize,
    ) -> Result<(), B::Error> {
        let mut known = self.base.children(path)?;
        for name in self.as_known(names, &known) {
            let was = known.remove(&name);
            let is_top = path.is_root() && name.as_bytes() == OURS.as_bytes();
            let path = path.join(&name);
            if is_ours(&name) {
                // Also of another pair within, and as another file system would have it.
                if !is_top {
                    self.unknown(path, Unknown::Special);
                }
                continue;
            }
            match statat(folder, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.one(path, folder, &name, &stat, was, depth)?,
                Err(Errno::NOENT) if was.is_some() => self.gone(path, was)?,
                Err(Errno::NOENT) => {}
                Err(_) => self.unknown(path, Unknown::Unreadable),
            }
        }
        for (name, was) in known {
            self.gone(path.join(&name), Some(was))?;
        }
        Ok(())
    }

    /// Where letters and accents are kept apart whatever is asked for, what is known by another spelling goes by that.
    fn as_known(&self, mut names: Vec<Name>, known: &BTreeMap<Name, Known>) -> Vec<Name> {
        if self.root.normalises_names() {
            let spelt = known.keys().filter(|name| !name.as_bytes().is_ascii());
            let spelt: BTreeMap<_, _> = spelt.map(|name| (composed(name.as_bytes()), name)).collect();
            for name in &mut names {
                if !known.contains_key(name)
                    && let Some(known) = spelt.get(&Some(name.clone()))
                {
                    *name = (*known).clone();
                }
            }
            names.sort();
        }
        names
    }

    fn one(
        &mut self,
        path: RelPath,
        within: &OwnedFd,
        name: &Name,
        stat: &Stat,
        was: Option<Known>,
        depth: usize,
    ) -> Result<(), B::Error> {
        let is_folder = was.as_ref().is_some_and(|was| was.item.is_folder());
        let stamp = Stamp::of(stat);
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.scope.filter.leaves_out(&path, kind == FileType::Directory) {
            return self.filtered(path, kind == FileType::Directory, was);
        }
        if was.is_none() && (self.scope.is_refused)(name) {
            self.unknown(path, Unknown::Name);
            return Ok(());
        }
        if is_folder && kind != FileType::Directory {
            self.gone_within(&path)?;
        }
        match kind {
            FileType::Directory => {
                let name = RelPath::root().join(name);
                let listed = open_beneath(within, &name, folder_flags())
                    .and_then(|folder| Ok((names(self.root, &folder)?, folder)));
                match listed {
                    Ok((names, folder)) if depth < limits::MAX_DEPTH => {
                        if !is_folder {
                            self.scan
                                .found
                                .insert(path.clone(), Found::Item(Item::Folder, stamp));
                        }
                        self.folder(&path, &folder, names, depth + 1)?;
                    }
                    // What is mounted there is not of this folder.
                    Err(Errno::XDEV) => self.unknown(path, Unknown::Special),
                    _ => self.unknown(path, Unknown::Unreadable),
                }
            }
            FileType::RegularFile => self.file(path, stat, stamp, was),
            FileType::Symlink => match readlinkat(within, name.as_bytes(), Vec::new()) {
                Ok(text) => {
                    let item = Item::Link(text.as_bytes().into());
                    if was.is_none_or(|was| was.item != item) {
                        self.scan.found.insert(path, Found::Item(item, stamp));
                    }
                }
                Err(_) => self.unknown(path, Unknown::Unreadable),
            },
            _ => self.unknown(path, Unknown::Special),
        }
        Ok(())
    }

    fn file(&mut self, path: RelPath, stat: &Stat, stamp: Stamp, was: Option<Known>) {
        self.scan.files += 1;
        self.scan.bytes += stamp.size;
        let executable = self
            .root
            .is_executable(stat.st_mode, was.as_ref().map(|was| &was.item));
        let is_as_it_was = was.as_ref().is_some_and(|was| match &was.item {
            Item::File(file) => was.stamp == Some(stamp) && file.executable == executable,
            _ => false,
        });
        if !is_as_it_was {
            let was = was.map(|was| was.item);
            self.unread.push(Unread {
                path,
                size: stamp.size,
                was,
            });
        }
    }

    fn gone(&mut self, path: RelPath, was: Option<Known>) -> Result<(), B::Error> {
        let is_folder = was.as_ref().is_some_and(|was| was.item.is_folder());
        if self.scope.filter.leaves_out(&path, is_folder) {
            return self.filtered(path, is_folder, was);
        }
        let name = path.name().and_then(|name| Name::new(name).ok());
        if name.is_some_and(|name| self.root.refuses_name(&name).unwrap_or(true)) {
            // Nobody had it here, so nobody deleted it: the files were moved to another file system.
            self.unknown(path, Unknown::Name);
            return Ok(());
        }
        if is_folder {
            self.gone_within(&path)?;
        }
        self.scan.found.insert(path, Found::Gone);
        Ok(())
    }

    /// What a filter leaves out takes no room, unless it was known, or something else by that name would not be left out.
    fn filtered(&mut self, path: RelPath, is_folder: bool, was: Option<Known>) -> Result<(), B::Error> {
        if let Some(was) = was {
            let files = files_known(self.base, &path, &was.item)?;
            self.scan.found.insert(path, Found::Filtered(files));
        } else if !self.scope.filter.leaves_out(&path, !is_folder) {
            self.unknown(path, Unknown::Filtered);
        }
        Ok(())
    }

    /// All that was known in a folder that is none any more.
    fn gone_within(&mut self, folder: &RelPath) -> Result<(), B::Error> {
        for (name, was) in self.base.children(folder)? {
            self.gone(folder.join(&name), Some(was))?;
        }
        Ok(())
    }

    fn unknown(&mut self, path: RelPath, why: Unknown) {
        self.scan.found.insert(path, Found::Unknown(why));
    }
}

/// What is in a folder, in order.
/// Files that were known at a path and below it.
pub fn files_known<B: Base>(base: &mut B, path: &RelPath, item: &Item) -> Result<u64, B::Error> {
    if !item.is_folder() {
        return Ok(1);
    }
    let mut files = 0;
    for (name, known) in base.children(path)? {
        files += files_known(base, &path.join(&name), &known.item)?;
    }
    Ok(files)
}

pub(crate) fn names(root: &Root, folder: &OwnedFd) -> Result<Vec<Name>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        // What has no name that can be had elsewhere cannot be on a file system.
        names.extend(root.name_of(entry?.file_name().to_bytes()));
    }
    names.sort();
    Ok(names)
}

/// Reads what has to be read, side by side; none if it was ended.
fn read_all(
    root: &Root,
    mut scan: Scan,
    unread: Vec<Unread>,
    was_read: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Scan> {
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let found = Mutex::new(&mut scan.found);
    let read = || {
        while let Some(unread) = unread.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !was_read(unread.size) {
                ended.store(true, Ordering::Relaxed);
            }
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let told = read_one(root, unread);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(unread.path.clone(), told);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..limits::READERS.min(unread.len()) {
            scope.spawn(read);
        }
        read();
    });
    scan.read = unread.len() as u64;
    (!ended.into_inner()).then_some(scan)
}

fn read_one(root: &Root, unread: &Unread) -> Found {
    match content_of(root, &unread.path) {
        Ok((mut file, stamp)) => {
            if !root.has_modes() {
                file.executable = matches!(unread.was, Some(Item::File(was)) if was.executable);
            }
            match unread.was {
                Some(Item::File(was)) if was == file => Found::Same(stamp),
                _ => Found::Item(Item::File(file), stamp),
            }
        }
        Err(FilesError::Changed { .. }) => Found::Unknown(Unknown::Busy),
        Err(_) => Found::Unknown(Unknown::Unreadable),
    }
}
