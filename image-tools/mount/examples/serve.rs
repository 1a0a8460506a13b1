//! Serves one disk from memory, to measure the door itself and to try other programs on it:
//!
//! ```text
//! cargo run --release -p gobag-mount --example serve -- MOUNTPOINT MEBIBYTES [THREADS] [null]
//! fio --name=t --filename=MOUNTPOINT/disk.img --rw=randread --bs=4k --time_based --runtime=5
//! ```
//!
//! With `null` nothing is copied: reads return whatever lies in the buffer. It leaves when its standard input ends.

use std::{
    io::Read,
    path::Path,
    sync::{Arc, RwLock},
    time::Duration,
};

use gobag_bundle::{Volume, VolumeError};
use gobag_mount::{Export, MountOptions, mount};

/// Granularity of the locks, so that threads do not wait for each other.
const PIECE: usize = 1 << 20;

struct Memory {
    pieces: Vec<RwLock<Vec<u8>>>,
    null: bool,
}

impl Memory {
    fn each(
        &self,
        offset: u64,
        len: usize,
        mut work: impl FnMut(&RwLock<Vec<u8>>, usize, std::ops::Range<usize>),
    ) {
        let (mut at, mut done) = (offset as usize, 0);
        while done < len && !self.null {
            let (piece, start) = (at / PIECE, at % PIECE);
            let count = (PIECE - start).min(len - done);
            work(&self.pieces[piece], start, done..done + count);
            at += count;
            done += count;
        }
    }
}

impl Volume for Memory {
    fn size_bytes(&self) -> u64 {
        (self.pieces.len() * PIECE) as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.each(offset, buffer.len(), |piece, start, part| {
            let piece = piece.read().expect("lock");
            if piece.is_empty() {
                buffer[part].fill(0);
            } else {
                let len = part.len();
                buffer[part].copy_from_slice(&piece[start..start + len]);
            }
        });
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.each(offset, data.len(), |piece, start, part| {
            let mut piece = piece.write().expect("lock");
            piece.resize(PIECE, 0);
            piece[start..start + part.len()].copy_from_slice(&data[part]);
        });
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.each(offset, len as usize, |piece, start, part| {
            let mut piece = piece.write().expect("lock");
            if part.len() == PIECE {
                *piece = Vec::new();
            } else if !piece.is_empty() {
                piece[start..start + part.len()].fill(0);
            }
        });
        Ok(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mountpoint, size, rest @ ..] = arguments.as_slice() else {
        panic!("usage: serve MOUNTPOINT MEBIBYTES [THREADS] [null]");
    };
    let size: usize = size.parse().expect("a number of mebibytes");
    let mut options = MountOptions::default();
    if let Some(threads) = rest.first().and_then(|threads| threads.parse().ok()) {
        options.event_threads = threads;
    }
    let volume = Memory {
        pieces: (0..size).map(|_| RwLock::default()).collect(),
        null: rest.iter().any(|word| word == "null"),
    };
    let exports = vec![Export::volume("disk.img", Arc::new(volume))];
    let mut mounted = mount(exports, Path::new(mountpoint), &options).expect("mounted");
    println!("serving {}", mounted.file("disk.img").display());
    // Ends with an error or at the end of the input; either way it is time to leave.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    match mounted.unmount(Duration::from_secs(2)) {
        Ok(()) => println!("unmounted"),
        Err(error) => println!("{}: {error}", error.code()),
    }
}
