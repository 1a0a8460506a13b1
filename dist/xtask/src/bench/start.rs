//! How long a start takes until the login prompt, and installing a package then: from a stick, and from the same disks as plain
//! files, on this machine's disk and on the model of a usual stick.
//!
//! The plain files are the stick's own volumes, copied through `gobag mount` after one start, and QEMU gets the very
//! arguments that the launcher gave it ([`process`]), so that nothing differs but where the bytes come from. Each session
//! has a fresh copy of its disks and empty caches. Runs of all kinds take turns, because a shared machine is never
//! equally fast for long: only the ratios mean something elsewhere.

mod disks;
mod process;
mod raw;
mod report;

use std::time::{Duration, Instant};

use super::document;
use super::machine;
use super::medium::{self, Medium};
use crate::console::Console;
use crate::demo::EPOCH;
use crate::demo::guest::{BOOT_LIMIT, Workstation};
use crate::demo::installable::{self, EDITOR};
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs;
use disks::{Copy, Templates};
use process::{Memory, Process};
use raw::Format;
use report::Results;

const DEFAULT_RUNS: usize = 3;
const USAGE: &str = "usage: cargo xtask bench start [RUNS] [--no-build]";
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Where the disks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Gobag,
    Files(Format),
}

/// What is measured, in this order and then the other way round.
const SESSIONS: &[(Medium, System)] = &[
    (Medium::Native, System::Gobag),
    (Medium::Native, System::Files(Format::Raw)),
    (Medium::Native, System::Files(Format::RawCached)),
    (USUAL, System::Gobag),
    (USUAL, System::Files(Format::Raw)),
    (USUAL, System::Files(Format::QcowLuks)),
];
const USUAL: Medium = Medium::Stick("usual");

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    time: Duration,
    /// Processor time of QEMU, and of the launcher where there is one. Says something on a busy machine too.
    cpu: Duration,
    /// Bytes written to the medium.
    written: u64,
    /// The time the medium was at work, where it counts that.
    medium: Option<Duration>,
}

/// One session.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// From the start of QEMU's process to the login prompt.
    login: Cost,
    /// From the command to the end of its sync.
    install: Cost,
    /// From `gobag start` to the prompt, and the launcher's memory; only for ours.
    launcher: Option<(Duration, Memory)>,
}

/// `bench start [RUNS] [--no-build]`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let (words, build) = match args {
        [words @ .., "--no-build"] => (words, false),
        words => (words, true),
    };
    let runs: usize = match words {
        [] => DEFAULT_RUNS,
        [number] => number
            .parse()
            .map_err(|cause| Error::because(format!("`{number}` is no number of runs"), cause))?,
        _ => return Err(Error::usage(USAGE)),
    };
    packages::ensure()?;
    if build {
        programs::build(EPOCH)?;
        medium::build_model()?;
    }
    let templates = Templates::make(&disk::target().join("bench/start"))?;
    let mut results = Results::default();
    let mut order = SESSIONS.to_vec();
    for number in 1..=runs.max(1) {
        for (medium, system) in &order {
            let seen = session(&templates, *medium, *system)?;
            eprintln!(
                "run {number} of {runs} · {} · {}: login prompt {:.1} s, installation {:.1} s",
                medium.title(),
                system.name(),
                seen.login.time.as_secs_f64(),
                seen.install.time.as_secs_f64()
            );
            results.add(*medium, *system, seen);
        }
        order.reverse();
        results.unlocking.push(templates.refuse_wrong_passphrase()?);
    }
    let text = results.render();
    println!("{text}");
    document::renew("start", &text)?;
    templates.remove()
}

impl System {
    fn name(self) -> &'static str {
        match self {
            Self::Gobag => "the stick",
            Self::Files(Format::Raw) => "its disks as raw files",
            Self::Files(Format::RawCached) => "the same through the host's page cache",
            Self::Files(Format::QcowLuks) => "the same as qcow2 with LUKS",
        }
    }
}

fn session(templates: &Templates, medium: Medium, system: System) -> Result<Seen> {
    let copy = templates.copy(medium, system)?;
    machine::forget_caches()?;
    match system {
        System::Gobag => from_stick(templates, &copy),
        System::Files(format) => from_files(templates, &copy, format),
    }
}

fn from_stick(templates: &Templates, copy: &Copy) -> Result<Seen> {
    let start = templates.gobag(copy.folder(), "start");
    let mut guest = Workstation::launch(start, std::process::Stdio::inherit())?;
    let whole = guest.until_login()?;
    let launcher = Process::of(guest.launcher());
    let qemu = Process::child_of(guest.launcher(), "qemu-system")?;
    let so_far = || {
        // What QEMU writes goes to the launcher.
        let (written, medium) = copy.counted(launcher)?;
        Ok(Cost {
            time: qemu.age()?,
            cpu: qemu.cpu()? + launcher.cpu()?,
            written,
            medium,
        })
    };
    let login = so_far()?;
    let install = install(guest.console(), so_far)?;
    let memory = launcher.memory()?;
    guest.switch_off(templates.stop(copy.folder()))?;
    Ok(Seen {
        login,
        install,
        launcher: Some((whole, memory)),
    })
}

fn from_files(templates: &Templates, copy: &Copy, format: Format) -> Result<Seen> {
    let mut guest = templates.machine().start(copy.folder(), format)?;
    guest.until_login()?;
    let qemu = guest.process();
    let so_far = || {
        let (written, medium) = copy.counted(qemu)?;
        Ok(Cost {
            time: qemu.age()?,
            cpu: qemu.cpu()?,
            written,
            medium,
        })
    };
    let login = so_far()?;
    Ok(Seen {
        login,
        install: install(guest.console(), so_far)?,
        launcher: None,
    })
}

/// Installs the editor and syncs, in a guest at its login prompt; `so_far` tells what the session has cost.
fn install(console: &mut Console, so_far: impl Fn() -> Result<Cost>) -> Result<Cost> {
    let failed = |error| Error::because("the package is not installed", error);
    console.wait_for_shell(BOOT_LIMIT).map_err(failed)?;
    // What a start leaves to be written belongs to the start.
    console.must("sync", INSTALL_LIMIT).map_err(failed)?;
    let (before, started) = (so_far()?, Instant::now());
    let command = format!("dpkg -i {} >/dev/null && sync", installable::files(EDITOR));
    console.must(&command, INSTALL_LIMIT).map_err(failed)?;
    let (time, after) = (started.elapsed(), so_far()?);
    Ok(Cost {
        time,
        cpu: after.cpu.saturating_sub(before.cpu),
        written: after.written.saturating_sub(before.written),
        medium: after
            .medium
            .zip(before.medium)
            .map(|(after, before)| after.saturating_sub(before)),
    })
}
