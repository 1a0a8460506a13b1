//! `cargo xtask bench company`: what the company's side takes for many sticks, on each of its databases, with replicas, with history.
//!
//! Real `gobag-server` processes; the sticks are one program, `gobag-client`'s example `load`, each with a certificate and connections of its
//! own. It runs on the same cores, so times are those of a crowded machine: processor time of the servers and of the database are the
//! figures to plan with.

mod report;
mod side;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{document, machine};
use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;

use report::{Row, render};
use side::{Database, Objects, Side};

const USAGE: &str = "usage: cargo xtask bench company [--sticks N] [--seconds N] [--debug] [--no-build]";
/// KiB of the objects of one sync.
const OBJECTS_KIB: &str = "64,256,1024";
/// Points that each stick has before, and ten times as many.
const HISTORY: u64 = 10;

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    sticks: u32,
    /// Of one measurement.
    seconds: u64,
    /// The development build; figures are printed and not kept.
    debug: bool,
    no_build: bool,
}

/// One measurement.
struct Plan {
    database: Database,
    objects: Objects,
    replicas: usize,
    history: u64,
    /// Seconds from a stick's sync to its next; 0: at once.
    every_s: u64,
    kib: &'static str,
}

/// `bench company …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let asked = parse(args)?;
    packages::ensure()?;
    let built = disk::target().join(if asked.debug { "debug" } else { "release" });
    if !asked.no_build {
        build(asked.debug)?;
    }
    let mut rows = Vec::new();
    for plan in plans() {
        let row = measure(&plan, &asked, &built)?;
        eprintln!("{}", row.line());
        rows.push(row);
    }
    let text = format!("{}\n\n{}", around(&asked)?, render(&rows));
    println!("{text}");
    match asked.debug {
        true => Ok(()),
        false => document::renew("company", &text),
    }
}

/// What is measured: one sync a minute on each kind of company's side; then as many as they take, with replicas and with history.
fn plans() -> Vec<Plan> {
    let plan = |database, objects, replicas, history, every_s, kib| Plan {
        database,
        objects,
        replicas,
        history,
        every_s,
        kib,
    };
    let (lite, postgres) = (Database::Sqlite, Database::Postgres);
    let paced = |database, objects| plan(database, objects, 1, HISTORY, 60, OBJECTS_KIB);
    // One small object: what is measured is the request that makes a point.
    let flat_out = |database, replicas, history| plan(database, Objects::Folder, replicas, history, 0, "4");
    vec![
        paced(lite, Objects::Folder),
        paced(postgres, Objects::Folder),
        paced(postgres, Objects::Bucket),
        flat_out(lite, 1, HISTORY),
        flat_out(lite, 1, 10 * HISTORY),
        flat_out(postgres, 1, HISTORY),
        flat_out(postgres, 1, 10 * HISTORY),
        flat_out(postgres, 2, HISTORY),
        flat_out(postgres, 4, HISTORY),
    ]
}

fn build(debug: bool) -> Result<()> {
    let profile: &[&str] = if debug { &[] } else { &["--release"] };
    cargo(&["build", "--locked", "-p", "gobag-server"])
        .args(profile)
        .run()?;
    cargo(&["build", "--locked", "-p", "gobag-client", "--example", "load"])
        .args(profile)
        .run()
}

fn measure(plan: &Plan, asked: &Asked, built: &std::path::Path) -> Result<Row> {
    let side = Side::start(plan, built)?;
    let letters = side.letters(asked.sticks)?;
    let (every_s, seconds, history) = (plan.every_s, asked.seconds, plan.history);
    let mut load = Cmd::new(built.join("examples/load"))
        .arg(&letters)
        .args([every_s, seconds, history].map(|number| number.to_string()))
        .arg(plan.kib)
        .spawn(Stdio::piped(), Stdio::piped(), Stdio::inherit())?;
    let lost = |cause| Error::because("the sticks are lost", cause);
    let said = load.stdout.take().map(BufReader::new);
    let mut lines = said
        .into_iter()
        .flat_map(BufRead::lines)
        .map_while(std::io::Result::ok);
    let is_ready = lines.next().is_some_and(|line| line == "ready");
    let before = side.work()?;
    if let (true, Some(mut start)) = (is_ready, load.stdin.take()) {
        start.write_all(b"\n").map_err(lost)?;
    }
    let said = lines.next().unwrap_or_default();
    let after = side.work()?;
    let status = load.wait().map_err(lost)?;
    if !status.success() {
        return Err(Error::new(format!("the sticks ended with {status}")));
    }
    let said: Value = serde_json::from_str(&said)
        .map_err(|cause| Error::because("the sticks say nothing that is understood", cause))?;
    Row::new(plan, &side, &said, after.since(&before))
}

/// What the machine was at, for whoever reads the figures.
fn around(asked: &Asked) -> Result<String> {
    let cores = machine::cores();
    Ok(format!(
        "{} sticks, {} s each; {cores} cores, load average at the end {} (of that up to {cores} this bench)",
        asked.sticks,
        asked.seconds,
        machine::load()?
    ))
}

fn parse(args: &[&str]) -> Result<Asked> {
    let mut asked = Asked {
        sticks: 200,
        seconds: 60,
        debug: false,
        no_build: false,
    };
    let mut words = args.iter();
    let number = |word: Option<&&str>| -> Result<u32> {
        let number = word.and_then(|word| word.parse().ok());
        number
            .filter(|number| *number > 0)
            .ok_or_else(|| Error::usage(USAGE))
    };
    while let Some(word) = words.next() {
        match *word {
            "--sticks" => asked.sticks = number(words.next())?,
            "--seconds" => asked.seconds = number(words.next())?.into(),
            "--debug" => asked.debug = true,
            "--no-build" => asked.no_build = true,
            _ => return Err(Error::usage(USAGE)),
        }
    }
    Ok(asked)
}

/// Processor time of those who serve.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    servers: Duration,
    database: Duration,
    bucket: Duration,
}

impl Work {
    fn since(&self, before: &Self) -> Self {
        Self {
            servers: self.servers.saturating_sub(before.servers),
            database: self.database.saturating_sub(before.database),
            bucket: self.bucket.saturating_sub(before.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        let asked = parse(&["--sticks", "7", "--seconds", "5", "--debug", "--no-build"]).unwrap();
        assert_eq!((asked.sticks, asked.seconds), (7, 5));
        assert!(asked.debug && asked.no_build);
        assert_eq!(parse(&[]).unwrap().sticks, 200);
        for wrong in [&["--sticks"] as &[&str], &["--sticks", "0"], &["--fast"]] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }
}
