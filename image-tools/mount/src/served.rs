//! One export at work: requests become volume calls, volume errors become error numbers.
//!
//! A panic in the volume's code is caught here, reported like an error of the medium and answered with `EIO`; the
//! mount and all other files go on.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use fuser::Errno;
use gobag_bundle::{Volume, VolumeError};

use crate::{Export, Hold, report::Reporter};

/// An export with what is needed to answer for it.
pub(crate) struct Served {
    name: String,
    is_cached: bool,
    size_bytes: u64,
    is_read_only: bool,
    reporter: Reporter,
    /// Where requests wait that the medium does not answer.
    hold: Option<Arc<Hold>>,
    /// Taken away by [`Served::retire`]. Every call works on its own reference, so this lock is held for moments.
    volume: RwLock<Option<Arc<dyn Volume>>>,
    /// Calls that have not come back from the volume.
    calls: AtomicUsize,
}

impl Served {
    pub(crate) fn new(export: Export, reporter: Reporter, hold: Option<Arc<Hold>>) -> Self {
        Self {
            size_bytes: export.volume.size_bytes(),
            is_read_only: export.volume.is_read_only(),
            name: export.name,
            is_cached: export.cached,
            reporter,
            hold,
            volume: RwLock::new(Some(export.volume)),
            calls: AtomicUsize::new(0),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    pub(crate) fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// Reads up to `buffer.len()` bytes; less only at the end of the file. Returns how many.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let len = self.inside(offset, buffer.len());
        if len > 0 {
            self.call(|volume| volume.read_at(offset, &mut buffer[..len]))?;
        }
        Ok(len)
    }

    /// Writes what lies inside the file and returns how much that was. With `durable` it is on the medium then.
    pub(crate) fn write(&self, offset: u64, data: &[u8], durable: bool) -> Result<usize, Errno> {
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let len = self.inside(offset, data.len());
        if len == 0 && !data.is_empty() {
            // Not ENOSPC: a disk that ends here is not a stick that is full, and QEMU treats the latter specially.
            return Err(Errno::EFBIG);
        }
        self.call(|volume| volume.write_at(offset, &data[..len]))?;
        if durable {
            self.flush()?;
        }
        Ok(len)
    }

    /// Makes every acknowledged write durable.
    pub(crate) fn flush(&self) -> Result<(), Errno> {
        self.call(|volume| volume.flush())
    }

    /// Lets the part of the range that lies inside the file read as zero.
    pub(crate) fn discard(&self, offset: u64, len: u64) -> Result<(), Errno> {
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let len = len.min(self.size_bytes.saturating_sub(offset));
        if len == 0 {
            return Ok(());
        }
        self.call(|volume| volume.trim(offset, len))
    }

    /// Makes every acknowledged write durable; for callers inside this process, who can read a volume's error.
    pub(crate) fn flush_volume(&self) -> Result<(), VolumeError> {
        self.try_call(|volume| volume.flush())
    }

    /// Lets go of the volume. Later calls fail; earlier ones go on.
    pub(crate) fn retire(&self) {
        *self.volume.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a call has not come back from the volume.
    pub(crate) fn is_in_use(&self) -> bool {
        self.calls.load(Ordering::Acquire) > 0
    }

    fn inside(&self, offset: u64, len: usize) -> usize {
        let rest = self.size_bytes.saturating_sub(offset);
        usize::try_from(rest).unwrap_or(usize::MAX).min(len)
    }

    fn call(&self, mut work: impl FnMut(&dyn Volume) -> Result<(), VolumeError>) -> Result<(), Errno> {
        let report = |error: &VolumeError| self.reporter.report(&self.name, error);
        let result = match &self.hold {
            Some(hold) => hold.run(|| self.try_call(&mut work), report),
            None => self.try_call(work).inspect_err(report),
        };
        result.map_err(|error| errno(&error))
    }

    fn try_call(&self, work: impl FnOnce(&dyn Volume) -> Result<(), VolumeError>) -> Result<(), VolumeError> {
        let volume = self.volume.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(volume) = volume else {
            return Err(VolumeError::Medium(io::ErrorKind::NotConnected.into()));
        };
        self.calls.fetch_add(1, Ordering::AcqRel);
        // Nothing of ours is half changed when the volume unwinds: this crate keeps no state about contents.
        let result = catch_unwind(AssertUnwindSafe(|| work(&*volume)));
        self.calls.fetch_sub(1, Ordering::AcqRel);
        result.unwrap_or_else(|_| {
            let cause = io::Error::other("gobag made a mistake (the code of the volume panicked)");
            Err(VolumeError::Medium(cause))
        })
    }
}

/// The number a program sees. `ENOSPC` is kept for a full stick alone, because it makes QEMU pause the guest.
fn errno(error: &VolumeError) -> Errno {
    match error {
        VolumeError::OutOfRange { .. } => Errno::EINVAL,
        VolumeError::ReadOnly => Errno::EROFS,
        VolumeError::Full => Errno::ENOSPC,
        // Medium, Damaged, and whatever a later version adds.
        _ => Errno::EIO,
    }
}
