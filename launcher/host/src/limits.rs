//! Bounds on what the host may make us wait for or read.

use std::time::Duration;

/// How long a probe may take.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// How long all probes together may take, the proof of an accelerator apart.
pub const TOTAL_DEADLINE: Duration = Duration::from_secs(10);
/// How long a program may take to tell its version; less than its probe has, so that the reason is ours to say.
pub const VERSION_DEADLINE: Duration = Duration::from_millis(2500);
/// How long making one namespace may take; up to two are made.
pub const NAMESPACES_DEADLINE: Duration = Duration::from_millis(2500);
/// Largest text read from the system: `/proc/cpuinfo` of 512 processors fits.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;
/// Most of a program's version message that is looked at.
pub const MAX_VERSION_BYTES: usize = 4096;
