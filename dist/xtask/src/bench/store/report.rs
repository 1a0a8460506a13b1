//! Figures, their medians, and the page they end on.

use std::time::Duration;

use super::fio::{JOBS, Job, Unit};
use super::peers::{PEERS, Peer};
use super::targets;
use crate::bench::medium::Medium;
/// One run of one job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Megabytes or requests in a second.
    pub(super) rate: f64,
    /// Median time of a request, µs.
    pub(super) median_us: f64,
    /// Bytes the guest's side read or wrote.
    pub(super) bytes: u64,
    /// Processor time of fio and of the serving process.
    pub(super) busy: Duration,
    /// Peak memory of the serving process, bytes.
    pub(super) memory: Option<u64>,
    /// Bytes that reached the medium.
    pub(super) written: Option<u64>,
}

/// Everything measured.
#[derive(Default)]
pub(super) struct Results(Vec<(Medium, &'static str, Peer, Figures)>);

impl Results {
    pub(super) fn add(&mut self, medium: Medium, job: &Job, peer: Peer, figures: Figures) {
        self.0.push((medium, job.name, peer, figures));
    }

    /// The median of a value over the rounds.
    fn median(
        &self,
        medium: Medium,
        job: &str,
        peer: Peer,
        value: impl Fn(&Figures) -> Option<f64>,
    ) -> Option<f64> {
        let rows = self
            .0
            .iter()
            .filter(|row| (row.0, row.1, row.2) == (medium, job, peer));
        let mut values: Vec<f64> = rows.filter_map(|row| value(&row.3)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// Median rate.
    pub(super) fn rate(&self, medium: Medium, job: &str, peer: Peer) -> Option<f64> {
        self.median(medium, job, peer, |figures| Some(figures.rate))
    }

    /// Median of the rounds' median request times, µs.
    pub(super) fn median_us(&self, medium: Medium, job: &str, peer: Peer) -> Option<f64> {
        self.median(medium, job, peer, |figures| Some(figures.median_us))
    }

    /// Bytes on the medium for each byte the guest wrote.
    fn amplification(&self, medium: Medium, job: &str, peer: Peer) -> Option<f64> {
        self.median(medium, job, peer, |figures| {
            Some(figures.written? as f64 / figures.bytes.max(1) as f64)
        })
    }

    /// Processor time, in ms for each MB.
    fn work(&self, medium: Medium, job: &str, peer: Peer) -> Option<f64> {
        self.median(medium, job, peer, |figures| {
            Some(figures.busy.as_secs_f64() * 1e9 / figures.bytes.max(1) as f64)
        })
    }

    fn memory(&self, medium: Medium, peer: Peer) -> Option<f64> {
        let rows = self.0.iter().filter(|row| (row.0, row.2) == (medium, peer));
        rows.filter_map(|row| row.3.memory)
            .max()
            .map(|bytes| bytes as f64 / 1e6)
    }
}

/// A rate with its unit.
pub(super) fn rate(job: &Job, value: f64) -> String {
    match job.unit {
        Unit::Megabytes => format!("{} MB/s", short(value)),
        Unit::Requests => format!("{}/s", short(value)),
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..10_000.0 => format!("{value:.0}"),
        _ => format!("{:.1} k", value / 1e3),
    }
}

/// What was seen on one medium.
pub(super) fn render(results: &Results, medium: Medium) -> String {
    let mut text = format!(
        "### On {}\n\n{}\n",
        medium.title(),
        targets::render(results, medium)
    );
    text.push_str(&table("in brackets: gobag ÷ that system", |job, peer| {
        let value = results.rate(medium, job.name, peer)?;
        let ours = results.rate(medium, job.name, Peer::Gobag);
        Some(match ours.filter(|_| !peer.is_ours()) {
            Some(ours) => format!("{} ({})", rate(job, value), short(ours / value)),
            None => rate(job, value),
        })
    }));
    text.push('\n');
    text.push_str(&table(
        "processor time of fio and the system, ms/MB",
        |job, peer| results.work(medium, job.name, peer).map(short),
    ));
    if medium != Medium::Native {
        text.push('\n');
        text.push_str(&table(
            "bytes on the medium for each byte written",
            |job, peer| {
                results
                    .amplification(medium, job.name, peer)
                    .filter(|_| job.writes())
                    .map(short)
            },
        ));
    }
    let memory = PEERS.iter().filter_map(|peer| {
        let megabytes = results.memory(medium, *peer)?;
        Some(format!("{} {megabytes:.0}", peer.name()))
    });
    text.push_str(&format!(
        "\nPeak memory of the serving process, MB: {}.\n",
        memory.collect::<Vec<_>>().join(" · ")
    ));
    text
}

/// A table of jobs by systems; empty rows and columns are left out.
fn table(title: &str, cell: impl Fn(&Job, Peer) -> Option<String>) -> String {
    let column = |peer: &Peer| JOBS.iter().any(|job| cell(job, *peer).is_some());
    let peers: Vec<Peer> = PEERS.iter().copied().filter(column).collect();
    let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
    let mut text = format!(
        "| {title} | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(peers.len())
    );
    for job in JOBS {
        let cells: Vec<Option<String>> = peers.iter().map(|peer| cell(job, *peer)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            text.push_str(&format!(
                "| {} | {} |\n",
                job.name,
                cells.collect::<Vec<_>>().join(" | ")
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rate: f64) -> Figures {
        Figures {
            rate,
            median_us: 1.0,
            bytes: 1000,
            busy: Duration::from_micros(5),
            memory: Some(2_000_000),
            written: Some(1500),
        }
    }

    #[test]
    fn medians_and_ratios_are_in_the_table() {
        let mut results = Results::default();
        for rate in [1.0, 30.0, 20.0] {
            results.add(Medium::Native, &JOBS[0], Peer::Gobag, figures(rate));
        }
        results.add(Medium::Native, &JOBS[0], Peer::Plain, figures(40.0));
        let text = render(&results, Medium::Native);
        assert!(text.contains("| 20.0 MB/s | 40.0 MB/s (0.50) |"), "{text}");
        assert!(!text.contains("securefs"), "{text}");
        assert_eq!(results.work(Medium::Native, JOBS[0].name, Peer::Plain), Some(5.0));
    }
}
