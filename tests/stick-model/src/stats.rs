//! What was counted, and its shape as JSON.
//!
//! ```json
//! {"preset": "poor", "scale": 1.0,
//!  "host":     {"reads": {"requests": 1, "bytes": 4096}, "writes": {…}, "full_syncs": 0, "data_syncs": 1},
//!  "metadata": {"requests": 2, "bytes": 1024},
//!  "zeroes":   {"requests": 0, "bytes": 0},
//!  "medium":   {"programmed_bytes": 49152, "copied_bytes": 0, "written_bytes": 49152, "merges": 0, "stalls": 0},
//!  "write_amplification": 12.0,
//!  "charged_us": {"command": 0, "access": 0, "transfer": 0, "program": 0, "merge": 0, "sync": 0, "stall": 0, "total": 0}}
//! ```
//!
//! `host` is what came through the mount point, after the kernel's cache; `metadata` is what exFAT adds to that, and
//! `zeroes` what it writes between the end of a file's data and a write beyond it. `written_bytes` is what the flash
//! programs for all of it. `write_amplification` is `written_bytes` to the bytes of `host.writes`, 0 if there were none.
//! Times are the model's, before `scale` divides them.

use serde::Serialize;

use crate::model::Cost;

/// Requests and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// How many.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Counts one.
    pub fn count(&mut self, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
    }
}

/// What came through the mount point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Reads.
    pub reads: Traffic,
    /// Writes.
    pub writes: Traffic,
    /// `fsync`.
    pub full_syncs: u64,
    /// `fdatasync`.
    pub data_syncs: u64,
}

/// Everything that was counted; [`Report`] is its public face.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// What came through the mount point.
    pub host: Host,
    /// What the file system adds.
    pub metadata: Traffic,
    /// Zeroes between a file's data and a write beyond them.
    pub zeroes: Traffic,
    /// What it all cost.
    pub cost: Cost,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The preset's name.
    pub preset: &'static str,
    /// All waiting was divided by this.
    pub scale: f64,
    /// What came through the mount point.
    pub host: Host,
    /// What the file system adds.
    pub metadata: Traffic,
    /// Zeroes between a file's data and a write beyond them.
    pub zeroes: Traffic,
    /// What the flash did.
    pub medium: Medium,
    /// Bytes the flash programs for each byte the host wrote.
    pub write_amplification: f64,
    /// Time charged, by reason, in microseconds.
    pub charged_us: Charged,
}

/// What the flash did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Medium {
    /// Bytes of pages with new data.
    pub programmed_bytes: u64,
    /// Bytes of pages copied in merges.
    pub copied_bytes: u64,
    /// Both.
    pub written_bytes: u64,
    /// Merges that copied something.
    pub merges: u64,
    /// Stalls.
    pub stalls: u64,
}

/// Time charged, by reason, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Charged {
    /// Bringing commands to an idle device.
    pub command: u64,
    /// Finding places.
    pub access: u64,
    /// Moving what was read.
    pub transfer: u64,
    /// Programming what was written.
    pub program: u64,
    /// Merging.
    pub merge: u64,
    /// Flushing.
    pub sync: u64,
    /// Standing still.
    pub stall: u64,
    /// All of it.
    pub total: u64,
}

impl Stats {
    /// The document.
    pub fn report(&self, preset: &'static str, scale: f64) -> Report {
        let cost = &self.cost;
        let written_bytes = cost.programmed_bytes + cost.copied_bytes;
        let write_amplification = match self.host.writes.bytes {
            0 => 0.0,
            bytes => written_bytes as f64 / bytes as f64,
        };
        Report {
            preset,
            scale,
            host: self.host,
            metadata: self.metadata,
            zeroes: self.zeroes,
            medium: Medium {
                programmed_bytes: cost.programmed_bytes,
                copied_bytes: cost.copied_bytes,
                written_bytes,
                merges: cost.merges,
                stalls: cost.stalls,
            },
            write_amplification,
            charged_us: Charged {
                command: cost.command_ns / 1000,
                access: cost.access_ns / 1000,
                transfer: cost.transfer_ns / 1000,
                program: cost.program_ns / 1000,
                merge: cost.merge_ns / 1000,
                sync: cost.sync_ns / 1000,
                stall: cost.stall_ns / 1000,
                total: cost.total_ns() / 1000,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amplification_is_the_flash_to_the_host() {
        let mut stats = Stats::default();
        assert_eq!(stats.report("poor", 1.0).write_amplification, 0.0);
        stats.host.writes.count(4096);
        stats.cost.programmed_bytes = 16384;
        stats.cost.copied_bytes = 4096;
        stats.cost.merge_ns = 2_000;
        stats.cost.stall_ns = 3_000;
        let report = stats.report("poor", 1.0);
        assert_eq!(report.write_amplification, 5.0);
        assert_eq!(report.charged_us.total, 5);
        assert_eq!(report.medium.written_bytes, 20480);
    }
}
