//! Every limit of this crate on what comes from outside, in one place.

use std::time::Duration;

/// Most bytes of standard output kept from a tool that is run to its end; more is an error.
pub const TOOL_STDOUT_BYTES: usize = 16 << 20;

/// Most bytes of standard error kept from a tool; the rest is read and dropped.
pub const TOOL_STDERR_BYTES: usize = 64 << 10;

/// Most bytes of a tool's standard error that are quoted in an error message (its last bytes).
pub const TOOL_STDERR_QUOTED_BYTES: usize = 2 << 10;

/// How often a caller's wish to cancel is looked at while a tool runs.
pub const CANCEL_PERIOD: Duration = Duration::from_millis(100);

/// Largest disk that an imported image may claim: 64 TiB.
pub const DISK_BYTES: u64 = 64 << 40;

/// Most bytes read of a VMDK descriptor; real ones have one or two kilobytes.
pub const VMDK_DESCRIPTOR_BYTES: u64 = 1 << 20;

/// How long `qemu-img info` may take: it reads a header, but perhaps over a sleepy network share.
pub const QEMU_IMG_INFO_DEADLINE: Duration = Duration::from_secs(60);

/// A deadline for the proof of an accelerator that a busy PC can keep; kernel-side emulation cannot.
pub const PROOF_DEADLINE: Duration = Duration::from_secs(10);

/// Longest time the work of the proof (60 million instructions) may take under hardware acceleration. Real hardware
/// needs some 30 ms, the emulation seen in place of it 30 s.
pub const MAX_HARDWARE_WORK: Duration = Duration::from_secs(1);

/// Least and most cores of a machine.
pub const MACHINE_CORES: (u64, u64) = (1, 64);

/// Least and most memory of a machine in MiB.
pub const MACHINE_MEMORY_MIB: (u64, u64) = (64, 1 << 20);

/// Most disks of a machine; a q35 board has six SATA ports.
pub const MACHINE_DISKS: u64 = 6;

/// Longest name of a Unix socket: `sun_path` is 108 bytes with its final zero.
pub const UNIX_PATH_BYTES: usize = 107;

/// Longest line QEMU's monitor or the guest agent may send.
pub const QMP_LINE_BYTES: u64 = 1 << 20;

/// Most events of QEMU that wait to be taken; further ones are lost, with a warning.
pub const QMP_EVENTS: usize = 1024;

/// How long QEMU's monitor may take for a command.
pub const QMP_DEADLINE: Duration = Duration::from_secs(10);

/// How long QEMU may take from its start to its monitor's greeting; a slow stick delivers the program itself.
pub const QEMU_START_DEADLINE: Duration = Duration::from_secs(60);

/// How long QEMU may take to end after it has hung up its monitor; then it is killed.
pub const QEMU_END_GRACE: Duration = Duration::from_secs(10);

/// How often a guest is looked at until its first sign of life.
pub const LIFE_PERIOD: Duration = Duration::from_millis(250);

/// How long to wait for a sign of life before another accelerator is tried: firmware, a boot menu's usual 5 s, a kernel
/// read from a slow stick.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(90);

/// How long the guest agent may take for a command.
pub const AGENT_DEADLINE: Duration = Duration::from_secs(1);

/// How long the guest agent may take to hold its file systems still: it writes out what is in the guest's memory, to a slow stick.
pub const FREEZE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a guest's file systems stand still at most, from the agent's answer on.
pub const FROZEN_LIMIT: Duration = Duration::from_secs(5);

/// The longest pause before a guest that may still stand still is asked again to go on.
pub const THAW_RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Longest line, and most text kept, from the tools that hold a container's namespaces.
pub const AGENT_LINE_BYTES: usize = 16 << 10;

/// How long a killed container's processes may take to be gone.
pub const AGENT_END_DEADLINE: Duration = Duration::from_secs(10);

/// Most bytes read of `/etc/subuid` and `/etc/subgid`.
pub const SUBID_FILE_BYTES: u64 = 1 << 20;

/// How long a look into a volume may take, which can lie on a slow stick.
pub const DEBUGFS_DEADLINE: Duration = Duration::from_secs(60);

/// How long each step of a container's start may take, from namespaces to mounts.
pub const CONTAINER_START_DEADLINE: Duration = Duration::from_secs(60);

/// How long unmounting may take: everything that is still in memory goes to a slow stick.
pub const CONTAINER_UNMOUNT_DEADLINE: Duration = Duration::from_secs(600);

/// How soon unmounting is tried again while the kernel is still taking processes apart.
pub const UNMOUNT_RETRY_PERIOD: Duration = Duration::from_millis(20);

/// How long a container's programs have to end when they are asked to, before they are killed.
pub const CONTAINER_GRACE: Duration = Duration::from_secs(5);
