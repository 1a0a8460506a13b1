//! Every size of this crate, in one place. Sizes that readers depend on are those of `gobag_format::limits`.

/// Bytes of a pack at most: what a server takes as one object.
pub(crate) const PACK: usize = 4 << 20;

/// Files up to so many bytes are one piece.
pub(crate) const WHOLE: u64 = 32 << 10;

/// Shortest, usual and longest piece of a longer file, bytes. A change of 4 KiB sends one or two of the usual ones, and the lists that lead there.
pub(crate) const PIECE: [usize; 3] = [2 << 10, 8 << 10, 64 << 10];

/// The same of files longer than [`LONG`].
pub(crate) const LONG_PIECE: [usize; 3] = [16 << 10, 64 << 10, 512 << 10];

/// From so many bytes on a file is long: the lists of its pieces would be a share of it that counts.
pub(crate) const LONG: u64 = 4 << 30;

/// One of so many pieces ends a list.
pub(crate) const LIST_END: u32 = 32;

/// Parts of a list at most.
pub(crate) const LIST: usize = 512;

/// One of so many entries ends a leaf, one of so many pages a node.
pub(crate) const PAGE_END: u32 = 64;

/// Entries or pages of a page at most.
pub(crate) const PAGE: usize = 1024;

/// Bytes of a page at most, about.
pub(crate) const PAGE_BYTES: usize = 256 << 10;

/// Packs that a head names itself.
pub(crate) const HEAD_PACKS: usize = 64;

/// Whole packs that are kept in memory while files are read.
pub(crate) const PACKS_KEPT: usize = 4;

/// Packs that one list of earlier ones names.
pub(crate) const PACK_NAMES: usize = 8192;

/// Earlier points that a head names itself.
pub(crate) const HEAD_POINTS: usize = 64;

/// Earlier points that one list names: a list that is not full is written anew with those of a head, 1 KiB for each point at most.
pub(crate) const POINT_NAMES: usize = 4096;
