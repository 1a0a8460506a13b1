//! How fast the stick is read: a large file that is there already, past the caches, for a second at most.
//!
//! Nothing is written. Where the file system cannot read past its caches, there is no answer rather than the memory's speed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gobag_checklists::Obstacle;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::answer;
use crate::capture::{Capture, refused};

/// Most that is read.
const MAX_BYTES: usize = 32 << 20;
/// Longest time it is read for.
const MAX_TIME: Duration = Duration::from_secs(1);
/// One read; a multiple of every sector size.
const PIECE_BYTES: usize = 1 << 20;
/// What memory and offsets must be a multiple of.
const ALIGNMENT_BYTES: usize = 4096;
/// A smaller file tells more about the first access than about the speed.
const LEAST_BYTES: u64 = 8 << 20;
/// Most names that are looked at to find a large file, and how deep.
const MAX_NAMES: usize = 2000;
const MAX_DEPTH: usize = 4;

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Speed {
    /// What was read.
    pub(in crate::linux) bytes: u64,
    /// And how long it took.
    pub(in crate::linux) elapsed_us: u64,
}

pub(super) fn read(folder: &Path) -> Capture {
    let shown = folder.to_string_lossy().into_owned();
    let Some(path) = largest(folder) else {
        return Capture::failed(
            Obstacle::Missing,
            format!("{shown} holds no file of {LEAST_BYTES} bytes to read"),
        );
    };
    match measure(&path) {
        Ok(speed) => answer(&speed),
        Err(error) => refused("read past the caches", &shown, &error),
    }
}

fn measure(path: &Path) -> std::io::Result<Speed> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECT | OFlags::NOFOLLOW;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut memory = vec![0_u8; PIECE_BYTES + ALIGNMENT_BYTES];
    let begin = memory.as_ptr().align_offset(ALIGNMENT_BYTES);
    // An offset that cannot be found is reported as the largest number.
    let begin = if begin < ALIGNMENT_BYTES { begin } else { 0 };
    let piece = &mut memory[begin..begin + PIECE_BYTES];
    let started = Instant::now();
    let mut bytes = 0;
    while bytes < MAX_BYTES && started.elapsed() < MAX_TIME {
        match file.read(piece)? {
            0 => break,
            read => bytes += read,
        }
    }
    Ok(Speed {
        bytes: bytes as u64,
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

/// The largest file in the folder, if one is large enough.
fn largest(folder: &Path) -> Option<PathBuf> {
    let mut best: Option<(u64, PathBuf)> = None;
    let mut seen = 0;
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MAX_NAMES {
                return best.map(|(_, path)| path);
            }
            // Links are not followed: they may lead off the stick.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() && depth < MAX_DEPTH {
                folders.push((entry.path(), depth + 1));
            }
            let larger = best.as_ref().is_none_or(|(size, _)| data.len() > *size);
            if data.is_file() && data.len() >= LEAST_BYTES && larger {
                best = Some((data.len(), entry.path()));
            }
        }
    }
    best.map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_found_and_read_and_small_ones_are_not() {
        // On a disk: memory has no caches to read past.
        let own = std::env::current_exe().expect("a path");
        let folder = tempfile::tempdir_in(own.parent().expect("a folder")).expect("a folder");
        assert!(read(folder.path()).is_missing());
        let inner = folder.path().join("packs");
        std::fs::create_dir(&inner).expect("made");
        let file = tempfile::NamedTempFile::new_in(&inner).expect("a file");
        file.as_file().set_len(LEAST_BYTES).expect("long");
        assert_eq!(largest(folder.path()).as_deref(), Some(file.path()));
        match read(folder.path()) {
            Capture::Bytes(_) => {
                let speed: Speed = read(folder.path()).json().expect("an answer");
                assert_eq!(speed.bytes, LEAST_BYTES);
            }
            failed => println!("skipped: no direct reading here: {failed:?}"),
        }
    }
}
