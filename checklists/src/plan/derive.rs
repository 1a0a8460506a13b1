//! The whole derivation: facts, sticks, feasibility, requirements, licences, cost.

use serde::Serialize;

use super::answer::Answers;
use super::cost::{self, Cost};
use super::facts::{Facts, GuestLicence, Remote};
use super::feasibility::{self, Feasibility, Reason};
use super::prices::Prices;
use super::stick::{self, StickPlan};
use super::trail::{Derived, Trail};
use super::{policy, size};
use crate::cpu_level::CpuLevel;
use crate::limits::MAX_SIZE_BYTES;
use crate::requirements::{AcceleratorRule, Mode, OnUnknown, RemoteKind, Requirements};

const MIB: u64 = 1 << 20;
/// What a guest's own system needs beside its applications.
const LINUX_OWN_BYTES: u64 = 768 * MIB;
const WINDOWS_OWN_BYTES: u64 = 3072 * MIB;
/// Guests get their memory in steps of this.
const MEMORY_STEP_BYTES: u64 = 256 * MIB;
const MODES: [Mode; 3] = [Mode::Vm, Mode::Container, Mode::RemoteOnly];

/// Everything that follows from the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// That of the best mode, with what concerns all of them.
    pub verdict: Feasibility,
    /// The mode to prefer; `None` if none is possible.
    pub recommended: Option<Mode>,
    /// Why that one.
    pub recommended_because: String,
    /// How many people.
    pub people: u64,
    /// What they must have.
    pub applications: Vec<String>,
    /// What an image asks of a computer: `gobag-image build --requirements` takes it.
    pub requirements: Requirements,
    /// Every mode, with the reasons against it.
    pub modes: Vec<ModePlan>,
    /// Reasons that concern all modes.
    pub reasons: Vec<Reason>,
    /// The stick that serves every mode that is offered.
    pub stick: StickPlan,
    /// Licences of the guest's system.
    pub licences: Licences,
    /// Sticks against laptops.
    pub cost: Cost,
    /// Further options of `gobag-image build`.
    pub build_options: Vec<String>,
    /// Every derived value, with its rule.
    pub derived: Vec<Derived>,
}

/// One mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModePlan {
    /// The mode.
    pub mode: Mode,
    /// Can it work?
    pub feasibility: Feasibility,
    /// What speaks against it, heaviest first.
    pub reasons: Vec<Reason>,
    /// The stick for this mode alone.
    pub stick: StickPlan,
}

/// Licences of the guest's system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Licences {
    /// How many have to be bought.
    pub count: u64,
    /// Why so many.
    pub because: String,
}

/// Derives the plan. Answers that apply and assumptions for the others come from [`super::QuestionSet::resolve`].
#[must_use]
pub fn derive(answers: &Answers, prices: &Prices) -> Plan {
    let facts = Facts::of(answers);
    let mut trail = Trail::new(answers);
    let guest_memory_bytes = guest_memory(&facts, &mut trail);
    let modes = modes(&facts, answers, prices, guest_memory_bytes);
    let offered: Vec<Mode> = modes
        .iter()
        .filter(|mode| mode.feasibility != Feasibility::NotFeasible)
        .map(|mode| mode.mode)
        .collect();
    let (recommended, recommended_because) = recommended(&facts, &offered);
    let stick = stick_of_all(&modes, &facts, prices);
    record_stick(&stick, &mut trail);
    let requirements = requirements(&facts, answers, &offered, guest_memory_bytes, &stick, &mut trail);
    let licences = licences(&facts, offered.contains(&Mode::Vm), &mut trail);
    let priced: Vec<_> = modes
        .iter()
        .filter(|mode| offered.contains(&mode.mode))
        .map(|mode| {
            (
                mode.mode,
                &mode.stick,
                if mode.mode == Mode::Vm { licences.count } else { 0 },
            )
        })
        .collect();
    let cost = cost::cost(&facts, prices, &priced);
    let reasons = heaviest_first(feasibility::of_all(&facts, answers));
    let best = modes.iter().map(|mode| mode.feasibility).min();
    Plan {
        verdict: best
            .unwrap_or(Feasibility::NotFeasible)
            .max(feasibility::verdict(&reasons)),
        recommended,
        recommended_because: recommended_because.to_owned(),
        people: facts.people,
        applications: facts.applications.clone(),
        requirements,
        reasons,
        stick,
        licences,
        cost,
        build_options: build_options(answers, &mut trail),
        derived: trail.derived,
        modes,
    }
}

fn modes(facts: &Facts, answers: &Answers, prices: &Prices, guest_memory_bytes: u64) -> Vec<ModePlan> {
    let one = |mode: Mode| {
        let stick = stick::of_mode(facts, mode, prices);
        let reasons = feasibility::reasons(facts, answers, mode, &stick, guest_memory_bytes);
        ModePlan {
            mode,
            feasibility: feasibility::verdict(&reasons),
            reasons: heaviest_first(reasons),
            stick,
        }
    };
    MODES.into_iter().map(one).collect()
}

fn heaviest_first(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.weight));
    reasons
}

/// Which of the offered modes people should use where their computer can run several.
fn recommended(facts: &Facts, offered: &[Mode]) -> (Option<Mode>, &'static str) {
    let (vm, container) = (offered.contains(&Mode::Vm), offered.contains(&Mode::Container));
    // Its data is at the company or comes back later, and nothing needs a system of its own.
    let light = matches!(
        facts.remote,
        Remote::None | Remote::Web | Remote::Clientless | Remote::ThinClient
    );
    match (vm, container) {
        (true, true) if facts.sensitive => (
            Some(Mode::Vm),
            "regulated data is better kept in a system of its own",
        ),
        (true, true) if facts.is_thin() => {
            (Some(Mode::Container), "a thin client needs no system of its own")
        }
        (true, true) if light && facts.offline => (
            Some(Mode::Container),
            "without a VPN a container is enough; data has to be synchronised",
        ),
        (true, true) if light => (
            Some(Mode::Container),
            "without a VPN a container is enough, and asks least of the computer",
        ),
        (true, _) => (
            Some(Mode::Vm),
            "it takes every application and every VPN, whatever the computer runs",
        ),
        (false, true) => (Some(Mode::Container), "the virtual machine is not possible"),
        (false, false) if offered.contains(&Mode::RemoteOnly) => (
            Some(Mode::RemoteOnly),
            "nothing can be started from a stick, but the company can be reached without one",
        ),
        (false, false) => (None, "no mode is possible"),
    }
}

fn guest_memory(facts: &Facts, trail: &mut Trail<'_>) -> u64 {
    let own = if facts.guest_is_linux {
        LINUX_OWN_BYTES
    } else {
        WINDOWS_OWN_BYTES
    };
    let (size_bytes, because, ids): (u64, String, &[&str]) = match facts.guest_memory_bytes {
        Some(size_bytes) => (size_bytes, "as you said".to_owned(), &["guest-memory"]),
        None => (
            facts.application_memory_bytes.saturating_add(own),
            format!(
                "{} for the applications and {} for the guest's own system",
                size::rough(facts.application_memory_bytes),
                size::rough(own)
            ),
            &["application-memory", "guest-os"],
        ),
    };
    let size_bytes = size_bytes
        .min(MAX_SIZE_BYTES / 2)
        .next_multiple_of(MEMORY_STEP_BYTES);
    trail.add(
        "vm.memory",
        "vm.guest_memory_bytes",
        size::rough(size_bytes),
        because,
        ids,
    );
    size_bytes
}

/// One stick for every mode that is possible, or for the virtual machine if none is.
fn stick_of_all(modes: &[ModePlan], facts: &Facts, prices: &Prices) -> StickPlan {
    modes
        .iter()
        .filter(|mode| mode.feasibility != Feasibility::NotFeasible)
        .map(|mode| mode.stick.clone())
        .reduce(stick::larger)
        .unwrap_or_else(|| stick::of_mode(facts, Mode::Vm, prices))
}

fn record_stick(stick: &StickPlan, trail: &mut Trail<'_>) {
    let ids = [
        "image-size",
        "container-image-size",
        "home-size",
        "data-access",
        "offline",
    ];
    let size = stick
        .size_gb
        .map_or("none is large enough".to_owned(), |size_gb| {
            format!("{size_gb} GB")
        });
    let because = format!(
        "{} are needed; it is the next size that is sold",
        size::rough(stick.needed_bytes)
    );
    trail.add("stick.size", "stick.size_gb", size, because, &ids);
    let ids = ["guest-os", "image-size", "application-kind", "remote-kind"];
    trail.add(
        "stick.class",
        "stick.class",
        stick.class.as_str(),
        stick.class_because.clone(),
        &ids,
    );
}

fn requirements(
    facts: &Facts,
    answers: &Answers,
    offered: &[Mode],
    guest_memory_bytes: u64,
    stick: &StickPlan,
    trail: &mut Trail<'_>,
) -> Requirements {
    let mut requirements = Requirements {
        modes: offered.to_vec(),
        architecture: answers.choice("architecture").unwrap_or("x86_64").to_owned(),
        min_cpu_level: cpu_level(answers),
        cpu_features: answers.entries("cpu-features").to_vec(),
        min_cores: facts.cores,
        ..Requirements::default()
    };
    let names: Vec<_> = offered.iter().map(Mode::to_string).collect();
    let ids = [
        "application-kind",
        "guest-os",
        "host-systems",
        "remote-access",
        "remote-kind",
        "vpn-driver",
        "vpn-way",
    ];
    trail.add(
        "modes",
        "modes",
        names.join(", "),
        "the modes that nothing makes impossible",
        &ids,
    );
    let because = "what the image's programs are made for";
    trail.add(
        "cpu.architecture",
        "architecture",
        &requirements.architecture,
        because,
        &["architecture"],
    );
    let because = "the oldest processor that the programs run on, so that nobody is excluded needlessly";
    trail.add(
        "cpu.level",
        "min_cpu_level",
        requirements.min_cpu_level,
        because,
        &["cpu-level"],
    );
    if !requirements.cpu_features.is_empty() {
        let value = requirements.cpu_features.join(", ");
        trail.add(
            "cpu.features",
            "cpu_features",
            value,
            "the programs use them",
            &["cpu-features"],
        );
    }
    trail.add("cpu.cores", "min_cores", facts.cores, "as you said", &["cores"]);
    memory(facts, guest_memory_bytes, &mut requirements, trail);
    (requirements.vm.accelerator, requirements.on_unknown) = strictness(facts, answers, trail);
    remote(facts, &mut requirements, trail);
    requirements.policy = policy::policy(facts, answers, stick.class, trail);
    requirements
}

fn cpu_level(answers: &Answers) -> CpuLevel {
    match answers.choice("cpu-level") {
        Some("v2") => CpuLevel::V2,
        Some("v3") => CpuLevel::V3,
        Some("v4") => CpuLevel::V4,
        _ => CpuLevel::V1,
    }
}

fn memory(facts: &Facts, guest_memory_bytes: u64, requirements: &mut Requirements, trail: &mut Trail<'_>) {
    requirements.vm.guest_memory_bytes = guest_memory_bytes;
    requirements.container.min_memory_available_bytes = facts.application_memory_bytes;
    trail.add(
        "container.memory",
        "container.min_memory_available_bytes",
        size::rough(facts.application_memory_bytes),
        "a container has no system of its own: only the applications need memory",
        &["application-memory"],
    );
    if requirements.modes == [Mode::Vm] {
        requirements.min_memory_total_bytes = guest_memory_bytes + requirements.vm.host_reserve_bytes;
        trail.add(
            "memory.total",
            "min_memory_total_bytes",
            size::rough(requirements.min_memory_total_bytes),
            "the virtual machine is the only mode: a computer with less can never run it",
            &["application-memory", "guest-memory"],
        );
    }
}

fn strictness(facts: &Facts, answers: &Answers, trail: &mut Trail<'_>) -> (AcceleratorRule, OnUnknown) {
    let (accelerator, word, because) = match facts.slow_accepted {
        true => (
            AcceleratorRule::Warn,
            "warn",
            "a slow virtual machine is better than none",
        ),
        false => (
            AcceleratorRule::Require,
            "require",
            "an emulated virtual machine is too slow for the work",
        ),
    };
    trail.add(
        "vm.accelerator",
        "vm.accelerator",
        word,
        because,
        &["slow-accepted"],
    );
    let (on_unknown, word, because) = match answers.choice("cannot-tell") {
        Some("stop") => (OnUnknown::Fail, "fail", "what cannot be shown counts as missing"),
        _ => (
            OnUnknown::Warn,
            "warn",
            "many things cannot be found out without an administrator, and people need to work",
        ),
    };
    trail.add("unknown", "on_unknown", word, because, &["cannot-tell"]);
    (accelerator, on_unknown)
}

fn remote(facts: &Facts, requirements: &mut Requirements, trail: &mut Trail<'_>) {
    let (kind, word) = match facts.remote {
        Remote::None => return,
        Remote::Web | Remote::Clientless => (RemoteKind::Web, "web"),
        Remote::ThinClient => (RemoteKind::Desktop, "desktop"),
        Remote::SslClient | Remote::Ipsec => (RemoteKind::Tunnel, "tunnel"),
    };
    requirements.remote_only.kind = kind;
    requirements.remote_only.address = facts.address.clone();
    trail.add(
        "remote.kind",
        "remote_only.kind",
        word,
        "how people get into the network",
        &["remote-kind"],
    );
}

fn licences(facts: &Facts, vm: bool, trail: &mut Trail<'_>) -> Licences {
    let (count, because) = match facts.guest_licence {
        _ if !vm => (0, "no virtual machine is offered"),
        GuestLicence::Free => (0, "the guest's system is free"),
        GuestLicence::Covered => (0, "your contract covers them"),
        GuestLicence::PerStick => (facts.people, "one for each person"),
        GuestLicence::Unknown => (
            facts.people,
            "one for each person, until it is known that none is needed",
        ),
    };
    trail.add(
        "licences",
        "licences.count",
        count,
        because,
        &["guest-os", "guest-licence", "people"],
    );
    let because = because.to_owned();
    Licences { count, because }
}

fn build_options(answers: &Answers, trail: &mut Trail<'_>) -> Vec<String> {
    let word = match answers.choice("old-copy") {
        Some(word @ ("ask" | "token")) => word,
        _ => return Vec::new(),
    };
    let option = format!("--remember-on-host {word}");
    let because = "computers remember the last state of a stick, so that an earlier copy is noticed";
    trail.add("build.remember", "build_options", &option, because, &["old-copy"]);
    vec![option]
}

#[cfg(test)]
mod tests;
