//! From an unlocked image and this computer to a virtual machine: a pure function.
//!
//! What the guest sees must not change from PC to PC: ids and addresses come from the bundle's id, the processor is the
//! baseline model. Only the number of cores, the memory and the accelerator follow the PC.

use std::path::PathBuf;

use gobag_checklists::{Ability, Fact, HostFacts, Requirements};
use gobag_engine::{
    accel::Accelerator,
    machine::{
        Boot, Clock, CpuModel, Disk, DiskBus, DiskSource, Display, MachineSpec, Network, NetworkCard,
        PINNED_MACHINE_TYPE, Serial,
    },
};
use gobag_format::{
    ids::BundleId,
    manifest::{Firmware, Manifest},
};

/// Guests get no more cores by themselves: a workstation seldom uses more, and the host needs some.
const MOST_CORES: u32 = 4;
const MIB: u64 = 1 << 20;
/// The guest's `/etc/fstab` waits for the home volume (`docs/format/base.md`).
const HOME_WORD: &str = "gobag.home";
/// What systemd takes to leave a mount alone.
const NO_HOME: &str = "systemd.mask=home.mount";

/// What a person may choose about the machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct MachineChoice {
    /// Memory, MiB.
    pub(crate) memory_mib: Option<u32>,
    /// Processor cores.
    pub(crate) cores: Option<u32>,
    /// Plain PC hardware that every system has drivers for.
    pub(crate) is_compatible: bool,
    /// No network card.
    pub(crate) is_offline: bool,
}

/// The files the machine is made of.
#[derive(Debug, Clone)]
pub(crate) struct MachineFiles {
    /// The system's disk.
    pub(crate) system: DiskSource,
    /// The user's own disk.
    pub(crate) home: Option<DiskSource>,
    /// Folder where blobs are files under their own names.
    pub(crate) blobs: PathBuf,
    /// UEFI code and variables, if the image starts with UEFI.
    pub(crate) uefi: Option<(PathBuf, PathBuf)>,
}

/// How an image starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BootWay {
    /// Its kernel is loaded by the hypervisor.
    Kernel,
    /// Its disk's boot loader, started by PC firmware.
    Bios,
    /// Its disk's boot loader, started by UEFI.
    Uefi,
}

/// How this image starts; `None` if this version knows no way.
pub(crate) fn boot_way(manifest: &Manifest) -> Option<BootWay> {
    match (&manifest.boot.kernel, manifest.boot.firmware) {
        (Some(_), _) => Some(BootWay::Kernel),
        (None, Some(Firmware::Uefi)) => Some(BootWay::Uefi),
        // A disk without a word about its boot loader is most likely an old one.
        (None, Some(Firmware::Bios) | None) => Some(BootWay::Bios),
        (None, Some(Firmware::Unknown)) => None,
    }
}

/// The machine for this image on this computer.
pub(crate) fn machine(
    manifest: &Manifest,
    bundle: BundleId,
    requirements: &Requirements,
    facts: &HostFacts,
    choice: &MachineChoice,
    files: &MachineFiles,
    display: Display,
) -> MachineSpec {
    let is_windows = is_windows(manifest);
    let is_compatible = choice.is_compatible || is_windows;
    let disk = |serial: &str, source: &DiskSource| Disk {
        serial: serial.to_owned(),
        source: source.clone(),
        bus: if is_compatible {
            DiskBus::Sata
        } else {
            DiskBus::Virtio
        },
        read_only: false,
    };
    let mut disks = vec![disk("gobag-system", &files.system)];
    disks.extend(files.home.as_ref().map(|home| disk("gobag-home", home)));
    MachineSpec {
        name: manifest.name.clone(),
        machine_type: PINNED_MACHINE_TYPE.to_owned(),
        accelerator: accelerator(facts),
        cpu: CpuModel::Baseline,
        cores: choice.cores.unwrap_or_else(|| cores(facts)),
        memory_mib: choice.memory_mib.unwrap_or_else(|| memory_mib(requirements)),
        uuid: uuid(bundle),
        boot: boot(manifest, files),
        disks,
        network: match choice.is_offline {
            true => Network::Off,
            false => Network::User {
                mac: mac(bundle),
                card: if is_compatible {
                    NetworkCard::E1000e
                } else {
                    NetworkCard::Virtio
                },
                restrict: false,
            },
        },
        display,
        serial: match display {
            Display::None => Serial::Console,
            _ => Serial::Off,
        },
        clock: if is_windows { Clock::Local } else { Clock::Utc },
    }
}

/// The best accelerator that was proved, else the one that needs no proof.
fn accelerator(facts: &HostFacts) -> Accelerator {
    let proved = |fact: &Fact<Ability<_>>| matches!(fact.value(), Some(Ability::Yes { .. }));
    if proved(&facts.acceleration) {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    }
}

/// One core stays with the host where there are enough.
fn cores(facts: &HostFacts) -> u32 {
    match facts.cores.value().copied().unwrap_or(1) {
        cores @ 0..=2 => cores.max(1),
        cores => (cores - 1).min(MOST_CORES),
    }
}

fn memory_mib(requirements: &Requirements) -> u32 {
    u32::try_from(requirements.vm.guest_memory_bytes / MIB).unwrap_or(u32::MAX)
}

fn boot(manifest: &Manifest, files: &MachineFiles) -> Boot {
    if let Some(kernel) = &manifest.boot.kernel {
        return Boot::Kernel {
            kernel: files.blobs.join(&kernel.kernel),
            initrd: kernel.initrd.as_ref().map(|initrd| files.blobs.join(initrd)),
            command_line: words(&kernel.cmdline, files.home.is_some()),
        };
    }
    match &files.uefi {
        Some((code, vars)) => Boot::Uefi {
            code: code.clone(),
            vars: vars.clone(),
        },
        None => Boot::Bios,
    }
}

/// The kernel's words. A guest that waits for a home volume, on a stick that has none, is told not to.
fn words(cmdline: &str, has_home: bool) -> String {
    let waits = cmdline.split_ascii_whitespace().any(|word| word == HOME_WORD);
    match waits && !has_home {
        true => format!("{cmdline} {NO_HOME}"),
        false => cmdline.to_owned(),
    }
}

/// Windows wants its clock in local time and has no drivers for virtual hardware unless somebody installed them.
fn is_windows(manifest: &Manifest) -> bool {
    let name = manifest.os_name.as_deref().unwrap_or_default();
    name.to_ascii_lowercase().contains("windows")
}

/// The bundle's id in the form of a random UUID.
fn uuid(bundle: BundleId) -> String {
    let mut bytes = bundle.0;
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

/// An address that QEMU's makers set aside, made unlike others by the bundle's id.
fn mac(bundle: BundleId) -> String {
    let [.., a, b, c] = bundle.0;
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use gobag_format::{
        crypto::Key,
        ids::{ImageId, OrgId},
        manifest::DirectKernel,
    };

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: 1,
            features: Default::default(),
            org: OrgId([1; 16]),
            name: "office".to_owned(),
            image: ImageId([2; 16]),
            version: 3,
            parent: None,
            created_s: 0,
            chunk_key: Key::from_bytes([0; 32]),
            volumes: Vec::new(),
            packs: Vec::new(),
            boot: Default::default(),
            container: None,
            os_name: None,
            requirements: serde_json::Value::Null,
            policy: serde_json::Value::Null,
        }
    }

    fn built(manifest: &Manifest, facts: &HostFacts, choice: &MachineChoice) -> MachineSpec {
        let files = MachineFiles {
            system: DiskSource::File("/run/system.img".into()),
            home: Some(DiskSource::File("/run/home.img".into())),
            blobs: "/run".into(),
            uefi: None,
        };
        let bundle = BundleId([0xab; 16]);
        let spec = machine(
            manifest,
            bundle,
            &Requirements::default(),
            facts,
            choice,
            &files,
            Display::None,
        );
        spec.check(std::path::Path::new("/run"))
            .expect("a machine that can be built");
        spec
    }

    #[test]
    fn the_same_stick_is_the_same_machine_on_every_computer() {
        let strong = HostFacts {
            cores: Fact::from_kernel(16, "test"),
            ..HostFacts::default()
        };
        let weak = built(&manifest(), &HostFacts::default(), &MachineChoice::default());
        let strong = built(&manifest(), &strong, &MachineChoice::default());
        assert_eq!((weak.cores, strong.cores), (1, 4));
        assert_eq!(MachineSpec { cores: 1, ..strong }, weak);
        assert_eq!(weak.uuid, "abababab-abab-4bab-abab-abababababab");
        assert!(matches!(&weak.network, Network::User { mac, .. } if mac == "52:54:00:ab:ab:ab"));
        assert_eq!(weak.accelerator, Accelerator::Tcg, "unproved");
    }

    #[test]
    fn a_recorded_kernel_is_started_directly() {
        let mut manifest = manifest();
        manifest.boot.firmware = Some(Firmware::Uefi);
        manifest.boot.kernel = Some(DirectKernel {
            kernel: "vmlinuz".to_owned(),
            initrd: Some("initrd".to_owned()),
            cmdline: "root=LABEL=x".to_owned(),
        });
        assert_eq!(boot_way(&manifest), Some(BootWay::Kernel));
        let spec = built(&manifest, &HostFacts::default(), &MachineChoice::default());
        let expected = Boot::Kernel {
            kernel: "/run/vmlinuz".into(),
            initrd: Some("/run/initrd".into()),
            command_line: "root=LABEL=x".to_owned(),
        };
        assert_eq!(spec.boot, expected);
    }

    #[test]
    fn a_guest_waits_for_a_home_volume_only_where_there_is_one() {
        let waits = "root=LABEL=x gobag.home";
        assert_eq!(words(waits, true), waits);
        assert_eq!(words(waits, false), format!("{waits} systemd.mask=home.mount"));
        for other in ["root=LABEL=x", "root=LABEL=x gobag.homes", ""] {
            assert_eq!(words(other, false), other);
        }
    }

    #[test]
    fn windows_gets_hardware_and_a_clock_that_it_knows() {
        let mut manifest = manifest();
        manifest.os_name = Some("Microsoft Windows 11".to_owned());
        let spec = built(&manifest, &HostFacts::default(), &MachineChoice::default());
        assert_eq!(spec.clock, Clock::Local);
        assert!(spec.disks.iter().all(|disk| disk.bus == DiskBus::Sata));
        manifest.os_name = None;
        let choice = MachineChoice {
            is_compatible: true,
            is_offline: true,
            memory_mib: Some(777),
            cores: Some(3),
        };
        let spec = built(&manifest, &HostFacts::default(), &choice);
        assert_eq!((spec.memory_mib, spec.cores, spec.clock), (777, 3, Clock::Utc));
        assert_eq!((spec.disks[1].bus, &spec.network), (DiskBus::Sata, &Network::Off));
    }

    #[test]
    fn firmware_of_a_later_version_is_not_guessed() {
        let mut manifest = manifest();
        assert_eq!(boot_way(&manifest), Some(BootWay::Bios));
        manifest.boot.firmware = Some(Firmware::Unknown);
        assert_eq!(boot_way(&manifest), None);
    }
}
