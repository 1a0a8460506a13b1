//! `cargo xtask crash`: the store's random crash runs for as long as one likes, and the same pulled stick for others.
//!
//! The tests do the work (`tests/it/histories.rs`, `worn.rs`, `exfat/peers.rs`); here they are asked for more than the usual run.
//! A seed that fails is printed with the one command that repeats it.

use crate::cargo::cargo;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;

/// Seeds of a run that names no number: some thirty thousand cuts, in a minute or two.
const SEEDS: u64 = 1000;
/// The test that runs seed after seed.
const LONG_RUN: &str = "histories::long_run";
/// The test that pulls the stick from under others.
const PEERS: &str = "exfat::peers::others_are_pulled_as_we_are";
/// The test that kills the program.
const KILLED: &str = "killed::a_program_killed_while_fio_writes_has_lost_nothing_confirmed";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Random runs: the first seed, and how many.
    Seeds { from: u64, count: u64 },
    /// Others beside us, at so many places.
    Peers { points: Option<u64> },
    /// Rounds of `kill -9`.
    Kill { rounds: u64 },
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    match parse(args)? {
        Asked::Seeds { from, count } => {
            let run = test("gobag-tests", "it", LONG_RUN).env("GOBAG_PROGRESS", "1");
            // One seed is asked for by its own name: 1 as a number of seeds means something else to the tests.
            match count {
                1 => run.env("GOBAG_SEED", from.to_string()),
                _ => run
                    .env("GOBAG_FROM", from.to_string())
                    .env("GOBAG_LONG", count.to_string()),
            }
            .run()
        }
        Asked::Peers { points } => {
            packages::ensure_for_tests()?;
            packages::ensure_peers()?;
            let run = test("gobag-tests", "it", PEERS).env("GOBAG_REQUIRE", "qemu,fuse");
            match points {
                Some(points) => run.env("GOBAG_LONG", points.to_string()),
                None => run,
            }
            .run()
        }
        Asked::Kill { rounds } => test("gobag", "program", KILLED)
            .env("GOBAG_LONG", rounds.to_string())
            .run(),
    }
}

/// One test of a package, shown as it goes.
fn test(package: &str, binary: &str, name: &str) -> Cmd {
    cargo(&["test", "--package", package, "--test", binary, "--"]).args([
        "--exact",
        "--include-ignored",
        "--nocapture",
        name,
    ])
}

fn parse(args: &[&str]) -> Result<Asked> {
    let number = |option: &str, text: &str| {
        let wrong = || Error::usage(format!("`{option}` wants a number above 0, not `{text}`"));
        text.replace('_', "").parse::<u64>().map_err(|_| wrong())
    };
    let (mut from, mut count, mut peers, mut points, mut kill) = (0, None, false, None, None);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let text = words.next().copied().unwrap_or_default();
            number(word, text)
        };
        match *word {
            "--from" => from = value()?,
            "--seeds" => count = Some(value()?.max(1)),
            "--kill" => kill = Some(value()?.max(2)),
            "--points" => points = Some(value()?.max(2)),
            "--peers" => peers = true,
            other => return Err(Error::usage(format!("`crash` does not know `{other}`"))),
        }
    }
    match (peers, kill, count) {
        (true, None, None) => Ok(Asked::Peers { points }),
        (false, Some(rounds), None) if points.is_none() => Ok(Asked::Kill { rounds }),
        (false, None, count) if points.is_none() => Ok(Asked::Seeds {
            from,
            count: count.unwrap_or(SEEDS),
        }),
        _ => Err(Error::usage(
            "`--seeds`, `--peers` and `--kill` are three different runs",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_asked_for_in_its_own_words() {
        let seeds = |from, count| Asked::Seeds { from, count };
        assert_eq!(parse(&[]).unwrap(), seeds(0, SEEDS));
        assert_eq!(parse(&["--seeds", "1_000_000"]).unwrap(), seeds(0, 1_000_000));
        assert_eq!(parse(&["--from", "17", "--seeds", "1"]).unwrap(), seeds(17, 1));
        assert_eq!(parse(&["--peers"]).unwrap(), Asked::Peers { points: None });
        assert_eq!(parse(&["--kill", "50"]).unwrap(), Asked::Kill { rounds: 50 });
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for args in [
            &["--seeds"] as &[&str],
            &["--seeds", "many"],
            &["--peers", "--kill", "2"],
            &["--fast"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
