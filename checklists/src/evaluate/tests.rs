//! The rules as a table, and as properties.

mod policy;
mod safety;

use proptest::prelude::*;

use super::evaluate;
use crate::cpu_level::CpuLevel;
use crate::fact::Fact;
use crate::finding::{RuleId, Severity, Verdict};
use crate::host::{Ability, HostFacts, Memory, Obstacle, Tool, UserMap};
use crate::requirements::{AcceleratorRule, Mode, Requirements};
use crate::sample::{broken, good_pc, namespaces, works};
use crate::version::Version;

/// One change to a computer or to what is asked, and what it does to one rule.
type Case = (
    &'static str,
    fn(&mut HostFacts, &mut Requirements),
    Mode,
    RuleId,
    Verdict,
    &'static str,
);

/// The last column is a part of the advice.
#[rustfmt::skip] // one case a line reads as the table it is
const CASES: &[Case] = &[
    ("kvm not proved", |f, _| f.acceleration = broken(Obstacle::NotWorking), Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "several times slower"),
    ("kvm not permitted", |f, _| f.acceleration = broken(Obstacle::NoPermission), Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "`kvm` group"),
    ("kvm off in firmware", |f, _| f.acceleration = broken(Obstacle::SwitchedOff), Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "firmware"),
    ("p29, nested virtualisation off", |f, _| { f.cpu = no_virtualization(true); f.acceleration = broken(Obstacle::SwitchedOff); }, Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "nested virtualisation"),
    ("p29, kvm not permitted in a virtual machine", |f, _| { f.cpu = no_virtualization(true); f.acceleration = broken(Obstacle::NoPermission); }, Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "`kvm` group"),
    ("kvm required", |f, r| { f.acceleration = broken(Obstacle::Missing); r.vm.accelerator = AcceleratorRule::Require; }, Mode::Vm, RuleId::VmAccelerator, Verdict::Fail, "firmware"),
    ("a newer accelerator rule, kvm there", |_, r| r.vm.accelerator = AcceleratorRule::Unknown, Mode::Vm, RuleId::VmAccelerator, Verdict::Pass, ""),
    ("a newer accelerator rule, no kvm", |f, r| { f.acceleration = broken(Obstacle::Missing); r.vm.accelerator = AcceleratorRule::Unknown; }, Mode::Vm, RuleId::VmAccelerator, Verdict::Unknown, "fresh stick"),
    ("nothing runs a guest", |f, _| { f.acceleration = broken(Obstacle::Missing); f.emulation = broken(Obstacle::NotWorking); }, Mode::Vm, RuleId::VmAccelerator, Verdict::Fail, "reinstall"),
    ("acceleration unknown, emulation works", |f, _| f.acceleration = Fact::unknown("late"), Mode::Vm, RuleId::VmAccelerator, Verdict::Warn, "slower"),
    ("acceleration unknown but required", |f, r| { f.acceleration = Fact::unknown("late"); r.vm.accelerator = AcceleratorRule::Require; }, Mode::Vm, RuleId::VmAccelerator, Verdict::Unknown, "try"),
    ("both unknown", |f, _| { f.acceleration = Fact::unknown("late"); f.emulation = Fact::unknown("late"); }, Mode::Vm, RuleId::VmAccelerator, Verdict::Unknown, "try"),
    ("no qemu", |f, _| f.qemu = broken(Obstacle::Missing), Mode::Vm, RuleId::VmQemu, Verdict::Fail, "apt install qemu-system-x86"),
    ("old qemu", |f, _| f.qemu = works(Tool { path: "/q".into(), version: Some(Version::new(5, 2, 0)) }), Mode::Vm, RuleId::VmQemu, Verdict::Fail, "too old"),
    ("silent qemu", |f, _| f.qemu = works(Tool { path: "/q".into(), version: None }), Mode::Vm, RuleId::VmQemu, Verdict::Unknown, "version"),
    ("no virtualisation flag, kvm proved", |f, _| f.cpu = no_virtualization(false), Mode::Vm, RuleId::CpuVirtualization, Verdict::Pass, ""),
    ("no virtualisation flag", |f, _| { f.cpu = no_virtualization(false); f.acceleration = broken(Obstacle::Missing); }, Mode::Vm, RuleId::CpuVirtualization, Verdict::Warn, "firmware"),
    ("inside a virtual machine", |f, _| { f.cpu = no_virtualization(true); f.acceleration = broken(Obstacle::Missing); }, Mode::Vm, RuleId::CpuVirtualization, Verdict::Warn, "real PC"),
    ("old processor", |_, r| r.min_cpu_level = CpuLevel::V4, Mode::Container, RuleId::CpuFeatures, Verdict::Fail, "too old"),
    ("old processor, emulated", |f, r| { f.cpu = old_cpu(); f.acceleration = broken(Obstacle::Missing); r.min_cpu_level = CpuLevel::V2; }, Mode::Vm, RuleId::CpuFeatures, Verdict::Pass, ""),
    ("old processor, perhaps emulated", |f, r| { f.cpu = old_cpu(); f.acceleration = broken(Obstacle::Missing); r.min_cpu_level = CpuLevel::V3; }, Mode::Vm, RuleId::CpuFeatures, Verdict::Unknown, "emulation may"),
    ("too new even for emulation", |f, r| { f.acceleration = broken(Obstacle::Missing); r.min_cpu_level = CpuLevel::V4; }, Mode::Vm, RuleId::CpuFeatures, Verdict::Fail, "too old"),
    ("feature missing", |_, r| r.cpu_features = vec!["sha_ni".into()], Mode::Vm, RuleId::CpuFeatures, Verdict::Fail, "too old"),
    ("feature missing, emulated", |f, r| { f.acceleration = broken(Obstacle::Missing); r.cpu_features = vec!["sha_ni".into()]; }, Mode::Vm, RuleId::CpuFeatures, Verdict::Unknown, "emulation may"),
    ("level from the future", |_, r| r.min_cpu_level = CpuLevel::Unknown, Mode::Vm, RuleId::CpuFeatures, Verdict::Unknown, "fresh stick"),
    ("one core", |f, _| f.cores = Fact::from_kernel(1, "x"), Mode::Vm, RuleId::CpuCores, Verdict::Warn, "slow"),
    ("other architecture", |f, _| f.architecture = Fact::from_kernel("aarch64".into(), "x"), Mode::Container, RuleId::CpuArchitecture, Verdict::Fail, "x86_64"),
    ("little memory free", |f, _| f.memory = memory(16, 1), Mode::Vm, RuleId::MemoryAvailable, Verdict::Fail, "close other programs"),
    ("little memory at all", |f, _| f.memory = memory(2, 1), Mode::Vm, RuleId::MemoryAvailable, Verdict::Fail, "use another one"),
    ("enough for the container", |f, _| f.memory = memory(2, 1), Mode::Container, RuleId::MemoryAvailable, Verdict::Pass, ""),
    ("memory built in", |_, r| r.min_memory_total_bytes = 32 << 30, Mode::Vm, RuleId::MemoryTotal, Verdict::Fail, "use another one"),
    ("memory overflow in the manifest", |_, r| r.vm.guest_memory_bytes = u64::MAX, Mode::Vm, RuleId::MemoryAvailable, Verdict::Fail, "use another one"),
    ("disk full", |_, r| r.min_temp_free_bytes = 1 << 45, Mode::Vm, RuleId::SpaceTemp, Verdict::Fail, "/tmp"),
    ("no fusermount3", |f, _| f.fuse = broken(Obstacle::Missing), Mode::Container, RuleId::FuseUsable, Verdict::Fail, "apt install fuse3"),
    ("fuse for root only", |f, _| f.fuse = broken(Obstacle::NoPermission), Mode::Container, RuleId::FuseUsable, Verdict::Fail, "/dev/fuse"),
    ("no fuse, virtual machine", |f, _| f.fuse = broken(Obstacle::Missing), Mode::Vm, RuleId::FuseUsable, Verdict::Warn, "a virtual machine works without"),
    ("no namespaces", |f, _| f.user_namespaces = broken(Obstacle::NoPermission), Mode::Container, RuleId::ContainerNamespaces, Verdict::Fail, "vm mode"),
    ("namespaces with one user", |f, _| f.user_namespaces = works(namespaces(UserMap::OnlyYou)), Mode::Container, RuleId::ContainerNamespaces, Verdict::Warn, "/etc/subuid"),
    ("no bubblewrap", |f, _| f.bubblewrap = broken(Obstacle::Missing), Mode::Container, RuleId::ContainerBubblewrap, Verdict::Fail, "apt install bubblewrap"),
    ("no fuse2fs", |f, _| f.block_mount = broken(Obstacle::Missing), Mode::Container, RuleId::ContainerMount, Verdict::Fail, "apt install fuse2fs"),
    ("mode not offered", |_, r| r.modes = vec![Mode::Vm], Mode::Container, RuleId::ModeOffered, Verdict::Fail, "ask IT"),
    ("unknown mode", |_, r| r.modes = vec![Mode::Unknown], Mode::Unknown, RuleId::ModeOffered, Verdict::Fail, "ask IT"),
];

fn memory(total_gib: u64, available_gib: u64) -> Fact<Memory> {
    let memory = Memory {
        total_bytes: total_gib << 30,
        available_bytes: available_gib << 30,
    };
    Fact::from_kernel(memory, "x")
}

fn no_virtualization(inside_hypervisor: bool) -> Fact<crate::host::Cpu> {
    let mut cpu = good_pc().cpu.value().expect("known").clone();
    cpu.virtualization = None;
    cpu.inside_hypervisor = inside_hypervisor;
    Fact::from_kernel(cpu, "x")
}

fn old_cpu() -> Fact<crate::host::Cpu> {
    let mut cpu = good_pc().cpu.value().expect("known").clone();
    cpu.flags = CpuLevel::V1
        .own_flags()
        .iter()
        .map(|flag| (*flag).to_owned())
        .collect();
    Fact::from_kernel(cpu, "x")
}

#[test]
fn each_case_gives_its_verdict_and_advice() {
    for (name, change, mode, rule, verdict, advice) in CASES.iter().chain(safety::CASES) {
        let (mut facts, mut requirements) = (good_pc(), Requirements::default());
        change(&mut facts, &mut requirements);
        let findings = evaluate(&requirements, &facts, *mode, &[]);
        let finding = findings.get(*rule).unwrap_or_else(|| panic!("{name}: no {rule}"));
        assert_eq!(finding.verdict, *verdict, "{name}: {finding:?}");
        let what_to_do = finding.what_to_do.as_deref().unwrap_or_default();
        assert!(what_to_do.contains(advice), "{name}: {what_to_do}");
    }
}

#[test]
fn every_rule_has_a_case() {
    for rule in RuleId::ALL {
        let cases = CASES.iter().chain(safety::CASES);
        assert!(cases.map(|case| case.3).any(|of| of == rule), "{rule}");
    }
}

#[test]
fn a_good_pc_passes_everything_in_both_modes() {
    for mode in [Mode::Vm, Mode::Container] {
        let findings = evaluate(&Requirements::default(), &good_pc(), mode, &[]);
        assert_eq!(findings.worst(), Verdict::Pass, "{findings:?}");
        assert!(findings.fit);
    }
}

#[test]
fn nobody_looked_is_never_a_pass() {
    for mode in [Mode::Vm, Mode::Container] {
        let findings = evaluate(&Requirements::default(), &HostFacts::default(), mode, &[]);
        for finding in findings.findings {
            let expected = if finding.rule == RuleId::ModeOffered {
                Verdict::Pass
            } else {
                Verdict::Unknown
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
    }
}

#[test]
fn not_applicable_is_never_a_pass() {
    let mut facts = good_pc();
    facts.fuse = Fact::not_applicable("another system");
    let findings = evaluate(&Requirements::default(), &facts, Mode::Vm, &[]);
    let finding = findings.get(RuleId::FuseUsable).expect("applies");
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert_eq!(finding.found, "not applicable: another system");
}

/// Computers from hopeless to good, in all combinations of the parts that rules combine.
fn any_pc() -> impl Strategy<Value = HostFacts> {
    fn any_ability<T: Clone + std::fmt::Debug>(with: T) -> impl Strategy<Value = Fact<Ability<T>>> {
        let obstacles = [
            Obstacle::Missing,
            Obstacle::NoPermission,
            Obstacle::SwitchedOff,
            Obstacle::NotWorking,
            Obstacle::TimedOut,
        ];
        prop_oneof![
            Just(works(with)),
            proptest::sample::select(obstacles.to_vec()).prop_map(broken),
            Just(Fact::unknown("late")),
            Just(Fact::not_applicable("elsewhere")),
        ]
    }
    let good = good_pc();
    let with = |fact: &Fact<Ability<crate::host::Acceleration>>| match fact.value() {
        Some(Ability::Yes { with }) => *with,
        _ => unreachable!("the good PC has it"),
    };
    (
        any_ability(with(&good.acceleration)),
        any_ability(with(&good.emulation)),
        any_ability(namespaces(UserMap::OnlyYou)),
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        any::<bool>(),
    )
        .prop_map(
            move |(acceleration, emulation, user_namespaces, total_bytes, available_bytes, cores, old)| {
                HostFacts {
                    acceleration,
                    emulation,
                    user_namespaces,
                    memory: Fact::from_kernel(
                        Memory {
                            total_bytes,
                            available_bytes,
                        },
                        "x",
                    ),
                    cores: Fact::from_kernel(cores, "x"),
                    cpu: if old { old_cpu() } else { good.cpu.clone() },
                    ..good.clone()
                }
            },
        )
}

fn any_requirements() -> impl Strategy<Value = Requirements> {
    let levels = [
        CpuLevel::V1,
        CpuLevel::V2,
        CpuLevel::V3,
        CpuLevel::V4,
        CpuLevel::Unknown,
    ];
    let rules = [
        AcceleratorRule::Warn,
        AcceleratorRule::Require,
        AcceleratorRule::Unknown,
    ];
    (
        proptest::sample::select(levels.to_vec()),
        proptest::sample::select(rules.to_vec()),
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
    )
        .prop_map(|(min_cpu_level, accelerator, guest, total, min_cores)| {
            let mut requirements = Requirements {
                min_cpu_level,
                min_cores,
                min_memory_total_bytes: total,
                ..Requirements::default()
            };
            requirements.vm.accelerator = accelerator;
            requirements.vm.guest_memory_bytes = guest;
            requirements
        })
}

fn any_mode() -> impl Strategy<Value = Mode> {
    proptest::sample::select(vec![Mode::Vm, Mode::Container])
}

proptest! {
    #[test]
    fn the_reader_is_told_what_to_do_exactly_when_something_is_wrong(
        facts in any_pc(), requirements in any_requirements(), mode in any_mode(),
    ) {
        for finding in evaluate(&requirements, &facts, mode, &[]).findings {
            prop_assert_eq!(finding.what_to_do.is_none(), finding.verdict == Verdict::Pass, "{:?}", finding);
            prop_assert!(!finding.needed.is_empty() && !finding.found.is_empty(), "{:?}", finding);
        }
    }

    #[test]
    fn only_a_must_can_fail(facts in any_pc(), requirements in any_requirements(), mode in any_mode()) {
        for finding in evaluate(&requirements, &facts, mode, &[]).findings {
            prop_assert!(finding.verdict != Verdict::Fail || finding.severity == Severity::Require, "{:?}", finding);
        }
    }

    #[test]
    fn more_memory_never_makes_it_worse(
        facts in any_pc(), requirements in any_requirements(), mode in any_mode(), more in any::<u64>(),
    ) {
        let before = evaluate(&requirements, &facts, mode, &[]);
        let Some(memory) = facts.memory.value().copied() else { unreachable!("always known here") };
        let mut richer = facts.clone();
        richer.memory = Fact::from_kernel(
            Memory {
                total_bytes: memory.total_bytes.saturating_add(more),
                available_bytes: memory.available_bytes.saturating_add(more),
            },
            "x",
        );
        let after = evaluate(&requirements, &richer, mode, &[]);
        for (before, after) in before.findings.iter().zip(&after.findings) {
            prop_assert!(after.verdict <= before.verdict, "{:?} became {:?}", before, after);
        }
    }

    #[test]
    fn asking_less_never_makes_it_worse(facts in any_pc(), mut requirements in any_requirements(), mode in any_mode()) {
        let before = evaluate(&requirements, &facts, mode, &[]);
        requirements.min_cores /= 2;
        requirements.min_memory_total_bytes /= 2;
        requirements.vm.guest_memory_bytes /= 2;
        let after = evaluate(&requirements, &facts, mode, &[]);
        for (before, after) in before.findings.iter().zip(&after.findings) {
            prop_assert!(after.verdict <= before.verdict, "{:?} became {:?}", before, after);
        }
    }

    #[test]
    fn facts_survive_json(facts in any_pc()) {
        let text = serde_json::to_string(&facts).expect("writes");
        prop_assert_eq!(serde_json::from_str::<HostFacts>(&text).expect("reads"), facts);
    }
}
