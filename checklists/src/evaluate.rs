//! The judgement: requirements × facts → findings. Pure; the single rules are in `rules`.

use crate::finding::{Finding, Findings, RuleId, Severity, Verdict};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::rules::{self, Judged, Outcome};

/// Judges whether a computer can run an image in `mode`.
///
/// Every rule that applies to the mode gives exactly one finding, also when it passes: the reader sees what was looked at.
#[must_use]
pub fn evaluate(requirements: &Requirements, facts: &HostFacts, mode: Mode) -> Findings {
    let findings = RuleId::ALL
        .into_iter()
        .filter_map(|rule| {
            let severity = severity(rule, mode)?;
            Some(finding(
                rule,
                severity,
                rules::judge(rule, requirements, facts, mode),
            ))
        })
        .collect();
    Findings::new(mode, requirements.on_unknown, findings)
}

/// How much a rule weighs in a mode; `None` where it does not apply.
///
/// [`RuleId::VmAccelerator`] is a must because emulation already counts as fulfilled there, with a warning, unless the
/// requirements refuse it.
fn severity(rule: RuleId, mode: Mode) -> Option<Severity> {
    use RuleId as R;
    use Severity::{Must, Should};
    match (rule, mode) {
        (R::ModeOffered, _) => Some(Must),
        (_, Mode::Unknown) => None,
        (R::CpuArchitecture | R::CpuFeatures | R::MemoryTotal | R::MemoryAvailable | R::SpaceTemp, _) => {
            Some(Must)
        }
        // A virtual machine gets its disks through a block socket where there is no FUSE.
        (R::FuseUsable, Mode::Vm) => Some(Should),
        (R::FuseUsable, Mode::Container) => Some(Must),
        (R::CpuCores, _) => Some(Should),
        (R::VmQemu | R::VmAccelerator, Mode::Vm) => Some(Must),
        (R::CpuVirtualization, Mode::Vm) => Some(Should),
        (R::ContainerNamespaces | R::ContainerBubblewrap | R::ContainerMount, Mode::Container) => Some(Must),
        (R::VmQemu | R::VmAccelerator | R::CpuVirtualization, Mode::Container) => None,
        (R::ContainerNamespaces | R::ContainerBubblewrap | R::ContainerMount, Mode::Vm) => None,
    }
}

fn finding(rule: RuleId, severity: Severity, judged: Judged) -> Finding {
    let (verdict, what_to_do) = match (judged.outcome, severity) {
        (Outcome::Met, _) => (Verdict::Pass, None),
        (Outcome::MetPoorly { what_to_do }, _) | (Outcome::Missed { what_to_do }, Severity::Should) => {
            (Verdict::Warn, Some(what_to_do))
        }
        (Outcome::Missed { what_to_do }, Severity::Must) => (Verdict::Fail, Some(what_to_do)),
        (Outcome::CannotTell { what_to_do }, _) => (Verdict::Unknown, Some(what_to_do)),
    };
    Finding {
        rule,
        title: rule.title(),
        needed: judged.needed,
        found: judged.found,
        verdict,
        severity,
        what_to_do,
    }
}

#[cfg(test)]
mod tests;
