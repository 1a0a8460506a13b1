//! What a scan found, all of it or a slice.

use std::collections::BTreeMap;

use gobag_reconcile::{Item, RelPath, Unknown};

use crate::Stamp;

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

/// A part of all paths, in their order: so that a first copy of any number of files takes no more memory than one of so many.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// It begins after this one.
    pub after: RelPath,
    /// It ends where so much was found.
    pub most: usize,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    pub(crate) now: (i64, u32),
    /// Where its slice ends; none: everything from its beginning on was looked at.
    pub end: Option<RelPath>,
    /// The first that was known and is not what it was, or cannot be looked at.
    pub(crate) changed: Option<RelPath>,
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
            ..Self::default()
        }
    }

    /// Takes in what was found, if it is in the slice; of too much only what comes first.
    pub fn tell(&mut self, slice: Option<&Slice>, path: RelPath, found: Found, is_new: bool) {
        if slice.is_some_and(|slice| path <= slice.after) || self.end.as_ref().is_some_and(|end| path > *end)
        {
            return;
        }
        // What is there and cannot be told apart or looked into has to be seen with all that is to come there.
        let is_odd = matches!(found, Found::Unknown(Unknown::Unreadable | Unknown::NameClash));
        if (!is_new || is_odd) && self.changed.as_ref().is_none_or(|first| path < *first) {
            self.changed = Some(path.clone());
        }
        self.found.insert(path, found);
        if slice.is_some_and(|slice| self.found.len() > slice.most) {
            self.found.pop_last();
            self.end = self.found.last_key_value().map(|(path, _)| path.clone());
        }
    }

    /// Whether nothing that was known is anything else by now, and everything could be looked at.
    pub fn is_all_new(&self) -> bool {
        self.changed.is_none()
    }

    /// Leaves out what comes after `end`.
    pub(crate) fn cut(&mut self, end: &RelPath) {
        self.found.retain(|path, _| path <= end);
        self.changed.take_if(|path| *path > *end);
        self.end = Some(end.clone());
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
