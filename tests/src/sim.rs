//! A simulated stick: live and durable bytes, a volatile cache, and every way a stick fails.
//!
//! Each file has the bytes that reads see, the bytes that survive, and the writes in between. `flush` makes the
//! writes of its one file durable and no others: weaker than the real file system, so a stronger test. Writes
//! and flushes are counted; [`Faults`] says at which count something goes wrong while running, and
//! [`SimMedium::crash`] and [`SimMedium::crash_with`] make what a reboot finds.
//!
//! Two oracles are always on and panic (see [`oracle`]): no key and nonce seals twice, and nothing is written
//! past the end of a file.

mod crash;
mod oracle;
mod pages;

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gobag_bundle::medium::{FileRef, Medium};

pub use crash::{Damage, Fate, take_cuts};
use oracle::{Salts, Use};
use pages::Pages;

use crate::rng::Rng;

/// Bytes that a medium writes whole or not at all.
pub const SECTOR: usize = 512;

/// What goes wrong while the medium is in use. Counts are those of [`SimMedium::operations`].
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// This write or flush is interrupted, and from then on nothing answers.
    pub cut_at: Option<u64>,
    /// From this count on a flush does nothing and reports success.
    pub lies_from: Option<u64>,
    /// These writes and flushes fail once. What a failed write left behind is a matter of luck.
    pub fail_once: HashSet<u64>,
    /// Writes to and flushes of this file always fail.
    pub fail_writes_of: Option<FileRef>,
    /// Reads of this file always fail.
    pub fail_reads_of: Option<FileRef>,
    /// Reads that take in this byte of a file always fail.
    pub bad_byte: Option<(FileRef, u64)>,
    /// After a failed flush the next one reports success without having made the earlier writes durable, as
    /// Linux does.
    pub flush_forgets: bool,
    /// In so many of 1,000 reads one bit is flipped.
    pub flips: u64,
}

/// A simulated stick; see the module's documentation.
pub struct SimMedium {
    inner: Mutex<Inner>,
}

#[derive(Clone)]
struct Inner {
    files: BTreeMap<FileRef, File>,
    operations: u64,
    faults: Faults,
    gone: bool,
    /// Counts starts of a program: no use of a segment may be continued in the next.
    session: u64,
    salts: Salts,
    luck: Rng,
    /// Files that were written or flushed since the last look.
    touched: HashSet<FileRef>,
    /// Files that were read since the last look.
    read: HashSet<FileRef>,
    /// The file whose write or flush the cut interrupted.
    cut_in: Option<FileRef>,
}

#[derive(Clone)]
struct File {
    /// The size it was made with.
    planned_len: u64,
    live: Pages,
    durable: Pages,
    unsynced: Vec<Write>,
    /// Reads may still see what a failed flush gave up.
    stale: bool,
    current: Option<Arc<Use>>,
}

#[derive(Clone)]
struct Write {
    offset: u64,
    data: Arc<[u8]>,
    interrupted: bool,
}

impl SimMedium {
    /// A medium with the given files, full of noise, and all luck drawn from `seed`.
    pub fn new(files: &[(FileRef, u64)], seed: u64) -> Self {
        let mut luck = Rng::new(seed);
        let make = |&(file, len): &(FileRef, u64)| {
            let noise = Pages::noise(len, &mut luck);
            let made = File {
                planned_len: len,
                live: noise.clone(),
                durable: noise,
                unsynced: Vec::new(),
                stale: false,
                current: None,
            };
            (file, made)
        };
        let files = files.iter().map(make).collect();
        Self::of(Inner {
            files,
            operations: 0,
            faults: Faults::default(),
            gone: false,
            session: 0,
            salts: Salts::default(),
            luck,
            touched: HashSet::new(),
            read: HashSet::new(),
            cut_in: None,
        })
    }

    fn of(inner: Inner) -> Self {
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and flushes so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Unplugs the medium, or plugs it in again with the content it had.
    pub fn set_gone(&self, gone: bool) {
        self.lock().gone = gone;
    }

    /// Unplugs the medium with power: what is in the cache meets its fate by the luck of `rng`.
    pub fn unplug(&self, rng: &mut Rng) {
        let after = self.crash(rng, Damage::default());
        let files = after.lock().files.clone();
        let mut inner = self.lock();
        inner.files = files;
        inner.gone = true;
    }

    /// Whether it is unplugged or was cut.
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// A copy of the whole medium, cache included; for two ways to go on from here.
    pub fn copy(&self) -> Self {
        Self::of(self.lock().clone())
    }

    /// Holds what `other` holds from now on: another stick, or this one as it was. What the oracle learned here
    /// stays.
    pub fn become_like(&self, other: &Self) {
        let other = other.lock().files.clone();
        let mut inner = self.lock();
        for (name, theirs) in other {
            let current = inner.files.get(&name).and_then(|ours| ours.current.clone());
            inner.files.insert(name, File { current, ..theirs });
        }
    }

    /// A program ended, another starts: live bytes stay as they are, cached or not.
    pub fn next_session(&self) {
        let mut inner = self.lock();
        inner.session += 1;
        inner.faults = Faults::default();
        inner.gone = false;
    }

    /// Cuts a file short behind the owner's back.
    pub fn shorten(&self, file: FileRef, len: u64) {
        if let Some(file) = self.lock().files.get_mut(&file) {
            file.live.shorten(len);
            file.durable.shorten(len);
        }
    }

    /// Loses a file behind the owner's back.
    pub fn lose(&self, file: FileRef) {
        self.lock().files.remove(&file);
    }

    /// Changes live and durable bytes behind the owner's back.
    pub fn overwrite(&self, file: FileRef, offset: u64, data: &[u8]) {
        if let Some(file) = self.lock().files.get_mut(&file) {
            file.live.write(offset, data);
            file.durable.write(offset, data);
        }
    }

    /// The live bytes of a file.
    pub fn bytes(&self, file: FileRef) -> Vec<u8> {
        let inner = self.lock();
        let mut bytes = vec![0; inner.files[&file].live.len() as usize];
        inner.files[&file].live.read(0, &mut bytes);
        bytes
    }

    /// `len` live bytes of a file; they must be there.
    pub fn bytes_at(&self, file: FileRef, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.lock().files[&file].live.read(offset, &mut bytes);
        bytes
    }

    /// The files written or flushed since this was last asked.
    pub fn take_touched(&self) -> HashSet<FileRef> {
        std::mem::take(&mut self.lock().touched)
    }

    /// The files read since this was last asked.
    pub fn take_read(&self) -> HashSet<FileRef> {
        std::mem::take(&mut self.lock().read)
    }

    /// The file whose write or flush the cut interrupted, if it was cut.
    pub fn cut_in(&self) -> Option<FileRef> {
        self.lock().cut_in
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Inner {
    /// Counts an operation on `file`; tells whether it fails, and whether the medium goes with it.
    fn count(&mut self, file: FileRef) -> Verdict {
        let count = self.operations;
        self.operations += 1;
        self.touched.insert(file);
        if self.faults.cut_at == Some(count) {
            self.gone = true;
            self.cut_in = Some(file);
            Verdict::Cut
        } else if self.faults.fail_once.contains(&count) || self.faults.fail_writes_of == Some(file) {
            Verdict::Fails
        } else {
            Verdict::Works
        }
    }

    fn file(&mut self, file: FileRef) -> io::Result<&mut File> {
        self.files.get_mut(&file).ok_or(io::ErrorKind::NotFound.into())
    }
}

#[derive(PartialEq)]
enum Verdict {
    Works,
    Fails,
    Cut,
}

impl Medium for SimMedium {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        let mut inner = self.lock();
        if inner.gone {
            return Err(eio());
        }
        inner.file(file).map(|file| file.live.len())
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut inner = self.lock();
        let range = offset..offset + buffer.len() as u64;
        let is_bad = |(bad, at): (FileRef, u64)| bad == file && range.contains(&at);
        if inner.gone || inner.faults.fail_reads_of == Some(file) || inner.faults.bad_byte.is_some_and(is_bad)
        {
            return Err(eio());
        }
        inner.read.insert(file);
        let flip = inner.faults.flips > 0 && inner.luck.below(1000) < inner.faults.flips;
        let bit = inner.luck.next();
        let file = inner.file(file)?;
        if offset + buffer.len() as u64 > file.live.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.live.read(offset, buffer);
        if flip && !buffer.is_empty() {
            let at = (bit >> 3) as usize % buffer.len();
            buffer[at] ^= 1 << (bit & 7);
        }
        Ok(())
    }

    fn write_at(&self, name: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.gone {
            return Err(eio());
        }
        let (session, salts) = (inner.session, inner.salts.clone());
        let file = inner.file(name)?;
        let end = offset + data.len() as u64;
        assert!(
            end <= file.planned_len,
            "write past the end of {name}: {offset}+{}",
            data.len()
        );
        if end > file.live.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Also a write that fails may reach the medium.
        Use::check(&mut file.current, &salts, name, session, offset, data);
        let verdict = inner.count(name);
        let luck = inner.luck.fork();
        let file = inner.file(name)?;
        file.accept(offset, data, &verdict, luck);
        match verdict {
            Verdict::Works => Ok(()),
            Verdict::Fails | Verdict::Cut => Err(eio()),
        }
    }

    fn flush(&self, name: FileRef) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.gone {
            return Err(eio());
        }
        let nothing_to_do = inner.file(name)?.unsynced.is_empty();
        let lies = inner
            .faults
            .lies_from
            .is_some_and(|from| inner.operations >= from);
        let forgets = inner.faults.flush_forgets;
        let mut verdict = inner.count(name);
        if verdict == Verdict::Fails && nothing_to_do {
            verdict = Verdict::Works;
        }
        let luck = inner.luck.fork();
        let file = inner.file(name)?;
        if verdict != Verdict::Works {
            Use::poison(&mut file.current);
            if forgets && verdict == Verdict::Fails {
                file.give_up(luck);
            }
            return Err(eio());
        }
        if !lies {
            for write in std::mem::take(&mut file.unsynced) {
                file.durable.write(write.offset, &write.data);
            }
        }
        Ok(())
    }

    fn forget_cached(&self, name: FileRef) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.gone {
            return Err(eio());
        }
        let file = inner.file(name)?;
        if file.stale {
            // Pages that a failed flush marked clean are dropped; dirty ones are not.
            file.stale = false;
            file.live = file.durable.clone();
            for write in &file.unsynced {
                file.live.write(write.offset, &write.data);
            }
        }
        Ok(())
    }
}

impl File {
    /// A failed flush: what arrived has arrived, the rest never will, and reads do not tell.
    fn give_up(&mut self, mut luck: Rng) {
        for write in std::mem::take(&mut self.unsynced) {
            crash::arrive(&mut self.durable, &write, crash::draw_fate(&mut luck, 50));
        }
        self.stale = true;
    }

    fn accept(&mut self, offset: u64, data: &[u8], verdict: &Verdict, mut luck: Rng) {
        let mut write = Write {
            offset,
            data: data.into(),
            interrupted: *verdict == Verdict::Cut,
        };
        if *verdict != Verdict::Works {
            Use::poison(&mut self.current);
        }
        if *verdict == Verdict::Fails {
            // Nothing, a part, or all of it was taken.
            let sectors = data.len().div_ceil(SECTOR) as u64;
            let taken = luck.within(0..=sectors) as usize * SECTOR;
            write.data = data[..taken.min(data.len())].into();
        }
        self.live.write(offset, &write.data);
        self.unsynced.push(write);
    }
}
