//! The ledger on a stick: read, and replaced as a whole (`docs/format/ledger.md`).
//!
//! Both files hold the same. One is written, flushed and read back before the other is touched, and one that does not hold the newest
//! comes first: so at every moment a whole ledger is on the medium, the one before or the new one, however often a write is cut.

use std::{io, sync::PoisonError};

use gobag_format::{
    Monitor,
    crypto::{Key, Random},
    envelope::EnvelopeError,
    ids::BundleId,
    ledger::{Ledger, LedgerError, LedgerKeys, LedgerRecord, StickKeys},
    limits::{LEDGER_FILE_LEN, LEDGER_SLOT_AT, LEDGER_SLOT_LEN},
};
use thiserror::Error;

use crate::{
    Bundle,
    files::{self, FileError},
    medium::{FileRef, Medium, settle, write_kept},
    stick::survey::free_bytes,
};

/// Files of the ledger.
const FILES: u8 = 2;

/// Why the ledger cannot be used. The user's data does not depend on it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerAccessError {
    /// The stick was made by an earlier version of Gobag.
    #[error("this stick has no ledger: an earlier version of Gobag made it")]
    None,
    /// The stick may only be read.
    #[error("this stick may only be read")]
    ReadOnly,
    /// The medium failed.
    #[error("cannot use {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// What was read back is not what was written.
    #[error("{file} did not keep what was written to it")]
    NotKept {
        /// The file.
        file: FileRef,
    },
    /// What shall be kept is no signed document.
    #[error("what was found of this computer is too much to be kept")]
    Document(#[source] EnvelopeError),
    /// There is no room for a new one.
    #[error("the stick has no room for a ledger ({LEDGER_FILE_LEN} bytes twice)")]
    NoSpace,
    /// A file of it could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The person asked to stop.
    #[error("stopped")]
    Cancelled,
    /// It does not open, or cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LedgerAccessError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "ledger.none",
            Self::ReadOnly => "ledger.read-only",
            Self::Medium { .. } => "ledger.medium",
            Self::NotKept { .. } => "ledger.not-kept",
            Self::Document(error) => error.code(),
            Self::NoSpace => "ledger.no-space",
            Self::File(error) => error.code(),
            Self::Cancelled => "ledger.cancelled",
            Self::Ledger(error) => error.code(),
        }
    }
}

/// What the files of a ledger hold.
pub(crate) struct Read {
    /// The newest writing that opens.
    pub(crate) newest: Ledger,
    /// Files that do not hold it.
    pub(crate) stale: Vec<FileRef>,
}

impl Read {
    /// In which order the next ledger is written: a file that holds the newest is touched only when another one holds more.
    fn order(&self) -> Vec<FileRef> {
        let others = files().filter(|file| !self.stale.contains(file));
        self.stale.iter().copied().chain(others).collect()
    }

    /// The ledger that comes after it.
    fn next(self) -> Ledger {
        Ledger {
            generation: self.newest.generation + 1,
            record: self.newest.record,
        }
    }
}

impl Bundle {
    /// What the ledger says.
    pub fn ledger(&self) -> Result<LedgerRecord, LedgerAccessError> {
        Ok(self.read_ledger()?.newest.record)
    }

    /// Changes what the ledger says. `change` sees what stands there now.
    pub fn change_ledger(&self, change: impl FnOnce(&mut LedgerRecord)) -> Result<(), LedgerAccessError> {
        if !self.writable {
            return Err(LedgerAccessError::ReadOnly);
        }
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // A writing that a killed program left in the system's memory alone would be counted and then lost.
        for file in files() {
            settle(&*self.medium, file).map_err(|source| LedgerAccessError::Medium { file, source })?;
        }
        let read = self.read_ledger()?;
        let order = read.order();
        let mut ledger = read.next();
        change(&mut ledger.record);
        order
            .into_iter()
            .try_for_each(|file| self.put_ledger(file, &ledger))
    }

    /// Makes sure that there is a ledger and that both files hold it: an earlier version made the stick without one, or a file is
    /// damaged. Creates files, so it is for IT, not for daily use. What cannot be read begins anew, with a fresh key. Returns the
    /// stick's keys.
    pub fn ensure_ledger(&self, monitor: &dyn Monitor) -> Result<StickKeys, LedgerAccessError> {
        if !self.writable {
            return Err(LedgerAccessError::ReadOnly);
        }
        let (order, ledger) = match self.read_ledger() {
            Ok(read) if read.stale.is_empty() => return Ok(read.newest.record.public_keys()),
            Ok(read) => (read.order(), read.next()),
            Err(LedgerAccessError::None | LedgerAccessError::Ledger(LedgerError::Damaged)) => {
                let record = LedgerRecord::new(&*self.ambient.random);
                let ledger = Ledger {
                    generation: 1,
                    record,
                };
                (files().collect(), ledger)
            }
            Err(error) => return Err(error),
        };
        for file in order {
            self.make_file(file, monitor)?;
            self.put_ledger(file, &ledger)?;
        }
        Ok(ledger.record.public_keys())
    }

    /// Makes a file that is not there, or not whole.
    fn make_file(&self, file: FileRef, monitor: &dyn Monitor) -> Result<(), LedgerAccessError> {
        match self.medium.len(file) {
            Ok(LEDGER_FILE_LEN) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LedgerAccessError::Medium { file, source }),
        }
        let folder = self.medium.folder();
        let path = folder.join(file.path());
        if free_bytes(&folder)? < LEDGER_FILE_LEN {
            return Err(LedgerAccessError::NoSpace);
        }
        self.medium.close(file);
        let made = files::prewrite(&path, LEDGER_FILE_LEN, &*self.ambient.random, monitor);
        if !matches!(made, Ok(Some(()))) {
            // A part of it is of no use, and takes room that the next update may need.
            let _ = files::delete(&path);
        }
        made?.ok_or(LedgerAccessError::Cancelled)?;
        Ok(files::sync_folder(&folder)?)
    }

    fn put_ledger(&self, file: FileRef, ledger: &Ledger) -> Result<(), LedgerAccessError> {
        put(
            &*self.medium,
            file,
            &self.ledger_keys(),
            ledger,
            &*self.ambient.random,
        )
    }

    pub(crate) fn read_ledger(&self) -> Result<Read, LedgerAccessError> {
        read(&*self.medium, &self.ledger_keys())
    }

    fn ledger_keys(&self) -> LedgerKeys {
        LedgerKeys::new(self.unlocked.bundle, &self.unlocked.key)
    }
}

/// Writes the first ledger of a new bundle, into files that are there already.
pub(crate) fn begin(
    medium: &dyn Medium,
    bundle: BundleId,
    key: &Key,
    write_bytes_per_s: Option<u64>,
    random: &dyn Random,
) -> Result<LedgerRecord, LedgerAccessError> {
    let mut record = LedgerRecord::new(random);
    record.write_bytes_per_s = write_bytes_per_s;
    let ledger = Ledger {
        generation: 1,
        record: record.clone(),
    };
    let keys = LedgerKeys::new(bundle, key);
    files().try_for_each(|file| put(medium, file, &keys, &ledger, random))?;
    Ok(record)
}

fn read(medium: &dyn Medium, keys: &LedgerKeys) -> Result<Read, LedgerAccessError> {
    let mut opened = Vec::new();
    let (mut missing, mut damaged, mut failed) = (0, false, None);
    for file in files() {
        let mut slot = vec![0; LEDGER_SLOT_LEN];
        match medium.read_at(file, LEDGER_SLOT_AT, &mut slot) {
            Ok(()) => match keys.open(&slot) {
                Ok(ledger) => opened.push((file, ledger)),
                // Nothing older must be written over what a later version wrote.
                Err(error @ LedgerError::Newer) => return Err(error.into()),
                Err(_) => damaged = true,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing += 1,
            // Begun, and not finished.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => missing += 1,
            Err(source) => failed = Some(LedgerAccessError::Medium { file, source }),
        }
    }
    let Some(generation) = opened.iter().map(|(_, ledger)| ledger.generation).max() else {
        // What could not be read may be a whole ledger: nothing must be begun anew over it.
        return Err(match failed {
            Some(failed) => failed,
            None if missing == FILES || !damaged => LedgerAccessError::None,
            None => LedgerError::Damaged.into(),
        });
    };
    opened.retain(|(_, ledger)| ledger.generation == generation);
    let stale = files().filter(|file| opened.iter().all(|(holds, _)| holds != file));
    Ok(Read {
        stale: stale.collect(),
        newest: opened.swap_remove(0).1,
    })
}

/// Writes a ledger into one file, and reads it back.
fn put(
    medium: &dyn Medium,
    file: FileRef,
    keys: &LedgerKeys,
    ledger: &Ledger,
    random: &dyn Random,
) -> Result<(), LedgerAccessError> {
    let slot = keys.seal(ledger, random)?;
    match write_kept(medium, file, LEDGER_SLOT_AT, &slot) {
        Ok(true) => Ok(()),
        Ok(false) => Err(LedgerAccessError::NotKept { file }),
        Err(source) => Err(LedgerAccessError::Medium { file, source }),
    }
}

pub(crate) fn files() -> impl Iterator<Item = FileRef> {
    (0..FILES).map(FileRef::Ledger)
}

#[cfg(test)]
mod tests;
