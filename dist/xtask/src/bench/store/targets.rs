//! What we want to reach, as ratios to other systems in the same run.

use super::fio::JOBS;
use super::peers::Peer;
use super::report::Results;
use crate::bench::medium::Medium;

/// One goal: our rate at a job is at least `factor` times that of each of `against`.
struct Target {
    medium: Medium,
    job: usize,
    against: &'static [Peer],
    factor: f64,
}

const fn target(medium: Medium, job: usize, against: &'static [Peer], factor: f64) -> Target {
    Target {
        medium,
        job,
        against,
        factor,
    }
}

const POOR: Medium = Medium::Stick("poor");
const USUAL: Medium = Medium::Stick("usual");
const SSD: Medium = Medium::Stick("ssd");
const ENCRYPTED: &[Peer] = &[Peer::Gocryptfs, Peer::QcowFuse, Peer::QcowNbd];

/// Numbers of jobs in [`JOBS`].
const READ: usize = 0;
const RANDOM_COLD: usize = 1;
const RANDOM_WARM: usize = 3;
const WRITE: usize = 4;
const SYNC_EACH: usize = 5;
const SYNC_32: usize = 6;

const TARGETS: &[Target] = &[
    target(POOR, SYNC_32, ENCRYPTED, 20.0),
    target(USUAL, SYNC_32, ENCRYPTED, 5.0),
    target(POOR, SYNC_EACH, ENCRYPTED, 5.0),
    target(USUAL, SYNC_EACH, ENCRYPTED, 2.0),
    target(POOR, READ, &[Peer::Plain], 1.6),
    target(USUAL, READ, &[Peer::Plain], 1.6),
    target(SSD, READ, &[Peer::Plain], 1.6),
    target(Medium::Native, READ, &[Peer::Gocryptfs], 1.5),
    target(Medium::Native, READ, &[Peer::Plain], 0.6),
    target(Medium::Native, WRITE, &[Peer::Gocryptfs], 1.2),
    target(Medium::Native, RANDOM_WARM, &[Peer::Gocryptfs], 2.0),
    target(Medium::Native, RANDOM_COLD, &[Peer::Gocryptfs], 0.8),
    target(Medium::Native, SYNC_EACH, &[Peer::Plain], 1.0),
    target(Medium::Native, SYNC_32, &[Peer::Plain], 1.0),
];

/// Longest median of a cold random read on this machine's disk, µs.
const RANDOM_COLD_US: f64 = 200.0;

/// The table of goals for a medium, and what became of them.
pub(super) fn render(results: &Results, medium: Medium) -> String {
    let mut text = "| goal | against | wanted | by FUSE | | by NBD |\n|---|---|---|---|---|---|\n".to_owned();
    for target in TARGETS.iter().filter(|target| target.medium == medium) {
        let job = JOBS[target.job].name;
        let Some(ours) = results.rate(target.medium, job, Peer::Gobag) else {
            continue;
        };
        for peer in target.against {
            let Some(theirs) = results.rate(target.medium, job, *peer) else {
                continue;
            };
            let ratio = ours / theirs;
            let by_nbd = results.rate(target.medium, job, Peer::GobagNbd);
            let by_nbd = by_nbd.map_or("–".to_owned(), |ours| format!("{:.2} ×", ours / theirs));
            text.push_str(&format!(
                "| {job} | {} | ≥ {} × | {ratio:.2} × | {} | {by_nbd} |\n",
                peer.name(),
                target.factor,
                verdict(ratio >= target.factor)
            ));
        }
    }
    let job = JOBS[RANDOM_COLD].name;
    let median = results.median_us(Medium::Native, job, Peer::Gobag);
    if let Some(median) = median.filter(|_| medium == Medium::Native) {
        text.push_str(&format!(
            "| {job}, median time | – | ≤ {RANDOM_COLD_US} µs | {median:.0} µs | {} | |\n",
            verdict(median <= RANDOM_COLD_US)
        ));
    }
    text
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**not met**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_name_the_jobs_they_mean() {
        assert_eq!(JOBS[READ].name, "sequential read, cold");
        assert_eq!(JOBS[RANDOM_COLD].name, "random 4 KiB read, cold");
        assert_eq!(JOBS[RANDOM_WARM].name, "random 4 KiB read, warm");
        assert_eq!(JOBS[WRITE].name, "sequential write, one sync");
        assert_eq!(JOBS[SYNC_EACH].name, "random 4 KiB write, sync each");
        assert_eq!(JOBS[SYNC_32].name, "random 4 KiB write, sync every 32");
    }
}
