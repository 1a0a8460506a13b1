//! The machine as a whole: processor time that was used, caches that are forgotten.

use std::path::Path;
use std::time::Duration;

use crate::disk;
use crate::error::{Error, Result};

/// One tick of `/proc/stat`: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that all processes and the kernel used since the start; waiting and time stolen by a host of this
/// machine do not count.
pub(super) fn busy() -> Result<Duration> {
    let text = disk::read(Path::new("/proc/stat"))?;
    parse(&text).ok_or_else(|| Error::new("/proc/stat is not understood"))
}

fn parse(text: &str) -> Option<Duration> {
    let fields: Vec<u32> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, waiting, interrupts, soft interrupts
    let [user, nice, system, _, _, hard, soft, ..] = fields[..] else {
        return None;
    };
    Some(TICK * (user + nice + system + hard + soft))
}

/// Everything written goes to the disk, and the kernel forgets what it has read.
pub(super) fn forget_caches() -> Result<()> {
    crate::sh::Cmd::new("sync").text()?;
    disk::write(Path::new("/proc/sys/vm/drop_caches"), "3\n")
        .map_err(|cause| cause.hint("`bench store` empties the kernel's caches, so it needs root"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_counts() {
        let text = "cpu  100 20 30 4000 500 6 7 80 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(parse(text), Some(Duration::from_millis(1630)));
        assert_eq!(parse("intr 1"), None);
    }
}
