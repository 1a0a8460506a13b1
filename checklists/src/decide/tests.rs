//! Which mode is chosen, as a table; and the sentences a person reads.

use super::{ModeChoice, decide};
use crate::fact::Fact;
use crate::finding::{RuleId, Verdict};
use crate::host::{Ability, HostFacts, Obstacle};
use crate::requirements::{AcceleratorRule, Mode, OnUnknown, Requirements};
use crate::sample::{broken, good_pc};

type Case = (
    &'static str,
    fn(&mut HostFacts, &mut Requirements),
    ModeChoice,
    Option<Mode>,
    &'static str,
);

/// The last column is the beginning of the first reason.
#[rustfmt::skip] // one case a line reads as the table it is
const CASES: &[Case] = &[
    ("all good", |_, _| {}, ModeChoice::Auto, Some(Mode::Vm), "vm: chosen; everything it needs is there"),
    ("only emulation", |f, _| f.acceleration = broken(Obstacle::NotWorking), ModeChoice::Auto, Some(Mode::Vm), "vm: chosen, with warnings: Virtual machine speed"),
    ("emulation refused", |f, r| { f.acceleration = broken(Obstacle::NotWorking); r.vm.accelerator = AcceleratorRule::Require; }, ModeChoice::Auto, Some(Mode::Container), "container: chosen; everything"),
    ("no qemu", |f, _| f.qemu = broken(Obstacle::Missing), ModeChoice::Auto, Some(Mode::Container), "container: chosen"),
    ("no qemu, vm asked", |f, _| f.qemu = broken(Obstacle::Missing), ModeChoice::Vm, None, "vm: not possible here: Virtual machine program (QEMU) (not there"),
    ("container asked", |_, _| {}, ModeChoice::Container, Some(Mode::Container), "container: chosen"),
    ("image only for vm, container asked", |_, r| r.modes = vec![Mode::Vm], ModeChoice::Container, None, "container: not possible here: Mode offered"),
    ("no fuse", |f, _| f.fuse = broken(Obstacle::Missing), ModeChoice::Auto, Some(Mode::Vm), "vm: chosen, with warnings: Opening the stick"),
    ("no fuse, container asked", |f, _| f.fuse = broken(Obstacle::Missing), ModeChoice::Container, None, "container: not possible here: Opening the stick"),
    ("neither", |f, _| { f.fuse = broken(Obstacle::Missing); f.qemu = broken(Obstacle::Missing); }, ModeChoice::Auto, None, "vm: not possible here: Virtual machine program"),
    ("image offers nothing", |_, r| r.modes.clear(), ModeChoice::Auto, None, "vm: not possible here: Mode offered by the image (none)"),
    ("nobody looked", |f, _| *f = HostFacts::default(), ModeChoice::Auto, Some(Mode::Vm), "vm: chosen; could not be determined: Kind of processor"),
    ("nobody looked, strict", |f, r| { *f = HostFacts::default(); r.on_unknown = OnUnknown::Fail; }, ModeChoice::Auto, None, "vm: not possible here"),
    ("one unknown, strict", |f, r| { f.emulation = Fact::unknown("late"); r.on_unknown = OnUnknown::Fail; }, ModeChoice::Auto, Some(Mode::Vm), "vm: chosen; everything"),
];

#[test]
fn each_case_gives_its_mode_and_reason() {
    for (name, change, asked, mode, reason) in CASES {
        let (mut facts, mut requirements) = (good_pc(), Requirements::default());
        change(&mut facts, &mut requirements);
        let decision = decide(&requirements, &facts, *asked, &[]);
        assert_eq!(decision.mode, *mode, "{name}: {:?}", decision.reasons);
        let first = &decision.reasons[0];
        assert!(first.starts_with(reason), "{name}: {first}");
        assert_eq!(
            decision.reasons.len(),
            if *asked == ModeChoice::Auto { 2 } else { 1 }
        );
    }
}

#[test]
fn the_rejected_mode_keeps_its_reason() {
    let mut facts = good_pc();
    facts.qemu = broken(Obstacle::Missing);
    let decision = decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]);
    assert!(
        decision.reasons[1].starts_with("vm: not possible here: "),
        "{:?}",
        decision.reasons
    );
    let relevant = decision.relevant().expect("looked at");
    assert_eq!(relevant.mode, Mode::Container);
}

#[test]
fn with_no_mode_the_first_asked_is_shown() {
    let mut facts = good_pc();
    facts.fuse = broken(Obstacle::NoPermission);
    facts.qemu = broken(Obstacle::Missing);
    let decision = decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]);
    assert_eq!(decision.relevant().map(|findings| findings.mode), Some(Mode::Vm));
}

/// The policy as it is when nobody wrote one. The container's programs run on the computer's own kernel, so it wants the computer's
/// protection; the virtual machine has a system of its own.
#[test]
fn by_default_a_computer_without_protection_runs_the_vm_and_refuses_the_container() {
    let mut facts = good_pc();
    facts.products = Fact::from_kernel(Vec::new(), "x");
    let requirements = Requirements::default();
    let container = decide(&requirements, &facts, ModeChoice::Container, &[]);
    assert_eq!(container.mode, None, "nothing is started");
    let blocking: Vec<_> = container
        .relevant()
        .into_iter()
        .flat_map(|findings| findings.blocking())
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(blocking, [RuleId::AntivirusActive]);
    for choice in [ModeChoice::Auto, ModeChoice::Vm] {
        let decision = decide(&requirements, &facts, choice, &[]);
        assert_eq!(decision.mode, Some(Mode::Vm));
        let findings = decision.relevant().expect("judged");
        assert!(findings.fit);
        let finding = findings.get(RuleId::AntivirusActive).expect("applies");
        assert_eq!(finding.verdict, Verdict::Warn);
    }
    // Where the virtual machine is out of the question the container is not taken instead.
    facts.qemu = broken(Obstacle::Missing);
    assert_ne!(
        decide(&requirements, &facts, ModeChoice::Auto, &[]).mode,
        Some(Mode::Container)
    );
}

/// P30: Ubuntu since 23.10 lets the namespace be made, and then refuses everything in it.
#[test]
fn p30_namespaces_without_power_are_no_container() {
    let mut facts = good_pc();
    facts.user_namespaces = Fact::from_kernel(
        Ability::no(
            Obstacle::NoPermission,
            "mounting in a namespace: permission denied",
        ),
        "unshare, mount proc",
    );
    let decision = decide(&Requirements::default(), &facts, ModeChoice::Container, &[]);
    assert_eq!(decision.mode, None);
    let rules: Vec<_> = decision
        .relevant()
        .into_iter()
        .flat_map(|findings| findings.blocking())
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, [RuleId::ContainerNamespaces]);
    assert_eq!(
        decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]).mode,
        Some(Mode::Vm)
    );
}
