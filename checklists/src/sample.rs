//! Computers for tests: one on which everything works, and what can be broken about it.

use crate::cpu_level::CpuLevel;
use crate::fact::{Fact, Forger, Privilege};
use crate::host::{
    Ability, Acceleration, Accelerator, BlockMount, Cpu, FuseAccess, HostFacts, Memory, Namespaces, Obstacle,
    OperatingSystem, Space, Tool, UserMap, Virtualization,
};
use crate::version::Version;

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
