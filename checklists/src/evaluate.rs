//! The judgement: requirements × facts → findings. Pure; the single rules are in `rules`.

use crate::end_of_life::day;
use crate::finding::{Finding, Findings, RuleId, Severity, Verdict};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::rules::{self, Judged, Outcome};
use crate::waiver::Waiver;

/// Judges whether a computer can run an image in `mode`.
///
/// Every rule that applies to the mode gives exactly one finding, also when it passes: the reader sees what was looked at.
/// Rules of the policy that this program does not know follow, each with a "cannot tell".
#[must_use]
pub fn evaluate(requirements: &Requirements, facts: &HostFacts, mode: Mode, waivers: &[Waiver]) -> Findings {
    let known = RuleId::ALL.into_iter().filter_map(|rule| {
        let severity = severity(rule, requirements, mode)?;
        if is_about_the_stick(rule) && matches!(facts.stick, crate::fact::Fact::NotApplicable { .. }) {
            return None;
        }
        let judged = rules::judge(rule, requirements, facts, mode);
        Some(finding(requirements, rule, rule.as_str(), severity, judged))
    });
    let newer = requirements.policy.rules.iter().filter_map(|(name, setting)| {
        let severity = setting.severity(mode)?;
        let is_newer = RuleId::ALL.iter().all(|rule| rule.as_str() != name);
        is_newer.then(|| finding(requirements, RuleId::Newer, name, severity, rules::newer(name)))
    });
    let today = day(facts.gathered_at_s);
    let mut findings: Vec<Finding> = known.chain(newer).collect();
    for finding in &mut findings {
        let name = match finding.rule {
            RuleId::Newer => finding.needed.clone(),
            rule => rule.as_str().to_owned(),
        };
        if let Some(waiver) = waivers.iter().find(|waiver| waiver.counts(&name, today)) {
            waive(finding, waiver);
        }
    }
    Findings::new(mode, findings)
}

/// How much a rule weighs in a mode; `None` where it does not apply.
///
/// IT's word goes before the default, except that what a mode cannot work without can only become stricter.
fn severity(rule: RuleId, requirements: &Requirements, mode: Mode) -> Option<Severity> {
    let default = default_severity(rule, mode)?;
    let setting = requirements.policy.rules.get(rule.as_str());
    let said = setting.and_then(|setting| setting.severity(mode));
    Some(match said {
        None => default,
        Some(said) if rule.is_needed_to_work() => said.max(default),
        Some(said) => said,
    })
}

/// The default weights, and which rules apply to a mode at all.
///
/// [`RuleId::VmAccelerator`] is required because emulation already counts as fulfilled there, with a warning, unless the
/// requirements refuse it. A malware scanner is required where the image's programs run on the host's own kernel, among
/// the host's own malware: a virtual machine has walls of its own (the reason the BCOAS paper gives).
fn default_severity(rule: RuleId, mode: Mode) -> Option<Severity> {
    use RuleId as R;
    use Severity::{Info, Require, Warn};
    match (rule, mode) {
        (R::ModeOffered, _) => Some(Require),
        (_, Mode::Unknown) | (R::Newer, _) => None,
        (
            R::CpuArchitecture | R::CpuFeatures | R::MemoryTotal | R::MemoryAvailable | R::SpaceTemp,
            Mode::Vm | Mode::Container,
        ) => Some(Require),
        // A virtual machine gets its disks through a block socket where there is no FUSE.
        (R::FuseUsable, Mode::Vm) => Some(Warn),
        (R::FuseUsable, Mode::Container) => Some(Require),
        (R::CpuCores, Mode::Vm | Mode::Container) => Some(Warn),
        (R::VmQemu | R::VmAccelerator, Mode::Vm) => Some(Require),
        (R::CpuVirtualization, Mode::Vm) => Some(Warn),
        (R::ContainerNamespaces | R::ContainerBubblewrap | R::ContainerMount, Mode::Container) => {
            Some(Require)
        }
        (
            R::CpuArchitecture
            | R::CpuFeatures
            | R::CpuCores
            | R::CpuVirtualization
            | R::MemoryTotal
            | R::MemoryAvailable
            | R::SpaceTemp
            | R::FuseUsable
            | R::VmQemu
            | R::VmAccelerator
            | R::ContainerNamespaces
            | R::ContainerBubblewrap
            | R::ContainerMount,
            _,
        ) => None,
        (R::AntivirusActive, Mode::Container) => Some(Require),
        (R::AntivirusActive | R::FirewallActive | R::UpdatesRecent, _) => Some(Warn),
        (R::SystemSupported | R::RemoteControlNone | R::ClockSane | R::PowerLasts, _) => Some(Warn),
        (R::DiskEncrypted, Mode::Vm | Mode::Container) => Some(Warn),
        (R::NetworkReach, Mode::RemoteOnly) => Some(Require),
        (R::StickSpeed | R::StickHonest, Mode::Vm | Mode::Container) => Some(Warn),
        (R::StickPort, Mode::Vm | Mode::Container) => Some(Info),
        (R::StickSpeed | R::StickHonest | R::StickPort, Mode::RemoteOnly) => None,
        (R::BootSecure | R::DiskEncrypted | R::SystemConfined | R::UpdatesRestart, _) => Some(Info),
        (R::ScreenLock | R::UserOrdinary | R::SystemReal | R::NetworkReach, _) => Some(Info),
    }
}

fn is_about_the_stick(rule: RuleId) -> bool {
    matches!(rule, RuleId::StickPort | RuleId::StickSpeed | RuleId::StickHonest)
}

fn finding(
    requirements: &Requirements,
    rule: RuleId,
    name: &str,
    severity: Severity,
    judged: Judged,
) -> Finding {
    let setting = requirements.policy.rules.get(name);
    let on_unknown = setting.and_then(|setting| setting.on_unknown);
    let (verdict, what_to_do) = match (judged.outcome, severity) {
        (Outcome::Met, _) => (Verdict::Pass, None),
        (Outcome::CannotTell { what_to_do }, _) => (Verdict::Unknown, Some(what_to_do)),
        (Outcome::MetPoorly { what_to_do } | Outcome::Missed { what_to_do }, Severity::Info) => {
            (Verdict::Info, Some(what_to_do))
        }
        (Outcome::MetPoorly { what_to_do }, _) | (Outcome::Missed { what_to_do }, Severity::Warn) => {
            (Verdict::Warn, Some(what_to_do))
        }
        (Outcome::Missed { what_to_do }, Severity::Require) => (Verdict::Fail, Some(what_to_do)),
    };
    Finding {
        rule,
        title: rule.title(),
        needed: judged.needed,
        found: judged.found,
        verdict,
        severity,
        on_unknown: on_unknown.unwrap_or(requirements.on_unknown),
        waiver: None,
        what_to_do,
    }
}

/// What was waived is still said, as a warning, with IT's reason.
fn waive(finding: &mut Finding, waiver: &Waiver) {
    if finding.rule.is_needed_to_work() || !finding.blocks() {
        return;
    }
    finding.waiver = Some(waiver.clone());
    if finding.verdict == Verdict::Fail {
        finding.verdict = Verdict::Warn;
    }
    let advice = finding.what_to_do.take().unwrap_or_default();
    finding.what_to_do = Some(format!(
        "your IT lets this pass until {} ({}); better: {advice}",
        waiver.until, waiver.reason
    ));
}

#[cfg(test)]
mod tests;
