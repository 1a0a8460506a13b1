//! Two sides and their base, laid over each other, of which only what differs is there.
//!
//! A scan compares with the base as it goes and tells what is different, so a million files that are the same on both sides take no room.

use std::collections::BTreeMap;

use crate::{Item, Name, Operation, RelPath};

/// Why nothing can be said of what is at a path. Nothing is done there or below, and nothing is taken as deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unknown {
    /// It could not be read.
    Unreadable,
    /// It is no file, folder or link.
    Special,
    /// It kept changing while it was read.
    Busy,
    /// A filter leaves it out.
    Filtered,
    /// A side takes its name for that of something else in the same folder.
    NameClash,
    /// The other side refuses its name.
    Name,
    /// The other side has it under a name that is refused here.
    Renamed,
}

/// What a side has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// What the base has.
    AsBase,
    /// Nothing, where the base has something.
    Gone,
    /// This, which the base has not.
    Item(Item),
    /// Nobody knows.
    Unknown(Unknown),
}

/// A path where a side differs from the base, or has something below that does.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) base: Option<Item>,
    pub(crate) left: Seen,
    pub(crate) right: Seen,
    pub(crate) children: BTreeMap<Name, Node>,
}

/// Both sides and the base. A folder that has something has it in the base and on both sides alike, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Merged {
    pub(crate) root: Node,
    /// What has to go by another name first.
    pub(crate) renames: Vec<Operation>,
}

impl Node {
    fn folder() -> Self {
        Self {
            base: Some(Item::Folder),
            left: Seen::AsBase,
            right: Seen::AsBase,
            children: BTreeMap::new(),
        }
    }

    pub(crate) fn left(&self) -> Result<Option<&Item>, Unknown> {
        self.of(&self.left)
    }

    pub(crate) fn right(&self) -> Result<Option<&Item>, Unknown> {
        self.of(&self.right)
    }

    fn of<'a>(&'a self, seen: &'a Seen) -> Result<Option<&'a Item>, Unknown> {
        match seen {
            Seen::AsBase => Ok(self.base.as_ref()),
            Seen::Gone => Ok(None),
            Seen::Item(item) => Ok(Some(item)),
            Seen::Unknown(why) => Err(*why),
        }
    }
}

/// Whether something is there, or may be.
pub(crate) fn is_there(seen: Result<Option<&Item>, Unknown>) -> bool {
    !matches!(seen, Ok(None))
}

impl Default for Merged {
    /// Nothing differs.
    fn default() -> Self {
        Self {
            root: Node::folder(),
            renames: Vec::new(),
        }
    }
}

impl Merged {
    /// Adds what the base and both sides have at `path`. Where a folder is not what it was, everything that the base has in it is to be added, too.
    pub fn add(&mut self, path: &RelPath, base: Option<Item>, left: Seen, right: Seen) {
        let mut node = &mut self.root;
        for name in path.names().flat_map(Name::new) {
            node = node.children.entry(name).or_insert_with(Node::folder);
        }
        (node.base, node.left, node.right) = (base, left, right);
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }
}
