//! `cargo xtask bench limits`: figures of the store that must stay below a limit, whatever others do.
//!
//! The measuring is done by the examples of `gobag-bundle`; this runs them and makes a table of what they print.

mod image;
mod report;

use std::path::Path;

use super::{document, store::corpus};
use crate::cargo::cargo;
use crate::demo::EPOCH;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;
use crate::{packages, programs};

use report::{Limit, find, render};

const USAGE: &str = "usage: cargo xtask bench limits [--no-build]";

/// `bench limits …`.
pub(super) fn run(args: &[&str]) -> Result<()> {
    let build = match args {
        [] => true,
        ["--no-build"] => false,
        _ => return Err(Error::usage(USAGE)),
    };
    packages::ensure()?;
    if build {
        programs::build(EPOCH)?;
    }
    cargo(&["build", "--release", "-p", "gobag-bundle", "--examples"]).run()?;
    let folder = disk::target().join("bench/limits");
    disk::make_dir(&folder)?;
    let mut limits = vec![replication()?];
    limits.extend(steady_state()?);
    limits.extend(scattered(&folder.join("scattered"))?);
    disk::make_dir(&disk::target().join("bench/store"))?;
    let corpus = corpus::ensure(&disk::target().join("bench/store"))?;
    limits.extend(image::measure(&corpus, &folder.join("image"))?);
    let text = render(&limits);
    println!("{text}");
    document::renew("limits", &text)
}

fn example(name: &str) -> Cmd {
    Cmd::new(disk::target().join("release/examples").join(name))
}

fn replication() -> Result<Limit> {
    let text = example("replication_delta").text()?;
    Ok(Limit {
        what: "blocks a replica is told after 256 scattered 4 KiB writes in a 1 GiB volume",
        measured: find(&text, "delta", 1)? / f64::from(1 << 20),
        most: 1.5,
        unit: "MiB",
    })
}

fn steady_state() -> Result<[Limit; 2]> {
    // The quota in MiB; the rest as on a stick.
    let text = example("steady_state").arg("4096").text()?;
    let limit = |what, name: &str| {
        Ok(Limit {
            what,
            measured: find(&text, name, 2)?,
            most: 2.5,
            unit: "",
        })
    };
    Ok([
        limit(
            "bytes written to the medium per byte, 80 % full, third overwriting, all blocks alike",
            "uniform 3",
        )?,
        limit(
            "the same, four of five writes to a fifth of the blocks",
            "skewed 3",
        )?,
    ])
}

fn scattered(folder: &Path) -> Result<[Limit; 2]> {
    disk::remove(folder)?;
    disk::make_dir(folder)?;
    let written = example("scattered_writes").arg(folder).arg("write").text()?;
    let opened = example("scattered_writes").arg(folder).arg("open").text()?;
    disk::remove(folder)?;
    let memory = written.lines().chain(opened.lines());
    let memory = memory.filter_map(|line| line.split_once("VmHWM:")?.1.split_whitespace().next());
    let most_kib = memory
        .filter_map(|word| word.parse::<f64>().ok())
        .fold(0.0, f64::max);
    if most_kib == 0.0 {
        return Err(Error::new("`scattered_writes` told nothing of its memory"));
    }
    Ok([
        Limit {
            what: "memory of the store, 16 GiB of scattered writes in a 64 GiB volume, also while opening",
            measured: most_kib / 1024.0,
            most: 256.0,
            unit: "MiB",
        },
        Limit {
            what: "opening it after a crash",
            measured: find(&opened, "opened in", 2)?,
            most: 3.0,
            unit: "s",
        },
    ])
}
