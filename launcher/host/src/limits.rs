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
/// How long a program that is asked something may take; less than its probe has, so that the reason is ours to say.
pub const PROGRAM_DEADLINE: Duration = Duration::from_millis(2500);
/// How long a service on the system's bus may take to answer; several are asked in a row.
pub const BUS_DEADLINE: Duration = Duration::from_millis(800);
/// Most that a program may print when it is asked something.
pub const MAX_PROGRAM_BYTES: usize = 1 << 20;
/// Most names in a folder that is listed: processes, devices, signature files.
pub const MAX_LIST_NAMES: usize = 65_536;
/// Longest recording of a computer that is read.
pub const MAX_RECORDING_BYTES: usize = 32 << 20;
