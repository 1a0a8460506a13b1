//! What can be at a path, as far as it has to be the same on both sides.

use std::fmt;

/// The digest of a file's bytes. The planner compares it and knows nothing else of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub [u8; 32]);

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(out, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// What is in it.
    pub content: Content,
    /// Bytes in it.
    pub len: u64,
    /// Whether its owner may run it.
    pub executable: bool,
}

/// What is at a path. Times and permissions are no part of it: they are carried along as far as that goes, and decide nothing; owners are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A folder; what is in it are items of their own.
    Folder,
    /// A file.
    File(File),
    /// A symbolic link with its text, which nobody follows.
    Link(Box<[u8]>),
}

impl Item {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder)
    }

    /// Bytes of content.
    pub fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len,
            _ => 0,
        }
    }

    /// Whether there is no content in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
