//! The machine that somebody's workstation is, wherever it runs.
//!
//! What the guest sees must not change from PC to PC: ids and addresses come from the stick's number, the processor is the
//! baseline model. Only the number of cores, the memory and the accelerator follow the PC.

use super::{
    Boot, Clock, CpuModel, Disk, DiskBus, DiskSource, Display, MachineSpec, Network, NetworkCard,
    PINNED_MACHINE_TYPE, Serial,
};
use crate::accel::Accelerator;

/// What makes a workstation the one it is, and what it gets of this computer.
#[derive(Debug, Clone)]
pub struct Workstation {
    /// Shown as the window's title.
    pub name: String,
    /// The stick's number.
    pub stick: [u8; 16],
    /// What runs its instructions.
    pub accelerator: Accelerator,
    /// Number of cores.
    pub cores: u32,
    /// Main memory, MiB.
    pub memory_mib: u32,
    /// Where it boots from.
    pub boot: Boot,
    /// The system's disk.
    pub system: DiskSource,
    /// The user's own disk.
    pub home: Option<DiskSource>,
    /// Its system is Windows.
    pub is_windows: bool,
    /// Plain PC hardware that every system has drivers for; Windows always gets it.
    pub is_compatible: bool,
    /// No network card.
    pub is_offline: bool,
    /// Its screen.
    pub display: Display,
}

impl Workstation {
    /// The machine.
    pub fn spec(self) -> MachineSpec {
        let is_compatible = self.is_compatible || self.is_windows;
        let (bus, card) = match is_compatible {
            true => (DiskBus::Sata, NetworkCard::E1000e),
            false => (DiskBus::Virtio, NetworkCard::Virtio),
        };
        let disk = |serial: &str, source| Disk {
            serial: serial.to_owned(),
            source,
            bus,
            read_only: false,
        };
        let mut disks = vec![disk("gobag-system", self.system)];
        disks.extend(self.home.map(|home| disk("gobag-home", home)));
        MachineSpec {
            name: self.name,
            machine_type: PINNED_MACHINE_TYPE.to_owned(),
            accelerator: self.accelerator,
            cpu: CpuModel::Baseline,
            cores: self.cores,
            memory_mib: self.memory_mib,
            uuid: uuid(self.stick),
            boot: self.boot,
            disks,
            network: match self.is_offline {
                true => Network::Off,
                false => Network::User {
                    mac: mac(self.stick),
                    card,
                    restrict: false,
                },
            },
            display: self.display,
            serial: match self.display {
                Display::None => Serial::Console,
                _ => Serial::Off,
            },
            clock: if self.is_windows { Clock::Local } else { Clock::Utc },
        }
    }
}

/// The stick's number in the form of a random UUID.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

/// An address that QEMU's makers set aside, made unlike others by the stick's number.
fn mac([.., a, b, c]: [u8; 16]) -> String {
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}
