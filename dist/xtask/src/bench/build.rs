//! `cargo xtask bench build`: making an image of a real Debian, and its next version after an upgrade.
//!
//! What a build stores is what a stick needs, and what the next version adds is what an update carries to it. So time,
//! processor time and bytes count, beside backup programs that deduplicate, image formats that compress, and rsync.

mod tools;
mod versions;

use std::time::{Duration, Instant};

use super::machine;
use crate::demo::EPOCH;
use crate::disk;
use crate::error::{Error, Result};
use crate::steps::seconds;
use crate::{packages, programs};

use tools::{TOOLS, Tool};

const DEFAULT_ROUNDS: usize = 3;
const USAGE: &str = "usage: cargo xtask bench build [--rounds N] [--no-build]";

/// One run of one tool on one version.
#[derive(Clone, Copy, Debug)]
struct Figures {
    time: Duration,
    /// Processor time of the tool.
    busy: Duration,
    /// Bytes that were added to what is stored.
    added: u64,
}

/// `bench build …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let (rounds, build) = match args {
        [] => (DEFAULT_ROUNDS, true),
        ["--no-build"] => (DEFAULT_ROUNDS, false),
        ["--rounds", number, rest @ ..] if matches!(rest, [] | ["--no-build"]) => (
            number
                .parse()
                .map_err(|cause| Error::because(format!("`{number}` is no number of rounds"), cause))?,
            rest.is_empty(),
        ),
        _ => return Err(Error::usage(USAGE)),
    };
    packages::ensure()?;
    packages::ensure_peers()?;
    if build {
        programs::build(EPOCH)?;
    }
    let folder = disk::target().join("bench/build");
    disk::make_dir(&folder)?;
    let versions = versions::ensure(&folder)?;
    let mut results: Vec<(Tool, [Vec<Figures>; 2])> =
        TOOLS.iter().map(|tool| (*tool, Default::default())).collect();
    for round in 1..=rounds {
        for (tool, figures) in &mut results {
            let store = folder.join("store");
            disk::remove(&store)?;
            disk::make_dir(&store)?;
            tool.prepare(&versions, &store)?;
            for (version, figures) in figures.iter_mut().enumerate() {
                let seen = measure(*tool, &versions, version, &store)?;
                eprintln!(
                    "{} · version {} · {round}/{rounds}: {}, {} of work, {} bytes added",
                    tool.name(),
                    version + 1,
                    seconds(seen.time),
                    seconds(seen.busy),
                    seen.added
                );
                figures.push(seen);
            }
        }
        results.reverse();
    }
    if !rounds.is_multiple_of(2) {
        results.reverse();
    }
    print!("{}", report(&results, versions.changed_compressed()?));
    disk::remove(&folder.join("store"))
}

fn measure(
    tool: Tool,
    versions: &versions::Versions,
    version: usize,
    store: &std::path::Path,
) -> Result<Figures> {
    let before = tool.stored(store)?;
    machine::forget_caches()?;
    let (started, busy) = (Instant::now(), machine::ended_programs()?);
    let told = tool.run(versions, version, store)?;
    let time = started.elapsed();
    let busy = machine::ended_programs()?.saturating_sub(busy);
    let added = match told {
        Some(bytes) => bytes,
        None => tool.stored(store)?.saturating_sub(before),
    };
    Ok(Figures { time, busy, added })
}

fn report(results: &[(Tool, [Vec<Figures>; 2])], changed: u64) -> String {
    let ours = results
        .iter()
        .find(|(tool, _)| *tool == Tool::Gobag)
        .map(|(_, figures)| figures);
    let mut text = String::new();
    for (version, title) in ["an image of Debian 12", "its next version, after an upgrade"]
        .iter()
        .enumerate()
    {
        text.push_str(&format!(
            "\n| {title} | time | time ÷ gobag's | processor time | MiB added | ÷ gobag's |\n|---|---|---|---|---|---|\n"
        ));
        for (tool, figures) in results {
            let Some(own) = median(&figures[version]) else {
                continue;
            };
            let Some(ours) = ours.and_then(|ours| median(&ours[version])) else {
                continue;
            };
            text.push_str(&format!(
                "| {} | {} | {:.2} | {} | {:.1} | {:.2} |\n",
                tool.name(),
                seconds(own.time),
                own.time.as_secs_f64() / ours.time.as_secs_f64(),
                seconds(own.busy),
                own.added as f64 / (1 << 20) as f64,
                own.added as f64 / ours.added.max(1) as f64,
            ));
        }
    }
    text.push_str(&format!(
        "\nThe blocks of 4 KiB that differ between the versions, compressed by zstd -5 as one stream: {:.1} MiB.\n",
        changed as f64 / (1 << 20) as f64
    ));
    text
}

/// The middle of each figure by itself.
fn median(figures: &[Figures]) -> Option<Figures> {
    let middle = |mut values: Vec<Duration>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    Some(Figures {
        time: middle(figures.iter().map(|figures| figures.time).collect())?,
        busy: middle(figures.iter().map(|figures| figures.busy).collect())?,
        added: figures.first()?.added,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_relates_everything_to_ours() {
        let figures = |time, added| Figures {
            time: Duration::from_secs(time),
            busy: Duration::from_secs(1),
            added,
        };
        let ours = vec![figures(9, 1 << 20), figures(2, 1 << 20), figures(4, 1 << 20)];
        let theirs = vec![figures(8, 3 << 20)];
        let results = [
            (Tool::Gobag, [ours, Vec::new()]),
            (Tool::Restic, [theirs, Vec::new()]),
        ];
        let text = report(&results, 5 << 20);
        assert!(
            text.contains("| restic | 8.0 s | 2.00 | 1.0 s | 3.0 | 3.00 |"),
            "{text}"
        );
        assert!(text.contains("5.0 MiB"), "{text}");
    }
}
