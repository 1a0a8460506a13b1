//! Every number of this crate that somebody may want to argue about.

use std::time::Duration;

/// Largest single read or write the kernel is told to send; also its own ceiling without special settings
/// (256 pages).
pub const REQUEST_BYTES: u32 = 1 << 20;

/// Threads that take requests from the kernel by default.
pub const EVENT_THREADS: usize = 4;

/// Threads that serve what would occupy the last free event thread. They only have work while the medium is slow, and
/// a slow medium gains from a deeper queue.
pub const SPARE_THREADS: usize = 8;

/// Asynchronous requests the kernel may have under way (the queue depth a guest can reach).
pub const BACKGROUND_REQUESTS: u16 = 64;

/// How long the kernel may keep names and attributes: they never change while mounted.
pub const ATTRIBUTE_TTL: Duration = Duration::from_secs(3600);

/// At most one line of log per volume and kind of error in this time.
pub const REPORT_PERIOD: Duration = Duration::from_secs(5);

/// How long the threads of a mount that nobody can reach any more may take to end. They have nothing to do, so this is
/// only reached if the kernel keeps their device open for somebody.
pub const END_OF_THREADS: Duration = Duration::from_secs(1);

/// Longest file name, as everywhere on Linux.
pub const NAME_BYTES: usize = 255;

/// Most files in one mount.
pub const EXPORTS: usize = 64;
