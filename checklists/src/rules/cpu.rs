//! Rules about the processor.

use super::{Judged, Outcome, cannot_tell, known, missed};
use crate::cpu_level::CpuLevel;
use crate::host::{Ability, HostFacts, Virtualization};
use crate::requirements::{Mode, Requirements};
use crate::words;

pub(super) fn architecture(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let needed = requirements.architecture.clone();
    let found = match known(&facts.architecture, &needed) {
        Err(judged) => return judged,
        Ok(found) => found.clone(),
    };
    let outcome = if found == needed {
        Outcome::Met
    } else {
        missed(format!(
            "this computer cannot run the image; use a computer with a {needed} processor"
        ))
    };
    Judged {
        needed,
        found,
        outcome,
    }
}

/// Level and single features together: a reader cares about one answer, "is the processor new enough".
///
/// A guest that is only emulated gets its processor from QEMU: always up to x86-64-v2; whether also x86-64-v3 or a single
/// feature that the host lacks depends on QEMU's version, so that is "cannot tell"; x86-64-v4 it never imitates.
pub(super) fn features(requirements: &Requirements, facts: &HostFacts, mode: Mode) -> Judged {
    let level = requirements.min_cpu_level;
    let mut needed = level.to_string();
    for feature in &requirements.cpu_features {
        needed.push_str(", ");
        needed.push_str(feature);
    }
    let cpu = match known(&facts.cpu, &needed) {
        Err(judged) => return judged,
        Ok(cpu) => cpu,
    };
    let emulated = mode == Mode::Vm
        && !matches!(facts.acceleration.value(), Some(Ability::Yes { .. }))
        && matches!(facts.emulation.value(), Some(Ability::Yes { .. }));
    let level_missing = if emulated && level <= CpuLevel::V2 {
        Vec::new()
    } else {
        level.missing_from(&cpu.flags)
    };
    let wanted = requirements.cpu_features.iter().map(String::as_str);
    let features_missing: Vec<&str> = wanted.filter(|name| !cpu.flags.contains(*name)).collect();
    let outcome = if level == CpuLevel::Unknown {
        cannot_tell("the image is newer than this launcher; ask IT for a fresh stick")
    } else if level_missing.is_empty() && features_missing.is_empty() {
        Outcome::Met
    } else if emulated && level <= CpuLevel::V3 {
        cannot_tell("the emulation may have what this processor lacks; try to start")
    } else {
        missed("this processor is too old for the image; use a newer computer")
    };
    let has = match CpuLevel::of(&cpu.flags) {
        Some(level) => level.to_string(),
        None => "no 64-bit x86 level".to_owned(),
    };
    let mut found = format!("{} ({has})", cpu.model);
    let missing = [level_missing, features_missing].concat();
    if !missing.is_empty() {
        found.push_str(", without ");
        found.push_str(&missing.join(", "));
    }
    if emulated {
        found.push_str("; emulated for the guest");
    }
    Judged {
        needed,
        found,
        outcome,
    }
}

pub(super) fn cores(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let needed = words::count(requirements.min_cores, "core");
    let found = match known(&facts.cores, &needed) {
        Err(judged) => return judged,
        Ok(found) => *found,
    };
    let outcome = if found >= requirements.min_cores {
        Outcome::Met
    } else {
        missed("it will be slow; close other programs, or use a computer with more cores")
    };
    Judged {
        needed,
        found: words::count(found, "core"),
        outcome,
    }
}

/// Explains why acceleration may be missing. An accelerator that was proved settles it, whatever the flags say.
pub(super) fn virtualization(facts: &HostFacts) -> Judged {
    let needed = "VT-x or AMD-V".to_owned();
    let proved = matches!(facts.acceleration.value(), Some(Ability::Yes { .. }));
    let cpu = match known(&facts.cpu, &needed) {
        Err(judged) if !proved => return judged,
        Err(_) => None,
        Ok(cpu) => Some(cpu),
    };
    let extension = cpu.and_then(|cpu| cpu.virtualization);
    let found = match extension {
        Some(Virtualization::IntelVtX) => "VT-x",
        Some(Virtualization::AmdV) => "AMD-V",
        None if proved => "no flag, but it works",
        None if cpu.is_some_and(|cpu| cpu.inside_hypervisor) => {
            "none; this computer is itself a virtual machine"
        }
        None => "none",
    };
    let outcome = if extension.is_some() || proved {
        Outcome::Met
    } else if cpu.is_some_and(|cpu| cpu.inside_hypervisor) {
        missed(
            "the virtual machine will be emulated and slow; use a real PC, or ask IT for nested virtualisation",
        )
    } else {
        missed(
            "switch on \"Virtualization Technology\" (VT-x, SVM) in the PC's firmware settings, or ask IT how",
        )
    };
    Judged {
        needed,
        found: found.to_owned(),
        outcome,
    }
}
