//! What differs in a folder from what was known of it.
//!
//! Folder by folder, in the order of names, beside what the base has in the same folder: what is as it was takes no room and no reading. A file is as
//! it was if its stamp is. Any other is read, unless it has another size; so is one whose stamp is so young that a change since could have left it.

use std::{
    collections::{BTreeMap, HashSet},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use gobag_reconcile::{Item, Name, RelPath, Unknown, composed, fold_key};
use rustix::{
    fs::{AtFlags, FileType, RawDir, Stat, readlinkat, statat},
    io::Errno,
};

use crate::{
    FilesError, Filter, Found, OURS, Root, Scan, Slice, Stamp, Walked, limits,
    names::is_ours,
    root::{folder_flags, open_beneath},
    walked::Unread,
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

/// What of a root is looked at.
pub struct Scope<'a> {
    /// Only this part of it.
    pub slice: Option<&'a Slice>,
    /// What is left out.
    pub filter: &'a Filter,
    /// Whether a name that is new here cannot be had on the other side.
    pub is_refused: &'a (dyn Fn(&Name) -> bool + Sync),
    /// Whether nobody wants to know any more; asked after every few names.
    pub is_ended: &'a (dyn Fn() -> bool + Sync),
}

/// Compares everything below `root` with `base`, and reads what has to be, as [`Walked::read`] does.
pub fn scan<B: Base>(
    root: &Root,
    base: &mut B,
    scope: &Scope<'_>,
    was_read: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Scan, ScanError<B::Error>> {
    walk(root, base, scope)?.read(was_read).ok_or(ScanError::Ended)
}

/// Compares what can be compared of everything below `root` with `base`, without reading a file.
pub fn walk<'a, B: Base>(
    root: &'a Root,
    base: &mut B,
    scope: &Scope<'_>,
) -> Result<Walked<'a>, ScanError<B::Error>> {
    let failed = FilesError::root(root.path());
    let now = root.now().map_err(&failed)?;
    let top = root.open_at(&RelPath::root(), folder_flags()).map_err(&failed)?;
    let mut walk = Walk {
        root,
        base,
        scope,
        scan: Scan {
            now,
            ..Scan::default()
        },
        unread: Vec::new(),
        last: RelPath::root(),
        names: 0,
        is_ended: false,
    };
    // A top that cannot be listed is no empty one.
    let names = names(root, &top).map_err(failed)?;
    walk.folder(&RelPath::root(), &top, names, 0)
        .map_err(ScanError::Base)?;
    let Walk {
        scan,
        unread,
        is_ended,
        ..
    } = walk;
    if is_ended {
        return Err(ScanError::Ended);
    }
    let root = Some(root);
    Ok(Walked { root, scan, unread })
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

struct Walk<'a, B> {
    root: &'a Root,
    base: &'a mut B,
    scope: &'a Scope<'a>,
    scan: Scan,
    unread: Vec<Unread>,
    /// As far as it came.
    last: RelPath,
    /// Names that it came upon.
    names: u64,
    /// Whether it was ended before its end.
    is_ended: bool,
}

impl<B: Base> Walk<'_, B> {
    fn folder(
        &mut self,
        path: &RelPath,
        folder: &OwnedFd,
        names: Vec<Name>,
        depth: usize,
    ) -> Result<(), B::Error> {
        let known = self.base.children(path)?;
        let names = self.as_known(names, &known);
        let respelt = self.respelt(&names, &known);
        let mut known = known.into_iter().peekable();
        for name in names {
            while let Some((unlisted, was)) = known.next_if(|(known, _)| *known < name) {
                if self.is_full() {
                    return Ok(());
                }
                let is_respelt = respelt.contains(&unlisted);
                self.unlisted(path.join(&unlisted), folder, &unlisted, was, is_respelt)?;
            }
            let was = known.next_if(|(known, _)| *known == name).map(|(_, was)| was);
            let is_top = path.is_root() && name.as_bytes() == OURS.as_bytes();
            let path = path.join(&name);
            if self.is_full() {
                return Ok(());
            }
            if self.is_before(&path) {
                continue;
            }
            self.last.clone_from(&path);
            if is_ours(&name) {
                // Also of another pair within, and as another file system would have it.
                if !is_top {
                    self.unknown(path, Unknown::Special, was.is_none());
                }
                continue;
            }
            match statat(folder, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.one(path, folder, &name, &stat, was, depth)?,
                Err(Errno::NOENT) if was.is_some() => self.gone(path, was)?,
                Err(Errno::NOENT) => {}
                Err(_) => self.unknown(path, Unknown::Unreadable, was.is_none()),
            }
        }
        for (name, was) in known {
            if self.is_full() {
                return Ok(());
            }
            let is_respelt = respelt.contains(&name);
            self.unlisted(path.join(&name), folder, &name, was, is_respelt)?;
        }
        Ok(())
    }

    /// What is known and not listed, but by another spelling of its name, if the folder takes both for one.
    fn respelt(&self, names: &[Name], known: &BTreeMap<Name, Known>) -> HashSet<Name> {
        if !self.root.folds_names() && !self.root.normalises_names() {
            return HashSet::new();
        }
        let unlisted = known.keys().filter(|known| names.binary_search(known).is_err());
        let unlisted: Vec<&Name> = unlisted.collect();
        if unlisted.is_empty() {
            return HashSet::new();
        }
        let listed: HashSet<_> = names.iter().map(fold_key).collect();
        let respelt = unlisted
            .into_iter()
            .filter(|name| listed.contains(&fold_key(name)));
        respelt.cloned().collect()
    }

    /// What was known and is not listed. A list may leave out what is replaced meanwhile, or is in a part of the folder that is damaged; only who asks by name hears that it is gone.
    fn unlisted(
        &mut self,
        path: RelPath,
        within: &OwnedFd,
        name: &Name,
        was: Known,
        is_respelt: bool,
    ) -> Result<(), B::Error> {
        let is_left_out = self.scope.filter.leaves_out(&path, was.item.is_folder());
        let is_refused = self.root.refuses_name(name).unwrap_or(true);
        // What is spelt in another way is found by the former one, too.
        if is_left_out || is_respelt || is_refused {
            return self.gone(path, Some(was));
        }
        match statat(within, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => self.gone(path, Some(was))?,
            Ok(_) => self.unknown(path, Unknown::Busy, false),
            Err(_) => self.unknown(path, Unknown::Unreadable, false),
        }
        Ok(())
    }

    /// Whether its slice is full, which then ends where the walk is; or somebody ended it.
    fn is_full(&mut self) -> bool {
        self.is_ended =
            self.is_ended || self.names.is_multiple_of(limits::ASK_EVERY) && (self.scope.is_ended)();
        self.names += 1;
        if self.is_ended {
            return true;
        }
        let found = self.scan.found.len() + self.unread.len();
        let is_full = self.scope.slice.is_some_and(|slice| found >= slice.most);
        if is_full && self.scan.end.is_none() {
            self.scan.end = Some(self.last.clone());
        }
        is_full
    }

    /// Whether it is before the slice, with all that is in it.
    fn is_before(&self, path: &RelPath) -> bool {
        let is_before = |slice: &Slice| *path <= slice.after && !slice.after.is_within(path);
        self.scope.slice.is_some_and(is_before)
    }

    fn tell(&mut self, path: RelPath, found: Found, is_new: bool) {
        if path > self.last {
            self.last.clone_from(&path);
        }
        self.scan.tell(self.scope.slice, path, found, is_new);
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
            self.unknown(path, Unknown::Name, true);
            return Ok(());
        }
        let is_new = was.is_none();
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
                            self.tell(path.clone(), Found::Item(Item::Folder, stamp), is_new);
                        }
                        self.folder(&path, &folder, names, depth + 1)?;
                    }
                    // What is mounted there is not of this folder.
                    Err(Errno::XDEV) => self.unknown(path, Unknown::Special, is_new),
                    _ => self.unknown(path, Unknown::Unreadable, is_new),
                }
            }
            FileType::RegularFile => self.file(path, stat, stamp, was),
            FileType::Symlink => match readlinkat(within, name.as_bytes(), Vec::new()) {
                Ok(text) => {
                    let item = Item::Link(text.as_bytes().into());
                    if was.is_none_or(|was| was.item != item) {
                        self.tell(path, Found::Item(item, stamp), is_new);
                    }
                }
                Err(_) => self.unknown(path, Unknown::Unreadable, is_new),
            },
            _ => self.unknown(path, Unknown::Special, is_new),
        }
        Ok(())
    }

    fn file(&mut self, path: RelPath, stat: &Stat, stamp: Stamp, was: Option<Known>) {
        if self.scope.slice.is_some_and(|slice| path <= slice.after) {
            return;
        }
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
            self.unknown(path, Unknown::Name, false);
            return Ok(());
        }
        if is_folder {
            self.gone_within(&path)?;
        }
        self.tell(path, Found::Gone, false);
        Ok(())
    }

    /// What a filter leaves out takes no room, unless it was known, or something else by that name would not be left out.
    fn filtered(&mut self, path: RelPath, is_folder: bool, was: Option<Known>) -> Result<(), B::Error> {
        if let Some(was) = was {
            let files = files_known(self.base, &path, &was.item)?;
            self.tell(path, Found::Filtered(files), false);
        } else if !self.scope.filter.leaves_out(&path, !is_folder) {
            self.unknown(path, Unknown::Filtered, true);
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

    fn unknown(&mut self, path: RelPath, why: Unknown, is_new: bool) {
        self.tell(path, Found::Unknown(why), is_new);
    }
}

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

/// What is in a folder that was just opened, in order.
// Its buffer is not to be on the stack of each folder that the walk is in.
#[inline(never)]
pub(crate) fn names(root: &Root, folder: &OwnedFd) -> Result<Vec<Name>, Errno> {
    let mut buffer = [const { MaybeUninit::uninit() }; limits::LISTED];
    let mut entries = RawDir::new(folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        match entry {
            // What has no name that can be had elsewhere cannot be on a file system.
            Ok(entry) => names.extend(root.name_of(entry.file_name().to_bytes())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    names.sort();
    Ok(names)
}
