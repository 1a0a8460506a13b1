//! Computers for tests: one on which everything works, and what can be broken about it.

use crate::cpu_level::CpuLevel;
use crate::fact::{Fact, Forger, Privilege};
use crate::host::{
    Ability, Acceleration, Accelerator, BlockMount, Cpu, FuseAccess, HostFacts, Memory, Namespaces, Obstacle,
    OperatingSystem, Space, Tool, UserMap, Virtualization,
};
use crate::safety::{
    Clock, Confinement, Firewall, Power, ProductKind, Reach, Release, ScreenLock, SecureBoot,
    SecurityProduct, Signatures, StickPort, Storage, StorageRole, Tristate, Updates,
};
use crate::version::Version;

/// 2026-11-21, noon UTC.
pub(crate) const TODAY_S: u64 = 1_795_262_400;

/// An ordinary home PC of about 2020 with everything installed.
pub(crate) fn good_pc() -> HostFacts {
    let levels = [CpuLevel::V1, CpuLevel::V2, CpuLevel::V3];
    HostFacts {
        operating_system: Fact::known(
            OperatingSystem {
                name: "Debian GNU/Linux 12 (bookworm)".into(),
                kernel: "6.1.0-18-amd64".into(),
            },
            "/etc/os-release",
            Privilege::User,
            Forger::Administrator,
        ),
        architecture: Fact::from_kernel("x86_64".into(), "uname"),
        administrator: Fact::from_kernel(false, "geteuid"),
        cpu: Fact::from_kernel(
            Cpu {
                model: "AMD Ryzen 5 3600".into(),
                flags: levels
                    .into_iter()
                    .flat_map(CpuLevel::own_flags)
                    .map(|flag| (*flag).to_owned())
                    .collect(),
                virtualization: Some(Virtualization::AmdV),
                inside_hypervisor: false,
            },
            "/proc/cpuinfo",
        ),
        cores: Fact::from_kernel(12, "sched_getaffinity"),
        memory: Fact::from_kernel(
            Memory {
                total_bytes: 16 << 30,
                available_bytes: 9 << 30,
            },
            "/proc/meminfo",
        ),
        temp_space: Fact::from_kernel(
            Space {
                path: "/tmp".into(),
                free_bytes: 50 << 30,
            },
            "statvfs /tmp",
        ),
        qemu: tool("qemu-system-x86_64", Version::new(7, 2, 22)),
        acceleration: works(Acceleration {
            accelerator: Accelerator::Kvm,
            elapsed_ms: 120,
            instructions_per_second: 2_000_000_000,
        }),
        emulation: works(Acceleration {
            accelerator: Accelerator::Tcg,
            elapsed_ms: 400,
            instructions_per_second: 300_000_000,
        }),
        fuse: works(FuseAccess {
            helper: Some("/usr/bin/fusermount3".into()),
        }),
        user_namespaces: works(namespaces(UserMap::Ranges)),
        bubblewrap: tool("bwrap", Version::new(0, 8, 0)),
        block_mount: works(BlockMount::Fuse2fs {
            path: "/usr/bin/fuse2fs".into(),
        }),
        release: Fact::from_kernel(
            Release {
                system: "debian".into(),
                version: "12".into(),
            },
            "/etc/os-release",
        ),
        secure_boot: Fact::from_kernel(SecureBoot::On, "efivars"),
        storage: Fact::from_kernel(
            vec![
                storage("/", StorageRole::Files, Tristate::Yes),
                storage("/boot", StorageRole::Boot, Tristate::No),
                storage("/dev/dm-2", StorageRole::Swap, Tristate::Yes),
                storage("/media/stick", StorageRole::Removable, Tristate::No),
            ],
            "/proc/self/mountinfo",
        ),
        confinement: Fact::from_kernel(
            Confinement::Enforced {
                by: "AppArmor".into(),
            },
            "/sys",
        ),
        firewall: Fact::from_kernel(
            Firewall {
                name: Some("ufw".into()),
                configured: Tristate::Yes,
                enforced: Tristate::Yes,
            },
            "ufw",
        ),
        products: Fact::from_kernel(vec![scanner("ClamAV")], "systemd"),
        updates: Fact::from_kernel(
            Updates {
                age_days: Some(2),
                automatic: Tristate::Yes,
                restart_pending: Tristate::No,
            },
            "/var/lib/apt",
        ),
        remote_control: Fact::from_kernel(Vec::new(), "/proc"),
        screen_lock: Fact::from_kernel(
            ScreenLock {
                locks: true,
                after_s: Some(300),
            },
            "gsettings",
        ),
        clock: Fact::from_kernel(
            Clock {
                synchronized: Tristate::Yes,
                before_release: false,
            },
            "timedate1",
        ),
        stick: Fact::from_kernel(
            StickPort {
                usb_mbit_per_s: Some(5000),
                read_bytes_per_s: Some(120_000_000),
                write_bytes_per_s: Some(30_000_000),
                honest_capacity: Tristate::Yes,
                io_errors: Some(0),
            },
            "/sys",
        ),
        power: Fact::from_kernel(
            Power {
                on_mains: true,
                battery_percent: Some(80),
            },
            "/sys/class/power_supply",
        ),
        network: Fact::from_kernel(Reach::Company, "asked"),
        gathered_at_s: TODAY_S,
    }
}

pub(crate) fn storage(place: &str, role: StorageRole, encrypted: Tristate) -> Storage {
    Storage {
        place: place.to_owned(),
        role,
        by: (encrypted == Tristate::Yes).then(|| "LUKS".to_owned()),
        encrypted,
    }
}

/// A malware scanner as it should be.
pub(crate) fn scanner(name: &str) -> SecurityProduct {
    SecurityProduct {
        name: name.to_owned(),
        kind: ProductKind::Antivirus,
        running: Tristate::Yes,
        genuine: Tristate::Yes,
        signatures: Signatures::Aged { days: 1 },
    }
}

pub(crate) fn works<T>(with: T) -> Fact<Ability<T>> {
    Fact::from_kernel(Ability::yes(with), "tried")
}

pub(crate) fn broken<T>(obstacle: Obstacle) -> Fact<Ability<T>> {
    Fact::from_kernel(Ability::no(obstacle, "what the system said"), "tried")
}

pub(crate) fn namespaces(users: UserMap) -> Namespaces {
    Namespaces {
        users,
        why_not_more: (users == UserMap::OnlyYou).then(|| "no range of users".to_owned()),
    }
}

fn tool(name: &str, version: Version) -> Fact<Ability<Tool>> {
    works(Tool {
        path: format!("/usr/bin/{name}").into(),
        version: Some(version),
    })
}
