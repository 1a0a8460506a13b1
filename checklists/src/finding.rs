//! One rule's verdict, in words for a person under stress, with a stable id for programs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::requirements::{Mode, OnUnknown};
use crate::waiver::Waiver;

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
    /// The firmware starts only what is signed.
    #[serde(rename = "boot.secure")]
    BootSecure,
    /// What this computer writes down is encrypted.
    #[serde(rename = "disk.encrypted")]
    DiskEncrypted,
    /// The kernel confines programs.
    #[serde(rename = "system.confined")]
    SystemConfined,
    /// A firewall is on.
    #[serde(rename = "firewall.active")]
    FirewallActive,
    /// A malware scanner runs and knows the malware of today.
    #[serde(rename = "antivirus.active")]
    AntivirusActive,
    /// The system is up to date.
    #[serde(rename = "updates.recent")]
    UpdatesRecent,
    /// No update waits for a restart.
    #[serde(rename = "updates.restart")]
    UpdatesRestart,
    /// The maker still mends the operating system.
    #[serde(rename = "system.supported")]
    SystemSupported,
    /// Nobody elsewhere can watch.
    #[serde(rename = "remote-control.none")]
    RemoteControlNone,
    /// The screen locks itself.
    #[serde(rename = "screen.lock")]
    ScreenLock,
    /// The clock is right.
    #[serde(rename = "clock.sane")]
    ClockSane,
    /// The launcher does not run as administrator.
    #[serde(rename = "user.ordinary")]
    UserOrdinary,
    /// The computer is not itself a virtual machine.
    #[serde(rename = "system.real")]
    SystemReal,
    /// The stick is in a fast port.
    #[serde(rename = "stick.port")]
    StickPort,
    /// The stick is fast enough.
    #[serde(rename = "stick.speed")]
    StickSpeed,
    /// The stick holds what it claims, without errors.
    #[serde(rename = "stick.honest")]
    StickHonest,
    /// The power lasts.
    #[serde(rename = "power.lasts")]
    PowerLasts,
    /// The company can be reached.
    #[serde(rename = "network.reach")]
    NetworkReach,
    /// A rule of the policy that this program does not know.
    #[serde(rename = "rule.newer")]
    Newer,
}

impl RuleId {
    /// All rules, in the order of the table.
    pub const ALL: [Self; 33] = [
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
        Self::BootSecure,
        Self::DiskEncrypted,
        Self::SystemConfined,
        Self::FirewallActive,
        Self::AntivirusActive,
        Self::UpdatesRecent,
        Self::UpdatesRestart,
        Self::SystemSupported,
        Self::RemoteControlNone,
        Self::ScreenLock,
        Self::ClockSane,
        Self::UserOrdinary,
        Self::SystemReal,
        Self::StickPort,
        Self::StickSpeed,
        Self::StickHonest,
        Self::PowerLasts,
        Self::NetworkReach,
        Self::Newer,
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
            Self::BootSecure => "boot.secure",
            Self::DiskEncrypted => "disk.encrypted",
            Self::SystemConfined => "system.confined",
            Self::FirewallActive => "firewall.active",
            Self::AntivirusActive => "antivirus.active",
            Self::UpdatesRecent => "updates.recent",
            Self::UpdatesRestart => "updates.restart",
            Self::SystemSupported => "system.supported",
            Self::RemoteControlNone => "remote-control.none",
            Self::ScreenLock => "screen.lock",
            Self::ClockSane => "clock.sane",
            Self::UserOrdinary => "user.ordinary",
            Self::SystemReal => "system.real",
            Self::StickPort => "stick.port",
            Self::StickSpeed => "stick.speed",
            Self::StickHonest => "stick.honest",
            Self::PowerLasts => "power.lasts",
            Self::NetworkReach => "network.reach",
            Self::Newer => "rule.newer",
        }
    }

    /// Is it one without which nothing runs? No policy and no waiver makes up for what is not there.
    #[must_use]
    pub fn is_needed_to_work(self) -> bool {
        matches!(
            self,
            Self::ModeOffered
                | Self::CpuArchitecture
                | Self::CpuFeatures
                | Self::CpuCores
                | Self::CpuVirtualization
                | Self::MemoryTotal
                | Self::MemoryAvailable
                | Self::SpaceTemp
                | Self::FuseUsable
                | Self::VmQemu
                | Self::VmAccelerator
                | Self::ContainerNamespaces
                | Self::ContainerBubblewrap
                | Self::ContainerMount
        )
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
            Self::BootSecure => "Secure Boot",
            Self::DiskEncrypted => "Encryption of the disks",
            Self::SystemConfined => "Confinement of programs",
            Self::FirewallActive => "Firewall",
            Self::AntivirusActive => "Protection against malware",
            Self::UpdatesRecent => "Updates",
            Self::UpdatesRestart => "Restart after updates",
            Self::SystemSupported => "System still supported",
            Self::RemoteControlNone => "Remote control programs",
            Self::ScreenLock => "Screen lock",
            Self::ClockSane => "Clock",
            Self::UserOrdinary => "Ordinary user",
            Self::SystemReal => "Real computer",
            Self::StickPort => "Port of the stick",
            Self::StickSpeed => "Speed of the stick",
            Self::StickHonest => "Health of the stick",
            Self::PowerLasts => "Power",
            Self::NetworkReach => "Network",
            Self::Newer => "A rule newer than this program",
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
    /// Not fulfilled, and nobody minds.
    Info,
    /// Not fulfilled, but work is possible.
    Warn,
    /// Could not be determined.
    Unknown,
    /// Not fulfilled, and work is not possible.
    Fail,
}

/// How much a rule weighs in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It is said, and counts for nothing.
    Info,
    /// Not fulfilled, the mode starts with a warning.
    Warn,
    /// Not fulfilled, the mode does not start. Also what a word from the future means: it can only be stricter.
    #[serde(other)]
    Require,
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
    /// What counts if it could not be determined.
    pub on_unknown: OnUnknown,
    /// IT's word that it does not stop this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
    /// What the person can do about it; `None` exactly when the verdict is [`Verdict::Pass`].
    pub what_to_do: Option<String>,
}

impl Finding {
    /// Does it keep the mode from running?
    #[must_use]
    pub fn blocks(&self) -> bool {
        let strict = self.on_unknown == OnUnknown::Fail && self.severity == Severity::Require;
        match self.verdict {
            Verdict::Fail => true,
            Verdict::Unknown => strict && self.waiver.is_none(),
            Verdict::Pass | Verdict::Info | Verdict::Warn => false,
        }
    }

    /// Should the person hear of it? What is only information is in the table, and not in the way.
    #[must_use]
    pub fn matters(&self) -> bool {
        self.verdict > Verdict::Info && self.severity > Severity::Info
    }
}

/// All findings for one mode, in the order of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The mode judged.
    pub mode: Mode,
    /// Can this computer run the mode?
    pub fit: bool,
    /// One per rule that applies to the mode.
    pub findings: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(mode: Mode, findings: Vec<Finding>) -> Self {
        let mut all = Self {
            mode,
            fit: true,
            findings,
        };
        let blocked = all.blocking().next().is_some();
        all.fit = !blocked;
        all
    }

    /// The findings that keep this mode from running: failures, and unknown requirements where the policy says so.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.blocks())
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
            "boot.secure",
            "disk.encrypted",
            "system.confined",
            "firewall.active",
            "antivirus.active",
            "updates.recent",
            "updates.restart",
            "system.supported",
            "remote-control.none",
            "screen.lock",
            "clock.sane",
            "user.ordinary",
            "system.real",
            "stick.port",
            "stick.speed",
            "stick.honest",
            "power.lasts",
            "network.reach",
            "rule.newer",
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

    fn finding(verdict: Verdict, severity: Severity, on_unknown: OnUnknown) -> Finding {
        let rule = RuleId::CpuCores;
        let (needed, found) = ("2".to_owned(), "1".to_owned());
        Finding {
            rule,
            title: rule.title(),
            needed,
            found,
            verdict,
            severity,
            on_unknown,
            waiver: None,
            what_to_do: None,
        }
    }

    #[test]
    fn what_blocks_follows_the_policy() {
        use {OnUnknown as U, Severity as S, Verdict as V};
        for (verdict, severity, on_unknown, fit) in [
            (V::Pass, S::Require, U::Fail, true),
            (V::Info, S::Info, U::Fail, true),
            (V::Warn, S::Warn, U::Fail, true),
            (V::Fail, S::Require, U::Warn, false),
            (V::Unknown, S::Require, U::Warn, true),
            (V::Unknown, S::Require, U::Fail, false),
            (V::Unknown, S::Warn, U::Fail, true),
        ] {
            let all = Findings::new(Mode::Vm, vec![finding(verdict, severity, on_unknown)]);
            assert_eq!(all.fit, fit, "{verdict:?} {severity:?} {on_unknown:?}");
            assert_eq!(all.worst(), verdict);
        }
    }
}
