//! Measurements of replication as a table.

use std::path::Path;
use std::time::Duration;

use super::load::Content;
use crate::bench::machine;
use crate::disk;
use crate::error::Result;

const MB: f64 = 1_000_000.0;

/// One measurement.
pub(super) struct Row {
    pub(super) content: Content,
    pub(super) rate_kb: u64,
    /// Bytes.
    pub(super) written: u64,
    pub(super) sent: u64,
    /// Processor time of the launcher without a company and with one, and of the server.
    pub(super) alone: Duration,
    pub(super) kept: Duration,
    pub(super) server: Duration,
    /// How much a loss would have cost, looked at each second.
    pub(super) exposed_s: Vec<u64>,
}

impl Row {
    /// The row of the table.
    pub(super) fn line(&self) -> String {
        let content = match self.content {
            Content::Programs => "programs",
            Content::Noise => "noise",
        };
        let each = |time: Duration| time.as_secs_f64() * 1000.0 / (self.written as f64 / MB).max(1.0);
        let mean = self.exposed_s.iter().sum::<u64>() as f64 / self.exposed_s.len().max(1) as f64;
        let most = self.exposed_s.iter().max().copied().unwrap_or_default();
        format!(
            "| {content} | {:.1} | {:.0} | {:.0} % | {:.1} | {:.1} | {:.1} | {mean:.0} / {most} |",
            self.rate_kb as f64 / 1000.0,
            self.written as f64 / MB,
            ((1.0 - self.sent as f64 / self.written.max(1) as f64) * 100.0).max(0.0),
            each(self.alone),
            each(self.kept),
            each(self.server),
        )
    }
}

/// The table, and what it was measured on.
pub(super) fn render(rows: &[Row], seconds: u64) -> Result<String> {
    let info = disk::read(Path::new("/proc/cpuinfo"))?;
    let about = |name: &str| {
        info.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    Ok(format!(
        "{seconds} s at each rate; {} at {} MHz, load average at the end {}\n\n\
         | what | MB/s | written MB | saved | launcher alone CPU ms/MB | with a company CPU ms/MB | server CPU ms/MB | exposed s mean / most |\n\
         |---|---|---|---|---|---|---|---|\n{}",
        about("model name"),
        about("cpu MHz"),
        machine::load()?,
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_for_each_megabyte() {
        let row = Row {
            content: Content::Programs,
            rate_kb: 1_900,
            written: 200_000_000,
            sent: 50_000_000,
            alone: Duration::from_secs(1),
            kept: Duration::from_secs(5),
            server: Duration::from_millis(500),
            exposed_s: vec![10, 20, 33],
        };
        assert_eq!(
            row.line(),
            "| programs | 1.9 | 200 | 75 % | 5.0 | 25.0 | 2.5 | 21 / 33 |"
        );
    }
}
