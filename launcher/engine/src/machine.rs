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

use crate::{
    accel::Accelerator,
    limits::{MACHINE_CORES, MACHINE_DISKS, MACHINE_MEMORY_MIB, UNIX_PATH_BYTES},
};

mod args;
mod types;

pub use args::qemu_args;
pub use types::{MachineType, MachineTypeError, machine_type};

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
    /// The raw image.
    pub path: PathBuf,
    /// How it is connected.
    pub bus: DiskBus,
    /// Refuse the guest's writes.
    pub read_only: bool,
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

/// A machine that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Too few or too many of something.
    #[error("{value} {what} are not possible, the machine takes {least} to {most}")]
    Range {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A text that would not reach QEMU or the guest unchanged.
    #[error("{what} `{value}` is not of the form {form}")]
    Form {
        /// What it names.
        what: &'static str,
        /// The text.
        value: String,
        /// What would be right.
        form: &'static str,
    },
    /// Two disks with one serial number.
    #[error("two disks have the serial number `{serial}`")]
    SameSerial {
        /// The serial number.
        serial: String,
    },
    /// A SATA disk that refuses writes, which SATA disks cannot.
    #[error("disk `{serial}` cannot be read-only on SATA")]
    ReadOnlySata {
        /// The disk's serial number.
        serial: String,
    },
    /// The runtime folder's name is too long for sockets in it.
    #[error("the name of the runtime folder is too long for a socket in it: {}", folder.display())]
    FolderName {
        /// The folder.
        folder: PathBuf,
    },
}

impl SpecError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Range { .. } => "engine.machine-range",
            Self::Form { .. } => "engine.machine-form",
            Self::SameSerial { .. } => "engine.machine-same-serial",
            Self::ReadOnlySata { .. } => "engine.machine-read-only-sata",
            Self::FolderName { .. } => "engine.machine-folder-name",
        }
    }
}

impl MachineSpec {
    /// Whether this machine can be built with its sockets in `folder`.
    pub fn check(&self, folder: &Path) -> Result<(), SpecError> {
        let range = |what, value: u64, (least, most)| match value {
            value if (least..=most).contains(&value) => Ok(()),
            value => Err(SpecError::Range {
                what,
                value,
                least,
                most,
            }),
        };
        range("cores", self.cores.into(), MACHINE_CORES)?;
        range("MiB of memory", self.memory_mib.into(), MACHINE_MEMORY_MIB)?;
        range("disks", self.disks.len() as u64, (0, MACHINE_DISKS))?;
        form("machine type", &self.machine_type, is_word, "pc-q35-7.2")?;
        form("machine id", &self.uuid, is_uuid, "8-4-4-4-12 hex digits")?;
        if let Network::User { mac, .. } = &self.network {
            form("network address", mac, is_mac, "52:54:00:xx:xx:xx")?;
        }
        for (index, disk) in self.disks.iter().enumerate() {
            let shape = "up to 20 letters, digits and `-`, beginning with a letter";
            form("disk serial number", &disk.serial, is_serial, shape)?;
            if self.disks[..index].iter().any(|d| d.serial == disk.serial) {
                return Err(SpecError::SameSerial {
                    serial: disk.serial.clone(),
                });
            }
        }
        if let Some(disk) = self
            .disks
            .iter()
            .find(|disk| disk.read_only && disk.bus == DiskBus::Sata)
        {
            return Err(SpecError::ReadOnlySata {
                serial: disk.serial.clone(),
            });
        }
        if agent_socket(folder).as_os_str().len() > UNIX_PATH_BYTES {
            return Err(SpecError::FolderName {
                folder: folder.to_owned(),
            });
        }
        Ok(())
    }
}

fn form(
    what: &'static str,
    value: &str,
    is_good: fn(&str) -> bool,
    form: &'static str,
) -> Result<(), SpecError> {
    if is_good(value) {
        return Ok(());
    }
    Err(SpecError::Form {
        what,
        value: value.to_owned(),
        form,
    })
}

fn is_word(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_good)
}

fn is_serial(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.len() <= 20 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_good)
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn is_mac(text: &str) -> bool {
    let is_byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
    // The second bit of the first byte marks an address given locally, the first one a group.
    let is_ours = |text: &str| u8::from_str_radix(&text[..2], 16).is_ok_and(|byte| byte & 0b11 == 0b10);
    text.split(':').count() == 6 && text.split(':').all(is_byte) && is_ours(text)
}

#[cfg(test)]
mod tests;
