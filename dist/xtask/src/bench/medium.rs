//! What the stores lie on: this machine's disk, or a model of a stick over it.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::served::Served;
use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Where the stores lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// This machine's disk.
    Native,
    /// A model of a stick; the word is its preset.
    Stick(&'static str),
}

/// All of them.
pub(super) const MEDIA: &[Medium] = &[
    Medium::Native,
    Medium::Stick("poor"),
    Medium::Stick("usual"),
    Medium::Stick("ssd"),
];

/// How much a medium can be asked in reasonable time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    Disk,
    Stick,
}

impl Speed {
    /// MiB of a sequential job.
    pub(super) fn sequential_mib(self, writes: bool) -> u32 {
        match (self, writes) {
            (Self::Disk, false) => 1024,
            (Self::Disk, true) => 512,
            (Self::Stick, false) => 96,
            (Self::Stick, true) => 48,
        }
    }

    /// Seconds of a random job.
    pub(super) fn seconds(self) -> u32 {
        match self {
            Self::Disk => 3,
            Self::Stick => 6,
        }
    }
}

/// A medium in use: the folder seen through it.
pub(super) struct Mounted {
    served: Option<Served>,
    folder: PathBuf,
    stats: PathBuf,
    /// Where the model tells its counters while it runs.
    counters: PathBuf,
}

/// What the model of a stick counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Bytes written to it, the file system's own included.
    pub(super) written: u64,
    /// The time it was at work.
    pub(super) busy: Duration,
}

impl Medium {
    /// The word on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Stick(preset) => preset,
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Native => "this machine's disk",
            Self::Stick("poor") => "poor USB 2 stick (model)",
            Self::Stick("usual") => "usual USB 3 stick (model)",
            Self::Stick(_) => "portable SSD (model)",
        }
    }

    pub(super) fn speed(self) -> Speed {
        match self {
            Self::Native => Speed::Disk,
            Self::Stick(_) => Speed::Stick,
        }
    }

    /// Shows `folder` through the medium.
    pub(super) fn mount(self, folder: &Path) -> Result<Mounted> {
        let stats = folder.with_extension("stats.json");
        let counters = folder.with_extension("counters");
        let Self::Stick(preset) = self else {
            return Ok(Mounted {
                served: None,
                folder: folder.to_owned(),
                stats,
                counters,
            });
        };
        let through = folder.with_extension("stick");
        disk::make_dir(&through)?;
        disk::remove(&stats)?;
        disk::remove(&counters)?;
        let program = Cmd::new(model())
            .args(["--preset", preset, "--stats"])
            .arg(&stats)
            .arg("--stats-socket")
            .arg(&counters)
            .arg(folder)
            .arg(&through);
        Ok(Mounted {
            served: Some(Served::mounted(program, &through, "")?),
            folder: through,
            stats,
            counters,
        })
    }
}

impl Mounted {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the medium; bytes that were written to it, where it counts them.
    pub(super) fn end(self) -> Result<Option<u64>> {
        let Some(served) = self.served else {
            return Ok(None);
        };
        served.end()?;
        let counted = counted(&self.stats, &disk::read(&self.stats)?)?;
        Ok(counted.map(|counted| counted.written))
    }

    /// What the medium has counted so far, if it counts.
    pub(super) fn counted(&self) -> Result<Option<Counted>> {
        if self.served.is_none() {
            return Ok(None);
        }
        let failed = |cause| Error::because(format!("cannot ask {}", self.counters.display()), cause);
        let mut text = String::new();
        UnixStream::connect(&self.counters)
            .and_then(|mut socket| socket.read_to_string(&mut text))
            .map_err(failed)?;
        counted(&self.counters, &text)
    }
}

/// What a report of the model says.
fn counted(source: &Path, report: &str) -> Result<Option<Counted>> {
    let report: Value = serde_json::from_str(report)
        .map_err(|cause| Error::because(format!("cannot read {}", source.display()), cause))?;
    let bytes = |part: &Value| part["bytes"].as_u64();
    Ok(bytes(&report["host"]["writes"])
        .zip(bytes(&report["metadata"]))
        .zip(report["charged_us"]["total"].as_u64())
        .map(|((data, metadata), busy_us)| Counted {
            written: data + metadata,
            busy: Duration::from_micros(busy_us),
        }))
}

/// Builds the stick model.
pub(super) fn build_model() -> Result<()> {
    cargo(&["build", "--release", "--locked", "--package", "gobag-stick-model"]).run()
}

fn model() -> PathBuf {
    disk::target().join("release/stick-model")
}
