//! Reading what a walk came upon.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use gobag_reconcile::{Item, RelPath, Unknown};

use crate::{FilesError, Found, Root, Scan, content_of, limits};

/// What a walk came upon. Some files have to be read before anything can be said of them.
pub struct Walked<'a> {
    pub(crate) root: Option<&'a Root>,
    pub(crate) scan: Scan,
    pub(crate) unread: Vec<Unread>,
}

impl From<Scan> for Walked<'_> {
    fn from(scan: Scan) -> Self {
        Self {
            root: None,
            scan,
            unread: Vec::new(),
        }
    }
}

impl Walked<'_> {
    /// Where its slice ends; none: with the last path.
    pub fn end(&self) -> Option<&RelPath> {
        self.scan.end.as_ref()
    }

    /// Leaves out what comes after `end`.
    pub fn cut(&mut self, end: &RelPath) {
        self.scan.cut(end);
        self.unread.retain(|unread| unread.path <= *end);
    }

    /// Reads what has to be read, side by side. `was_read` hears of the bytes of each file that was read, and ends it by saying `false`: then there is none.
    pub fn read(self, was_read: &(dyn Fn(u64) -> bool + Sync)) -> Option<Scan> {
        match self.root {
            Some(root) => read_all(root, self.scan, self.unread, was_read),
            None => Some(self.scan),
        }
    }
}

/// A file that has to be read before anything can be said of it.
pub(crate) struct Unread {
    pub(crate) path: RelPath,
    pub(crate) size: u64,
    pub(crate) was: Option<Item>,
}

/// Reads what has to be read, side by side; none if it was ended.
fn read_all(
    root: &Root,
    mut scan: Scan,
    unread: Vec<Unread>,
    was_read: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Scan> {
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let telling = Mutex::new(&mut scan);
    let read = || {
        while let Some(unread) = unread.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !was_read(unread.size) {
                ended.store(true, Ordering::Relaxed);
            }
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let told = read_one(root, unread);
            let is_new = unread.was.is_none() || !matches!(told, Found::Item(..));
            let mut scan = telling.lock().unwrap_or_else(PoisonError::into_inner);
            scan.tell(None, unread.path.clone(), told, is_new);
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
