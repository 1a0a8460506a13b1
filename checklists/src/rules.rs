//! The rules, each a pure function from requirements and facts to a [`Judged`].
//!
//! What must stay true: a missing fact is never "met"; advice names what a person without rights can do first, and only
//! then what IT can do; no advice asks to weaken the computer's protection.

mod cpu;
mod memory;
mod protection;
mod surroundings;
mod tools;

use crate::fact::Fact;
use crate::finding::RuleId;
use crate::host::{Ability, HostFacts};
use crate::requirements::{Mode, Requirements};
use crate::words;

/// How one rule came out, before its weight is applied.
pub(crate) struct Judged {
    pub(crate) needed: String,
    pub(crate) found: String,
    pub(crate) outcome: Outcome,
}

/// The outcome of one rule.
pub(crate) enum Outcome {
    /// Fulfilled.
    Met,
    /// Fulfilled, but it will be felt.
    MetPoorly { what_to_do: String },
    /// Not fulfilled.
    Missed { what_to_do: String },
    /// Not known.
    CannotTell { what_to_do: String },
}

/// Judges one rule.
pub(crate) fn judge(rule: RuleId, requirements: &Requirements, facts: &HostFacts, mode: Mode) -> Judged {
    match rule {
        RuleId::ModeOffered => mode_offered(requirements, mode),
        RuleId::CpuArchitecture => cpu::architecture(requirements, facts),
        RuleId::CpuFeatures => cpu::features(requirements, facts, mode),
        RuleId::CpuCores => cpu::cores(requirements, facts),
        RuleId::CpuVirtualization => cpu::virtualization(facts),
        RuleId::MemoryTotal => memory::total(requirements, facts),
        RuleId::MemoryAvailable => memory::available(requirements, facts, mode),
        RuleId::SpaceTemp => memory::temp(requirements, facts),
        RuleId::FuseUsable => tools::fuse(facts, mode),
        RuleId::VmQemu => tools::qemu(requirements, facts),
        RuleId::VmAccelerator => tools::accelerator(requirements, facts),
        RuleId::ContainerNamespaces => tools::namespaces(facts),
        RuleId::ContainerBubblewrap => tools::bubblewrap(facts),
        RuleId::ContainerMount => tools::block_mount(facts),
        RuleId::BootSecure => protection::secure_boot(facts),
        RuleId::DiskEncrypted => protection::disk_encrypted(facts),
        RuleId::SystemConfined => protection::confined(facts),
        RuleId::FirewallActive => protection::firewall(facts),
        RuleId::AntivirusActive => protection::antivirus(requirements, facts),
        RuleId::UpdatesRecent => protection::updates_recent(requirements, facts),
        RuleId::UpdatesRestart => protection::updates_restart(facts),
        RuleId::SystemSupported => protection::supported(requirements, facts),
        RuleId::RemoteControlNone => protection::remote_control(facts),
        RuleId::ScreenLock => surroundings::screen_lock(facts),
        RuleId::ClockSane => surroundings::clock(facts),
        RuleId::UserOrdinary => surroundings::ordinary_user(facts),
        RuleId::SystemReal => surroundings::real_computer(facts),
        RuleId::StickPort => surroundings::stick_port(facts),
        RuleId::StickSpeed => surroundings::stick_speed(requirements, facts),
        RuleId::StickHonest => surroundings::stick_honest(facts),
        RuleId::PowerLasts => surroundings::power(requirements, facts),
        RuleId::NetworkReach => surroundings::network(facts, mode),
        RuleId::Newer => newer(""),
    }
}

/// A rule of the policy that this program does not know.
pub(crate) fn newer(name: &str) -> Judged {
    Judged {
        needed: name.to_owned(),
        found: "unknown: this program is older than the rule".to_owned(),
        outcome: cannot_tell("ask IT for a newer launcher; try to start all the same"),
    }
}

fn mode_offered(requirements: &Requirements, mode: Mode) -> Judged {
    let offered: Vec<String> = requirements.modes.iter().map(Mode::to_string).collect();
    let found = if offered.is_empty() {
        "none".to_owned()
    } else {
        offered.join(", ")
    };
    let outcome = if mode != Mode::Unknown && requirements.modes.contains(&mode) {
        Outcome::Met
    } else {
        missed(format!(
            "this image was not made for {mode}; choose another mode, or ask IT for an image that has it"
        ))
    };
    Judged {
        needed: mode.to_string(),
        found,
        outcome,
    }
}

fn judged(needed: impl Into<String>, found: impl AsRef<str>, outcome: Outcome) -> Judged {
    Judged {
        needed: needed.into(),
        found: found.as_ref().to_owned(),
        outcome,
    }
}

fn missed(what_to_do: impl Into<String>) -> Outcome {
    Outcome::Missed {
        what_to_do: what_to_do.into(),
    }
}

fn cannot_tell(what_to_do: impl Into<String>) -> Outcome {
    Outcome::CannotTell {
        what_to_do: what_to_do.into(),
    }
}

/// Splits a fact into its value or a finished "cannot tell".
///
/// "Not applicable" counts as "cannot tell" as well: no rule may pass because a question was declared meaningless.
fn known<'a, T>(fact: &'a Fact<T>, needed: &str) -> Result<&'a T, Judged> {
    let (found, reason) = match fact {
        Fact::Known(known) => return Ok(&known.value),
        Fact::Unknown { reason } => ("unknown", reason),
        Fact::NotApplicable { reason } => ("not applicable", reason),
    };
    Err(Judged {
        needed: needed.to_owned(),
        found: format!("{found}: {reason}"),
        outcome: cannot_tell("try to start all the same; if that fails, show this line to IT"),
    })
}

/// Judges something that either works or has an obstacle; `shown` words the good case, `advice` the way around.
fn ability<T>(
    fact: &Fact<Ability<T>>,
    needed: &str,
    shown: impl FnOnce(&T) -> String,
    advice: impl FnOnce(crate::host::Obstacle) -> String,
) -> Judged {
    let needed_text = needed.to_owned();
    match known(fact, needed) {
        Err(judged) => judged,
        Ok(Ability::Yes { with }) => Judged {
            needed: needed_text,
            found: shown(with),
            outcome: Outcome::Met,
        },
        Ok(Ability::No { obstacle, detail }) => Judged {
            needed: needed_text,
            found: no(*obstacle, detail),
            outcome: missed(advice(*obstacle)),
        },
    }
}

/// The words for something that does not work.
fn no(obstacle: crate::host::Obstacle, detail: &str) -> String {
    let kind = words::obstacle(obstacle);
    if detail.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}: {detail}")
    }
}
