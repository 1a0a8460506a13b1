//! Accelerators, and the proof that one really runs guests.
//!
//! `/dev/kvm` that opens is not KVM that runs: on a host that is itself a virtual machine it may be there and carry out
//! every guest instruction by emulation in the kernel (1.6 million a second were measured under pvm, 600 times slower
//! than real KVM and 300 times slower than QEMU's own translator; Debian's kernel was still unpacking itself after two
//! minutes), or fail at the first step into user mode.
//!
//! So [`prove`] starts the QEMU that will be used, with the CPU model that will be used, on a boot ROM of ours. It goes
//! through what the kernel of an ordinary guest needs (see `accel/rom.s`: real, protected and long mode, paging, page
//! faults, user mode, two timers whose interrupts end a `hlt`), computes a number from a random seed in some 60 million
//! instructions, and reports stage by stage. A missing stage names what does not work. Hardware acceleration must
//! also be faster than [`MAX_HARDWARE_WORK`]: slower than that, it is emulated somewhere.

use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    rand::{GetRandomFlags, getrandom},
};
use serde::{Deserialize, Serialize};

use crate::{
    limits::MAX_HARDWARE_WORK,
    machine::{CpuModel, SANDBOX},
    run::{Run, RunError},
};

mod console;
mod rom;

use console::Console;
pub use console::Stage;

/// What carries out the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Accelerator {
    /// Linux's KVM.
    Kvm,
    /// QEMU's own translator: runs everywhere, about ten times slower.
    Tcg,
    /// Windows' hypervisor platform. Reserved.
    Whpx,
    /// macOS' hypervisor framework. Reserved.
    Hvf,
}

impl Accelerator {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::Whpx => "whpx",
            Self::Hvf => "hvf",
        }
    }

    /// Whether the processor itself runs the guest's instructions.
    pub fn is_hardware(self) -> bool {
        self != Self::Tcg
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The status QEMU ends with when the guest reports the end of the work through `isa-debug-exit`.
const EXIT_DONE: i32 = 0x21;

/// An accelerator ran the proof's guest to the end.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// Which one.
    pub accelerator: Accelerator,
    /// On this CPU model.
    pub cpu: CpuModel,
    /// From the start of QEMU to its end.
    pub elapsed: Duration,
    /// The guest's share of it that was plain work.
    pub work: Duration,
    /// Speed of that work, in guest instructions a second.
    pub instructions_per_second: u64,
}

/// Why an accelerator is not proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The accelerator cannot give the guest a CPU of this model.
    #[error("{accelerator} cannot offer a `{}` processor here{}", cpu.name(), missing(features))]
    CpuModel {
        /// The accelerator.
        accelerator: Accelerator,
        /// The model.
        cpu: CpuModel,
        /// The features QEMU found missing.
        features: Vec<String>,
    },
    /// QEMU would not start a guest with it.
    #[error("qemu refuses to use {accelerator}: {message}")]
    Refused {
        /// The accelerator.
        accelerator: Accelerator,
        /// What QEMU said.
        message: String,
    },
    /// The guest got stuck, crashed, or was still at it at the deadline.
    #[error(
        "a test guest under {accelerator} came only as far as {reached} in {} s",
        elapsed.as_secs_f32()
    )]
    Stuck {
        /// The accelerator.
        accelerator: Accelerator,
        /// The last stage the guest completed.
        reached: Stage,
        /// How long it ran.
        elapsed: Duration,
    },
    /// The guest ran to its end with a wrong result.
    #[error("a test guest under {accelerator} computed a wrong result")]
    WrongResult {
        /// The accelerator.
        accelerator: Accelerator,
    },
    /// It works, but so slowly that it must be emulated somewhere.
    #[error(
        "{accelerator} runs only {} million instructions a second, so it is not real",
        instructions_per_second / 1_000_000
    )]
    TooSlow {
        /// The accelerator.
        accelerator: Accelerator,
        /// The speed of the test guest.
        instructions_per_second: u64,
    },
    /// The boot ROM could not be handed to QEMU.
    #[error("cannot hand the test guest to {}", qemu.display())]
    Rom {
        /// The QEMU program.
        qemu: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU could not be run at all.
    #[error(transparent)]
    Run(RunError),
}

impl ProveError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CpuModel { .. } => "engine.accel-cpu-model",
            Self::Refused { .. } => "engine.accel-refused",
            Self::Stuck { .. } => "engine.accel-stuck",
            Self::WrongResult { .. } => "engine.accel-wrong-result",
            Self::TooSlow { .. } => "engine.accel-too-slow",
            Self::Rom { .. } => "engine.accel-rom",
            Self::Run(error) => error.code(),
        }
    }
}

fn missing(features: &[String]) -> String {
    match features {
        [] => String::new(),
        some => format!(", it lacks {}", some.join(", ")),
    }
}

/// Proves that `qemu` runs an ordinary guest with `accelerator` on a CPU of model `cpu`. An idle PC needs 0.2 s with the
/// translator; [`crate::limits::PROOF_DEADLINE`] is a deadline that a busy one can keep.
pub fn prove(
    qemu: &Path,
    accelerator: Accelerator,
    cpu: CpuModel,
    deadline: Duration,
) -> Result<Proof, ProveError> {
    let rom_error = |source: io::Error| ProveError::Rom {
        qemu: qemu.to_owned(),
        source,
    };
    let seed = random_seed().map_err(rom_error)?;
    let rom = rom_file(seed).map_err(rom_error)?;
    let args = proof_args(accelerator, cpu, rom.as_raw_fd());

    let started = Instant::now();
    let mut console = Console::default();
    let mut listen = |piece: &[u8]| console.hear(piece, started.elapsed());
    let run = Run::new(qemu)
        .args(args)
        .keep_fd(rom.as_fd())
        .on_stdout(&mut listen)
        .deadline(deadline);
    let ended = run.run();
    let elapsed = started.elapsed();
    let stuck = |reached| ProveError::Stuck {
        accelerator,
        reached,
        elapsed,
    };
    let output = match ended {
        Ok(output) => output,
        Err(RunError::Deadline { .. }) => return Err(stuck(console.reached())),
        Err(other) => return Err(ProveError::Run(other)),
    };
    if console.heard.is_empty() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(refusal(accelerator, cpu, &message));
    }
    if output.status.code() != Some(EXIT_DONE) || console.reached() != Stage::Done {
        return Err(stuck(console.reached()));
    }
    if console.result() != Some(rom::result(seed)) {
        return Err(ProveError::WrongResult { accelerator });
    }
    let work = console.work().max(Duration::from_micros(1));
    let instructions_per_second = (rom::WORK_INSTRUCTIONS as f64 / work.as_secs_f64()) as u64;
    if accelerator.is_hardware() && work > MAX_HARDWARE_WORK {
        return Err(ProveError::TooSlow {
            accelerator,
            instructions_per_second,
        });
    }
    Ok(Proof {
        accelerator,
        cpu,
        elapsed,
        work,
        instructions_per_second,
    })
}

/// The ROM in a file that has no name: nothing is left behind, whatever happens.
fn rom_file(seed: u64) -> io::Result<File> {
    let mut file = File::from(memfd_create("gobag-proof", MemfdFlags::CLOEXEC)?);
    file.write_all(&rom::image(seed))?;
    Ok(file)
}

fn random_seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    // Zero is the one seed that stays zero.
    Ok(u64::from_le_bytes(bytes) | 1)
}

fn proof_args(accelerator: Accelerator, cpu: CpuModel, rom_fd: i32) -> Vec<OsString> {
    let bios = format!("/proc/self/fd/{rom_fd}");
    let args = [
        "-nodefaults",
        "-no-user-config",
        "-sandbox",
        SANDBOX,
        "-accel",
        accelerator.name(),
        "-machine",
        "q35",
        "-cpu",
        cpu.qemu_argument(),
        "-m",
        "128",
        "-display",
        "none",
        "-no-reboot",
        "-bios",
        &bios,
        "-chardev",
        "stdio,id=console,signal=off",
        "-device",
        "isa-debugcon,iobase=0xe9,chardev=console",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=1",
    ];
    args.iter().map(OsString::from).collect()
}

/// QEMU ended before the guest ran: because of the CPU model, or for another reason.
fn refusal(accelerator: Accelerator, cpu: CpuModel, message: &str) -> ProveError {
    let features: Vec<String> = message
        .lines()
        .filter(|line| line.contains("support requested feature:"))
        .filter_map(feature_name)
        .map(str::to_owned)
        .collect();
    if features.is_empty() {
        let message = message.lines().last().unwrap_or_default().to_owned();
        return ProveError::Refused { accelerator, message };
    }
    ProveError::CpuModel {
        accelerator,
        cpu,
        features,
    }
}

/// The name in `… feature: CPUID.01H:ECX.sse4.1 [bit 19]`, or `CPUID[eax=01h].ECX.sse4.1` of newer versions.
fn feature_name(line: &str) -> Option<&str> {
    let word = line.split_whitespace().find(|word| word.starts_with("CPUID"))?;
    let registers = ["EAX.", "EBX.", "ECX.", "EDX."];
    registers
        .iter()
        .find_map(|register| Some(word.split_once(register)?.1))
}

#[cfg(test)]
mod tests;
