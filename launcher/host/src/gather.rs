//! All probes, side by side.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gobag_checklists::HostFacts;
use gobag_engine::machine::CpuModel;

use crate::limits::{PROBE_DEADLINE, TOTAL_DEADLINE};
use crate::pending::Pending;
use crate::{accel, block_mount, cpu, fuse, memory, namespaces, programs, space, system};

/// What the probes need to know. The environment is an argument: only a program's `main` reads it.
#[derive(Clone, Debug)]
pub struct GatherOptions {
    /// The value of `PATH`; the system's own folders are searched in any case.
    pub search_path: Option<OsString>,
    /// The hypervisor to use, if the stick brings one; else the host's is searched.
    pub qemu: Option<PathBuf>,
    /// Where temporary files would go.
    pub temp_folder: PathBuf,
    /// The processor the guest will get.
    pub guest_cpu: CpuModel,
    /// Run guest instructions to prove the accelerators? Takes a second on most computers.
    pub prove_accelerators: bool,
    /// How long the proof of one accelerator may take.
    pub proof_deadline: Duration,
}

impl GatherOptions {
    /// The usual ones: everything is tried, with the host's own hypervisor and the baseline processor.
    #[must_use]
    pub fn new(search_path: Option<OsString>, temp_folder: PathBuf) -> Self {
        Self {
            search_path,
            qemu: None,
            temp_folder,
            guest_cpu: CpuModel::Baseline,
            prove_accelerators: true,
            proof_deadline: gobag_engine::limits::PROOF_DEADLINE,
        }
    }
}

/// Finds out everything about this computer that the rules ask for. Cannot fail: what could not be found out is in the
/// facts as unknown. Takes a second usually, and never longer than the longest deadline.
#[must_use]
pub fn gather(options: &GatherOptions) -> HostFacts {
    let limit = PROBE_DEADLINE.min(TOTAL_DEADLINE);
    let tools = programs::Programs::new(options.search_path.clone(), options.qemu.clone());
    // The proofs' own deadline ends them; a little is added for starting and stopping QEMU.
    let proof_limit = options.proof_deadline + PROBE_DEADLINE;
    let proof = |name, accelerator| {
        let (tools, options) = (tools.clone(), options.clone());
        Pending::start(name, proof_limit, move || {
            accel::prove(&tools, accelerator, &options)
        })
    };
    let acceleration = proof("acceleration", accel::Which::Acceleration);
    let emulation = proof("emulation", accel::Which::Emulation);

    let operating_system = Pending::start("system", limit, system::operating_system);
    let cpu = Pending::start("cpu", limit, cpu::probe);
    let memory = Pending::start("memory", limit, memory::probe);
    let folder = options.temp_folder.clone();
    let temp_space = Pending::start("space", limit, move || space::probe(&folder));
    let with_tools = tools.clone();
    let qemu = Pending::start("qemu", limit, move || with_tools.qemu());
    let with_tools = tools.clone();
    let bubblewrap = Pending::start("bubblewrap", limit, move || with_tools.bubblewrap());
    let with_tools = tools.clone();
    let fuse = Pending::start("fuse", limit, move || fuse::probe(&with_tools));
    let with_tools = tools.clone();
    let block_mount = Pending::start("block mount", limit, move || block_mount::probe(&with_tools));
    let path = options.search_path.clone();
    let user_namespaces = Pending::start("namespaces", limit, move || namespaces::probe(path.as_deref()));

    HostFacts {
        operating_system: operating_system.take(),
        architecture: system::architecture(),
        administrator: system::administrator(),
        cpu: cpu.take(),
        cores: system::cores(),
        memory: memory.take(),
        temp_space: temp_space.take(),
        qemu: qemu.take(),
        fuse: fuse.take(),
        user_namespaces: user_namespaces.take(),
        bubblewrap: bubblewrap.take(),
        block_mount: block_mount.take(),
        emulation: emulation.take(),
        acceleration: acceleration.take(),
    }
}

#[cfg(test)]
mod tests;
