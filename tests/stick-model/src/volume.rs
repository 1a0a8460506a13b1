//! exFAT above the device: turns what is done with files into requests with addresses. Pure.
//!
//! Data are written when the kernel writes them. Metadata are written later, as Linux's exFAT does it:
//!
//! | what | changes | written |
//! |---|---|---|
//! | create, delete, rename, new size | directory entry (of both places) | with the next sync of anything, or after 30 s |
//! | new or freed clusters | bitmap; FAT if the file is in pieces | the same |
//! | overwriting, new times | the directory entry's time | with `fsync` of this file (not `fdatasync`), or after 30 s |
//!
//! A sync of one file writes all waiting metadata of the volume but other files' times, then flushes the device. A write
//! beyond the end of what was ever written fills the gap with zeroes first: exFAT has no holes. Reading what was never
//! written costs nothing. Not modelled: the "volume dirty" mark in the boot sector, reading metadata (a session's worth
//! of them stays in memory), names longer than 15 characters.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    layout::{FileId, Full, Layout, SECTOR_BYTES, sector},
    model::Op,
    preset::Preset,
};

/// Metadata wait this long at most, as in `vm.dirty_expire_centisecs`.
pub const EXPIRY: Duration = Duration::from_secs(30);
/// A file's directory entry: three entries of 32 bytes.
const ENTRY_BYTES: u64 = 96;

/// Why a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The host asked for these bytes.
    Data,
    /// Directory entries, bitmap, FAT.
    Metadata,
    /// The gap before a write beyond the end.
    Zeroes,
    /// A flush.
    Sync,
}

/// A request to the device and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What the device is asked.
    pub op: Op,
    /// Why.
    pub purpose: Purpose,
}

/// Which sync was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// `fdatasync`: not the time of the last write.
    Data,
    /// `fsync`: that, too.
    Full,
}

#[derive(Default)]
struct File {
    size: u64,
    /// Bytes from the start that were written.
    valid: u64,
    /// Byte of the device where its directory entry begins.
    entry: u64,
}

#[derive(Default)]
struct Entries {
    used: u64,
    free: Vec<u64>,
}

/// The volume.
pub struct Volume {
    layout: Layout,
    files: HashMap<FileId, File>,
    directories: HashMap<FileId, Entries>,
    pending: BTreeSet<u64>,
    times: HashMap<FileId, u64>,
    dirty_since: Option<Duration>,
}

impl Volume {
    /// An empty volume.
    pub fn new(preset: &Preset) -> Self {
        Self {
            layout: Layout::new(preset),
            files: HashMap::new(),
            directories: HashMap::new(),
            pending: BTreeSet::new(),
            times: HashMap::new(),
            dirty_since: None,
        }
    }

    /// Bytes in all, and free.
    pub fn space(&self) -> (u64, u64) {
        self.layout.space()
    }

    /// A file (or directory, with size 0) that was there before: it takes its place, but nothing is written.
    pub fn found(&mut self, file: FileId, directory: FileId, size: u64) -> Result<(), Full> {
        if self.files.contains_key(&file) {
            return Ok(());
        }
        let mut unwritten = BTreeSet::new();
        let entry = self.new_entry(directory, &mut unwritten)?;
        self.layout.grow(file, size, &mut unwritten)?;
        let valid = size;
        self.files.insert(file, File { size, valid, entry });
        Ok(())
    }

    /// A new file or directory.
    pub fn created(&mut self, file: FileId, directory: FileId) -> Result<(), Full> {
        let entry = self.change(|volume, changed| volume.new_entry(directory, changed))?;
        self.files.insert(
            file,
            File {
                entry,
                ..File::default()
            },
        );
        Ok(())
    }

    /// A file or directory has lost its name; its clusters stay until [`Self::freed`].
    pub fn removed(&mut self, file: FileId, directory: FileId) {
        let Some(entry) = self.files.get(&file).map(|file| file.entry) else {
            return;
        };
        self.pending.insert(sector(entry));
        self.directories.entry(directory).or_default().free.push(entry);
        self.times.remove(&file);
    }

    /// Nobody can reach a removed file any more.
    pub fn freed(&mut self, file: FileId) {
        self.files.remove(&file);
        self.times.remove(&file);
        self.layout.shrink(file, 0, &mut self.pending);
    }

    /// A file has moved to another name, in the same directory or another one.
    pub fn renamed(&mut self, file: FileId, from: FileId, to: FileId) -> Result<(), Full> {
        self.removed(file, from);
        let entry = self.change(|volume, changed| volume.new_entry(to, changed))?;
        if let Some(file) = self.files.get_mut(&file) {
            file.entry = entry;
        }
        Ok(())
    }

    /// A file was cut or extended.
    pub fn resized(&mut self, file: FileId, size: u64) -> Result<(), Full> {
        let Some(known) = self.files.get_mut(&file) else {
            return Ok(());
        };
        let grows = size > known.size;
        known.size = size;
        known.valid = known.valid.min(size);
        self.pending.insert(sector(known.entry));
        if !grows {
            self.layout.shrink(file, size, &mut self.pending);
            return Ok(());
        }
        self.change(|volume, changed| volume.layout.grow(file, size, changed))
    }

    /// A file's times were set.
    pub fn touched(&mut self, file: FileId) {
        if let Some(known) = self.files.get(&file) {
            self.times.insert(file, sector(known.entry));
        }
    }

    /// Writes to a file.
    pub fn write(&mut self, file: FileId, offset: u64, len: u64) -> Result<Vec<Planned>, Full> {
        let known = self.files.entry(file).or_default();
        let (valid, end, entry) = (known.valid, offset + len, sector(known.entry));
        let size_changes = end > known.size || end > valid;
        known.size = known.size.max(end);
        known.valid = valid.max(end);
        if size_changes {
            self.pending.insert(entry);
            self.change(|volume, changed| volume.layout.grow(file, end, changed))?;
        } else {
            self.times.insert(file, entry);
        }
        let mut planned = Vec::new();
        if offset > valid {
            self.plan_writes(file, valid, offset - valid, Purpose::Zeroes, &mut planned);
        }
        self.plan_writes(file, offset, len, Purpose::Data, &mut planned);
        Ok(planned)
    }

    /// Reads from a file.
    pub fn read(&self, file: FileId, offset: u64, len: u64) -> Vec<Planned> {
        let valid = self.files.get(&file).map_or(0, |file| file.valid);
        let len = len.min(valid.saturating_sub(offset));
        let places = self.layout.places(file, offset, len);
        let plan = |(address, len)| Planned {
            op: Op::Read { address, len },
            purpose: Purpose::Data,
        };
        places.into_iter().map(plan).collect()
    }

    /// Makes everything durable that a sync of `file` does; the caller has written the file's data.
    pub fn sync(&mut self, file: FileId, kind: SyncKind) -> Vec<Planned> {
        let mut sectors = std::mem::take(&mut self.pending);
        if kind == SyncKind::Full
            && let Some(entry) = self.times.remove(&file)
        {
            sectors.insert(entry);
        }
        if self.times.is_empty() {
            self.dirty_since = None;
        }
        let mut planned = plan_sectors(sectors);
        planned.push(Planned {
            op: Op::Sync,
            purpose: Purpose::Sync,
        });
        planned
    }

    /// What the kernel writes on its own by `now` (since any fixed moment): metadata that waited for [`EXPIRY`].
    pub fn expire(&mut self, now: Duration) -> Vec<Planned> {
        if self.pending.is_empty() && self.times.is_empty() {
            self.dirty_since = None;
            return Vec::new();
        }
        let since = *self.dirty_since.get_or_insert(now);
        if now.saturating_sub(since) < EXPIRY {
            return Vec::new();
        }
        self.flush()
    }

    /// Everything that waits, as before an unmount.
    pub fn flush(&mut self) -> Vec<Planned> {
        self.dirty_since = None;
        let mut sectors = std::mem::take(&mut self.pending);
        sectors.extend(self.times.drain().map(|(_, entry)| entry));
        plan_sectors(sectors)
    }

    fn plan_writes(&self, file: FileId, offset: u64, len: u64, purpose: Purpose, planned: &mut Vec<Planned>) {
        let places = self.layout.places(file, offset, len);
        planned.extend(places.into_iter().map(|(address, len)| Planned {
            op: Op::Write { address, len },
            purpose,
        }));
    }

    fn new_entry(&mut self, directory: FileId, changed: &mut BTreeSet<u64>) -> Result<u64, Full> {
        let entries = self.directories.entry(directory).or_default();
        let entry = match entries.free.pop() {
            Some(entry) => entry,
            None => {
                let offset = entries.used;
                self.layout.grow(directory, offset + ENTRY_BYTES, changed)?;
                entries.used += ENTRY_BYTES;
                let place = self.layout.places(directory, offset, ENTRY_BYTES);
                place.first().ok_or(Full)?.0
            }
        };
        changed.insert(sector(entry));
        Ok(entry)
    }

    /// Lends the set of waiting sectors to a change of the volume.
    fn change<T>(&mut self, change: impl FnOnce(&mut Self, &mut BTreeSet<u64>) -> T) -> T {
        let mut pending = std::mem::take(&mut self.pending);
        let result = change(self, &mut pending);
        self.pending = pending;
        result
    }
}

/// Neighbouring sectors are one request.
fn plan_sectors(sectors: BTreeSet<u64>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for address in sectors {
        if let Some(Planned {
            op: Op::Write { address: first, len },
            ..
        }) = planned.last_mut()
            && *first + *len == address
        {
            *len += SECTOR_BYTES;
            continue;
        }
        planned.push(Planned {
            op: Op::Write {
                address,
                len: SECTOR_BYTES,
            },
            purpose: Purpose::Metadata,
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::POOR;

    const ROOT: FileId = 1;
    const CLUSTER: u64 = POOR.cluster_bytes;

    fn with_file(size: u64) -> Volume {
        let mut volume = Volume::new(&POOR);
        volume.found(2, ROOT, size).unwrap();
        volume
    }

    /// Requests by purpose: data, metadata, zeroes.
    fn count(planned: &[Planned]) -> (usize, usize, usize) {
        let of = |purpose| planned.iter().filter(|one| one.purpose == purpose).count();
        (of(Purpose::Data), of(Purpose::Metadata), of(Purpose::Zeroes))
    }

    #[test]
    fn overwriting_costs_metadata_only_with_a_full_sync() {
        let mut volume = with_file(10 * CLUSTER);
        assert_eq!(count(&volume.write(2, 5, 100).unwrap()), (1, 0, 0));
        assert_eq!(count(&volume.sync(2, SyncKind::Data)), (0, 0, 0));
        assert_eq!(count(&volume.sync(2, SyncKind::Full)), (0, 1, 0), "the time");
        assert_eq!(count(&volume.sync(2, SyncKind::Full)), (0, 0, 0));
    }

    #[test]
    fn appending_costs_entry_and_bitmap() {
        let mut volume = with_file(CLUSTER);
        volume.write(2, CLUSTER, 16 << 10).unwrap();
        assert_eq!(count(&volume.sync(2, SyncKind::Data)), (0, 2, 0));
        volume.write(2, CLUSTER + (16 << 10), 16 << 10).unwrap();
        assert_eq!(
            count(&volume.sync(2, SyncKind::Data)),
            (0, 1, 0),
            "the cluster was there"
        );
    }

    #[test]
    fn a_gap_is_filled_with_zeroes_once() {
        let mut volume = with_file(0);
        volume.resized(2, 8 * CLUSTER).unwrap();
        assert_eq!(volume.read(2, 0, CLUSTER), [], "never written");
        let planned = volume.write(2, 4 * CLUSTER, 10).unwrap();
        assert_eq!(count(&planned), (1, 0, 1));
        assert!(matches!(planned[0].op, Op::Write { len, .. } if len == 4 * CLUSTER));
        assert_eq!(count(&volume.write(2, 100, 10).unwrap()), (1, 0, 0));
        assert_eq!(volume.read(2, 0, 8 * CLUSTER).len(), 1);
    }

    #[test]
    fn waiting_metadata_are_written_after_half_a_minute() {
        let mut volume = with_file(CLUSTER);
        let second = Duration::from_secs(1);
        volume.write(2, 0, 10).unwrap();
        volume.created(3, ROOT).unwrap();
        assert_eq!(volume.expire(second), []);
        assert_eq!(volume.expire(30 * second), []);
        assert_eq!(
            count(&volume.expire(31 * second)),
            (0, 1, 0),
            "both entries are in one sector"
        );
        assert_eq!(volume.expire(90 * second), []);
    }

    #[test]
    fn a_rename_over_writes_both_directories_and_frees_the_target() {
        let mut volume = with_file(CLUSTER);
        volume.created(7, ROOT).unwrap();
        volume.created(3, 7).unwrap();
        volume.write(3, 0, CLUSTER).unwrap();
        volume.sync(3, SyncKind::Full);
        let free = volume.space().1;
        volume.removed(2, ROOT);
        volume.renamed(3, 7, ROOT).unwrap();
        volume.freed(2);
        assert_eq!(volume.space().1, free + CLUSTER);
        assert_eq!(
            count(&volume.sync(3, SyncKind::Data)),
            (0, 3, 0),
            "two directories, the bitmap"
        );
    }

    #[test]
    fn a_full_stick_refuses() {
        let mut volume = with_file(0);
        let (all, _) = volume.space();
        assert_eq!(volume.resized(2, all + CLUSTER), Err(Full));
    }
}
