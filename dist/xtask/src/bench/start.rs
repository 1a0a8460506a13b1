//! How long a start takes until the login prompt, from a stick and from the same disks as plain files.
//!
//! The plain files are the stick's own volumes, copied through `gobag mount` after one start, and QEMU gets the very
//! arguments that the launcher gave it ([`process`]), so that nothing differs but where the bytes come from. Runs of all
//! kinds take turns, because a shared machine is never equally fast for long: only the ratios mean something elsewhere.
//! As root the host's page cache is emptied before each.

mod process;
mod raw;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::demo::golden;
use crate::demo::guest::{Workstation, with_disks};
use crate::demo::scene::Scene;
use crate::demo::{EPOCH, office};
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs;
use crate::sh::{self, Cmd};
use process::{Memory, Process};
use raw::{Caching, RawDisks};

const DEFAULT_RUNS: usize = 5;
const USER: &str = "alice";

/// What one kind of start was measured to be.
#[derive(Default)]
struct Times {
    /// From the start of QEMU's process to the prompt.
    login: Vec<Duration>,
    /// From `gobag start` to the prompt.
    whole: Vec<Duration>,
}

/// `bench start [RUNS]`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let runs: usize = match args {
        [] => DEFAULT_RUNS,
        [number] => number
            .parse()
            .map_err(|cause| Error::because(format!("`{number}` is no number of runs"), cause))?,
        _ => return Err(Error::usage("usage: cargo xtask bench start [RUNS]")),
    };
    packages::ensure()?;
    programs::build(EPOCH)?;
    let folder = disk::target().join("bench/start");
    disk::remove(&folder)?;
    let scene = Scene::set(folder.join("scene"))?;
    office::init(&scene)?;
    office::build(&scene, &golden::ensure(false)?)?;
    office::stick(&scene, USER)?;
    let raw = prepare(&scene, &folder.join("raw"))?;

    let mut bundle = Times::default();
    let (mut direct, mut buffered) = (Vec::new(), Vec::new());
    let (mut serving, mut unlocking) = (Vec::new(), Vec::new());
    for number in 1..=runs.max(1) {
        eprintln!("run {number} of {runs}");
        forget_files()?;
        direct.push(raw.boot(Caching::AsTheLauncher)?);
        forget_files()?;
        let (login, whole, memory) = boot_stick(&scene)?;
        bundle.login.push(login);
        bundle.whole.push(whole);
        serving.push(memory);
        forget_files()?;
        buffered.push(raw.boot(Caching::PageCache)?);
        unlocking.push(refuse_wrong_passphrase(&scene)?);
    }
    print!("{}", report(bundle, direct, buffered, unlocking, &serving));
    disk::remove(&folder)
}

/// One start that nobody measures, whose machine and disks become the plain ones.
fn prepare(scene: &Scene, folder: &Path) -> Result<RawDisks> {
    disk::make_dir(folder)?;
    let mut first = Workstation::start(scene, USER)?;
    first.until_shell()?;
    let qemu = Process::child_of(first.launcher(), "qemu-system")?;
    let arguments = qemu.arguments()?;
    first.shut_down()?;
    with_disks(scene, USER, |disks| {
        for file in disk::files_below(disks, &[])? {
            Cmd::new("cp")
                .arg("--sparse=always")
                .args([file.as_path(), folder])
                .run()?;
        }
        Ok(())
    })?;
    RawDisks::new(folder, &arguments)
}

fn boot_stick(scene: &Scene) -> Result<(Duration, Duration, Memory)> {
    let mut guest = Workstation::start(scene, USER)?;
    let whole = guest.until_login()?;
    let login = Process::child_of(guest.launcher(), "qemu-system")?.age()?;
    guest.until_shell_after_login()?;
    let memory = Process::of(guest.launcher()).memory()?;
    guest.shut_down()?;
    Ok((login, whole, memory))
}

/// All that unlocking costs, and nothing else: the wrong passphrase needs the same work to be refused.
fn refuse_wrong_passphrase(scene: &Scene) -> Result<Duration> {
    let started = Instant::now();
    let output = scene
        .gobag(USER, "start")
        .arg("--passphrase-file")
        .arg(scene.passphrase("wrong"))
        .output()?;
    match output.status.code() {
        Some(5) => Ok(started.elapsed()),
        _ => Err(Error::because(
            "a wrong passphrase was not refused",
            String::from_utf8_lossy(&output.stderr).trim(),
        )),
    }
}

/// Empties the host's page cache where we may.
fn forget_files() -> Result<()> {
    Cmd::new("sync").quiet().run()?;
    if sh::is_root() {
        disk::write(Path::new("/proc/sys/vm/drop_caches"), "3\n")?;
    }
    Ok(())
}

fn report(
    bundle: Times,
    direct: Vec<Duration>,
    buffered: Vec<Duration>,
    unlocking: Vec<Duration>,
    serving: &[Memory],
) -> String {
    let runs = direct.len();
    let (login, whole) = (median(bundle.login), median(bundle.whole));
    let (direct, buffered) = (median(direct), median(buffered));
    let against = |other: Duration| login.as_secs_f64() / other.as_secs_f64();
    let mib = |bytes: Option<u64>| bytes.unwrap_or_default() >> 20;
    let mut text = format!("\nmedian of {runs} runs in turn\n");
    for (what, value) in [
        ("raw disk, the launcher's QEMU, to login", seconds(direct)),
        ("the same through the host's page cache", seconds(buffered)),
        ("stick, QEMU to login", seconds(login)),
        ("stick, `gobag start` to login", seconds(whole)),
        ("stick against raw disk", format!("{:.3}", against(direct))),
        (
            "stick against raw disk in the page cache",
            format!("{:.3}", against(buffered)),
        ),
        (
            "a passphrase refused: unlocking and no more",
            seconds(median(unlocking)),
        ),
        (
            "memory of `gobag` with its guest at the shell",
            format!("{} MiB", mib(serving.iter().map(|one| one.now_bytes).max())),
        ),
        (
            "most memory of `gobag`, unlocking included",
            format!("{} MiB", mib(serving.iter().map(|one| one.peak_bytes).max())),
        ),
    ] {
        text.push_str(&format!("  {what:<46} {value:>10}\n"));
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[u64]) -> Vec<Duration> {
        all.iter().map(|s| Duration::from_secs(*s)).collect()
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(of(&[9, 1, 5])).as_secs(), 5);
        assert_eq!(median(of(&[])).as_secs(), 0);
    }

    #[test]
    fn the_report_compares_medians_and_names_the_most_memory() {
        let bundle = Times {
            login: of(&[11, 99, 10]),
            whole: of(&[13, 12, 99]),
        };
        let memory = |now_bytes, peak_bytes| Memory {
            now_bytes,
            peak_bytes,
        };
        let serving = [memory(30 << 20, 150 << 20), memory(40 << 20, 140 << 20)];
        let text = report(bundle, of(&[10, 10, 10]), of(&[20, 22, 44]), of(&[1]), &serving);
        for part in ["1.100", "0.500", "13.00 s", "40 MiB", "150 MiB"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
