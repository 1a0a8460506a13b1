//! An image of 100 GB: the work of building it, and the time from unlocking to volumes that can be read.
//!
//! The disk is sparse; real programs and libraries lie in pieces all over it, so that its map is not one short run.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::example;
use super::report::{Limit, find};
use crate::bench::machine;
use crate::bench::office::{Office, Rooms};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const DISK_BYTES: u64 = 100_000_000_000;
/// MiB that stay together.
const PIECE_MIB: u64 = 16;
const TIMES: usize = 5;
const ROOMS: Rooms = Rooms {
    home: "1GiB",
    system: "1GiB",
};

/// Builds, makes a stick, opens it; everything below `folder`, which is removed.
pub(super) fn measure(corpus: &Path, folder: &Path) -> Result<[Limit; 2]> {
    disk::remove(folder)?;
    disk::make_dir(folder)?;
    let raw = folder.join("disk.raw");
    let data_bytes = scatter(corpus, &raw)?;
    let office = Office::found(&folder.join("office"))?;
    let before = machine::ended_programs()?;
    office.build(&raw)?;
    let work = machine::ended_programs()?.saturating_sub(before);
    let stick = folder.join("stick");
    disk::make_dir(&stick)?;
    office.stick(&ROOMS, &stick)?;
    machine::forget_caches()?;
    let cold = opening(&stick, office.words(), 1)?;
    let warm = opening(&stick, office.words(), TIMES)?;
    disk::remove(folder)?;
    eprintln!("opening, caches empty {cold:.1} ms, then {warm:.1} ms");
    Ok([
        Limit {
            what: "opening a clean image of 100 GB after unlocking, caches empty",
            measured: cold,
            most: 300.0,
            unit: "ms",
        },
        Limit {
            what: "processor time of building it, for each GiB of data",
            measured: work.as_secs_f64() / (data_bytes as f64 / f64::from(1 << 30)),
            most: 10.0,
            unit: "s",
        },
    ])
}

/// Puts the corpus into a sparse disk, piece by piece at equal distances; returns the bytes it occupies.
fn scatter(corpus: &Path, raw: &Path) -> Result<u64> {
    Cmd::new("truncate")
        .args(["-s", &DISK_BYTES.to_string()])
        .arg(raw)
        .text()?;
    let size = |path: &Path| {
        let unreadable = |cause| Error::because(format!("cannot look at {}", path.display()), cause);
        path.metadata().map_err(unreadable)
    };
    let pieces = size(corpus)?.len().div_ceil(PIECE_MIB << 20);
    let apart = DISK_BYTES / (PIECE_MIB << 20) / pieces;
    for piece in 0..pieces {
        Cmd::new("dd")
            .args(["status=none", "conv=notrunc,sparse"])
            .arg(format!("bs={PIECE_MIB}M"))
            .arg(format!("skip={piece}"))
            .arg(format!("seek={}", piece * apart))
            .arg("count=1")
            .arg(format!("if={}", corpus.display()))
            .arg(format!("of={}", raw.display()))
            .text()?;
    }
    Cmd::new("sync").arg(raw).text()?;
    Ok(size(raw)?.blocks() * 512)
}

/// The median of milliseconds from unlocked to readable.
fn opening(stick: &Path, passphrase: &Path, times: usize) -> Result<f64> {
    let text = example("open_stick")
        .arg(stick)
        .arg(passphrase)
        .arg(times.to_string())
        .text()?;
    let mut all = text
        .lines()
        .map(|line| find(line, "opened", 1))
        .collect::<Result<Vec<f64>>>()?;
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2)
        .copied()
        .ok_or_else(|| Error::new("`open_stick` printed nothing"))
}
