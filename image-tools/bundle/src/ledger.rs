//! The ledger on a stick: read, and replaced as a whole (`docs/format/ledger.md`).
//!
//! Both files hold the same. The first is written, flushed and read back before the second is touched, so at every moment one
//! whole ledger is on the medium: the one before, or the new one.

use std::io;

use gobag_format::{
    Monitor,
    crypto::{Key, Random},
    envelope::EnvelopeError,
    ids::BundleId,
    ledger::{Ledger, LedgerError, LedgerKeys, LedgerRecord},
    limits::{LEDGER_FILE_LEN, LEDGER_SLOT_AT, LEDGER_SLOT_LEN},
    sign::VerifyingKey,
};
use thiserror::Error;

use crate::{
    Bundle,
    files::{self, FileError},
    medium::{FileRef, Medium, settle},
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
    pub(crate) stale_files: u8,
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
        // A writing that a killed program left in the system's memory alone would be counted and then lost.
        for file in files() {
            settle(&*self.medium, file).map_err(|source| LedgerAccessError::Medium { file, source })?;
        }
        let mut ledger = self.read_ledger()?.newest;
        change(&mut ledger.record);
        ledger.generation += 1;
        write(&*self.medium, &self.ledger_keys(), &ledger, &*self.ambient.random)
    }

    /// Makes sure that there is a ledger and that both files hold it: an earlier version made the stick without one, or a file is
    /// damaged. Creates files, so it is for IT, not for daily use. What cannot be read begins anew, with a fresh key. Returns the
    /// stick's key.
    pub fn ensure_ledger(&self, monitor: &dyn Monitor) -> Result<VerifyingKey, LedgerAccessError> {
        if !self.writable {
            return Err(LedgerAccessError::ReadOnly);
        }
        let random = &*self.ambient.random;
        let ledger = match self.read_ledger() {
            Ok(read) if read.stale_files == 0 => return Ok(key_of(&read.newest)),
            Ok(read) => Ledger {
                generation: read.newest.generation + 1,
                record: read.newest.record,
            },
            Err(LedgerAccessError::None | LedgerAccessError::Ledger(LedgerError::Damaged)) => Ledger {
                generation: 1,
                record: LedgerRecord::new(random),
            },
            Err(error) => return Err(error),
        };
        self.make_files(monitor)?;
        write(&*self.medium, &self.ledger_keys(), &ledger, random)?;
        Ok(key_of(&ledger))
    }

    /// Makes the files that are not there, or not whole.
    fn make_files(&self, monitor: &dyn Monitor) -> Result<(), LedgerAccessError> {
        let folder = self.medium.folder();
        for file in files() {
            match self.medium.len(file) {
                Ok(LEDGER_FILE_LEN) => continue,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(LedgerAccessError::Medium { file, source }),
            }
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
            files::sync_folder(&folder)?;
        }
        Ok(())
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
    write(medium, &LedgerKeys::new(bundle, key), &ledger, random)?;
    Ok(record)
}

fn key_of(ledger: &Ledger) -> VerifyingKey {
    ledger.record.signing_key().verifying_key()
}

fn read(medium: &dyn Medium, keys: &LedgerKeys) -> Result<Read, LedgerAccessError> {
    let mut opened = Vec::new();
    let (mut missing, mut damaged, mut failed) = (0, false, None);
    for file in files() {
        let mut slot = vec![0; LEDGER_SLOT_LEN];
        match medium.read_at(file, LEDGER_SLOT_AT, &mut slot) {
            Ok(()) => match keys.open(&slot) {
                Ok(ledger) => opened.push(ledger),
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
    let Some(newest) = opened.iter().map(|ledger| ledger.generation).max() else {
        // What could not be read may be a whole ledger: nothing must be begun anew over it.
        return Err(match failed {
            Some(failed) => failed,
            None if missing == FILES || !damaged => LedgerAccessError::None,
            None => LedgerError::Damaged.into(),
        });
    };
    opened.retain(|ledger| ledger.generation == newest);
    Ok(Read {
        stale_files: FILES - opened.len() as u8,
        newest: opened.swap_remove(0),
    })
}

fn write(
    medium: &dyn Medium,
    keys: &LedgerKeys,
    ledger: &Ledger,
    random: &dyn Random,
) -> Result<(), LedgerAccessError> {
    for file in files() {
        let slot = keys.seal(ledger, random)?;
        let failed = |source| LedgerAccessError::Medium { file, source };
        medium.write_at(file, LEDGER_SLOT_AT, &slot).map_err(failed)?;
        medium.flush(file).map_err(failed)?;
        medium.forget_cached(file).map_err(failed)?;
        let mut back = vec![0; LEDGER_SLOT_LEN];
        medium.read_at(file, LEDGER_SLOT_AT, &mut back).map_err(failed)?;
        if back != slot {
            return Err(LedgerAccessError::NotKept { file });
        }
    }
    Ok(())
}

pub(crate) fn files() -> impl Iterator<Item = FileRef> {
    (0..FILES).map(FileRef::Ledger)
}

#[cfg(test)]
mod tests;
