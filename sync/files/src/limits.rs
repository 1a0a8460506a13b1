//! Every limit of this crate on what comes from outside, in one place.

/// Folders in folders that are followed; what is deeper counts as unreadable.
pub const MAX_DEPTH: usize = 256;

/// Bytes read at a time.
pub(crate) const BUFFER: usize = 256 << 10;

/// Threads that read files whose content is not known.
pub(crate) const READERS: usize = 4;

/// Bytes of a small file of ours.
pub(crate) const SMALL: usize = 256;

/// Bytes of a root's file of patterns.
pub const MAX_FILTER_LEN: u64 = 1 << 20;

/// Most bytes of a name on nearly all file systems; longer ones are tried before they are put anywhere.
pub(crate) const NAME: usize = 255;

/// The same where names of that length cannot be had: names that any file system takes.
pub(crate) const SHORT_NAME: usize = 100;

/// Folders in which names are tried at the same time.
pub(crate) const BENCHES: usize = 16;

/// Bytes of a path that the system takes at once; longer ones are followed in parts.
pub(crate) const PATH: usize = 4000;

/// Bytes of a file that are not on the disk, from which on it is asked where they are.
pub(crate) const HOLES: u64 = 16 << 20;

/// Bytes of an attribute of a file, and of the names of all of them, as Linux has it.
pub(crate) const ATTRIBUTES: usize = 64 << 10;

/// Bytes of a folder's list that are asked of the system at a time, on the stack.
pub(crate) const LISTED: usize = 16 << 10;

/// Names between two questions whether anybody still wants to know.
pub(crate) const ASK_EVERY: u64 = 32;
