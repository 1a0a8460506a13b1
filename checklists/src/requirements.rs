//! What an image asks of a computer. Stored as JSON in the signed manifest.
//!
//! Rules of evolution: unknown fields are ignored, every field has a default, and an unknown word reads as `Unknown`
//! (judged "cannot tell", never "pass"). So an old launcher opens a new manifest and a new launcher an old one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cpu_level::CpuLevel;
use crate::limits;
use crate::policy::Policy;
use crate::version::Version;

/// What an image asks of a computer, whatever the mode, and per mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Modes the image may be started in, in no order.
    pub modes: Vec<Mode>,
    /// Architecture of the image's programs, in Rust's spelling.
    pub architecture: String,
    /// Lowest micro-architecture level the image's programs run on.
    pub min_cpu_level: CpuLevel,
    /// Further processor features, in Linux's spelling (`aes`, `sha_ni`).
    pub cpu_features: Vec<String>,
    /// Fewest processor cores.
    pub min_cores: u32,
    /// Least memory built into the computer; 0 asks nothing.
    pub min_memory_total_bytes: u64,
    /// Least free space for temporary files.
    pub min_temp_free_bytes: u64,
    /// What counts when something required cannot be determined.
    pub on_unknown: OnUnknown,
    /// Only for the virtual machine.
    pub vm: VmRequirements,
    /// Only for the container.
    pub container: ContainerRequirements,
    /// Only where the computer is a screen for something elsewhere.
    pub remote_only: RemoteRequirements,
    /// Where the company answers, as `HOST:PORT`; empty: it is not asked. A computer that is checked opens a connection there, and
    /// says nothing on it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub company: String,
    /// What IT asks of the computer's protection.
    pub policy: Policy,
}

/// What the virtual machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRequirements {
    /// Memory the guest gets.
    pub guest_memory_bytes: u64,
    /// Memory that must stay free for the host beside the guest.
    pub host_reserve_bytes: u64,
    /// May the guest be emulated, several times slower, where the processor cannot run it directly?
    pub accelerator: AcceleratorRule,
    /// Oldest hypervisor.
    pub min_qemu_version: Version,
}

/// What the container asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerRequirements {
    /// Least memory available for the container's programs.
    pub min_memory_available_bytes: u64,
}

/// What remote access asks, for computers that can run neither of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteRequirements {
    /// Where people go: an address of a web page, or of a remote desktop. Shown, never opened by the launcher.
    pub address: String,
    /// Which kind it is.
    pub kind: RemoteKind,
}

/// Kinds of remote access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteKind {
    /// Pages in a browser; nothing to install.
    #[default]
    Web,
    /// A desktop elsewhere, shown by a program (RDP, VNC, Citrix).
    Desktop,
    /// The company's network through a tunnel.
    Tunnel,
    /// A kind this program does not know yet.
    #[serde(other)]
    Unknown,
}

const MIB: u64 = 1 << 20;

impl Default for Requirements {
    /// What nearly every PC of the last fifteen years has.
    fn default() -> Self {
        Self {
            modes: vec![Mode::Vm, Mode::Container],
            architecture: "x86_64".to_owned(),
            min_cpu_level: CpuLevel::V1,
            cpu_features: Vec::new(),
            min_cores: 2,
            min_memory_total_bytes: 0,
            min_temp_free_bytes: 64 * MIB,
            on_unknown: OnUnknown::Warn,
            vm: VmRequirements::default(),
            container: ContainerRequirements::default(),
            remote_only: RemoteRequirements::default(),
            company: String::new(),
            policy: Policy::default(),
        }
    }
}

impl Default for VmRequirements {
    fn default() -> Self {
        Self {
            guest_memory_bytes: 2048 * MIB,
            host_reserve_bytes: 512 * MIB,
            accelerator: AcceleratorRule::Warn,
            // What Debian 12 and Ubuntu 22.04 carry; older ones are untested with our machine type.
            min_qemu_version: Version::new(6, 2, 0),
        }
    }
}

impl Default for ContainerRequirements {
    fn default() -> Self {
        Self {
            min_memory_available_bytes: 512 * MIB,
        }
    }
}

/// A way to run an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A virtual machine.
    Vm,
    /// A container on the host's kernel.
    Container,
    /// Remote access only: the computer is a screen for something elsewhere, and nothing starts from the stick.
    RemoteOnly,
    /// A mode this program does not know yet; no host can run it.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vm => "vm",
            Self::Container => "container",
            Self::RemoteOnly => "remote-only",
            Self::Unknown => "unknown",
        })
    }
}

/// How strictly hardware acceleration is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceleratorRule {
    /// Emulation is allowed, with a warning.
    #[default]
    Warn,
    /// Emulation is refused.
    Require,
    /// A rule this program does not know yet.
    #[serde(other)]
    Unknown,
}

/// What counts when something required cannot be determined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnknown {
    /// Say so and go on: trying is cheap, and the person needs to work.
    #[default]
    Warn,
    /// Do not start. Also what a word from the future means: it can only be stricter.
    #[serde(other)]
    Fail,
}

/// Why requirements were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementsError {
    /// A list is longer than the format allows.
    #[error("requirements: `{field}` has {count} entries, at most {limit} are allowed")]
    TooMany {
        /// The field.
        field: &'static str,
        /// What it has.
        count: usize,
        /// What it may have.
        limit: usize,
    },
    /// A number is larger than any computer.
    #[error("requirements: `{field}` is {value}, at most {limit} is allowed")]
    TooLarge {
        /// The field.
        field: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        limit: u64,
    },
    /// A name is empty, too long, or holds other characters than letters, digits, `_`, `-` and `.`.
    #[error("requirements: `{field}` holds a name that cannot be one: {name:?}")]
    BadName {
        /// The field.
        field: &'static str,
        /// The refused name, shortened.
        name: String,
    },
    /// What should be `HOST:PORT` is something else.
    #[error("requirements: `company` is no HOST:PORT: {found:?}")]
    BadAddress {
        /// What it is, shortened.
        found: String,
    },
}

impl RequirementsError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "checklist.too-many",
            Self::TooLarge { .. } => "checklist.too-large",
            Self::BadName { .. } => "checklist.bad-name",
            Self::BadAddress { .. } => "checklist.bad-address",
        }
    }
}

impl Requirements {
    /// Refuses what no honest manifest holds, before any of it is stored or shown on a screen.
    pub fn validate(&self) -> Result<(), RequirementsError> {
        for (field, count, limit) in [
            ("modes", self.modes.len(), limits::MAX_MODES),
            ("cpu_features", self.cpu_features.len(), limits::MAX_CPU_FEATURES),
            ("policy.rules", self.policy.rules.len(), limits::MAX_RULES),
            (
                "policy.end_of_life",
                self.policy.end_of_life.len(),
                limits::MAX_END_OF_LIFE,
            ),
            (
                "remote_only.address",
                self.remote_only.address.len(),
                limits::MAX_ADDRESS_BYTES,
            ),
            ("company", self.company.len(), limits::MAX_ADDRESS_BYTES),
        ] {
            if count > limit {
                return Err(RequirementsError::TooMany { field, count, limit });
            }
        }
        let size = limits::MAX_SIZE_BYTES;
        for (field, value, limit) in [
            ("min_cores", self.min_cores.into(), limits::MAX_CORES.into()),
            ("min_memory_total_bytes", self.min_memory_total_bytes, size),
            ("min_temp_free_bytes", self.min_temp_free_bytes, size),
            ("vm.guest_memory_bytes", self.vm.guest_memory_bytes, size),
            ("vm.host_reserve_bytes", self.vm.host_reserve_bytes, size),
            (
                "container.min_memory_available_bytes",
                self.container.min_memory_available_bytes,
                size,
            ),
        ] {
            if value > limit {
                return Err(RequirementsError::TooLarge { field, value, limit });
            }
        }
        check_name("architecture", &self.architecture)?;
        let features = self
            .cpu_features
            .iter()
            .map(|name| ("cpu_features", name.as_str()));
        let rules = self
            .policy
            .rules
            .keys()
            .map(|name| ("policy.rules", name.as_str()));
        let rows = self.policy.end_of_life.iter();
        let systems = rows
            .flat_map(|row| [&row.system, &row.version].map(|name| ("policy.end_of_life", name.as_str())));
        check_address(&self.company)?;
        features
            .chain(rules)
            .chain(systems)
            .try_for_each(|(field, name)| check_name(field, name))
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), RequirementsError> {
    let fits = !name.is_empty() && name.len() <= limits::MAX_CPU_FEATURE_BYTES;
    if fits
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        return Ok(());
    }
    let name = name.chars().take(limits::MAX_CPU_FEATURE_BYTES).collect();
    Err(RequirementsError::BadName { field, name })
}

/// Nothing, or a name or an address and a port.
fn check_address(address: &str) -> Result<(), RequirementsError> {
    let fits = address.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"._-[]:".contains(&b);
        !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits || address.is_empty() {
        return Ok(());
    }
    let found = address.chars().take(limits::MAX_CPU_FEATURE_BYTES).collect();
    Err(RequirementsError::BadAddress { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_default() {
        assert_eq!(
            serde_json::from_str::<Requirements>("{}").expect("reads"),
            Requirements::default()
        );
        assert_eq!(Requirements::default().validate(), Ok(()));
    }

    #[test]
    fn a_manifest_from_the_future_is_read() {
        let text = r#"{"modes":["thin","vm"],"min_cpu_level":"x86-64-v7","on_unknown":"wipe","min_gpu_count":2,
            "vm":{"accelerator":"attested","guest_memory_bytes":1073741824,"tpm":"2.0"}}"#;
        let read: Requirements = serde_json::from_str(text).expect("reads");
        assert_eq!(read.modes, [Mode::Unknown, Mode::Vm]);
        assert_eq!(read.min_cpu_level, CpuLevel::Unknown);
        assert_eq!(read.on_unknown, OnUnknown::Fail);
        assert_eq!(read.vm.accelerator, AcceleratorRule::Unknown);
        assert_eq!(read.vm.guest_memory_bytes, 1 << 30);
        assert_eq!(
            read.vm.host_reserve_bytes,
            VmRequirements::default().host_reserve_bytes
        );
    }

    #[test]
    fn names_are_stable_on_disk() {
        let text = serde_json::to_string(&Requirements::default()).expect("writes");
        let expected = concat!(
            r#"{"modes":["vm","container"],"architecture":"x86_64","min_cpu_level":"x86-64-v1","cpu_features":[],"#,
            r#""min_cores":2,"min_memory_total_bytes":0,"min_temp_free_bytes":67108864,"on_unknown":"warn","#,
            r#""vm":{"guest_memory_bytes":2147483648,"host_reserve_bytes":536870912,"accelerator":"warn","#,
            r#""min_qemu_version":"6.2.0"},"container":{"min_memory_available_bytes":536870912},"#,
            r#""remote_only":{"address":"","kind":"web"},"policy":{"max_update_age_days":45,"max_signature_age_days":7,"#,
            r#""min_stick_write_bytes_per_s":2000000,"min_stick_read_bytes_per_s":8000000,"min_battery_percent":30}}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn absurd_requirements_are_refused_by_name() {
        type Change = fn(&mut Requirements);
        let cases: [(&str, Change); 13] = [
            ("checklist.bad-address", |r| {
                r.company = "office.example".to_owned()
            }),
            ("checklist.bad-address", |r| {
                r.company = "office.example:0".to_owned()
            }),
            ("checklist.bad-address", |r| r.company = "a b:1".to_owned()),
            ("checklist.too-many", |r| {
                r.cpu_features = vec!["aes".to_owned(); 65]
            }),
            ("checklist.too-many", |r| r.modes = vec![Mode::Vm; 17]),
            ("checklist.too-large", |r| r.min_cores = 1025),
            ("checklist.too-large", |r| r.vm.guest_memory_bytes = u64::MAX),
            ("checklist.bad-name", |r| {
                r.cpu_features = vec!["\u{1b}[2J".to_owned()]
            }),
            ("checklist.bad-name", |r| r.cpu_features = vec![String::new()]),
            ("checklist.bad-name", |r| r.architecture = "x".repeat(33)),
            ("checklist.bad-name", |r| {
                let rule = crate::policy::RuleSetting::default();
                r.policy.rules.insert("\u{1b}[2J".to_owned(), rule);
            }),
            ("checklist.too-many", |r| r.remote_only.address = "x".repeat(513)),
            ("checklist.too-many", |r| {
                let row = crate::policy::EndOfLife {
                    system: "debian".to_owned(),
                    version: "12".to_owned(),
                    until: jiff::civil::date(2028, 6, 30),
                };
                r.policy.end_of_life = vec![row; 1025];
            }),
        ];
        for (index, (code, change)) in cases.into_iter().enumerate() {
            let mut requirements = Requirements::default();
            change(&mut requirements);
            let error = requirements.validate().expect_err("refused");
            assert_eq!(error.code(), code, "case {index}");
            assert!(error.to_string().starts_with("requirements: `"), "{error}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }
}
