//! The x86-64 micro-architecture levels of the System V ABI, as the flag names Linux prints in `/proc/cpuinfo`.
//!
//! A level instead of a CPU model, because a session suspended on one PC must resume on another: the guest sees the
//! level and nothing above it. (`pni` is SSE3 and `abm` is LZCNT in Linux's spelling.)

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A level of the x86-64 psABI, lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CpuLevel {
    /// Every 64-bit x86 processor.
    #[default]
    #[serde(rename = "x86-64-v1")]
    V1,
    /// About 2009 and later: SSE4.2, POPCNT, CMPXCHG16B.
    #[serde(rename = "x86-64-v2")]
    V2,
    /// About 2013 and later: AVX2, BMI, FMA.
    #[serde(rename = "x86-64-v3")]
    V3,
    /// AVX-512 processors.
    #[serde(rename = "x86-64-v4")]
    V4,
    /// A level this program does not know yet: it can judge no host by it.
    #[serde(other, rename = "unknown")]
    Unknown,
}

const V1: &[&str] = &[
    "cmov", "cx8", "fpu", "fxsr", "lm", "mmx", "sse", "sse2", "syscall",
];
const V2: &[&str] = &["cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"];
const V3: &[&str] = &[
    "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave",
];
const V4: &[&str] = &["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"];

impl CpuLevel {
    /// The flags this level adds to the one below; nothing for [`CpuLevel::Unknown`].
    #[must_use]
    pub fn own_flags(self) -> &'static [&'static str] {
        match self {
            Self::V1 => V1,
            Self::V2 => V2,
            Self::V3 => V3,
            Self::V4 => V4,
            Self::Unknown => &[],
        }
    }

    /// The flags of this level and all below that `flags` lacks, in a fixed order.
    #[must_use]
    pub fn missing_from(self, flags: &BTreeSet<String>) -> Vec<&'static str> {
        [Self::V1, Self::V2, Self::V3, Self::V4]
            .into_iter()
            .filter(|level| *level <= self && self != Self::Unknown)
            .flat_map(Self::own_flags)
            .copied()
            .filter(|flag| !flags.contains(*flag))
            .collect()
    }

    /// The highest level a processor with these flags has; `None` if it is no 64-bit x86 processor.
    #[must_use]
    pub fn of(flags: &BTreeSet<String>) -> Option<Self> {
        [Self::V4, Self::V3, Self::V2, Self::V1]
            .into_iter()
            .find(|level| level.missing_from(flags).is_empty())
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "x86-64-v1",
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
            Self::V4 => "x86-64-v4",
            Self::Unknown => "a level newer than this program",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(level: CpuLevel) -> BTreeSet<String> {
        [CpuLevel::V1, CpuLevel::V2, CpuLevel::V3, CpuLevel::V4]
            .into_iter()
            .filter(|other| *other <= level)
            .flat_map(CpuLevel::own_flags)
            .map(|flag| (*flag).to_owned())
            .collect()
    }

    #[test]
    fn a_processor_has_the_level_whose_flags_it_has() {
        for level in [CpuLevel::V1, CpuLevel::V2, CpuLevel::V3, CpuLevel::V4] {
            assert_eq!(CpuLevel::of(&up_to(level)), Some(level));
        }
        assert_eq!(CpuLevel::of(&BTreeSet::new()), None);
    }

    #[test]
    fn a_gap_below_counts_for_the_levels_above() {
        let mut flags = up_to(CpuLevel::V4);
        flags.remove("popcnt");
        assert_eq!(CpuLevel::of(&flags), Some(CpuLevel::V1));
        assert_eq!(CpuLevel::V3.missing_from(&flags), ["popcnt"]);
    }

    #[test]
    fn a_level_from_the_future_is_read_as_unknown() {
        assert_eq!(
            serde_json::from_str::<CpuLevel>("\"x86-64-v9\"").expect("tolerant"),
            CpuLevel::Unknown
        );
        assert_eq!(
            serde_json::from_str::<CpuLevel>("\"x86-64-v3\"").expect("known"),
            CpuLevel::V3
        );
    }
}
