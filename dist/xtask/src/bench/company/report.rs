//! Measurements of the company's side as a table.

use serde_json::Value;

use super::side::{Database, Objects, Side};
use super::{Plan, Work};
use crate::error::{Error, Result};

const MIB: f64 = 1_048_576.0;

/// One measurement.
pub(super) struct Row {
    what: String,
    syncs: f64,
    failed: f64,
    seconds: f64,
    commit_ms: [f64; 2],
    sync_ms: [f64; 2],
    work: Work,
    peak_memory: u64,
    /// Of the database, for each point it has.
    point_bytes: f64,
}

impl Row {
    pub(super) fn new(plan: &Plan, side: &Side, said: &Value, work: Work) -> Result<Self> {
        let figure = |name: &str| {
            let figure = said.get(name).and_then(Value::as_f64);
            figure.ok_or_else(|| Error::because(format!("the sticks do not say `{name}`"), said.to_string()))
        };
        let before = figure("sticks")? * plan.history as f64;
        let syncs = figure("syncs")?;
        Ok(Self {
            what: plan.words(),
            syncs,
            failed: figure("failed")?,
            seconds: figure("seconds")?,
            commit_ms: [figure("commit_p50_ms")?, figure("commit_p99_ms")?],
            sync_ms: [figure("sync_p50_ms")?, figure("sync_p99_ms")?],
            work,
            peak_memory: side.peak_memory()?,
            point_bytes: side.database_bytes()? as f64 / (before + syncs).max(1.0),
        })
    }

    /// The row of the table.
    pub(super) fn line(&self) -> String {
        let each =
            |time: std::time::Duration| format!("{:.1}", time.as_secs_f64() * 1000.0 / self.syncs.max(1.0));
        let pair = |pair: [f64; 2]| format!("{:.1} / {:.1}", pair[0], pair[1]);
        let cells = [
            self.what.clone(),
            format!("{:.1}", self.syncs / self.seconds),
            format!("{:.0}", self.failed),
            pair(self.commit_ms),
            pair(self.sync_ms),
            each(self.work.servers),
            each(self.work.database),
            each(self.work.bucket),
            format!("{:.0}", self.peak_memory as f64 / MIB),
            format!("{:.1}", self.point_bytes / 1024.0),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

impl Plan {
    fn words(&self) -> String {
        let database = match self.database {
            Database::Sqlite => "SQLite",
            Database::Postgres => "PostgreSQL",
        };
        let objects = match self.objects {
            Objects::Folder => "folder",
            Objects::Bucket => "bucket (moto)",
        };
        let replicas = match self.replicas {
            1 => "1 server".to_owned(),
            many => format!("{many} servers"),
        };
        let pace = match self.every_s {
            0 => "at once".to_owned(),
            every_s => format!("every {every_s} s"),
        };
        format!(
            "{database} + {objects}, {replicas}, {} points of each before, {pace}, objects of {} KiB",
            self.history,
            self.kib.replace(',', ", ")
        )
    }
}

/// The table.
pub(super) fn render(rows: &[Row]) -> String {
    let heads = [
        "what",
        "syncs/s",
        "failed",
        "point ms p50 / p99",
        "sync ms p50 / p99",
        "server CPU ms/sync",
        "database CPU ms/sync",
        "bucket CPU ms/sync",
        "server memory MiB",
        "database KiB/point",
    ];
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    format!(
        "| {} |\n|{}\n{}",
        heads.join(" | "),
        "---|".repeat(heads.len()),
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_row_is_told_for_each_sync() {
        let row = Row {
            what: "x".to_owned(),
            syncs: 200.0,
            failed: 0.0,
            seconds: 50.0,
            commit_ms: [1.25, 3.0],
            sync_ms: [10.0, 20.0],
            work: Work {
                servers: Duration::from_secs(1),
                database: Duration::from_millis(500),
                bucket: Duration::ZERO,
            },
            peak_memory: 64 << 20,
            point_bytes: 2048.0,
        };
        assert_eq!(
            row.line(),
            "| x | 4.0 | 0 | 1.2 / 3.0 | 10.0 / 20.0 | 5.0 | 2.5 | 0.0 | 64 | 2.0 |"
        );
        let table = render(&[row]);
        let columns: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [11, 11, 11]);
    }
}
