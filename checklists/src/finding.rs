//! One rule's verdict, in words for a person under stress, with a stable id for programs.

use std::fmt;

use serde::Serialize;

use crate::requirements::{Mode, OnUnknown};

/// A rule's stable name. Programs and documents refer to it; it is never renamed or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum RuleId {
    /// The image offers this mode.
    #[serde(rename = "mode.offered")]
    ModeOffered,
    /// The image's programs are for this kind of processor.
    #[serde(rename = "cpu.architecture")]
    CpuArchitecture,
    /// The processor has the features the image's programs use.
    #[serde(rename = "cpu.features")]
    CpuFeatures,
    /// Enough processor cores.
    #[serde(rename = "cpu.cores")]
    CpuCores,
    /// The processor offers virtualisation.
    #[serde(rename = "cpu.virtualization")]
    CpuVirtualization,
    /// Enough memory built in.
    #[serde(rename = "memory.total")]
    MemoryTotal,
    /// Enough memory free now.
    #[serde(rename = "memory.available")]
    MemoryAvailable,
    /// Enough room for temporary files.
    #[serde(rename = "space.temp")]
    SpaceTemp,
    /// The stick can be opened through FUSE.
    #[serde(rename = "fuse.usable")]
    FuseUsable,
    /// The hypervisor is there and new enough.
    #[serde(rename = "vm.qemu")]
    VmQemu,
    /// The guest runs, directly or emulated.
    #[serde(rename = "vm.accelerator")]
    VmAccelerator,
    /// The user can have namespaces of their own.
    #[serde(rename = "container.namespaces")]
    ContainerNamespaces,
    /// The sandbox program is there.
    #[serde(rename = "container.bubblewrap")]
    ContainerBubblewrap,
    /// The image's file system can be mounted.
    #[serde(rename = "container.mount")]
    ContainerMount,
}

impl RuleId {
    /// All rules, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::ModeOffered,
        Self::CpuArchitecture,
        Self::CpuFeatures,
        Self::CpuCores,
        Self::CpuVirtualization,
        Self::MemoryTotal,
        Self::MemoryAvailable,
        Self::SpaceTemp,
        Self::FuseUsable,
        Self::VmQemu,
        Self::VmAccelerator,
        Self::ContainerNamespaces,
        Self::ContainerBubblewrap,
        Self::ContainerMount,
    ];

    /// The stable name, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModeOffered => "mode.offered",
            Self::CpuArchitecture => "cpu.architecture",
            Self::CpuFeatures => "cpu.features",
            Self::CpuCores => "cpu.cores",
            Self::CpuVirtualization => "cpu.virtualization",
            Self::MemoryTotal => "memory.total",
            Self::MemoryAvailable => "memory.available",
            Self::SpaceTemp => "space.temp",
            Self::FuseUsable => "fuse.usable",
            Self::VmQemu => "vm.qemu",
            Self::VmAccelerator => "vm.accelerator",
            Self::ContainerNamespaces => "container.namespaces",
            Self::ContainerBubblewrap => "container.bubblewrap",
            Self::ContainerMount => "container.mount",
        }
    }

    /// What the table calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ModeOffered => "Mode offered by the image",
            Self::CpuArchitecture => "Kind of processor",
            Self::CpuFeatures => "Processor features",
            Self::CpuCores => "Processor cores",
            Self::CpuVirtualization => "Processor virtualisation",
            Self::MemoryTotal => "Memory built in",
            Self::MemoryAvailable => "Memory free now",
            Self::SpaceTemp => "Space for temporary files",
            Self::FuseUsable => "Opening the stick (FUSE)",
            Self::VmQemu => "Virtual machine program (QEMU)",
            Self::VmAccelerator => "Virtual machine speed",
            Self::ContainerNamespaces => "Separate user space",
            Self::ContainerBubblewrap => "Sandbox program (bubblewrap)",
            Self::ContainerMount => "Opening the image's files",
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a rule came out, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Fulfilled.
    Pass,
    /// Not fulfilled, but work is possible.
    Warn,
    /// Could not be determined.
    Unknown,
    /// Not fulfilled, and work is not possible.
    Fail,
}

/// How much a rule weighs in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Without it the mode does not work.
    Must,
    /// Without it the mode works worse.
    Should,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// What the table calls the rule.
    pub title: &'static str,
    /// What is needed, in words.
    pub needed: String,
    /// What was found, in words.
    pub found: String,
    /// How it came out.
    pub verdict: Verdict,
    /// How much it weighs in this mode.
    pub severity: Severity,
    /// What the person can do about it; `None` exactly when the verdict is [`Verdict::Pass`].
    pub what_to_do: Option<String>,
}

/// All findings for one mode, in the order of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The mode judged.
    pub mode: Mode,
    /// What counts when a required thing is unknown.
    pub on_unknown: OnUnknown,
    /// Can this computer run the mode?
    pub fit: bool,
    /// One per rule that applies to the mode.
    pub findings: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(mode: Mode, on_unknown: OnUnknown, findings: Vec<Finding>) -> Self {
        let mut all = Self {
            mode,
            on_unknown,
            fit: true,
            findings,
        };
        let blocked = all.blocking().next().is_some();
        all.fit = !blocked;
        all
    }

    /// The findings that keep this mode from running: failures, and unknown requirements where the policy says so.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        let strict = self.on_unknown == OnUnknown::Fail;
        self.findings.iter().filter(move |finding| match finding.verdict {
            Verdict::Fail => true,
            Verdict::Unknown => strict && finding.severity == Severity::Must,
            Verdict::Pass | Verdict::Warn => false,
        })
    }

    /// The worst verdict of all.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        self.findings
            .iter()
            .map(|finding| finding.verdict)
            .max()
            .unwrap_or(Verdict::Pass)
    }

    /// The finding of a rule, if the rule applies to this mode.
    #[must_use]
    pub fn get(&self, rule: RuleId) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.rule == rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renaming one breaks reports already stored by companies: add to the end, never change.
    #[test]
    fn rule_names_are_stable_and_unique() {
        let names: Vec<_> = RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
        let expected = [
            "mode.offered",
            "cpu.architecture",
            "cpu.features",
            "cpu.cores",
            "cpu.virtualization",
            "memory.total",
            "memory.available",
            "space.temp",
            "fuse.usable",
            "vm.qemu",
            "vm.accelerator",
            "container.namespaces",
            "container.bubblewrap",
            "container.mount",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn json_uses_the_same_names() {
        for rule in RuleId::ALL {
            assert_eq!(
                serde_json::to_string(&rule).expect("writes"),
                format!("\"{rule}\"")
            );
        }
    }

    fn finding(verdict: Verdict, severity: Severity) -> Finding {
        let rule = RuleId::CpuCores;
        let (needed, found) = ("2".to_owned(), "1".to_owned());
        Finding {
            rule,
            title: rule.title(),
            needed,
            found,
            verdict,
            severity,
            what_to_do: None,
        }
    }

    #[test]
    fn what_blocks_follows_the_policy() {
        use {OnUnknown as U, Severity::*, Verdict::*};
        for (verdict, severity, on_unknown, fit) in [
            (Pass, Must, U::Fail, true),
            (Warn, Should, U::Fail, true),
            (Fail, Must, U::Warn, false),
            (Unknown, Must, U::Warn, true),
            (Unknown, Must, U::Fail, false),
            (Unknown, Should, U::Fail, true),
        ] {
            let all = Findings::new(Mode::Vm, on_unknown, vec![finding(verdict, severity)]);
            assert_eq!(all.fit, fit, "{verdict:?} {severity:?} {on_unknown:?}");
            assert_eq!(all.worst(), verdict);
        }
    }
}
