//! The proof of an accelerator against the truth: whether an ordinary kernel boots under it.

use gobag_engine::{
    accel::{Accelerator, prove},
    guest::Event,
    limits::PROOF_DEADLINE,
    machine::CpuModel,
    supervise,
};

use crate::{
    console::PATIENCE,
    machine::{bench, qemu, wait_for},
};

#[test]
fn the_translator_is_proved() {
    let Some(qemu) = qemu() else { return };
    let proof = prove(&qemu, Accelerator::Tcg, CpuModel::Baseline, PATIENCE).unwrap();
    println!("{proof:?}");
    assert_eq!(proof.accelerator, Accelerator::Tcg);
    assert!(proof.instructions_per_second > 1_000_000, "{proof:?}");
}

#[test]
fn every_cpu_model_is_complete_under_the_translator() {
    let Some(qemu) = qemu() else { return };
    for cpu in [CpuModel::BaselineAes, CpuModel::Host] {
        prove(&qemu, Accelerator::Tcg, cpu, PATIENCE).unwrap();
    }
}

/// On a PC with real KVM both the proof and the kernel succeed; on a host whose KVM only looks like one both fail.
#[test]
fn the_proof_of_kvm_agrees_with_an_ordinary_kernel() {
    let Some(mut bench) = bench() else { return };
    bench.spec.accelerator = Accelerator::Kvm;
    for cpu in [CpuModel::Baseline, CpuModel::Host] {
        bench.spec.cpu = cpu;
        let proof = prove(&bench.qemu, Accelerator::Kvm, cpu, PROOF_DEADLINE);
        println!("{proof:?}");
        let started = supervise::start(bench.spec.clone(), bench.options());
        match (proof, started) {
            (Ok(_), Ok(guest)) => {
                wait_for(&guest, "life", |event| matches!(event, Event::SignOfLife { .. }));
            }
            (Ok(_), Err(error)) => panic!("proved, but {error}"),
            (Err(_), Err(error)) => assert_eq!(error.code(), "engine.qemu-ended"),
            (Err(_), Ok(guest)) => {
                let started = std::time::Instant::now();
                while let Some(left) = PROOF_DEADLINE.checked_sub(started.elapsed()) {
                    let event = guest.events().recv_timeout(left);
                    assert!(
                        !matches!(event, Ok(Event::SignOfLife { .. })),
                        "not proved, but it lives"
                    );
                }
            }
        }
    }
}
