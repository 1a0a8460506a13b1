//! The virtual machine: what it consists of, and QEMU's argument list for it.
//!
//! A [`MachineSpec`] is data; [`qemu_args`] is a pure function of it, so that golden tests pin every word QEMU is told.
//! The machine must look the same on every PC the stick is plugged into, or the guest's system would see new hardware
//! (and Windows would want to be activated) each time. So the machine type, CPU model, MAC address, UUID and disk
//! serials are pinned by the spec, and nothing is taken from the host or from QEMU's own defaults.
//!
//! Nothing secret may be in a spec: every process of the host can read QEMU's arguments.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::accel::Accelerator;

mod args;
mod check;
mod types;
mod uefi;
mod workstation;

pub use args::qemu_args;
pub use check::SpecError;
pub use types::{MachineType, MachineTypeError, machine_type};
pub use uefi::{UefiError, uefi};
pub use workstation::Workstation;

/// QEMU's own system call filter, as strict as it goes: no new processes, no privileges, no scheduling tricks.
pub(crate) const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// The machine type every image is pinned to unless it says otherwise: QEMU 7.2 is in Debian 12, and newer versions of
/// QEMU keep old types for six years.
pub const PINNED_MACHINE_TYPE: &str = "pc-q35-7.2";

/// The host's environment variables that QEMU needs for a window; see [`crate::supervise::StartOptions::env`].
pub const WINDOW_VARIABLES: [&str; 6] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "HOME",
    "LANG",
];

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Shown as the window's title.
    pub name: String,
    /// QEMU's name of the machine type, see [`machine_type`].
    pub machine_type: String,
    /// What runs its instructions.
    pub accelerator: Accelerator,
    /// The processor the guest sees.
    pub cpu: CpuModel,
    /// Number of cores.
    pub cores: u32,
    /// Main memory in MiB.
    pub memory_mib: u32,
    /// The machine's own id, in the usual form `xxxxxxxx-xxxx-…`; guests derive licences from it.
    pub uuid: String,
    /// Where it boots from.
    pub boot: Boot,
    /// Its disks; the first is the one firmware boots from.
    pub disks: Vec<Disk>,
    /// Its network.
    pub network: Network,
    /// Its screen.
    pub display: Display,
    /// Its first serial port.
    pub serial: Serial,
    /// What its real-time clock shows.
    pub clock: Clock,
}

/// The processor a guest sees.
///
/// `Baseline` is QEMU's `Nehalem`, which is the x86-64-v2 level: every PC since about 2010 has it, all of today's
/// systems run on it (RHEL 9 and Windows 11 24H2 want no less), and QEMU's translator knows all of it. `enforce` makes
/// QEMU refuse instead of quietly leaving a feature out: what the guest sees does not depend on the PC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CpuModel {
    /// The same on every PC.
    #[default]
    Baseline,
    /// Baseline with AES instructions: every PC since about 2013 but some of the cheapest.
    BaselineAes,
    /// Whatever this host has: fastest, but the guest sees another processor on another PC.
    Host,
}

impl CpuModel {
    /// Our name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::BaselineAes => "baseline-aes",
            Self::Host => "host",
        }
    }

    pub(crate) fn qemu_argument(self) -> &'static str {
        match self {
            Self::Baseline => "Nehalem-v1,enforce",
            Self::BaselineAes => "Westmere-v1,enforce",
            // `host` with hardware acceleration, everything it can do with the translator
            Self::Host => "max",
        }
    }
}

/// Where a machine boots from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Boot {
    /// PC firmware (SeaBIOS, part of QEMU), then the disk's boot sector.
    Bios,
    /// UEFI firmware (OVMF), then the disk's EFI system partition.
    Uefi {
        /// The firmware's code, opened read-only.
        code: PathBuf,
        /// Its variables, written by the guest.
        vars: PathBuf,
    },
    /// A Linux kernel without firmware's help: fastest, and no boot loader needed in the image.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its initial file system.
        initrd: Option<PathBuf>,
        /// Its command line.
        command_line: String,
    },
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Serial number the guest sees (`/dev/disk/by-id/virtio-…`), and its name in events: up to 20 letters, digits and
    /// `-`, beginning with a letter.
    pub serial: String,
    /// Where its bytes are.
    pub source: DiskSource,
    /// How it is connected.
    pub bus: DiskBus,
    /// Refuse the guest's writes.
    pub read_only: bool,
}

/// Where a disk's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DiskSource {
    /// A raw image as a file.
    File(PathBuf),
    /// An export of an NBD server at a Unix socket. (There is no network address: it would need a secret, and every
    /// process of the host can read QEMU's arguments.)
    Socket {
        /// The socket.
        path: PathBuf,
        /// The export's name.
        export: String,
    },
}

/// How a disk is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DiskBus {
    /// virtio-blk: fast; Linux has the driver, Windows needs it installed.
    #[default]
    Virtio,
    /// SATA: every system has the driver.
    Sata,
}

/// The network of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Network {
    /// No network card.
    Off,
    /// A card behind QEMU's user-mode network: nothing on the host changes, nothing outside can connect inwards.
    User {
        /// The card's address, `52:54:00:…`.
        mac: String,
        /// The card's model.
        card: NetworkCard,
        /// Cut the guest off from the host and the internet (it still gets an address).
        restrict: bool,
    },
}

/// A network card's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NetworkCard {
    /// virtio-net.
    #[default]
    Virtio,
    /// Intel's e1000e: every system has the driver.
    E1000e,
}

/// The screen of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Display {
    /// No graphics card at all.
    None,
    /// A GTK window.
    Gtk,
    /// An SDL window.
    Sdl,
    /// VNC on [`RuntimePaths::vnc`], which only this user can open.
    Vnc,
}

/// What the first serial port is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Serial {
    /// There is none.
    Off,
    /// The launcher, through [`crate::guest::Guest::take_console`]. (QEMU cannot have the terminal itself: it is not in
    /// the foreground process group.)
    Console,
    /// A file that gets everything written to the port.
    Log(PathBuf),
}

/// What the real-time clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Clock {
    /// UTC, as Linux wants it.
    #[default]
    Utc,
    /// Local time, as Windows wants it.
    Local,
}

/// Where QEMU meets the launcher: names in the private runtime folder, and inherited descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimePaths {
    /// The private runtime folder of this run.
    pub folder: PathBuf,
    /// QEMU's end of the QMP socket pair. A pair has no name that another process could open, and is there before QEMU
    /// is.
    pub qmp_fd: i32,
    /// QEMU's end of the serial console's socket pair, for [`Serial::Console`].
    pub console_fd: Option<i32>,
}

impl RuntimePaths {
    /// The guest agent's socket.
    pub fn agent(&self) -> PathBuf {
        agent_socket(&self.folder)
    }

    /// The VNC server's socket.
    pub fn vnc(&self) -> PathBuf {
        self.folder.join("vnc.sock")
    }
}

pub(crate) fn agent_socket(folder: &Path) -> PathBuf {
    folder.join("agent.sock")
}

#[cfg(test)]
mod tests;
