//! What Linux tells about a process: its arguments, its age, its memory.

use std::path::PathBuf;
use std::time::Duration;

use crate::disk;
use crate::error::{Error, Result};

/// The unit of times in `/proc/PID/stat`; the same on every architecture Linux has a stable interface for.
const TICKS_PER_SECOND: f64 = 100.0;
/// The fields of `/proc/PID/stat` after the program's name, counted from 0.
const PARENT: usize = 1;
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(u32);

/// How much main memory a process occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Now.
    pub(super) now_bytes: u64,
    /// The most there ever was.
    pub(super) peak_bytes: u64,
}

impl Process {
    pub(super) fn of(id: u32) -> Self {
        Self(id)
    }

    /// The child of `parent` whose program's name starts with `name`.
    pub(super) fn child_of(parent: u32, name: &str) -> Result<Self> {
        let unreadable = |cause| Error::because("cannot list /proc", cause);
        for entry in PathBuf::from("/proc").read_dir().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?.file_name();
            let Some(id) = entry.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may end while we look.
            let Ok(stat) = Self(id).read("stat") else {
                continue;
            };
            let is_child = field(&stat, PARENT).is_some_and(|word| word == parent.to_string());
            if is_child && name_of(&stat).starts_with(name) {
                return Ok(Self(id));
            }
        }
        Err(Error::new(format!("process {parent} has no child `{name}`")))
    }

    /// The arguments after the program's name.
    pub(super) fn arguments(self) -> Result<Vec<String>> {
        let text = self.read("cmdline")?;
        let text = text.trim_end_matches('\0');
        Ok(text.split('\0').skip(1).map(str::to_owned).collect())
    }

    /// The time since it was started, to a hundredth of a second.
    pub(super) fn age(self) -> Result<Duration> {
        let uptime = disk::read(&PathBuf::from("/proc/uptime"))?;
        let uptime: Option<f64> = uptime.split(' ').next().and_then(|word| word.parse().ok());
        let stat = self.read("stat")?;
        let started: Option<f64> = field(&stat, START_TIME).and_then(|word| word.parse().ok());
        match (uptime, started) {
            (Some(uptime), Some(started)) => Ok(Duration::from_secs_f64(
                (uptime - started / TICKS_PER_SECOND).max(0.0),
            )),
            _ => Err(Error::new(format!(
                "the start of process {} is not known",
                self.0
            ))),
        }
    }

    /// The processor time it has used, all its threads and the kernel for it.
    pub(super) fn cpu(self) -> Result<Duration> {
        cpu(&self.read("stat")?)
            .ok_or_else(|| Error::new(format!("the processor time of process {} is not known", self.0)))
    }

    /// Bytes it has caused to be written to a disk.
    pub(super) fn written(self) -> Result<u64> {
        written(&self.read("io")?)
            .ok_or_else(|| Error::new(format!("what process {} has written is not known", self.0)))
    }

    pub(super) fn memory(self) -> Result<Memory> {
        let status = self.read("status")?;
        memory(&status).ok_or_else(|| Error::new(format!("the memory of process {} is not known", self.0)))
    }

    fn read(self, what: &str) -> Result<String> {
        disk::read(&PathBuf::from(format!("/proc/{}/{what}", self.0)))
    }
}

fn name_of(stat: &str) -> &str {
    let inside = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    inside.map_or("", |(name, _)| name)
}

/// A field after the name, which may hold blanks and brackets itself.
fn field(stat: &str, number: usize) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number)
}

fn cpu(stat: &str) -> Option<Duration> {
    let ticks = |number| field(stat, number)?.parse::<f64>().ok();
    let sum = ticks(USER_TIME)? + ticks(SYSTEM_TIME)?;
    Some(Duration::from_secs_f64(sum / TICKS_PER_SECOND))
}

fn written(io: &str) -> Option<u64> {
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?;
    line.trim().parse().ok()
}

fn memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib << 10)
    };
    Some(Memory {
        now_bytes: bytes("VmRSS:")?,
        peak_bytes: bytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    const STAT: &str = "42 (odd) name) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 2";

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        assert_eq!(name_of(STAT), "odd) name");
        assert_eq!(field(STAT, PARENT), Some("7"));
        assert_eq!(field(STAT, START_TIME), Some("123456"));
        assert_eq!(cpu(STAT), Some(Duration::from_millis(110)));
    }

    #[test]
    fn memory_is_now_and_at_most() {
        let status = "Name:\tgobag\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        let expected = Memory {
            now_bytes: 1 << 20,
            peak_bytes: 2 << 20,
        };
        assert_eq!(memory(status), Some(expected));
        assert_eq!(memory("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn only_what_reached_a_disk_counts_as_written() {
        assert_eq!(
            written("wchar: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n"),
            Some(4096)
        );
        assert_eq!(written("wchar: 9\n"), None);
    }

    #[test]
    fn a_child_is_found_and_known() {
        let mut child = crate::sh::Cmd::new("cat")
            .arg("-")
            .spawn(
                std::process::Stdio::piped(),
                std::process::Stdio::piped(),
                std::process::Stdio::null(),
            )
            .unwrap();
        // A process has its name before its arguments: one that answers has both.
        child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = Process::child_of(std::process::id(), "cat").unwrap();
        assert_eq!(found.arguments().unwrap(), ["-"]);
        assert!(found.age().unwrap() < Duration::from_secs(60));
        assert!(found.memory().unwrap().peak_bytes > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(Process::child_of(std::process::id(), "no-such").is_err());
    }
}
