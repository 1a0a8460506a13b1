//! The processor, from `/proc/cpuinfo`.

use std::collections::BTreeSet;

use gobag_checklists::{Cpu, Fact, Forger, Virtualization};

use crate::probe::Scene;

const CPUINFO: &str = "/proc/cpuinfo";

pub(crate) fn probe(scene: &Scene) -> Fact<Cpu> {
    let parsed = scene.host.file(CPUINFO).text().and_then(|text| parse(&text));
    match parsed {
        Ok(cpu) => scene.known(cpu, CPUINFO, Forger::Kernel),
        Err(reason) => Fact::unknown(reason),
    }
}

/// The features all processors have: on a PC with unequal cores a guest may run on any of them.
fn parse(cpuinfo: &str) -> Result<Cpu, String> {
    let mut model = None;
    let mut flags: Option<BTreeSet<&str>> = None;
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key.trim() {
            "model name" => {
                model.get_or_insert_with(|| value.trim().to_owned());
            }
            // ARM says `Features`.
            "flags" | "Features" => {
                let own: BTreeSet<&str> = value.split_whitespace().collect();
                flags = Some(match flags {
                    None => own,
                    Some(common) => &common & &own,
                });
            }
            _ => {}
        }
    }
    let flags = flags.ok_or_else(|| format!("{CPUINFO} lists no processor features"))?;
    let virtualization = match () {
        () if flags.contains("vmx") => Some(Virtualization::IntelVtX),
        () if flags.contains("svm") => Some(Virtualization::AmdV),
        () => None,
    };
    Ok(Cpu {
        model: model.unwrap_or_else(|| "processor without a name".to_owned()),
        inside_hypervisor: flags.contains("hypervisor"),
        virtualization,
        flags: flags.into_iter().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use gobag_checklists::CpuLevel;

    use super::*;

    #[test]
    fn captured_computers_are_read() {
        for (text, model, level, virtualization, inside) in [
            (
                include_str!("../fixtures/cpuinfo/firecracker-sapphire-rapids.txt"),
                "Intel(R) Xeon(R) Processor",
                Some(CpuLevel::V4),
                None,
                true,
            ),
            (
                include_str!("../fixtures/cpuinfo/qemu-nehalem.txt"),
                "Intel Core i7 9xx (Nehalem Class Core i7)",
                Some(CpuLevel::V2),
                None,
                true,
            ),
            (
                include_str!("../fixtures/cpuinfo/qemu-epyc-svm.txt"),
                "AMD EPYC Processor",
                Some(CpuLevel::V3),
                Some(Virtualization::AmdV),
                true,
            ),
        ] {
            let cpu = parse(text).expect("read");
            assert_eq!(cpu.model, model);
            assert_eq!(CpuLevel::of(&cpu.flags), level, "{model}");
            assert_eq!(cpu.virtualization, virtualization);
            assert_eq!(cpu.inside_hypervisor, inside);
        }
    }

    #[test]
    fn virtualisation_flags_are_whole_words() {
        for (flags, expected) in [
            ("fpu vmx", Some(Virtualization::IntelVtX)),
            ("fpu svm", Some(Virtualization::AmdV)),
            ("svm_lock vmx_foo", None),
        ] {
            let cpu = parse(&format!("flags\t\t: {flags}\n")).expect("read");
            assert_eq!(cpu.virtualization, expected, "{flags}");
        }
    }

    #[test]
    fn unequal_cores_have_what_they_share() {
        let text = "model name : a\nflags : sse avx avx512f\n\nmodel name : b\nflags : sse avx\n";
        let cpu = parse(text).expect("read");
        assert_eq!(cpu.model, "a");
        assert_eq!(cpu.flags.into_iter().collect::<Vec<_>>(), ["avx", "sse"]);
    }

    #[test]
    fn a_text_without_features_is_unknown_not_empty() {
        for text in ["", "model name : x\n", "garbage", "\u{fffd}\0:\0"] {
            let reason = parse(text).expect_err("nothing to see");
            assert_eq!(reason, "/proc/cpuinfo lists no processor features", "{text:?}");
        }
    }

    #[test]
    fn this_computer_is_read() {
        let fact = probe(&Scene::live());
        let cpu = fact.value().expect("known");
        assert!(!cpu.model.is_empty() && cpu.flags.len() > 10, "{cpu:?}");
    }
}
