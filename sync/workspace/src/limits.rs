//! Every size of this crate, in one place. Sizes that readers depend on are those of `gobag_format::limits`.

/// Bytes of a pack at most: what a server takes as one object.
pub(crate) const PACK: usize = 4 << 20;

/// Files up to so many bytes are one piece.
pub const WHOLE: u64 = 32 << 10;

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

/// Bytes of what is here of a file that are looked at past where the one that is got has come: so many may have been taken out at once.
pub(crate) const FORMER_AHEAD: u64 = 256 << 20;

/// The same as a multiple of that one.
pub(crate) const FORMER_TIMES: u64 = 8;

/// Bytes of it that are looked at for one piece.
pub(crate) const FORMER_TURN: u64 = 16 << 20;

/// Pieces of it that are known at once: half a million places of a table, of which it fills seven eighths.
pub(crate) const FORMER_PIECES: usize = 7 << 16;

/// Parts of a pack that are asked for before it comes as a whole, where what differs may be short: each takes a round trip, and a pack as long as 20 of them at
/// 20 Mbit/s and 80 ms.
pub(crate) const PARTS: usize = 8;

/// Packs that are on the way at once: one is sent while the answer to the other comes.
pub(crate) const PACKS_AHEAD: usize = 2;

/// Packs that a head names itself.
pub(crate) const HEAD_PACKS: usize = 64;

/// Bytes of whole packs that are kept in memory while files are read.
pub(crate) const PACKS_KEPT: usize = 3 * PACK;

/// Bytes that wait in a pack beside which pages get one of their own: they are read by themselves.
pub(crate) const PAGES_BESIDE: usize = 512 << 10;

/// Packs that are added at least before it is looked which ones nothing needs any more.
pub(crate) const SWEEP_AFTER: u64 = 256;

/// The same after it could not be told.
pub(crate) const SWEEP_AGAIN: u64 = 64;

/// The same at most, whatever a head says.
pub(crate) const SWEEP_MOST: u64 = 1 << 20;

/// Lists and leaves that are looked at for it at most: lists of more than a terabyte. A member could make any number of a few.
pub(crate) const SWEEP_LOOKS: usize = 4 << 20;

/// Pages that are asked for at once to find that out: each takes a round trip, and those that came are here the next time, where pages are kept.
pub(crate) const SWEEP_ASKS: usize = 256;

/// Packs that one point drops at most: what a server takes in one request.
pub(crate) const SWEEP_DROPS: usize = 65_536;

/// Packs that one list of earlier ones names.
pub(crate) const PACK_NAMES: usize = 8192;

/// Earlier points that a head names itself.
pub(crate) const HEAD_POINTS: usize = 64;

/// Earlier points that one list names: a list that is not full is written anew with those of a head, 1 KiB for each point at most.
pub(crate) const POINT_NAMES: usize = 4096;
