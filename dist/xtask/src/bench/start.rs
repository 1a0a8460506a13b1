//! How long a start takes until the login prompt.

use std::time::Duration;

use crate::demo::{golden, raw};
use crate::error::{Error, Result};
use crate::packages;
use crate::steps::seconds;

const DEFAULT_RUNS: usize = 3;

/// `bench start [RUNS]`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let runs = match args {
        [] => DEFAULT_RUNS,
        [number] => number
            .parse()
            .map_err(|cause| Error::because(format!("`{number}` is no number of runs"), cause))?,
        _ => return Err(Error::usage("usage: cargo xtask bench start [RUNS]")),
    };
    packages::ensure()?;
    let disk = raw::make(&golden::ensure(false)?)?;
    let mut login = Vec::new();
    for number in 1..=runs.max(1) {
        let times = disk.boot()?;
        println!(
            "raw disk, run {number}: login {}, shell {}",
            seconds(times.login),
            seconds(times.shell)
        );
        login.push(times.login);
    }
    println!("raw disk, median login: {}", seconds(median(login)));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let of = |all: &[u64]| median(all.iter().map(|s| Duration::from_secs(*s)).collect()).as_secs();
        assert_eq!(of(&[9, 1, 5]), 5);
        assert_eq!(of(&[]), 0);
    }
}
