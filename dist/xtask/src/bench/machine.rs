//! Processor time of measured programs, what else the machine is at, and caches that are forgotten.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// One tick of the kernel's accounting: a hundredth of a second on every Linux.
const TICK_MS: u64 = 10;
const TICK: Duration = Duration::from_millis(TICK_MS);

/// Processor time of all programs that this one has run to their end.
pub(crate) fn ended_programs() -> Result<Duration> {
    ticks(Path::new("/proc/self/stat"), 15)
}

/// Processor time of a running program so far.
pub(crate) fn running_program(pid: u32) -> Result<Duration> {
    ticks(&PathBuf::from(format!("/proc/{pid}/stat")), 13)
}

/// Processor time so far of a program, of its children that run, and of its children that have ended; not of theirs.
pub(crate) fn family(pid: u32) -> Result<Duration> {
    let stat = PathBuf::from(format!("/proc/{pid}/stat"));
    let mut sum = ticks(&stat, 13)? + ticks(&stat, 15)?;
    let children = disk::read(Path::new(&format!("/proc/{pid}/task/{pid}/children")))?;
    for child in children.split_whitespace() {
        // One that ends just now counts as ended the next time.
        sum += ticks(Path::new(&format!("/proc/{child}/stat")), 13).unwrap_or_default();
    }
    Ok(sum)
}

/// Processor time of everything on this machine since it started, without waiting; also what a hypervisor took away.
pub(crate) fn everything() -> Result<Duration> {
    let stat = Path::new("/proc/stat");
    busy(&disk::read(stat)?).ok_or_else(|| Error::new(format!("{} is not understood", stat.display())))
}

/// Of the first line: user, nice, system, idle, waiting for disks, interrupts of two kinds, and stolen.
fn busy(text: &str) -> Option<Duration> {
    let line = text.strip_prefix("cpu ")?.lines().next()?;
    let words = line.split_whitespace();
    // On a large machine that is long up, more of them than a `u32` holds.
    let fields: Vec<u64> = words.map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _, _, interrupts, soft, stolen] = *fields.first_chunk()?;
    let ticks = user + nice + system + interrupts + soft + stolen;
    Some(Duration::from_millis(TICK_MS * ticks))
}

/// Processors that this program may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The load averages of 1, 5 and 15 minutes.
pub(crate) fn load() -> Result<String> {
    let load = disk::read(Path::new("/proc/loadavg"))?;
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    Ok(load.join(", "))
}

/// Most memory that a running program ever had, bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let status = disk::read(Path::new(&format!("/proc/{pid}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.map(|kib| kib << 10)
        .ok_or_else(|| Error::new(format!("process {pid} does not say how much memory it has")))
}

/// The sum of two neighbouring fields of a process's `stat`, counted from 0: 13 and 14 are its own time as user and in the
/// kernel, 15 and 16 that of its ended children.
fn ticks(stat: &Path, field: usize) -> Result<Duration> {
    let text = disk::read(stat)?;
    sum(&text, field).ok_or_else(|| Error::new(format!("{} is not understood", stat.display())))
}

fn sum(text: &str, field: usize) -> Option<Duration> {
    // The second field is the program's name in brackets, in which anything may stand.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest
        .split(' ')
        .skip(field - 2)
        .map_while(|field| field.parse::<u32>().ok());
    Some(TICK * (fields.next()? + fields.next()?))
}

/// Everything written goes to the disk, and the kernel forgets what it has read.
pub(crate) fn forget_caches() -> Result<()> {
    Cmd::new("sync").text()?;
    disk::write(Path::new("/proc/sys/vm/drop_caches"), "3\n")
        .map_err(|cause| cause.hint("this bench empties the kernel's caches, so it needs root"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_fields_are_added() {
        let text = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3000 400 20 0 1 0 5\n";
        assert_eq!(sum(text, 13), Some(Duration::from_millis(1200)));
        assert_eq!(sum(text, 15), Some(Duration::from_millis(34_000)));
        assert_eq!(sum("7 (a", 13), None);
    }

    #[test]
    fn waiting_is_no_work() {
        let text = "cpu  100 20 30 9000 8000 4 5 41 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy(text), Some(Duration::from_secs(2)));
        assert_eq!(busy("cpu  1 2\n"), None);
        assert!(everything().unwrap() >= running_program(std::process::id()).unwrap());
    }

    #[test]
    fn our_own_account_is_read() {
        assert!(ended_programs().is_ok());
        let pid = std::process::id();
        assert!(running_program(pid).is_ok());
        assert!(family(pid).unwrap() >= running_program(pid).unwrap());
        assert!(peak_memory(pid).unwrap() > 1 << 20);
    }
}
