//! Whether a stick holds what it says, and how fast it is: for IT, before anything is written to it.
//!
//! Sticks that claim more than they hold keep what was written first, or what was written last, and say that all is well; only writing
//! everything and reading it back tells. Files full of noise fill the free space (or a part of it), then all of it is read past the system's
//! caches and compared. The noise follows from a random key and the place, so a block that turns up elsewhere is wrong there.
//!
//! What is on the stick already stays and is not tested. Ended by a person, or by an error, it takes its own files away; killed, it leaves
//! them in one folder, which the next run deletes first.

#![expect(
    clippy::disallowed_methods,
    reason = "this crate writes to sticks; here files that are gone when the test ends"
)]

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gobag_format::{Monitor, crypto::Random};
use rustix::fs::{Advice, OFlags, fadvise, statvfs};
use serde::Serialize;
use thiserror::Error;

use crate::files::{At, FileError};

/// The folder for the test's files.
const FOLDER: &str = "GOBAG-TEST";
/// No file is longer: FAT32 ends at 4 GiB.
const FILE_BYTES: u64 = 1 << 30;
const PIECE: usize = 1 << 20;
/// Digits of a test file's name.
const NAME_LEN: usize = 5;
/// Left free for the file system's own bookkeeping of the files.
const SPARE_BYTES: u64 = 4 << 20;
/// How long small writes with a flush each are counted.
const FLUSHES_FOR: Duration = Duration::from_secs(3);
/// One of those writes: a small record of the log.
const SMALL: usize = 16 << 10;

/// How much is tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeOptions {
    /// At most so many bytes; all that is free otherwise.
    pub limit_bytes: Option<u64>,
}

/// What a stick showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// What the file system says that it holds.
    pub claimed_bytes: u64,
    /// Written, and read back.
    pub tested_bytes: u64,
    /// Of these, what came back as it was written.
    pub good_bytes: u64,
    /// Where, among the tested bytes, the first wrong one lay.
    pub first_damage_at: Option<u64>,
    /// Speed of writing, with the flush at the end.
    pub write_bytes_per_s: u64,
    /// Speed of reading.
    pub read_bytes_per_s: u64,
    /// Writes of 16 KiB with a flush each, as a guest's work makes them.
    pub flushes_per_s: f64,
}

impl ProbeReport {
    /// Did every byte come back?
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.good_bytes == self.tested_bytes
    }
}

/// Why a stick could not be tested.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A file could not be written; a medium that is failing does this, too.
    #[error("the stick could not be tested")]
    File(#[from] FileError),
    /// Not enough room for a test that means anything.
    #[error("{} has only {free_bytes} free bytes; a test needs at least {}", folder.display(), PIECE as u64 + SPARE_BYTES)]
    NoRoom {
        /// The stick.
        folder: PathBuf,
        /// What is free.
        free_bytes: u64,
    },
    /// Something that no test has made lies where its files would.
    #[error("{} is not of an earlier test; move it away first", place.display())]
    Foreign {
        /// What is there.
        place: PathBuf,
    },
    /// A person stopped it.
    #[error("stopped before the test was done")]
    Cancelled,
}

impl ProbeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::NoRoom { .. } => "probe.no-room",
            Self::Foreign { .. } => "probe.foreign-files",
            Self::Cancelled => "probe.cancelled",
        }
    }
}

/// Tests the stick mounted at `folder`.
pub fn probe(
    folder: &Path,
    options: &ProbeOptions,
    random: &dyn Random,
    monitor: &dyn Monitor,
) -> Result<ProbeReport, ProbeError> {
    let place = folder.join(FOLDER);
    remove(&place)?;
    let space = statvfs(folder).map_err(io::Error::from).at("look at", folder)?;
    let free_bytes = space.f_bavail * space.f_frsize;
    let wanted = options.limit_bytes.unwrap_or(u64::MAX);
    let pieces = free_bytes.saturating_sub(SPARE_BYTES).min(wanted) / PIECE as u64;
    if pieces == 0 {
        return Err(ProbeError::NoRoom {
            folder: folder.to_owned(),
            free_bytes,
        });
    }
    fs::create_dir(&place).at("create", &place)?;
    let mut key = [0; 32];
    random.fill(&mut key);
    let test = Test {
        place: &place,
        key,
        pieces,
        monitor,
    };
    let result = test.run(space.f_blocks * space.f_frsize);
    // Whatever happened, the files go; what happened counts more than whether they could.
    let removed = remove(&place);
    let report = result?;
    removed?;
    Ok(report)
}

/// Takes away what a test has made, and nothing else: a folder of that name with anything else in it is somebody's own.
fn remove(place: &Path) -> Result<(), ProbeError> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("look at", place).map_err(ProbeError::from),
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(foreign(place)),
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).at("read", place)? {
        let entry = entry.at("read", place)?;
        let name = entry.file_name();
        let is_ours = name.len() == NAME_LEN && name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if !is_ours || !entry.file_type().at("look at", place)?.is_file() {
            return Err(foreign(place));
        }
        files.push(entry.path());
    }
    for file in files {
        fs::remove_file(&file).at("delete", &file)?;
    }
    fs::remove_dir(place).at("delete", place)?;
    Ok(())
}

fn foreign(place: &Path) -> ProbeError {
    ProbeError::Foreign {
        place: place.to_owned(),
    }
}

struct Test<'a> {
    place: &'a Path,
    key: [u8; 32],
    pieces: u64,
    monitor: &'a dyn Monitor,
}

impl Test<'_> {
    fn run(&self, claimed_bytes: u64) -> Result<ProbeReport, ProbeError> {
        let tested_bytes = self.pieces * PIECE as u64;
        self.monitor.phase("writing", Some(tested_bytes));
        let started = Instant::now();
        self.each_file(|path, pieces| self.write(path, pieces))?;
        let write_bytes_per_s = rate(tested_bytes, started.elapsed());
        self.monitor.phase("reading back", Some(tested_bytes));
        let started = Instant::now();
        let (mut good_bytes, mut first_damage_at) = (0, None);
        self.each_file(|path, pieces| {
            self.read(path, pieces, |nth, is_good| {
                if is_good {
                    good_bytes += PIECE as u64;
                } else if first_damage_at.is_none() {
                    first_damage_at = Some(nth * PIECE as u64);
                }
            })
        })?;
        let read_bytes_per_s = rate(tested_bytes, started.elapsed());
        Ok(ProbeReport {
            claimed_bytes,
            tested_bytes,
            good_bytes,
            first_damage_at,
            write_bytes_per_s,
            read_bytes_per_s,
            flushes_per_s: self.flushes()?,
        })
    }

    /// All files in order, each with the numbers of its pieces.
    fn each_file(
        &self,
        mut work: impl FnMut(&Path, std::ops::Range<u64>) -> Result<(), ProbeError>,
    ) -> Result<(), ProbeError> {
        let in_one = FILE_BYTES / PIECE as u64;
        for file in 0..self.pieces.div_ceil(in_one) {
            let first = file * in_one;
            let path = self.place.join(format!("{file:0NAME_LEN$}"));
            work(&path, first..self.pieces.min(first + in_one))?;
        }
        Ok(())
    }

    fn go_on(&self) -> Result<(), ProbeError> {
        match self.monitor.is_cancelled() {
            true => Err(ProbeError::Cancelled),
            false => Ok(()),
        }
    }

    fn noise(&self, nth: u64, piece: &mut [u8]) {
        let mut noise = blake3::Hasher::new_keyed(&self.key);
        noise.update(&nth.to_le_bytes());
        noise.finalize_xof().fill(piece);
    }

    fn write(&self, path: &Path, pieces: std::ops::Range<u64>) -> Result<(), ProbeError> {
        let mut file = File::create_new(path).at("create", path)?;
        let mut piece = vec![0; PIECE];
        for nth in pieces {
            self.go_on()?;
            self.noise(nth, &mut piece);
            file.write_all(&piece).at("write", path)?;
            self.monitor.advance(PIECE as u64);
        }
        file.sync_all().at("sync", path)?;
        Ok(())
    }

    fn read(
        &self,
        path: &Path,
        pieces: std::ops::Range<u64>,
        mut seen: impl FnMut(u64, bool),
    ) -> Result<(), ProbeError> {
        let file = past_caches(path)?;
        let first = pieces.start;
        let mut expected = vec![0; PIECE];
        let mut found = Aligned::new();
        for nth in pieces {
            self.go_on()?;
            self.noise(nth, &mut expected);
            // What cannot be read did not come back.
            let at = (nth - first) * PIECE as u64;
            let is_good = file.read_exact_at(found.piece(), at).is_ok() && found.piece() == expected;
            seen(nth, is_good);
            self.monitor.advance(PIECE as u64);
        }
        Ok(())
    }

    /// Small writes with a flush each, in a file that is there already, as in daily use.
    fn flushes(&self) -> Result<f64, ProbeError> {
        self.monitor.phase("small writes", None);
        let path = self.place.join("00000");
        let file = File::options().write(true).open(&path).at("open", &path)?;
        let room = file.metadata().at("look at", &path)?.len() / SMALL as u64;
        let mut record = vec![0; SMALL];
        let started = Instant::now();
        let mut done = 0;
        while started.elapsed() < FLUSHES_FOR {
            self.go_on()?;
            self.noise(u64::MAX - done, &mut record);
            file.write_all_at(&record, done % room * SMALL as u64)
                .at("write", &path)?;
            file.sync_data().at("sync", &path)?;
            done += 1;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    }
}

/// A file whose bytes come from the medium: opened past the system's cache where the file system allows that, else with the cache
/// told to forget it.
fn past_caches(path: &Path) -> Result<File, FileError> {
    let direct = File::options()
        .read(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(path);
    if let Ok(file) = direct {
        return Ok(file);
    }
    let file = File::open(path).at("open", path)?;
    fadvise(&file, 0, None, Advice::DontNeed)
        .map_err(io::Error::from)
        .at("read", path)?;
    Ok(file)
}

/// A piece in memory that lies as reading past the cache wants it.
struct Aligned {
    bytes: Vec<u8>,
    from: usize,
}

impl Aligned {
    const ALIGNMENT: usize = 4096;

    fn new() -> Self {
        let bytes = vec![0; PIECE + Self::ALIGNMENT];
        let from = bytes.as_ptr().align_offset(Self::ALIGNMENT);
        Self { bytes, from }
    }

    fn piece(&mut self) -> &mut [u8] {
        &mut self.bytes[self.from..self.from + PIECE]
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    (bytes as f64 / time.as_secs_f64().max(1e-6)) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use gobag_format::Silent;

    use super::*;
    use crate::Ambient;

    const SMALL_TEST: ProbeOptions = ProbeOptions {
        limit_bytes: Some(5 << 20),
    };

    #[test]
    fn a_good_medium_is_good_and_left_as_it_was() {
        let stick = tempfile::tempdir().unwrap();
        let random = Ambient::system().random;
        let report = probe(stick.path(), &SMALL_TEST, &*random, &Silent).unwrap();
        assert_eq!((report.tested_bytes, report.good_bytes), (5 << 20, 5 << 20));
        assert_eq!(report.first_damage_at, None);
        assert!(report.is_good() && report.flushes_per_s > 0.0);
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_taken_away_and_nothing_else() {
        let (stick, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let random = Ambient::system().random;
        let place = stick.path().join(FOLDER);
        fs::create_dir(&place).unwrap();
        File::create(place.join("00000")).unwrap();
        probe(stick.path(), &SMALL_TEST, &*random, &Silent).unwrap();
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 0);
        File::create(elsewhere.path().join("00000")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &place).unwrap();
        let refused = |()| {
            probe(stick.path(), &SMALL_TEST, &*random, &Silent)
                .unwrap_err()
                .code()
        };
        assert_eq!(refused(()), "probe.foreign-files");
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        File::create(place.join("letter")).unwrap();
        assert_eq!(refused(()), "probe.foreign-files");
        assert!(place.join("letter").exists() && elsewhere.path().join("00000").exists());
    }

    /// Says stop after so many bytes.
    struct Impatient(AtomicU64);

    impl Monitor for Impatient {
        fn phase(&self, _: &str, _: Option<u64>) {}

        fn advance(&self, bytes: u64) {
            self.0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    Some(left.saturating_sub(bytes))
                })
                .unwrap();
        }

        fn is_cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) == 0
        }
    }

    #[test]
    fn who_stops_it_finds_nothing_of_it() {
        let random = Ambient::system().random;
        for after in [2 << 20, 8 << 20] {
            let stick = tempfile::tempdir().unwrap();
            let stop = Impatient(AtomicU64::new(after));
            let error = probe(stick.path(), &SMALL_TEST, &*random, &stop).unwrap_err();
            assert_eq!(error.code(), "probe.cancelled");
            assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 0);
        }
    }
}
