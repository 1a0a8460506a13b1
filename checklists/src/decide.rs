//! Which mode this computer can run, and why, in words.

use serde::Serialize;

use crate::evaluate::evaluate;
use crate::finding::{Findings, Verdict};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::waiver::Waiver;

/// What the person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeChoice {
    /// The virtual machine if it can run, else the container, else remote access.
    #[default]
    Auto,
    /// Only the virtual machine.
    Vm,
    /// Only the container.
    Container,
}

/// The mode to run, the reasons, and the findings behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What was asked for.
    pub asked: ModeChoice,
    /// The mode to run; `None` if this computer can run none of what was asked.
    pub mode: Option<Mode>,
    /// Why, one sentence per mode looked at, the chosen one first.
    pub reasons: Vec<String>,
    /// Findings for every mode looked at, in order of preference.
    pub findings: Vec<Findings>,
}

impl Decision {
    /// The findings of the chosen mode, or else of the first one asked for.
    #[must_use]
    pub fn relevant(&self) -> Option<&Findings> {
        self.findings
            .iter()
            .find(|findings| Some(findings.mode) == self.mode)
            .or(self.findings.first())
    }
}

/// Chooses a mode. Warnings do not count against a mode: a slow virtual machine still isolates better than a container.
#[must_use]
pub fn decide(
    requirements: &Requirements,
    facts: &HostFacts,
    asked: ModeChoice,
    waivers: &[Waiver],
) -> Decision {
    let candidates: &[Mode] = match asked {
        // Remote access is looked at only where the image's requirements speak of it.
        ModeChoice::Auto if requirements.modes.contains(&Mode::RemoteOnly) => {
            &[Mode::Vm, Mode::Container, Mode::RemoteOnly]
        }
        ModeChoice::Auto => &[Mode::Vm, Mode::Container],
        ModeChoice::Vm => &[Mode::Vm],
        ModeChoice::Container => &[Mode::Container],
    };
    let findings: Vec<Findings> = candidates
        .iter()
        .map(|mode| evaluate(requirements, facts, *mode, waivers))
        .collect();
    let mode = findings
        .iter()
        .find(|findings| findings.fit)
        .map(|findings| findings.mode);
    let mut reasons: Vec<String> = findings.iter().map(|findings| reason(findings, mode)).collect();
    if let Some(chosen) = findings.iter().position(|findings| Some(findings.mode) == mode) {
        reasons[..=chosen].rotate_right(1);
    }
    Decision {
        asked,
        mode,
        reasons,
        findings,
    }
}

fn reason(findings: &Findings, chosen: Option<Mode>) -> String {
    let mode = findings.mode;
    if !findings.fit {
        let obstacles = findings
            .blocking()
            .map(|finding| format!("{} ({})", finding.title, finding.found));
        let obstacles: Vec<String> = obstacles.collect();
        return format!("{mode}: not possible here: {}", obstacles.join("; "));
    }
    let role = if Some(mode) == chosen {
        "chosen"
    } else {
        "would work too"
    };
    let list = |verdict| {
        let listed = findings
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict && finding.matters());
        let titles: Vec<&str> = listed.map(|finding| finding.title).collect();
        (!titles.is_empty()).then(|| titles.join(", "))
    };
    match (list(Verdict::Warn), list(Verdict::Unknown)) {
        (None, None) => format!("{mode}: {role}; everything it needs is there"),
        (Some(warned), None) => format!("{mode}: {role}, with warnings: {warned}"),
        (None, Some(unknown)) => format!("{mode}: {role}; could not be determined: {unknown}"),
        (Some(warned), Some(unknown)) => {
            format!("{mode}: {role}, with warnings: {warned}; could not be determined: {unknown}")
        }
    }
}

#[cfg(test)]
mod tests;
