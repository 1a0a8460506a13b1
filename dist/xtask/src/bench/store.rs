//! `cargo xtask bench store`: our block layer and the peers, the same jobs on the same disk, side by side.
//!
//! For one job all systems run one after another, each started anew; then the next round turns the order round. So a
//! slow minute of the machine meets neighbours, and the ratios stand even where the figures do not.

pub(super) mod corpus;
mod fio;
mod peers;
mod report;
mod targets;

use std::path::{Path, PathBuf};

use super::medium::{self, MEDIA, Medium};
use super::{document, machine};
use crate::disk;
use crate::error::{Error, Result};
use crate::{packages, programs};

use fio::{JOBS, Job};
use peers::{PEERS, Peer};
use report::{Figures, Results};

const USAGE: &str = "usage: cargo xtask bench store [--rounds N] [--media native,poor,usual,ssd] [--only WORD]… [--no-build] [--keep]";
const DEFAULT_ROUNDS: usize = 3;

/// What is to be measured.
struct Plan {
    build: bool,
    /// Stores stay for the next run: making them takes longer than a single job.
    keep: bool,
    rounds: usize,
    media: Vec<Medium>,
    peers: Vec<Peer>,
    jobs: Vec<&'static Job>,
}

/// `bench store …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let plan = Plan::parse(args)?;
    packages::ensure()?;
    packages::ensure_peers()?;
    if plan.build {
        programs::build(crate::demo::EPOCH)?;
    }
    if plan.build && plan.media != [Medium::Native] {
        medium::build_model()?;
    }
    let folder = disk::target().join("bench/store");
    disk::make_dir(&folder)?;
    let corpus = corpus::ensure(&folder)?;
    let mut results = Results::default();
    for peer in &plan.peers {
        prepare(*peer, &plan, &corpus, &folder)?;
    }
    for medium in &plan.media {
        for job in plan.jobs.iter().filter(|job| job.suits(medium.speed())) {
            plan.compare(*medium, job, &folder, &mut results)?;
        }
    }
    if !plan.keep {
        for peer in PEERS {
            for writes in [false, true] {
                disk::remove(&store(&folder, *peer, writes))?;
            }
        }
    }
    for medium in &plan.media {
        let text = report::render(&results, *medium);
        println!("{text}");
        if plan.is_whole() {
            document::renew(&format!("store --media {}", medium.word()), &text)?;
        }
    }
    Ok(())
}

impl Plan {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut plan = Self {
            build: !args.contains(&"--no-build"),
            keep: args.contains(&"--keep"),
            rounds: DEFAULT_ROUNDS,
            media: MEDIA.to_vec(),
            peers: PEERS.to_vec(),
            jobs: JOBS.iter().collect(),
        };
        let mut only = Vec::new();
        let is_flag = |arg: &&&str| ["--no-build", "--keep"].contains(*arg);
        let pairs: Vec<&str> = args.iter().filter(|arg| !is_flag(arg)).copied().collect();
        let mut rest = &pairs[..];
        while let [name, value, more @ ..] = rest {
            match *name {
                "--rounds" => {
                    plan.rounds = value.parse().map_err(|cause| {
                        Error::because(format!("`{value}` is no number of rounds"), cause)
                    })?;
                }
                "--media" => plan.media = media(value)?,
                "--only" => only.push(*value),
                _ => return Err(Error::usage(USAGE)),
            }
            rest = more;
        }
        if !rest.is_empty() || plan.rounds == 0 {
            return Err(Error::usage(USAGE));
        }
        plan.keep(&only)?;
        Ok(plan)
    }

    /// Keeps the systems and jobs in whose names one of the words stands; a kind without a match stays whole.
    fn keep(&mut self, words: &[&str]) -> Result<()> {
        let named = |name: &str| words.iter().any(|word| name.contains(word));
        let peers: Vec<Peer> = PEERS.iter().copied().filter(|peer| named(peer.name())).collect();
        let jobs: Vec<&Job> = JOBS.iter().filter(|job| named(job.name)).collect();
        if !words.is_empty() && peers.is_empty() && jobs.is_empty() {
            return Err(Error::usage(format!("nothing is called {}", words.join(" or "))));
        }
        if !peers.is_empty() {
            self.peers = peers;
        }
        if !jobs.is_empty() {
            self.jobs = jobs;
        }
        Ok(())
    }

    /// Whether everything was measured on these media, so that the document may be renewed.
    fn is_whole(&self) -> bool {
        self.peers == PEERS && self.jobs.len() == JOBS.len()
    }

    /// One job on one medium: all systems, all rounds.
    fn compare(&self, medium: Medium, job: &'static Job, folder: &Path, results: &mut Results) -> Result<()> {
        let mut order: Vec<Peer> = self
            .peers
            .iter()
            .copied()
            .filter(|peer| peer.takes(job.writes()) && (medium == Medium::Native || peer.is_for_sticks()))
            .collect();
        for round in 1..=self.rounds {
            for peer in &order {
                let figures = measure(medium, *peer, job, folder)?;
                eprintln!(
                    "{} · {} · {} {round}/{}: {}",
                    medium.word(),
                    job.name,
                    peer.name(),
                    self.rounds,
                    report::rate(job, figures.rate)
                );
                results.add(medium, job, *peer, figures);
            }
            order.reverse();
        }
        Ok(())
    }
}

fn media(words: &str) -> Result<Vec<Medium>> {
    let find = |word: &str| MEDIA.iter().copied().find(|medium| medium.word() == word);
    words
        .split(',')
        .map(|word| find(word).ok_or_else(|| Error::usage(format!("there is no medium `{word}`"))))
        .collect()
}

/// Readers and writers have a store each: a disk that was written to is another disk.
fn store(folder: &Path, peer: Peer, writes: bool) -> PathBuf {
    let name = peer.name().replace([' ', ',', '+'], "-");
    folder.join(format!("{name}-{}", if writes { "write" } else { "read" }))
}

fn prepare(peer: Peer, plan: &Plan, corpus: &Path, folder: &Path) -> Result<()> {
    for writes in [false, true] {
        if peer.takes(writes) && plan.jobs.iter().any(|job| job.writes() == writes) {
            let store = store(folder, peer, writes);
            if store.exists() {
                continue;
            }
            eprintln!("preparing {}", store.display());
            let unfinished = folder.join("unfinished");
            disk::remove(&unfinished)?;
            disk::make_dir(&unfinished)?;
            peer.prepare(corpus, &unfinished)?;
            disk::rename(&unfinished, &store)?;
        }
    }
    Ok(())
}

fn measure(medium: Medium, peer: Peer, job: &Job, folder: &Path) -> Result<Figures> {
    let mounted = medium.mount(&store(folder, peer, job.writes()))?;
    let served = peer.serve(mounted.folder(), &folder.join("doors"))?;
    machine::forget_caches()?;
    let before = machine::ended_programs()? + served.processor_time()?;
    let seen = job.run(&served.target, medium.speed())?;
    let busy = (machine::ended_programs()? + served.processor_time()?).saturating_sub(before);
    let memory = served.peak_memory();
    served.end()?;
    let written = mounted.end()?;
    Ok(Figures {
        rate: seen.rate,
        median_us: seen.median_us,
        bytes: seen.bytes,
        busy,
        memory,
        written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_what_is_named() {
        let plan = Plan::parse(&["--rounds", "1", "--only", "gocryptfs", "--only", "sync each"]).unwrap();
        assert_eq!(plan.peers, [Peer::Gocryptfs]);
        assert_eq!(plan.jobs.len(), 1);
        assert!(!plan.is_whole());
        assert!(Plan::parse(&[]).unwrap().is_whole());
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for args in [
            &["--rounds", "0"][..],
            &["--rounds"],
            &["--media", "tape"],
            &["--only", "zip drive"],
        ] {
            assert_eq!(
                Plan::parse(args).err().map(|error| error.exit()),
                Some(2),
                "{args:?}"
            );
        }
    }
}
