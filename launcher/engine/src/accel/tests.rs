//! The proof, with the QEMU and the accelerators of this host.

use super::*;
use crate::limits::PROOF_DEADLINE;

fn console(heard: &[u8]) -> Console {
    let mut console = Console::default();
    console.hear(heard, Duration::ZERO);
    console
}

#[test]
fn the_stage_is_the_end_of_the_unbroken_sequence() {
    assert_eq!(console(b"").reached(), Stage::Nothing);
    assert_eq!(console(b"RPL").reached(), Stage::LongMode);
    assert_eq!(console(b"RPLX").reached(), Stage::LongMode);
    assert_eq!(console(b"RPLCabc").reached(), Stage::LongMode);
    assert_eq!(console(b"RPLCabcdFUATW").reached(), Stage::Working);
    assert_eq!(console(b"RPLCabcdFUATWD1234567").reached(), Stage::Working);
    assert_eq!(console(b"RPLCabcdFUATWD12345678").reached(), Stage::Done);
    assert_eq!(console(b"LCFUATWD12345678").reached(), Stage::Nothing);
    assert_eq!(console(&[b'R'; 1000]).heard.len(), Console::LIMIT);
}

#[test]
fn missing_cpu_features_are_named() {
    let message = "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]\n\
        qemu-system-x86_64: warning: host doesn't support requested feature: CPUID[eax=01h].ECX.sse4.1 [bit 19]\n\
        qemu-system-x86_64: Host doesn't support requested features\n";
    let error = refusal(Accelerator::Kvm, CpuModel::Baseline, message);
    assert_eq!(
        error.to_string(),
        "kvm cannot offer a `baseline` processor here, it lacks pni, sse4.1"
    );
    let error = refusal(
        Accelerator::Kvm,
        CpuModel::Baseline,
        "qemu: no such accelerator\n",
    );
    assert_eq!(error.code(), "engine.accel-refused");
}

#[test]
fn a_qemu_that_is_none_is_refused() {
    let liar = Path::new("/bin/true");
    let error = prove(liar, Accelerator::Tcg, CpuModel::Baseline, PROOF_DEADLINE).unwrap_err();
    assert_eq!(error.code(), "engine.accel-refused");
    let error = prove(
        Path::new("/none"),
        Accelerator::Tcg,
        CpuModel::Baseline,
        PROOF_DEADLINE,
    );
    assert_eq!(error.unwrap_err().code(), "engine.tool-start");
}
