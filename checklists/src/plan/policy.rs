//! From the answers about risks to how much each check weighs in each mode.
//!
//! Why the malware scanner weighs more in a container: its programs run on the computer's own kernel, and whatever else runs there can
//! look into them. A virtual machine has its own system; only keyboard and screen go through the computer.

use super::answer::Answers;
use super::facts::{Consequence, Facts, Remote, consequence};
use super::stick::SpeedClass;
use super::trail::Trail;
use crate::end_of_life;
use crate::finding::{RuleId, Severity};
use crate::policy::{Policy, RuleSetting};

/// The policy, with the reasons in `trail`.
pub(super) fn policy(facts: &Facts, answers: &Answers, class: SpeedClass, trail: &mut Trail<'_>) -> Policy {
    let mut policy = Policy::default();
    let mut set = |rule: RuleId, setting: RuleSetting, name: &'static str, because: &str, ids: &[&str]| {
        let what = format!("policy.rules.{rule}");
        trail.add(name, what, words(setting), because, ids);
        policy.rules.insert(rule.as_str().to_owned(), setting);
    };
    let (setting, because) = antivirus(answers);
    set(
        RuleId::AntivirusActive,
        setting,
        "policy.antivirus",
        because,
        &["antivirus"],
    );
    for (rule, name, id, because) in [
        (
            RuleId::FirewallActive,
            "policy.firewall",
            "firewall",
            "other devices in the same home can reach the computer",
        ),
        (
            RuleId::DiskEncrypted,
            "policy.disk",
            "disk-encryption",
            "what the computer writes down of the work can be read from its disk",
        ),
        (
            RuleId::RemoteControlNone,
            "policy.remote-control",
            "remote-control",
            "whoever controls the computer sees the work",
        ),
        (
            RuleId::SystemSupported,
            "policy.old-system",
            "old-system",
            "holes in a system that is not mended stay open for ever",
        ),
    ] {
        let severity = severity(consequence(answers, id));
        set(rule, everywhere(severity), name, because, &[id]);
    }
    let lock = if facts.shared_pc || facts.sensitive {
        Severity::Warn
    } else {
        Severity::Info
    };
    set(
        RuleId::ScreenLock,
        everywhere(lock),
        "policy.screen-lock",
        "a screen left alone is open to everybody in the room",
        &["shared-pc", "sensitive-data"],
    );
    let (setting, because) = reach(facts);
    set(
        RuleId::NetworkReach,
        setting,
        "policy.network",
        because,
        &["remote-access", "offline"],
    );
    speed(&mut policy, class, trail);
    // Written down, so that IT sees it, can change it, and signs it.
    policy.end_of_life = end_of_life::ours();
    trail.add(
        "policy.end-of-life",
        "policy.end_of_life",
        format!("{} releases", policy.end_of_life.len()),
        "a system counts as old from the day after its maker's last security updates; the days are those known to this program",
        &["old-system"],
    );
    policy
}

fn speed(policy: &mut Policy, class: SpeedClass, trail: &mut Trail<'_>) {
    policy.min_stick_read_bytes_per_s = class.read_bytes_per_s();
    policy.min_stick_write_bytes_per_s = class.write_bytes_per_s();
    let value = format!(
        "reading {} MB/s, writing {} MB/s",
        class.read_bytes_per_s() / 1_000_000,
        class.write_bytes_per_s() / 1_000_000
    );
    let because = format!(
        "a stick of the class `{}` reaches it in a working port",
        class.as_str()
    );
    let ids = ["guest-os", "image-size", "application-kind"];
    trail.add(
        "policy.stick-speed",
        "policy.min_stick_*_bytes_per_s",
        value,
        because,
        &ids,
    );
}

fn antivirus(answers: &Answers) -> (RuleSetting, &'static str) {
    let setting = |vm, container, remote_only| RuleSetting {
        vm: Some(vm),
        container: Some(container),
        remote_only: Some(remote_only),
        on_unknown: None,
    };
    use Severity::{Require, Warn};
    match answers.choice("antivirus") {
        Some("always") => (
            setting(Require, Require, Require),
            "no work on a computer that malware may watch",
        ),
        Some("warn") => (
            setting(Warn, Warn, Warn),
            "the risk is accepted, and said at every start",
        ),
        _ => (
            setting(Warn, Require, Warn),
            "a container relies on the computer's scanner; a virtual machine has a system of its own",
        ),
    }
}

fn reach(facts: &Facts) -> (RuleSetting, &'static str) {
    let setting = |severity| RuleSetting {
        vm: Some(severity),
        container: Some(severity),
        remote_only: Some(Severity::Require),
        on_unknown: None,
    };
    match (facts.remote, facts.offline) {
        (Remote::None, _) => (setting(Severity::Info), "nobody needs the company's network"),
        (_, true) => (
            setting(Severity::Info),
            "people can work without a network, and send later",
        ),
        (_, false) => (setting(Severity::Warn), "the work needs the company's network"),
    }
}

fn severity(consequence: Consequence) -> Severity {
    match consequence {
        Consequence::Refuse => Severity::Require,
        Consequence::Warn => Severity::Warn,
        Consequence::Accept => Severity::Info,
    }
}

fn everywhere(severity: Severity) -> RuleSetting {
    RuleSetting {
        vm: Some(severity),
        container: Some(severity),
        remote_only: Some(severity),
        on_unknown: None,
    }
}

fn words(setting: RuleSetting) -> String {
    let word = |severity: Option<Severity>| match severity {
        Some(Severity::Require) => "require",
        Some(Severity::Warn) => "warn",
        Some(Severity::Info) => "info",
        None => "default",
    };
    let (vm, container, remote) = (
        word(setting.vm),
        word(setting.container),
        word(setting.remote_only),
    );
    match vm == container && container == remote {
        true => vm.to_owned(),
        false => format!("vm {vm}, container {container}, remote-only {remote}"),
    }
}
