//! From an unlocked image and this computer to a virtual machine: a pure function.
//!
//! What the guest sees must not change from PC to PC: ids and addresses come from the bundle's id, the processor is the
//! baseline model. Only the number of cores, the memory and the accelerator follow the PC.

use std::path::PathBuf;

use gobag_checklists::{Ability, Fact, HostFacts, Requirements};
use gobag_engine::{
    accel::Accelerator,
    machine::{Boot, DiskSource, Display, MachineSpec, Workstation},
};
use gobag_format::{ids::BundleId, manifest::Manifest};

/// Guests get no more cores by themselves: a workstation seldom uses more, and the host needs some.
const MOST_CORES: u32 = 4;
const MIB: u64 = 1 << 20;

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
    /// UEFI, if the image starts with it.
    pub(crate) uefi: Option<Boot>,
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
    let workstation = Workstation {
        name: manifest.name.clone(),
        stick: bundle.0,
        accelerator: accelerator(facts),
        cores: choice.cores.unwrap_or_else(|| cores(facts)),
        memory_mib: choice.memory_mib.unwrap_or_else(|| memory_mib(requirements)),
        boot: boot(manifest, files),
        system: files.system.clone(),
        home: files.home.clone(),
        is_windows: manifest.is_windows(),
        is_compatible: choice.is_compatible,
        is_offline: choice.is_offline,
        display,
    };
    workstation.spec()
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
    match (&manifest.boot.kernel, &files.uefi) {
        (Some(kernel), _) => Boot::Kernel {
            kernel: files.blobs.join(&kernel.kernel),
            initrd: kernel.initrd.as_ref().map(|initrd| files.blobs.join(initrd)),
            command_line: kernel.words(files.home.is_some()),
        },
        (None, Some(uefi)) => uefi.clone(),
        (None, None) => Boot::Bios,
    }
}

#[cfg(test)]
mod tests {
    use gobag_engine::machine::{Clock, DiskBus, Network};
    use gobag_format::{
        crypto::Key,
        ids::{ImageId, OrgId},
        manifest::{BootWay, DirectKernel, Firmware},
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
        assert_eq!(manifest.boot_way(), Some(BootWay::Kernel));
        let spec = built(&manifest, &HostFacts::default(), &MachineChoice::default());
        let expected = Boot::Kernel {
            kernel: "/run/vmlinuz".into(),
            initrd: Some("/run/initrd".into()),
            command_line: "root=LABEL=x".to_owned(),
        };
        assert_eq!(spec.boot, expected);
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
        assert_eq!(manifest.boot_way(), Some(BootWay::Bios));
        manifest.boot.firmware = Some(Firmware::Unknown);
        assert_eq!(manifest.boot_way(), None);
    }
}
