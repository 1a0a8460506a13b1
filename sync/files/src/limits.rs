//! Every limit of this crate on what comes from outside, in one place.

/// Folders in folders that are followed; what is deeper counts as unreadable.
pub(crate) const DEPTH: usize = 256;

/// Bytes read at a time.
pub(crate) const BUFFER: usize = 256 << 10;

/// Threads that read files whose content is not known.
pub(crate) const READERS: usize = 4;

/// Bytes of a small file of ours.
pub(crate) const SMALL: usize = 256;
