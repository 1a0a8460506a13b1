//! `cargo xtask bench replication`: what keeping the company in step saves, costs and risks at the write rates of a published comparison.
//!
//! That comparison is appendix A of Cisco's DRaaS 1.0 guide (a virtual Windows server, written to at 0.4 to 7.8 MB/s, replicated with and without
//! compression); our columns are the same: bytes saved, processor time for each MB, and how much a loss would cost at any moment (RPO). The
//! launcher is `gobag mount`, the company a real `gobag-server` (SQLite, a folder) on the same machine; what is written are 64 KiB pieces
//! at scattered places, made durable each second. First without a company, so that what the launcher's own work costs is known.

mod load;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::office::{Office, Rooms};
use super::served::{Served, Target};
use super::site::Site;
use super::{document, store::corpus};
use crate::cargo::cargo;
use crate::clock::now_s;
use crate::demo::EPOCH;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;
use crate::{packages, programs};

use load::{Content, Load};
use report::{Row, render};

const USAGE: &str = "usage: cargo xtask bench replication [--seconds N] [--no-build]";
/// What is written, and in a second, in thousands of bytes: the guide's rates.
const LOADS: [(Content, u64); 7] = [
    (Content::Programs, 375),
    (Content::Programs, 1_900),
    (Content::Programs, 3_900),
    (Content::Programs, 5_300),
    (Content::Programs, 7_800),
    (Content::Noise, 1_900),
    (Content::Noise, 7_800),
];
/// What is written to: the home disk as the launcher shows it.
const DISK: &str = "home.img";
const STICK: &str = "stick";
const ROOMS: Rooms = Rooms {
    home: "2GiB",
    system: "64MiB",
};

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// How long is written at each rate.
    seconds: u64,
    no_build: bool,
}

/// `bench replication …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let asked = parse(args)?;
    packages::ensure()?;
    if !asked.no_build {
        programs::build(EPOCH)?;
        cargo(&["build", "--release", "--locked", "-p", "gobag-server"]).run()?;
    }
    let folder = disk::target().join("bench/replication");
    disk::remove(&folder)?;
    disk::make_dir(&folder)?;
    let bench = Bench::prepare(&folder)?;
    let loads = LOADS.map(|(content, rate_kb)| Load {
        content,
        rate_kb,
        seconds: asked.seconds,
    });
    let alone: Vec<Duration> = loads
        .iter()
        .map(|load| bench.alone(load))
        .collect::<Result<_>>()?;
    bench.enrol()?;
    let rows: Vec<Row> = loads
        .iter()
        .zip(alone)
        .map(|(load, alone)| bench.kept(load, alone))
        .collect::<Result<_>>()?;
    let text = render(&rows, asked.seconds)?;
    println!("{text}");
    document::renew("replication", &text)?;
    disk::remove(&folder)
}

/// A stick and a company.
struct Bench {
    folder: PathBuf,
    office: Office,
    corpus: PathBuf,
    company: Site,
}

impl Bench {
    fn prepare(folder: &Path) -> Result<Self> {
        let files = disk::target().join("bench/store");
        disk::make_dir(&files)?;
        let corpus = corpus::ensure(&files)?;
        let office = Office::found(&folder.join("office"))?;
        office.build(&corpus)?;
        disk::make_dir(&folder.join(STICK))?;
        office.stick(&ROOMS, &folder.join(STICK))?;
        Ok(Self {
            folder: folder.to_owned(),
            office,
            corpus,
            company: Site::start(&folder.join("company"))?,
        })
    }

    /// From here on the company is kept in step.
    fn enrol(&self) -> Result<()> {
        let letter = self.company.letter(&self.office.number()?)?;
        self.gobag("enrol").arg(&letter).text().map(drop)
    }

    /// Processor time of the launcher where there is no company.
    fn alone(&self, load: &Load) -> Result<Duration> {
        let served = self.serve()?;
        let before = served.processor_time()?;
        load.run(&self.corpus, &disk_of(&served)?, || Ok(()))?;
        let cpu = served.processor_time()?.saturating_sub(before);
        served.end()?;
        eprintln!("without a company: {} kB/s", load.rate_kb);
        Ok(cpu)
    }

    fn kept(&self, load: &Load, alone: Duration) -> Result<Row> {
        let kept = self.serve()?;
        self.in_step_since(0)?;
        let (cpu, server, sent) = (
            kept.processor_time()?,
            self.company.processor_time()?,
            self.company.bytes_stored()?,
        );
        let mut exposed_s = Vec::new();
        let written = load.run(&self.corpus, &disk_of(&kept)?, || {
            exposed_s.push(now_s().saturating_sub(self.complete_s()?));
            Ok(())
        })?;
        // Everything that was written is counted, and sent bytes with it.
        self.in_step_since(now_s())?;
        let row = Row {
            content: load.content,
            rate_kb: load.rate_kb,
            written,
            sent: self.company.bytes_stored()? - sent,
            alone,
            kept: kept.processor_time()?.saturating_sub(cpu),
            server: self.company.processor_time()?.saturating_sub(server),
            exposed_s,
        };
        kept.end()?;
        eprintln!("{}", row.line());
        Ok(row)
    }

    fn serve(&self) -> Result<Served> {
        let door = self.folder.join("disks");
        disk::make_dir(&door)?;
        Served::mounted(self.gobag("mount").arg(&door), &door, DISK)
    }

    fn gobag(&self, command: &str) -> Cmd {
        self.launcher(command)
            .arg("--passphrase-file")
            .arg(self.office.words())
    }

    fn launcher(&self, command: &str) -> Cmd {
        Cmd::new(programs::folder().join("gobag"))
            .args([command, "--stick"])
            .arg(self.folder.join(STICK))
    }

    /// From when on a loss of the stick would cost something; 0 if from the beginning.
    fn complete_s(&self) -> Result<u64> {
        let said = self.launcher("status").arg("--json").output()?.stdout;
        let said: serde_json::Value = serde_json::from_slice(&said)
            .map_err(|cause| Error::because("`gobag status --json` is no JSON", cause))?;
        Ok(said["sessions"][0]["company"]["replica"]["complete_s"]
            .as_u64()
            .unwrap_or_default())
    }

    /// Waits until all that was written until then is with the company.
    fn in_step_since(&self, then_s: u64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(600);
        while self.complete_s()? <= then_s {
            if Instant::now() > deadline {
                return Err(Error::new("the company does not come in step"));
            }
            std::thread::park_timeout(Duration::from_millis(250));
        }
        Ok(())
    }
}

fn disk_of(served: &Served) -> Result<PathBuf> {
    match &served.target {
        Target::File(disk) | Target::CachedFile(disk) => Ok(disk.clone()),
        Target::Socket(_) => Err(Error::new("the disk is no file")),
    }
}

fn parse(args: &[&str]) -> Result<Asked> {
    let mut asked = Asked {
        seconds: 60,
        no_build: false,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => {
                let seconds = words.next().and_then(|word| word.parse().ok());
                asked.seconds = seconds
                    .filter(|seconds| *seconds > 0)
                    .ok_or_else(|| Error::usage(USAGE))?;
            }
            "--no-build" => asked.no_build = true,
            _ => return Err(Error::usage(USAGE)),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        let asked = parse(&["--seconds", "7", "--no-build"]).unwrap();
        assert!(asked.seconds == 7 && asked.no_build);
        for wrong in [&["--seconds"] as &[&str], &["--seconds", "0"], &["--fast"]] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }
}
