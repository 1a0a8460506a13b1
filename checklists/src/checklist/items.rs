//! Which rule becomes which line, and the numbers in it.

use super::SectionId;
use crate::cpu_level::CpuLevel;
use crate::finding::RuleId;
use crate::requirements::{Mode, RemoteKind, Requirements};
use crate::texts::Value;

/// The arguments of a line's message.
type Arguments = Vec<(&'static str, Value)>;

/// One line that there can be.
pub(super) struct Entry {
    pub(super) id: &'static str,
    pub(super) section: SectionId,
    /// The rules it stands for; none for what only the person can know.
    pub(super) rules: &'static [RuleId],
    /// What its message is filled with under these requirements; `None` if they do not speak of it.
    pub(super) arguments: fn(&Requirements) -> Option<Arguments>,
}

/// A line whose message takes no arguments.
const fn plain(id: &'static str, section: SectionId, rules: &'static [RuleId]) -> Entry {
    filled(id, section, rules, |_| Some(Vec::new()))
}

const fn filled(
    id: &'static str,
    section: SectionId,
    rules: &'static [RuleId],
    arguments: fn(&Requirements) -> Option<Arguments>,
) -> Entry {
    Entry {
        id,
        section,
        rules,
        arguments,
    }
}

/// All lines, in the order of the page.
pub(super) const CATALOGUE: &[Entry] = {
    use RuleId as R;
    use SectionId::{Pc, Ready, Safety};
    &[
        plain("passphrase", Ready, &[]),
        plain("phone", Ready, &[]),
        plain("tried", Ready, &[]),
        filled("power", Ready, &[R::PowerLasts], |requirements| {
            count("percent", requirements.policy.min_battery_percent.into())
        }),
        plain("network", Ready, &[R::NetworkReach]),
        filled("remote", Ready, &[], remote),
        filled("processor", Pc, &[R::CpuArchitecture, R::CpuFeatures], processor),
        filled("cores", Pc, &[R::CpuCores], |requirements| {
            count("cores", requirements.min_cores.into())
        }),
        plain("virtualization", Pc, &[R::CpuVirtualization, R::VmAccelerator]),
        filled("memory", Pc, &[R::MemoryTotal, R::MemoryAvailable], memory),
        filled("space", Pc, &[R::SpaceTemp], |requirements| {
            let size = requirements.min_temp_free_bytes;
            Some(vec![("size", Value::NeededBytes(size))])
        }),
        plain("port", Pc, &[R::StickPort, R::StickSpeed]),
        plain(
            "programs",
            Pc,
            &[
                R::FuseUsable,
                R::VmQemu,
                R::ContainerNamespaces,
                R::ContainerBubblewrap,
                R::ContainerMount,
            ],
        ),
        plain("supported", Safety, &[R::SystemSupported]),
        filled(
            "updates",
            Safety,
            &[R::UpdatesRecent, R::UpdatesRestart],
            |requirements| count("days", requirements.policy.max_update_age_days.into()),
        ),
        filled("antivirus", Safety, &[R::AntivirusActive], |requirements| {
            count("days", requirements.policy.max_signature_age_days.into())
        }),
        plain("firewall", Safety, &[R::FirewallActive]),
        plain("encryption", Safety, &[R::DiskEncrypted]),
        plain("remote-control", Safety, &[R::RemoteControlNone]),
        plain("screen-lock", Safety, &[R::ScreenLock]),
        plain("account", Safety, &[R::UserOrdinary]),
        plain("clock", Safety, &[R::ClockSane]),
        plain("secure-boot", Safety, &[R::BootSecure]),
        plain("confinement", Safety, &[R::SystemConfined]),
    ]
};

/// Rules that no person is asked about, and why.
pub const NOT_FOR_PEOPLE: &[(RuleId, &str)] = &[
    (
        RuleId::ModeOffered,
        "which modes an image offers is decided by IT when it is built",
    ),
    (
        RuleId::SystemReal,
        "whoever runs a PC inside a PC does not need to be told; the program sees it",
    ),
    (
        RuleId::StickHonest,
        "IT tests a stick before it gives it away, and the program counts its errors",
    ),
    (
        RuleId::Newer,
        "a rule of the policy that this program does not know has no words here either",
    ),
];

fn count(name: &'static str, number: u64) -> Option<Arguments> {
    Some(vec![(name, Value::Count(number))])
}

fn processor(requirements: &Requirements) -> Option<Arguments> {
    let level = match requirements.min_cpu_level {
        CpuLevel::V2 => "v2",
        CpuLevel::V3 => "v3",
        CpuLevel::V4 => "v4",
        CpuLevel::V1 | CpuLevel::Unknown => "any",
    };
    // What texts choose by is ours; what they show is the manifest's, and gets escaped.
    let kind = match requirements.architecture.as_str() {
        "x86_64" => "x86_64",
        "aarch64" => "aarch64",
        _ => "other",
    };
    let architecture = Value::Words(requirements.architecture.clone());
    Some(vec![
        ("kind", Value::Choice(kind)),
        ("architecture", architecture),
        ("level", Value::Choice(level)),
    ])
}

/// What the best offered mode needs, and beside it what is enough for the light one.
fn memory(requirements: &Requirements) -> Option<Arguments> {
    let vm = &requirements.vm;
    let vm = vm.guest_memory_bytes.saturating_add(vm.host_reserve_bytes);
    let light = requirements.container.min_memory_available_bytes;
    let offers = |mode| requirements.modes.contains(&mode);
    let free = if offers(Mode::Vm) { vm } else { light };
    let total = requirements.min_memory_total_bytes;
    let parts = match (total > free, offers(Mode::Container) && light < free) {
        (true, true) => "total-light",
        (true, false) => "total",
        (false, true) => "light",
        (false, false) => "free",
    };
    Some(vec![
        ("parts", Value::Choice(parts)),
        ("free", Value::NeededBytes(free)),
        ("total", Value::NeededBytes(total)),
        ("light", Value::NeededBytes(light)),
    ])
}

fn remote(requirements: &Requirements) -> Option<Arguments> {
    if !requirements.modes.contains(&Mode::RemoteOnly) || requirements.remote_only.address.is_empty() {
        return None;
    }
    let kind = match requirements.remote_only.kind {
        RemoteKind::Web => "web",
        RemoteKind::Desktop => "desktop",
        RemoteKind::Tunnel => "tunnel",
        RemoteKind::Unknown => "other",
    };
    let address = Value::Words(requirements.remote_only.address.clone());
    Some(vec![("kind", Value::Choice(kind)), ("address", address)])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_asked_or_left_out_for_a_reason() {
        for rule in RuleId::ALL {
            let asked = CATALOGUE
                .iter()
                .filter(|entry| entry.rules.contains(&rule))
                .count();
            let left_out = NOT_FOR_PEOPLE.iter().filter(|(other, _)| *other == rule).count();
            assert_eq!(asked + left_out, 1, "{rule}");
        }
    }

    #[test]
    fn names_are_unique_and_reasons_are_given() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|entry| entry.id).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(NOT_FOR_PEOPLE.iter().all(|(_, why)| why.len() > 20));
    }
}
