//! QEMU's log of a stick's writes, and the stick put together from it.
//!
//! The log is that of Linux's dm-log-writes: a head, then for each request a sector that describes it, and its data.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use gobag_tests::rng::Rng;

/// Unit of places on the stick.
pub(super) const SECTOR: usize = 512;
/// Where the guest marks how far it came: in the gap before the partition.
pub(super) const MARK_SECTOR: u64 = 64;
/// What such a sector begins with.
pub(super) const MARK_MAGIC: [u8; 8] = *b"GBMARK01";
/// The partition's first sector, as on sticks from the shop.
pub(super) const PARTITION_SECTOR: u64 = 2048;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// A request as it is described in the log.
#[derive(Clone, Copy)]
struct Request {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data stands in the log.
    data: u64,
}

/// A request with its data.
pub(super) struct Entry {
    sector: u64,
    data: Vec<u8>,
    is_flush: bool,
}

impl Entry {
    /// Whether it writes to the file system's partition.
    pub(super) fn is_to_partition(&self) -> bool {
        !self.data.is_empty() && self.sector >= PARTITION_SECTOR
    }

    fn mark(&self) -> Option<usize> {
        let is_mark = self.sector == MARK_SECTOR && self.data.starts_with(&MARK_MAGIC);
        let number = self.data.get(8..16)?.try_into().ok()?;
        is_mark.then(|| u64::from_le_bytes(number) as usize)
    }
}

/// The whole log.
pub(super) struct Log {
    file: File,
    requests: Vec<Request>,
    /// The first request after the guest said that work begins.
    work: usize,
}

impl Log {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let head = words(&file, 0)?;
        if head[0] != MAGIC || head[3] as u32 != SECTOR as u32 {
            return Err(bad("not a log of sectors of 512 bytes"));
        }
        let mut at = SECTOR as u64;
        let mut requests = Vec::new();
        for _ in 0..head[2] {
            let [sector, sectors, flags, _] = words(&file, at)?;
            at += SECTOR as u64;
            requests.push(Request {
                sector,
                sectors,
                flags,
                data: at,
            });
            if flags & DISCARD == 0 {
                at += sectors * SECTOR as u64;
            }
        }
        let mut log = Self {
            file,
            requests,
            work: 0,
        };
        let begin = log.entries().position(|entry| entry.mark() == Some(0));
        log.work = begin.ok_or_else(|| bad("the guest never began"))? + 1;
        Ok(log)
    }

    /// All requests in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.requests.iter().map(|request| {
            let has_data = request.flags & DISCARD == 0;
            let mut data = vec![
                0;
                if has_data {
                    request.sectors as usize * SECTOR
                } else {
                    0
                }
            ];
            self.file
                .read_exact_at(&mut data, request.data)
                .unwrap_or_else(|error| panic!("the log ends early: {error}"));
            Entry {
                sector: request.sector,
                data,
                is_flush: request.flags & FLUSH != 0,
            }
        })
    }

    /// Whether this request came after the preparations.
    pub(super) fn is_at_work(&self, nth: usize) -> bool {
        nth >= self.work
    }

    /// Writes to the partition after the preparations.
    pub(super) fn writes_at_work(&self) -> u64 {
        self.at_work()
            .filter(|one| one.sectors > 0 && one.sector >= PARTITION_SECTOR && one.flags & DISCARD == 0)
            .count() as u64
    }

    /// Times the stick was told to make everything durable.
    pub(super) fn flushes(&self) -> usize {
        self.at_work().filter(|one| one.flags & FLUSH != 0).count()
    }

    fn at_work(&self) -> impl Iterator<Item = &Request> {
        self.requests[self.work..].iter()
    }
}

fn words(file: &File, at: u64) -> io::Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at)?;
    let word = |nth: usize| {
        let eight = bytes[nth * 8..nth * 8 + 8].try_into();
        u64::from_le_bytes(eight.unwrap_or_default())
    };
    Ok([word(0), word(1), word(2), word(3)])
}

/// The partition as it is after some of the requests.
pub(super) struct Medium {
    path: PathBuf,
    file: File,
    /// What was written since the last flush: place, before, after.
    unsynced: Vec<(u64, Vec<u8>, Vec<u8>)>,
    mark: Option<usize>,
}

impl Medium {
    /// Over the image of the partition in `path`, as it was before the first request.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            unsynced: Vec::new(),
            mark: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The newest mark, if it is news.
    pub(super) fn mark(&mut self) -> Option<usize> {
        self.mark.take()
    }

    pub(super) fn apply(&mut self, entry: &Entry) -> io::Result<()> {
        if entry.is_flush {
            self.unsynced.clear();
        }
        if let Some(mark) = entry.mark() {
            self.mark = Some(mark);
        }
        if entry.is_to_partition() {
            let at = (entry.sector - PARTITION_SECTOR) * SECTOR as u64;
            let mut before = vec![0; entry.data.len()];
            self.file.read_exact_at(&mut before, at)?;
            self.file.write_all_at(&entry.data, at)?;
            self.unsynced.push((at, before, entry.data.clone()));
        }
        Ok(())
    }

    /// Writes to `path` what a cut may leave: of each write since the last flush all, nothing, or some sectors.
    pub(super) fn tear(&self, path: &Path, rng: &mut Rng) -> io::Result<()> {
        std::fs::copy(&self.path, path)?;
        let torn = File::options().write(true).open(path)?;
        for (at, before, _) in self.unsynced.iter().rev() {
            torn.write_all_at(before, *at)?;
        }
        for (at, _, after) in &self.unsynced {
            let fate = rng.below(3);
            for (nth, sector) in after.chunks(SECTOR).enumerate() {
                if fate == 0 || (fate == 1 && rng.chance(50)) {
                    torn.write_all_at(sector, at + (nth * SECTOR) as u64)?;
                }
            }
        }
        Ok(())
    }
}
