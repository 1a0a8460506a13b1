//! Every size of this crate, in one place.

use std::time::Duration;

/// How often something is asked until the store counts as not there.
pub(crate) const TRIES: u32 = 5;

/// The pause after the first try in vain; each next one is twice as long.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// One call may take so long: a pack over a slow line.
pub(crate) const CALL: Duration = Duration::from_secs(300);

/// Bytes of a head at most, as at the company's server.
pub(crate) const HEAD: usize = gobag_protocol::limits::MAX_HEAD_BYTES;

/// Bytes of a pack at most.
pub(crate) const PACK: usize = gobag_protocol::limits::MAX_OBJECT_BYTES;

/// Bytes of what this crate writes about the store and its writers.
pub(crate) const NOTE: usize = 4096;

/// Names in one folder of the store.
pub(crate) const LISTED: usize = 1 << 20;

/// Characters of a writer's name.
pub(crate) const NAME: usize = 128;

/// Points that a listing may be behind of what is there.
pub(crate) const BEHIND: u64 = 1 << 16;

/// Heads of one generation that are looked at: more than one only where members wrote at once, or were cut off.
pub(crate) const SAME_HEADS: usize = 16;
