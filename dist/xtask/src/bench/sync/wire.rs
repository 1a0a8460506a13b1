//! `cargo xtask bench sync --wire`: what goes over the line when a folder is kept in step with a company's server, beside rsync's daemon, unison and Syncthing.
//!
//! All of them go through a line that counts every byte both ways, our TLS included. For the many small files it is as long as one from home: 80 ms there and
//! back, 20 Mbit/s each way. After each job another member of ours gets what changed, and a second copy of rsync's daemon's; what all of them have is compared.
//! At the end ours has many files to keep in a workspace, without the others, for the memory that it takes.

mod many;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::corpus::{self, Edit};
use super::daemon::{Daemon, right};
use super::relay::{Length, Relay};
use super::syncthing::Syncthing;
use crate::bench::site::Site;
use crate::bench::{document, machine};
use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;

const WORKSPACE: &str = "bench";
/// The member that changes something, and the one that gets it.
const MEMBERS: [&str; 2] = [
    "11111111111111111111111111111111",
    "22222222222222222222222222222222",
];
const LARGE_BYTES: u64 = 1 << 30;
const QUICK_LARGE_BYTES: u64 = 16 << 20;
const SMALL_FILES: usize = 1_000;
const MANY_FILES: usize = 100_000;
const QUICK_MANY_FILES: usize = 1_000;
/// A line from home.
const HOME: Length = Length {
    delay: Duration::from_millis(40),
    bytes_per_s: 20_000_000 / 8,
};
/// Times there and back that many small files may take besides their bytes.
const TRIPS: u32 = 10;

/// What is done, with the part of rsync's bytes that ours may be.
const JOBS: &[(&str, Option<Edit>, Option<f64>)] = &[
    ("first copy of the large file", None, None),
    (
        "4 KiB overwritten in it",
        Some(Edit::Overwritten(1)),
        Some(1.0 / 3.0),
    ),
    (
        "100 scattered 4 KiB overwritten in it",
        Some(Edit::Overwritten(100)),
        Some(1.0),
    ),
    ("one byte inserted at its front", Some(Edit::Inserted), Some(0.25)),
];

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Gobag,
    Rsync,
    Unison,
    Syncthing,
}

const TOOLS: [(Tool, &str); 4] = [
    (Tool::Gobag, "gobag-sync, workspace"),
    (Tool::Rsync, "rsync -a, daemon"),
    (Tool::Unison, "unison, socket"),
    (Tool::Syncthing, "syncthing, two daemons"),
];

/// Those of them that another copy gets what changed by: the first ones.
const GETTERS: [Tool; 2] = [Tool::Gobag, Tool::Rsync];

/// One run.
struct Figures {
    bytes: u64,
    time: Duration,
    connections: u64,
}

pub(super) fn run(is_quick: bool, build: bool) -> Result<()> {
    let load = machine::load()?;
    packages::ensure_sync_peers()?;
    if build {
        let programs = ["-p", "gobag-sync", "-p", "gobag-server", "-p", "gobag-image"];
        cargo(&["build", "--release", "--locked"]).args(programs).run()?;
    }
    let scratch = super::Scratch::new(disk::target().join("bench/wire"))?;
    let large = if is_quick { QUICK_LARGE_BYTES } else { LARGE_BYTES };
    let ends = Ends::set_up(scratch.folder(), large)?;
    let mut text = format!(
        "{} MiB of noise and {SMALL_FILES} small files; {}; load average before {load}\n",
        large >> 20,
        super::tools::versions(&["rsync", "unison", "syncthing"])?
    );
    text.push_str("\n| job | tool | bytes | ours ÷ its | wanted | time | connections |\n|---|---|---|---|---|---|---|\n");
    for (nth, (name, edit, most)) in JOBS.iter().enumerate() {
        let [sent, got] = ends.job(name, *edit, nth + 1)?;
        text.push_str(&rows(name, &sent, *most));
        text.push_str(&rows(&format!("{name}, got"), &got, *most));
    }
    ends.lay_far();
    let name = "1,000 small files more, 80 ms there and back, 20 Mbit/s";
    let [sent, got] = ends.job(name, Some(Edit::Added(SMALL_FILES)), JOBS.len() + 1)?;
    ends.lay_near();
    text.push_str(&rows(name, &sent, None));
    text.push_str(&rows(&format!("{name}, got"), &got, None));
    text.push('\n');
    for (what, ours) in [("send", &sent[0]), ("get", &got[0])] {
        let bytes = Duration::from_secs_f64(ours.bytes as f64 / HOME.bytes_per_s as f64);
        let bound = 2 * HOME.delay * TRIPS + bytes;
        let met = if ours.time <= bound { "met" } else { "**not met**" };
        text.push_str(&format!(
            "{TRIPS} times there and back and all bytes at that speed are {:.2} s; ours took {:.2} s to {what} them: {met}.\n",
            bound.as_secs_f64(),
            ours.time.as_secs_f64()
        ));
    }
    let files = if is_quick { QUICK_MANY_FILES } else { MANY_FILES };
    text.push_str(&ends.many(files)?);
    println!("{text}");
    match is_quick {
        true => Ok(()),
        false => document::renew("sync --wire", &text),
    }
}

fn rows(name: &str, figures: &[Figures], most: Option<f64>) -> String {
    let mut text = String::new();
    for ((tool, called), its) in TOOLS.iter().zip(figures) {
        let ratio = figures[0].bytes as f64 / its.bytes as f64;
        let (ratio, wanted) = match (tool, most) {
            (Tool::Gobag, _) => ("–".to_owned(), String::new()),
            (Tool::Rsync, Some(most)) => {
                let met = if ratio <= most { "met" } else { "**not met**" };
                (format!("{ratio:.2}"), format!("≤ {most:.2}: {met}"))
            }
            _ => (format!("{ratio:.2}"), String::new()),
        };
        text.push_str(&format!(
            "| {name} | {called} | {} KiB | {ratio} | {wanted} | {:.2} s | {} |\n",
            its.bytes.div_ceil(1024),
            its.time.as_secs_f64(),
            its.connections
        ));
    }
    text
}

/// Both ends of all of them, and the lines between them.
struct Ends {
    folder: PathBuf,
    relays: [Relay; 4],
    syncthing: Syncthing,
    site: Site,
    _daemons: [Daemon; 2],
}

impl Ends {
    fn set_up(folder: &Path, large: u64) -> Result<Self> {
        let site = Site::start(&folder.join("company"))?;
        let rsync = Daemon::rsync(folder)?;
        let unison = Daemon::unison(folder)?;
        // It looks at its folders when it starts, which is no part of a job: they are empty yet.
        let (syncthing, its_relay) = Syncthing::start(folder)?;
        let relays = [
            Relay::lay(site.address())?,
            Relay::lay(&rsync.address)?,
            Relay::lay(&unison.address)?,
            its_relay,
        ];
        let ends = Self {
            folder: folder.to_owned(),
            relays,
            syncthing,
            site,
            _daemons: [rsync, unison],
        };
        for tool in GETTERS {
            disk::make_dir(&ends.other(tool))?;
        }
        for (tool, _) in TOOLS {
            corpus::large(&ends.left(tool), large)?;
        }
        ends.join()?;
        Ok(ends)
    }

    /// Both members are made known, and let in.
    fn join(&self) -> Result<()> {
        for number in MEMBERS {
            let enrolment = self.site.letter_by(number, &self.relays[0].address)?;
            self.gobag(number, &["enrol"]).arg(enrolment).text()?;
        }
        self.make(WORKSPACE)?;
        let folders = [self.left(Tool::Gobag), self.other(Tool::Gobag)];
        for (number, folder) in MEMBERS.iter().zip(folders) {
            self.paired("pair", number, &folder, WORKSPACE).text()?;
        }
        Ok(())
    }

    /// A workspace for both members.
    fn make(&self, workspace: &str) -> Result<()> {
        let letter = self.folder.join(format!("{workspace}.letter"));
        let make = ["workspace", "make", workspace];
        self.site
            .administrate(&make)?
            .arg("--letter")
            .arg(&letter)
            .text()?;
        for number in MEMBERS {
            self.gobag(number, &["join"]).arg(&letter).text()?;
            let admit = ["workspace", "admit", workspace, number, "--role", "writer"];
            self.site.administrate(&admit)?.text()?;
        }
        Ok(())
    }

    fn left(&self, tool: Tool) -> PathBuf {
        let words = ["gobag", "rsync", "unison", "syncthing"];
        self.folder.join(words[tool as usize]).join("left")
    }

    /// Where another copy is.
    fn other(&self, tool: Tool) -> PathBuf {
        self.left(tool).with_file_name("other")
    }

    fn gobag(&self, number: &str, command: &[&str]) -> Cmd {
        let state = self.folder.join("state").join(number);
        Cmd::new(super::program())
            .args(command)
            .arg("--quiet")
            .arg("--state")
            .arg(state)
    }

    fn paired(&self, command: &str, number: &str, left: &Path, workspace: &str) -> Cmd {
        let right = format!("workspace:{workspace}");
        self.gobag(number, &[command]).arg(left).arg(right)
    }

    /// Brings the right side up to date.
    fn pass(&self, tool: Tool) -> Result<()> {
        let (left, address) = (self.left(tool), &self.relays[tool as usize].address);
        let command = match tool {
            Tool::Gobag => self.paired("sync", MEMBERS[0], &left, WORKSPACE),
            Tool::Rsync => Cmd::new("rsync")
                .args(["-a", "--delete"])
                .arg(left.join(""))
                .arg(format!("rsync://{address}/right/")),
            Tool::Unison => Cmd::new("unison")
                .arg(left)
                .arg(format!(
                    "socket://{address}/{}",
                    right(&self.folder, "unison").display()
                ))
                .args(["-batch", "-auto", "-times", "-silent", "-log=false"])
                .env("UNISON", self.folder.join("unison/near"))
                .env("HOME", self.folder.join("unison/near")),
            Tool::Syncthing => return self.syncthing.pass(),
        };
        command.text().map(drop)
    }

    /// Brings the other copy up to date.
    fn get(&self, tool: Tool) -> Result<()> {
        let (other, address) = (self.other(tool), &self.relays[tool as usize].address);
        let command = match tool {
            Tool::Gobag => self.paired("sync", MEMBERS[1], &other, WORKSPACE),
            _ => Cmd::new("rsync")
                .args(["-a", "--delete"])
                .arg(format!("rsync://{address}/right/"))
                .arg(other.join("")),
        };
        command.text().map(drop)
    }

    /// One thing done by all of them, ours first; then got by those whose other copy gets it.
    fn job(&self, name: &str, edit: Option<Edit>, nth: usize) -> Result<[Vec<Figures>; 2]> {
        let mut sent = Vec::new();
        for (tool, called) in TOOLS {
            if let Some(edit) = edit {
                edit.make(&self.left(tool), 0, nth)?;
            }
            Cmd::new("sync").text()?;
            let figures = self.measure(tool, || self.pass(tool))?;
            eprintln!(
                "{name} · {called}: {} KiB, {:.2} s",
                figures.bytes >> 10,
                figures.time.as_secs_f64()
            );
            sent.push(figures);
        }
        // The one that works on in the background first: what it says it has done it must have done by now.
        for word in ["syncthing", "rsync", "unison"] {
            self.check(&right(&self.folder, word))?;
        }
        let mut got = Vec::new();
        for (tool, called) in GETTERS.iter().zip(TOOLS.map(|(_, called)| called)) {
            Cmd::new("sync").text()?;
            let figures = self.measure(*tool, || self.get(*tool))?;
            eprintln!(
                "{name}, got · {called}: {} KiB, {:.2} s",
                figures.bytes >> 10,
                figures.time.as_secs_f64()
            );
            self.check(&self.other(*tool))?;
            got.push(figures);
        }
        Ok([sent, got])
    }

    /// Fails if a copy is not what our left folder is: all have the same.
    fn check(&self, copy: &Path) -> Result<()> {
        let left = self.left(Tool::Gobag);
        let differs = Cmd::new("diff").args(["--recursive", "--brief"]);
        let differs = differs.args(["--exclude=.gobag-sync", "--exclude=.stfolder"]);
        let differs = differs.arg(left).arg(copy).text();
        differs
            .map(drop)
            .map_err(|cause| Error::because("a tool left a difference", cause))
    }

    fn measure(&self, tool: Tool, pass: impl FnOnce() -> Result<()>) -> Result<Figures> {
        let relay = &self.relays[tool as usize];
        let (bytes, connections, begun) = (relay.bytes(), relay.connections(), Instant::now());
        pass()?;
        Ok(Figures {
            time: begun.elapsed(),
            bytes: relay.bytes() - bytes,
            connections: relay.connections() - connections,
        })
    }

    fn lay_far(&self) {
        self.relays.iter().for_each(|relay| relay.set_length(Some(HOME)));
    }

    fn lay_near(&self) {
        self.relays.iter().for_each(|relay| relay.set_length(None));
    }
}
