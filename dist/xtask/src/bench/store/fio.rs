//! The jobs, run by fio: what a guest's disk does, and the medium's worst case.
//!
//! Files are opened with `direct=1`, as the launcher lets QEMU open them (`cache.direct=on`): the guest has its own
//! cache, a second one in the host is what a stick must not leave behind. What a system caches *below* its file is
//! its own affair and counts for it.

use serde_json::Value;

use super::corpus;
use crate::bench::medium::Speed;
use crate::bench::served::Target;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) name: &'static str,
    rw: &'static str,
    block: &'static str,
    depth: u32,
    /// fio's options beyond those.
    more: &'static [&'static str],
    /// What is compared: bytes or requests in a second.
    pub(super) unit: Unit,
    /// Whether the caches are emptied and the system started anew before.
    pub(super) cold: bool,
}

/// What a result is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Megabytes,
    Requests,
}

const fn job(
    name: &'static str,
    rw: &'static str,
    block: &'static str,
    depth: u32,
    more: &'static [&'static str],
) -> Job {
    let unit = match block.as_bytes() {
        b"1M" => Unit::Megabytes,
        _ => Unit::Requests,
    };
    Job {
        name,
        rw,
        block,
        depth,
        more,
        unit,
        cold: true,
    }
}

const TIMED: &str = "--time_based";
const COMPRESSIBLE: &[&str] = &[
    "--refill_buffers",
    "--buffer_compress_percentage=50",
    "--end_fsync=1",
];

/// All jobs, readers first: they must see the disk as it was made.
pub(super) const JOBS: &[Job] = &[
    job("sequential read, cold", "read", "1M", 1, &[]),
    job("random 4 KiB read, cold", "randread", "4k", 1, &[TIMED]),
    job(
        "random 4 KiB read, cold, depth 16",
        "randread",
        "4k",
        16,
        &[TIMED],
    ),
    Job {
        cold: false,
        ..job(
            "random 4 KiB read, warm",
            "randread",
            "4k",
            1,
            &[TIMED, "--size=32M", "--ramp_time=1"],
        )
    },
    job("sequential write, one sync", "write", "1M", 1, COMPRESSIBLE),
    job(
        "random 4 KiB write, sync each",
        "randwrite",
        "4k",
        1,
        &[TIMED, "--fdatasync=1"],
    ),
    job(
        "random 4 KiB write, sync every 32",
        "randwrite",
        "4k",
        1,
        &[TIMED, "--fsync=32", "--end_fsync=1"],
    ),
    job(
        "random 4 KiB write, depth 16",
        "randwrite",
        "4k",
        16,
        &[TIMED, "--fsync=256", "--end_fsync=1"],
    ),
];

/// What fio saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Bytes moved, by the guest's count.
    pub(super) bytes: u64,
    /// Megabytes (10⁶) or requests in a second.
    pub(super) rate: f64,
    /// Median time of a request, µs.
    pub(super) median_us: f64,
}

impl Job {
    pub(super) fn writes(&self) -> bool {
        self.rw.ends_with("write")
    }

    /// Whether the job ends in reasonable time: hundreds of scattered writes before a sync take a slow stick many minutes.
    pub(super) fn suits(&self, speed: Speed) -> bool {
        speed == Speed::Disk || !self.writes() || self.depth == 1
    }

    /// Runs the job on `target`.
    pub(super) fn run(&self, target: &Target, speed: Speed) -> Result<Seen> {
        let mut fio = Cmd::new("fio").args(["--name=job", "--output-format=json", "--norandommap"]);
        // fio's client for block sockets knows no fdatasync; its flush is the same request.
        let options = self.more.iter().map(|option| match (target, *option) {
            (Target::Socket(_), "--fdatasync=1") => "--fsync=1",
            (_, option) => option,
        });
        fio = match target {
            Target::File(path) | Target::CachedFile(path) => {
                let direct = matches!(target, Target::File(_));
                let engine = if self.depth == 1 { "psync" } else { "libaio" };
                fio.arg(format!("--direct={}", u8::from(direct)))
                    .arg(format!("--ioengine={engine}"))
                    .arg(format!("--filename={}", path.display()))
            }
            Target::Socket(uri) => fio.arg("--ioengine=nbd").arg(format!("--uri={uri}")),
        };
        let output = fio
            .args([format!("--rw={}", self.rw), format!("--bs={}", self.block)])
            .arg(format!("--iodepth={}", self.depth))
            .arg(format!("--size={}", corpus::SIZE_BYTES))
            .arg(self.amount(speed))
            .args(options)
            .text()?;
        self.parse(&output)
    }

    /// Sequential jobs move so many bytes, random ones last so many seconds.
    fn amount(&self, speed: Speed) -> String {
        match self.unit {
            Unit::Megabytes => format!("--io_size={}M", speed.sequential_mib(self.writes())),
            Unit::Requests => format!("--runtime={}", speed.seconds()),
        }
    }

    fn parse(&self, output: &str) -> Result<Seen> {
        let strange = || Error::new(format!("fio's report on `{}` is not understood", self.name));
        // fio may print warnings before the report.
        let json = output.find('{').map(|at| &output[at..]).ok_or_else(strange)?;
        let report: Value =
            serde_json::from_str(json).map_err(|cause| Error::because("fio printed no JSON", cause))?;
        let side = &report["jobs"][0][if self.writes() { "write" } else { "read" }];
        let number = |value: &Value| value.as_f64().ok_or_else(strange);
        let rate = match self.unit {
            Unit::Megabytes => number(&side["bw_bytes"])? / 1e6,
            Unit::Requests => number(&side["iops"])?,
        };
        Ok(Seen {
            bytes: side["io_bytes"].as_u64().ok_or_else(strange)?,
            rate,
            median_us: side["clat_ns"]["percentile"]["50.000000"].as_f64().unwrap_or(0.0) / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_past_fio_s_warnings() {
        let report = "fio: note\n{\"jobs\":[{\"read\":{\"io_bytes\":4096,\"bw_bytes\":2e6,\"iops\":7.5,\
                      \"clat_ns\":{\"percentile\":{\"50.000000\":1500}}}}]}";
        let seen = JOBS[1].parse(report).unwrap();
        assert_eq!((seen.bytes, seen.rate, seen.median_us), (4096, 7.5, 1.5));
        assert_eq!(JOBS[0].parse(report).unwrap().rate, 2.0);
        assert!(JOBS[4].parse(report).is_err());
    }

    #[test]
    fn names_differ_and_readers_come_first() {
        let mut names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), JOBS.len());
        assert!(JOBS.is_sorted_by_key(Job::writes));
    }
}
