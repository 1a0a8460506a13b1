//! `cargo xtask fuzz`: builds the fuzzer with coverage instrumentation and lets it loose on the targets.
//!
//! Stable Rust: LLVM's coverage pass is reached through `-C passes`, and the fuzzer itself is the C++ of LLVM that the
//! crate `libfuzzer-sys` brings. Address sanitizer needs nightly and would find little in crates that forbid `unsafe`;
//! without it a target runs several times as often. What is found goes to `target/fuzz/found`, the minimised corpus
//! to `tests/fuzz/corpus`, where the ordinary tests replay it.

use std::path::PathBuf;

use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Instrumentation: a counter for every edge, and both sides of every comparison.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];
/// Named, so that build scripts and macros, which run here, are not instrumented.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// No input is worth more time than this, seconds.
const MAX_SECONDS: u32 = 10;

/// When a target has had enough.
#[derive(Clone, Copy)]
enum Enough {
    Runs(u64),
    Seconds(u64),
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let mut enough = Enough::Seconds(60);
    let mut wanted = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().copied().unwrap_or_default();
            text.parse()
                .map_err(|_| Error::usage(format!("`{word}` needs a number, not `{text}`")))
        };
        match *word {
            "--runs" => enough = Enough::Runs(number()?),
            "--seconds" => enough = Enough::Seconds(number()?),
            option if option.starts_with('-') => {
                return Err(Error::usage(format!("`fuzz` knows no option `{option}`")));
            }
            name => wanted.push(name.to_owned()),
        }
    }
    let programs = build()?;
    let listed = Cmd::new(&programs.corpus).arg("list").text()?;
    let targets: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    for name in &wanted {
        if !targets.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = targets.iter().map(|(known, _)| *known).collect();
            return Err(Error::usage(format!("there is no target `{name}`"))
                .hint(format!("targets: {}", known.join(" "))));
        }
    }
    println!(
        "{:<18} {:>12} {:>9} {:>8} {:>8}",
        "target", "runs", "seconds", "edges", "inputs"
    );
    for (name, max_len) in targets {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            let fuzzing = Fuzzing {
                programs: &programs,
                name,
                max_len,
            };
            fuzzing.run(enough)?;
        }
    }
    Ok(())
}

/// The two programs.
struct Programs {
    fuzzer: PathBuf,
    corpus: PathBuf,
}

/// Builds them: the fuzzer instrumented and in a target folder of its own, the other as usual.
fn build() -> Result<Programs> {
    let target = disk::target().join("fuzz");
    cargo(&["build", "-p", "gobag-fuzz", "--bin", "gobag-corpus"]).run()?;
    cargo(&[
        "build",
        "-p",
        "gobag-fuzz",
        "--bin",
        "gobag-fuzz",
        "--features",
        "libfuzzer",
    ])
    .args(["--profile", "fuzz", "--target", PLATFORM, "--target-dir"])
    .arg(&target)
    .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
    .run()?;
    Ok(Programs {
        fuzzer: target.join(PLATFORM).join("fuzz/gobag-fuzz"),
        corpus: disk::target().join("debug/gobag-corpus"),
    })
}

/// One target at work.
struct Fuzzing<'a> {
    programs: &'a Programs,
    name: &'a str,
    max_len: &'a str,
}

impl Fuzzing<'_> {
    fn run(&self, enough: Enough) -> Result<()> {
        let work = disk::target().join("fuzz/work").join(self.name);
        let found = disk::target().join("fuzz/found").join(self.name);
        disk::make_dir(&found)?;
        self.corpus("unpack", &work)?;
        let limit = match enough {
            Enough::Runs(runs) => format!("-runs={runs}"),
            Enough::Seconds(seconds) => format!("-max_total_time={seconds}"),
        };
        let (good, said) = self
            .fuzzer()
            .args([limit, format!("-timeout={MAX_SECONDS}")])
            .args(["-print_final_stats=1", "-verbosity=1", "-reload=0"])
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg(&work)
            .quiet()
            .captured()?;
        if !good {
            disk::write(&found.join("report"), &said)?;
            let last: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
            let cause = last[last.len().saturating_sub(12)..].join("\n");
            return Err(
                Error::because(format!("target {} broke a promise", self.name), cause).hint(format!(
                    "the input is in {}; `gobag-corpus run {} FILE` gives it to the target again",
                    found.display(),
                    self.name
                )),
            );
        }
        let inputs = self.keep(&work)?;
        let (runs, seconds) = done(&said);
        println!(
            "{:<18} {runs:>12} {seconds:>9} {:>8} {inputs:>8}",
            self.name,
            edges(&said)
        );
        Ok(())
    }

    /// Stores the fewest inputs that reach as much as all of them.
    fn keep(&self, work: &PathBuf) -> Result<usize> {
        let fewest = disk::target().join("fuzz/fewest").join(self.name);
        disk::remove(&fewest)?;
        disk::make_dir(&fewest)?;
        let (good, said) = self
            .fuzzer()
            .arg("-merge=1")
            .arg(&fewest)
            .arg(work)
            .quiet()
            .captured()?;
        if !good {
            return Err(Error::because(
                format!("cannot minimise the corpus of {}", self.name),
                said,
            ));
        }
        self.corpus("pack", &fewest)?;
        Ok(disk::files_below(&fewest, &[])?.len())
    }

    /// libFuzzer, at the lowest priority: it takes all it gets.
    fn fuzzer(&self) -> Cmd {
        Cmd::new("nice")
            .args(["-n", "19"])
            .arg(&self.programs.fuzzer)
            .arg(format!("-max_len={}", self.max_len))
            .env("GOBAG_FUZZ_TARGET", self.name)
    }

    fn corpus(&self, task: &str, folder: &PathBuf) -> Result<()> {
        Cmd::new(&self.programs.corpus)
            .args([task, self.name])
            .arg(folder)
            .text()
            .map(drop)
    }
}

/// Runs and seconds of libFuzzer's last line, `Done 1000 runs in 3 second(s)`.
fn done(said: &str) -> (&str, &str) {
    let words = said.lines().rev().find_map(|line| {
        let mut words = line.strip_prefix("Done ")?.split(' ');
        Some((words.next()?, words.nth(2)?))
    });
    words.unwrap_or(("?", "?"))
}

/// How much of the code was reached, from the last line that says so: `#1000 DONE cov: 50 ft: …`.
fn edges(said: &str) -> &str {
    let told = said.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split(' ').next()
    });
    told.unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_says() {
        let said = "#2\tINITED cov: 12 ft: 13 corp: 1/1b\n#900\tDONE   cov: 50 ft: 60 corp: 5/9b lim: 4\n\
                    Done 900 runs in 3 second(s)\nstat::number_of_executed_units: 900\n";
        assert_eq!(done(said), ("900", "3"));
        assert_eq!(edges(said), "50");
        assert_eq!((done("nothing"), edges("nothing")), (("?", "?"), "?"));
    }
}
