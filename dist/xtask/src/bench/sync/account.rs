//! What one run of a tool took, of it and all programs that it ran.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::machine;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) time: Duration,
    /// Processor time, as user and in the kernel.
    pub(super) busy: Duration,
    /// Most memory of its largest process, bytes.
    pub(super) memory: u64,
    /// Processor time of everything else on the machine meanwhile; the kernel's own threads, which write for it, are in it.
    pub(super) others: Duration,
}

/// Runs it to its good end; `folder` has room for a small file.
pub(super) fn run(command: Cmd, folder: &Path) -> Result<Figures> {
    let account = folder.join("account");
    let command = command.inside(
        Cmd::new("time")
            .args(["--format", "%U %S %M", "--output"])
            .arg(&account)
            .arg("--"),
    );
    let (before, started) = (machine::everything()?, Instant::now());
    command.text()?;
    let time = started.elapsed();
    let everything = machine::everything()?.saturating_sub(before);
    let said = disk::read(&account)?;
    let (busy, memory) = read(&said).ok_or_else(|| Error::because("`time` is not understood", said))?;
    Ok(Figures {
        time,
        busy,
        memory,
        others: everything.saturating_sub(busy),
    })
}

/// Seconds as user, seconds in the kernel, KiB.
fn read(said: &str) -> Option<(Duration, u64)> {
    let [user, system, kib] = said.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let seconds = |word: &str| Duration::try_from_secs_f64(word.parse().ok()?).ok();
    Some((seconds(user)? + seconds(system)?, kib.parse::<u64>().ok()? << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read() {
        assert_eq!(
            read("1.25 0.50 2048\n"),
            Some((Duration::from_millis(1750), 2 << 20))
        );
        assert_eq!(
            read("Command exited with non-zero status 1\n1.25 0.50 2048\n"),
            None
        );
        assert_eq!(read("1.25 -0.50 2048\n"), None);
    }
}
