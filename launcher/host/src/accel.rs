//! Accelerators, proved by running a guest's instructions (through `gobag-engine`).
//!
//! The device file is opened first only to say *why* there is no acceleration; that it opens proves nothing.

use std::path::Path;

use gobag_checklists::{Ability, Acceleration, Accelerator, Fact, Forger, Obstacle};
use gobag_engine::accel::{self, ProveError};
use gobag_engine::run::RunError;

use crate::gather::GatherOptions;
use crate::programs::Programs;
use crate::read::{chain, open_device};
use crate::system::privilege;

const KVM: &str = "/dev/kvm";

/// Which fact is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The processor itself.
    Acceleration,
    /// QEMU's translator.
    Emulation,
}

pub(crate) fn prove(
    programs: &Programs,
    which: Which,
    options: &GatherOptions,
) -> Fact<Ability<Acceleration>> {
    let known = |ability, source: &str| Fact::known(ability, source, privilege(), Forger::User);
    if which == Which::Acceleration
        && let Err((obstacle, detail)) = open_device(Path::new(KVM))
    {
        return known(Ability::no(obstacle, detail), &format!("open {KVM}"));
    }
    if !options.prove_accelerators {
        return Fact::unknown("not tried, as asked");
    }
    let qemu = match programs.find_qemu() {
        Ok(qemu) => qemu,
        Err(missing) => return Fact::unknown(format!("cannot be proved: {missing}")),
    };
    let (tried, accelerator) = match which {
        Which::Acceleration => (accel::Accelerator::Kvm, Accelerator::Kvm),
        Which::Emulation => (accel::Accelerator::Tcg, Accelerator::Tcg),
    };
    let source = format!("a test guest in {}", qemu.display());
    match accel::prove(&qemu, tried, options.guest_cpu, options.proof_deadline) {
        Ok(proof) => {
            let elapsed_ms = u64::try_from(proof.elapsed.as_millis()).unwrap_or(u64::MAX);
            let instructions_per_second = proof.instructions_per_second;
            known(
                Ability::yes(Acceleration {
                    accelerator,
                    elapsed_ms,
                    instructions_per_second,
                }),
                &source,
            )
        }
        Err(error) => known(Ability::no(obstacle(&error), detail(which, &error)), &source),
    }
}

fn detail(which: Which, error: &ProveError) -> String {
    match which {
        Which::Acceleration => format!("{KVM} opens, but {}", chain(error)),
        Which::Emulation => chain(error),
    }
}

fn obstacle(error: &ProveError) -> Obstacle {
    match error {
        ProveError::Run(RunError::Deadline { .. }) => Obstacle::TimedOut,
        _ => Obstacle::NotWorking,
    }
}
