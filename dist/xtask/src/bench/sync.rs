//! `cargo xtask bench sync`: two folders kept the same by `gobag-sync`, and by what others use for it, on this machine's disk.
//!
//! Every tool has folders of its own with the same in them. For one job all tools run one after another, then the next round turns the order round; what
//! they were to do is compared, byte by byte, at the end of each job. What is changed is on its disk before a tool begins.

mod account;
mod corpus;
mod daemon;
mod relay;
mod report;
mod scratch;
mod syncthing;
mod tools;
mod wire;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::{document, machine};
use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;

use corpus::Edit;
use report::{Around, Results};
use scratch::Scratch;
use tools::{Place, TOOLS, Tool};

const USAGE: &str = "usage: cargo xtask bench sync [--files N] [--rounds N] | --million | --wire [--quick] | --quick; each with [--no-build]";
/// Files and rounds of a run that is written down.
const FILES: usize = 100_000;
const ROUNDS: usize = 5;
const MOST_ROUNDS: usize = 1_000;
/// Fewer files are no ground for a hundred edits.
const LEAST_FILES: usize = 1_000;
const MILLION: usize = 1_000_000;
const LARGE_BYTES: u64 = 1 << 30;
/// Small files beside the large one: rclone refuses where all that there is was changed.
const BESIDE: usize = 10;
const QUICK_LARGE_BYTES: u64 = 8 << 20;

/// What is in the folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Many,
    Large,
}

impl Tree {
    fn word(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Large => "large",
        }
    }
}

/// What a tool has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    FirstCopy,
    NothingWarm,
    Small,
    Added,
    /// After the others: it forgets what they had in memory.
    NothingCold,
    Block,
    Blocks,
    Inserted,
}

/// All of them, in their order.
const JOBS: &[Job] = &[
    Job::FirstCopy,
    Job::NothingWarm,
    Job::Small,
    Job::Added,
    Job::NothingCold,
    Job::Block,
    Job::Blocks,
    Job::Inserted,
];

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::FirstCopy => "first copy to an empty folder",
            Self::NothingWarm => "nothing to do, warm",
            Self::Small => "100 small edits",
            Self::Added => "1,000 small files more",
            Self::NothingCold => "nothing to do, cold",
            Self::Block => "4 KiB overwritten in a large file",
            Self::Blocks => "100 scattered 4 KiB overwritten in it",
            Self::Inserted => "one byte inserted at its front",
        }
    }

    fn tree(self) -> Tree {
        match self {
            Self::Block | Self::Blocks | Self::Inserted => Tree::Large,
            _ => Tree::Many,
        }
    }

    fn edit(self) -> Option<Edit> {
        match self {
            Self::FirstCopy | Self::NothingWarm | Self::NothingCold => None,
            Self::Small => Some(Edit::Small(100)),
            Self::Added => Some(Edit::Added(1_000)),
            Self::Block => Some(Edit::Overwritten(1)),
            Self::Blocks => Some(Edit::Overwritten(100)),
            Self::Inserted => Some(Edit::Inserted),
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    files: usize,
    rounds: usize,
    large_bytes: u64,
    tools: &'static [Tool],
    jobs: &'static [Job],
    build: bool,
    /// Which part of the document it renews; none: the figures are printed and not kept.
    part: Option<&'static str>,
}

/// `bench sync …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    if let ["--wire", rest @ ..] = args {
        let known = ["--quick", "--no-build"];
        if rest.iter().any(|arg| !known.contains(arg)) {
            return Err(Error::usage(USAGE));
        }
        return wire::run(rest.contains(&"--quick"), !rest.contains(&"--no-build"));
    }
    let plan = parse(args)?;
    let load = machine::load()?;
    packages::ensure_sync_peers()?;
    if plan.build {
        cargo(&["build", "--release", "--locked", "-p", "gobag-sync"]).run()?;
    }
    let scratch = Scratch::new(disk::target().join("bench/sync"))?;
    let mut results = Results::default();
    for tree in [Tree::Many, Tree::Large] {
        plan.run(tree, scratch.folder(), &mut results)?;
    }
    let around = Around {
        load,
        cores: machine::cores(),
        versions: tools::versions(&["rsync", "unison", "rclone"])?,
    };
    let text = results.render(&plan, &around);
    println!("{text}");
    match plan.part {
        Some(part) => document::renew(part, &text),
        None => Ok(()),
    }
}

impl Plan {
    /// All jobs on one kind of folder, which is gone then.
    fn run(&self, tree: Tree, folder: &Path, results: &mut Results) -> Result<()> {
        let jobs: Vec<Job> = self
            .jobs
            .iter()
            .copied()
            .filter(|job| job.tree() == tree)
            .collect();
        if jobs.is_empty() {
            return Ok(());
        }
        for tool in self.tools {
            eprintln!("making the folders of {}", tool.name());
            let place = Place::new(folder, tree, *tool);
            match tree {
                Tree::Many => corpus::many(&place.left, self.files)?,
                Tree::Large => {
                    corpus::many(&place.left, BESIDE)?;
                    corpus::large(&place.left, self.large_bytes)?;
                }
            }
            if !jobs.contains(&Job::FirstCopy) {
                tool.part(&place)?;
                tool.pass(&place, true).text()?;
            }
        }
        for job in jobs {
            self.compare(job, folder, results)?;
        }
        disk::remove(&folder.join(tree.word()))
    }

    /// One job: all tools, all rounds.
    fn compare(&self, job: Job, folder: &Path, results: &mut Results) -> Result<()> {
        let place = |tool| Place::new(folder, job.tree(), tool);
        let mut order: Vec<Tool> = self
            .tools
            .iter()
            .copied()
            .filter(|tool| tool.takes(job))
            .collect();
        if job != Job::FirstCopy {
            // What the last job left young, half written or cold is no part of this one.
            for tool in &order {
                tool.pass(&place(*tool), false).text()?;
            }
        }
        for round in 1..=self.rounds {
            for tool in &order {
                let figures = self.measure(job, *tool, &place(*tool), round, folder)?;
                eprintln!(
                    "{} · {} {round}/{}: {:.2} s, {:.2} s of work, {} MiB",
                    job.name(),
                    tool.name(),
                    self.rounds,
                    figures.time.as_secs_f64(),
                    figures.busy.as_secs_f64(),
                    figures.memory >> 20
                );
                results.add(job, *tool, figures);
            }
            order.reverse();
        }
        order
            .iter()
            .try_for_each(|tool| tools::check(*tool, &place(*tool)))
    }

    fn measure(
        &self,
        job: Job,
        tool: Tool,
        place: &Place,
        round: usize,
        folder: &Path,
    ) -> Result<account::Figures> {
        let is_first = job == Job::FirstCopy;
        if is_first {
            tool.part(place)?;
        }
        if let Some(edit) = job.edit() {
            // The same for every tool, and for no two rounds or jobs.
            edit.make(&place.left, self.files, job as usize * MOST_ROUNDS + round)?;
        }
        match job {
            Job::NothingCold => machine::forget_caches()?,
            _ => Cmd::new("sync").text().map(drop)?,
        }
        let figures = account::run(tool.pass(place, is_first), folder)?;
        tool.forget_versions(place)?;
        Ok(figures)
    }
}

/// Ours.
fn program() -> PathBuf {
    disk::target().join("release/gobag-sync")
}

fn parse(args: &[&str]) -> Result<Plan> {
    let mut plan = Plan {
        files: FILES,
        rounds: ROUNDS,
        large_bytes: LARGE_BYTES,
        tools: TOOLS,
        jobs: JOBS,
        build: !args.contains(&"--no-build"),
        part: None,
    };
    let rest: Vec<&str> = args.iter().filter(|arg| **arg != "--no-build").copied().collect();
    match &rest[..] {
        ["--million"] => {
            plan.files = MILLION;
            plan.rounds = 1;
            plan.tools = &[Tool::Gobag];
            plan.jobs = &[Job::FirstCopy, Job::NothingWarm, Job::Small];
            plan.part = Some("sync --million");
            return Ok(plan);
        }
        ["--quick"] => {
            plan.files = LEAST_FILES;
            plan.rounds = 1;
            plan.large_bytes = QUICK_LARGE_BYTES;
            return Ok(plan);
        }
        _ => {}
    }
    let number = |value: &str, fits: RangeInclusive<usize>| {
        let number = value.parse().ok().filter(|number| fits.contains(number));
        number.ok_or_else(|| Error::usage(USAGE))
    };
    let mut rest = &rest[..];
    while let [name, value, more @ ..] = rest {
        match *name {
            "--files" => plan.files = number(value, LEAST_FILES..=MILLION)?,
            "--rounds" => plan.rounds = number(value, 1..=MOST_ROUNDS)?,
            _ => return Err(Error::usage(USAGE)),
        }
        rest = more;
    }
    if !rest.is_empty() {
        return Err(Error::usage(USAGE));
    }
    plan.part = (plan.files == FILES && plan.rounds >= ROUNDS).then_some("sync");
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_is_written_down() {
        let whole = parse(&[]).unwrap();
        assert_eq!(
            (whole.files, whole.rounds, whole.part),
            (FILES, ROUNDS, Some("sync"))
        );
        assert!(whole.build);
        let more = parse(&["--rounds", "7", "--no-build"]).unwrap();
        assert_eq!((more.rounds, more.part, more.build), (7, Some("sync"), false));
        for part in [&["--files", "20000"][..], &["--rounds", "2"], &["--quick"]] {
            assert_eq!(parse(part).unwrap().part, None, "{part:?}");
        }
        let million = parse(&["--million"]).unwrap();
        assert_eq!((million.files, million.part), (MILLION, Some("sync --million")));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for wrong in [
            &["--files"][..],
            &["--files", "999"],
            &["--rounds", "0"],
            &["--rounds", "1001"],
            &["--quick", "--rounds", "2"],
            &["--fast"],
        ] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }

    #[test]
    fn every_job_is_one_of_its_kind() {
        for (at, job) in JOBS.iter().enumerate() {
            assert!(JOBS[..at].iter().all(|other| other.name() != job.name()));
            assert!(TOOLS.iter().filter(|tool| tool.takes(*job)).count() >= 4);
        }
    }
}
