//! How much each rule weighs in each mode, and the numbers the rules compare with. Part of the signed requirements.
//!
//! A default stands in [`crate::evaluate()`] for every rule; what is here goes before it. Rules without which a mode cannot work at
//! all can be made stricter here, never weaker. A rule that this program does not know is judged "cannot tell".

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;
use crate::requirements::{Mode, OnUnknown};

/// What IT asks of a computer's protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Weights by rule name (`antivirus.active`); rules not named here have their default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, RuleSetting>,
    /// Oldest search for updates, in days.
    pub max_update_age_days: u32,
    /// Oldest knowledge of a malware scanner, in days.
    pub max_signature_age_days: u32,
    /// Slowest writing of a stick.
    pub min_stick_write_bytes_per_s: u64,
    /// Slowest reading of a stick.
    pub min_stick_read_bytes_per_s: u64,
    /// Least charge to begin with, away from the mains.
    pub min_battery_percent: u8,
    /// When releases of operating systems stop getting security updates; the table that this program carries if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub end_of_life: Vec<EndOfLife>,
}

impl Default for Policy {
    /// Numbers a home PC can meet: reasons in docs/host-checks.md.
    fn default() -> Self {
        Self {
            rules: BTreeMap::new(),
            max_update_age_days: 45,
            max_signature_age_days: 7,
            min_stick_write_bytes_per_s: 2_000_000,
            min_stick_read_bytes_per_s: 8_000_000,
            min_battery_percent: 30,
            end_of_life: Vec::new(),
        }
    }
}

/// What a rule weighs, by mode. What is not said stays at its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RuleSetting {
    /// In a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm: Option<Severity>,
    /// In a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Severity>,
    /// Where only remote access is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_only: Option<Severity>,
    /// What counts for this rule when it cannot be told; the requirements' own word otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<OnUnknown>,
}

impl RuleSetting {
    /// The weight in a mode, if it is said.
    #[must_use]
    pub fn severity(&self, mode: Mode) -> Option<Severity> {
        match mode {
            Mode::Vm => self.vm,
            Mode::Container => self.container,
            Mode::RemoteOnly => self.remote_only,
            Mode::Unknown => None,
        }
    }
}

/// The last day on which a release gets security updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfLife {
    /// As in [`crate::safety::Release::system`].
    pub system: String,
    /// The release, or its first parts: `12` is also 12.7, `10.0.19045` is also 10.0.19045.4651.
    pub version: String,
    /// That day.
    pub until: Date,
}
