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

/// What a start took until the login prompt.
#[derive(Clone, Copy, Debug)]
struct Login {
    /// From the start of QEMU's process.
    time: Duration,
    /// Processor time of QEMU, and of the launcher where there is one. Says something on a busy machine too.
    cpu: Duration,
}

/// A start from the stick.
#[derive(Clone, Copy, Debug)]
struct StickLogin {
    login: Login,
    /// From `gobag start` to the prompt.
    whole: Duration,
    /// The launcher's.
    memory: Memory,
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

    let (mut stick, mut direct, mut buffered, mut unlocking) = (vec![], vec![], vec![], vec![]);
    for number in 1..=runs.max(1) {
        eprintln!("run {number} of {runs}");
        forget_files()?;
        direct.push(raw.boot(Caching::AsTheLauncher)?);
        forget_files()?;
        stick.push(boot_stick(&scene)?);
        forget_files()?;
        buffered.push(raw.boot(Caching::PageCache)?);
        unlocking.push(refuse_wrong_passphrase(&scene)?);
    }
    print!("{}", report(&stick, &direct, &buffered, unlocking));
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

fn boot_stick(scene: &Scene) -> Result<StickLogin> {
    let mut guest = Workstation::start(scene, USER)?;
    let whole = guest.until_login()?;
    let launcher = Process::of(guest.launcher());
    let qemu = Process::child_of(guest.launcher(), "qemu-system")?;
    let login = Login {
        time: qemu.age()?,
        cpu: qemu.cpu()? + launcher.cpu()?,
    };
    guest.until_shell_after_login()?;
    let memory = launcher.memory()?;
    guest.shut_down()?;
    Ok(StickLogin { login, whole, memory })
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

fn report(stick: &[StickLogin], direct: &[Login], buffered: &[Login], unlocking: Vec<Duration>) -> String {
    let of = |all: &[Login], what: fn(&Login) -> Duration| median(all.iter().map(what).collect());
    let logins: Vec<Login> = stick.iter().map(|one| one.login).collect();
    let rows = [&logins[..], direct, buffered].map(|all| (of(all, |one| one.time), of(all, |one| one.cpu)));
    let [ours, direct, buffered] = rows;
    let mut text = format!(
        "\nto the login prompt, median of {} runs in turn\n  {:<44} {:>10} {:>7} {:>10} {:>7}\n",
        stick.len(),
        "",
        "time",
        "ratio",
        "CPU",
        "ratio"
    );
    for (what, row) in [
        ("the stick", ours),
        ("its disks as plain files, the same QEMU", direct),
        ("the same through the host's page cache", buffered),
    ] {
        let ratio = |ours: Duration, other: Duration| ours.as_secs_f64() / other.as_secs_f64();
        text.push_str(&format!(
            "  {what:<44} {:>10} {:>7.3} {:>10} {:>7.3}\n",
            seconds(row.0),
            ratio(ours.0, row.0),
            seconds(row.1),
            ratio(ours.1, row.1),
        ));
    }
    let most = |what: fn(&Memory) -> u64| {
        let most = stick.iter().map(|one| what(&one.memory)).max();
        format!("{} MiB", most.unwrap_or_default() >> 20)
    };
    for (what, value) in [
        (
            "the stick from `gobag start` on",
            seconds(median(stick.iter().map(|one| one.whole).collect())),
        ),
        (
            "a passphrase refused: unlocking and no more",
            seconds(median(unlocking)),
        ),
        (
            "memory of `gobag`, its guest at the shell",
            most(|one| one.now_bytes),
        ),
        (
            "most memory of `gobag`, unlocking included",
            most(|one| one.peak_bytes),
        ),
    ] {
        text.push_str(&format!("  {what:<44} {value:>10}\n"));
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

    fn login(time: u64, cpu: u64) -> Login {
        Login {
            time: Duration::from_secs(time),
            cpu: Duration::from_secs(cpu),
        }
    }

    #[test]
    fn the_report_compares_medians_and_names_the_most_memory() {
        let stick = [(11, 30, 150), (99, 40, 140), (10, 20, 130)].map(|(time, now, peak)| StickLogin {
            login: login(time, 2 * time),
            whole: Duration::from_secs(time + 2),
            memory: Memory {
                now_bytes: now << 20,
                peak_bytes: peak << 20,
            },
        });
        let direct = [login(10, 20), login(10, 16)];
        let text = report(&stick, &direct, &[login(22, 44)], of(&[1]));
        // 11 to 10, 22 to 20, 11 to 22, 11 + 2
        for part in ["1.100", "0.500", "13.00 s", "40 MiB", "150 MiB"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
