//! All facts about one computer, as data. `gobag-host` fills this in; tests and bug reports write it by hand.
//!
//! A missing field reads as "not looked at", so facts recorded by an older program can be judged by a newer one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::safety::{
    Clock, Confinement, Firewall, Power, Reach, Release, ScreenLock, SecureBoot, SecurityProduct, StickPort,
    Storage, Updates,
};
use crate::version::Version;

/// What was found out about one computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Name and version of the operating system.
    pub operating_system: Fact<OperatingSystem>,
    /// Processor architecture in Rust's spelling (`x86_64`, `aarch64`).
    pub architecture: Fact<String>,
    /// Is the launcher running with the administrator's rights?
    pub administrator: Fact<bool>,
    /// Processor model and features.
    pub cpu: Fact<Cpu>,
    /// Processor cores this process may use at once.
    pub cores: Fact<u32>,
    /// Memory, total and available now.
    pub memory: Fact<Memory>,
    /// Free space where temporary files go.
    pub temp_space: Fact<Space>,
    /// The hypervisor program.
    pub qemu: Fact<Ability<Tool>>,
    /// Can the processor run a guest directly? Proved by running one, not by looking at a device file.
    pub acceleration: Fact<Ability<Acceleration>>,
    /// Can the hypervisor emulate a processor? Proved by running guest instructions.
    pub emulation: Fact<Ability<Acceleration>>,
    /// Can this user mount through FUSE?
    pub fuse: Fact<Ability<FuseAccess>>,
    /// Can this user make a namespace of their own, with its capabilities?
    pub user_namespaces: Fact<Ability<Namespaces>>,
    /// The program that builds the container's sandbox.
    pub bubblewrap: Fact<Ability<Tool>>,
    /// Can this user mount the ext4 inside a block volume, and by what means?
    pub block_mount: Fact<Ability<BlockMount>>,
    /// Which release of which system, for its end of life.
    pub release: Fact<Release>,
    /// Does the firmware start only what is signed?
    pub secure_boot: Fact<SecureBoot>,
    /// Every place where data rests, and whether it is encrypted.
    pub storage: Fact<Vec<Storage>>,
    /// The kernel's confinement of programs.
    pub confinement: Fact<Confinement>,
    /// The firewall.
    pub firewall: Fact<Firewall>,
    /// Malware scanners and other programs that protect the computer; an empty list is "looked everywhere, found none".
    pub products: Fact<Vec<SecurityProduct>>,
    /// Updates of the operating system.
    pub updates: Fact<Updates>,
    /// Programs running by which somebody elsewhere can see or control this computer.
    pub remote_control: Fact<Vec<String>>,
    /// What happens when nobody is at the computer.
    pub screen_lock: Fact<ScreenLock>,
    /// The computer's clock.
    pub clock: Fact<Clock>,
    /// The port and the medium of the stick; not applicable where no stick was named.
    pub stick: Fact<StickPort>,
    /// Where the power comes from; not applicable without a battery.
    pub power: Fact<Power>,
    /// What can be reached.
    pub network: Fact<Reach>,
    /// When the facts were gathered, in seconds since 1970 UTC by the computer's own clock; 0 if an older program did.
    pub gathered_at_s: u64,
}

/// Name and version of an operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatingSystem {
    /// What the user would call it, for instance `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// The kernel's release, for instance `6.1.0-18-amd64`.
    pub kernel: String,
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The model's name as the processor gives it.
    pub model: String,
    /// Feature flags in Linux's spelling.
    pub flags: BTreeSet<String>,
    /// The virtualisation extension the processor offers; `None` if there is none or the firmware hides it.
    pub virtualization: Option<Virtualization>,
    /// Is this computer itself a virtual machine?
    pub inside_hypervisor: bool,
}

/// A processor's virtualisation extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Virtualization {
    /// Intel VT-x (`vmx`).
    IntelVtX,
    /// AMD-V (`svm`).
    AmdV,
}

/// Memory of a computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What new programs can get without swapping.
    pub available_bytes: u64,
}

/// Free space of one file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// A folder on that file system.
    pub path: PathBuf,
    /// What this user can still write.
    pub free_bytes: u64,
}

/// A yes with details, or a no with the kind of obstacle, from which follows what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "usable", rename_all = "kebab-case")]
pub enum Ability<T> {
    /// It works.
    Yes {
        /// What exactly works.
        with: T,
    },
    /// It does not.
    No {
        /// The kind of obstacle.
        obstacle: Obstacle,
        /// What was tried and what the system said.
        detail: String,
    },
}

impl<T> Ability<T> {
    /// It works, with these details.
    pub fn yes(with: T) -> Self {
        Self::Yes { with }
    }

    /// It does not work.
    pub fn no(obstacle: Obstacle, detail: impl Into<String>) -> Self {
        Self::No {
            obstacle,
            detail: detail.into(),
        }
    }
}

/// Kinds of obstacles; each leads to different advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// Not installed, or the computer does not have it.
    Missing,
    /// There, but this user may not use it.
    NoPermission,
    /// There, but disabled in the firmware or by a system setting.
    SwitchedOff,
    /// Tried, and it failed.
    NotWorking,
    /// Tried, and it did not come back in time.
    TimedOut,
}

/// A program found on the computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Where it is.
    pub path: PathBuf,
    /// Its version; `None` if it did not tell one we can read.
    pub version: Option<Version>,
}

/// A way of running guest instructions, shown to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceleration {
    /// Which one.
    pub accelerator: Accelerator,
    /// How long the proof took, start of the hypervisor included.
    pub elapsed_ms: u64,
    /// Speed of the guest during the proof; 0 if nobody measured.
    #[serde(default)]
    pub instructions_per_second: u64,
}

/// Ways of running guest instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// Linux's hypervisor, on the processor itself.
    Kvm,
    /// QEMU's emulation: works everywhere, several times slower.
    Tcg,
}

/// How this user can mount through FUSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuseAccess {
    /// The set-user-id helper an ordinary user needs; `None` for the administrator, who needs none.
    pub helper: Option<PathBuf>,
}

/// The namespaces this user can make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// The users that exist in them.
    pub users: UserMap,
    /// What the system said when more users were asked for.
    pub why_not_more: Option<String>,
}

/// The users that exist in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserMap {
    /// All of the host's: we are the administrator.
    All,
    /// A full set, from the range the administrator set aside.
    Ranges,
    /// One. Files of all other users in the image belong to nobody.
    OnlyYou,
}

/// How this user can mount an ext4 that lives in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum BlockMount {
    /// The kernel's loop device: fast, only for the administrator.
    Loop,
    /// The `fuse2fs` program: for everybody.
    Fuse2fs {
        /// Where it is.
        path: PathBuf,
    },
}
