//! A volume as a raw, sparse file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gobag_format::Monitor;
use gobag_format::limits::CHUNK_LEN;
use thiserror::Error;

use super::BaseVolume;
use crate::files::{At, FileError};
use crate::volume::VolumeError;

/// Why a volume could not be written to a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The volume cannot be read.
    #[error("cannot read the volume")]
    Volume(#[from] VolumeError),
    /// The person asked to stop.
    #[error("stopped before the volume was written out")]
    Cancelled,
}

impl ExportError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Volume(error) => error.code(),
            Self::Cancelled => "export.cancelled",
        }
    }
}

impl BaseVolume {
    /// Writes the volume to a new file at `path`; chunks of zeros become holes.
    pub fn export(&self, path: &Path, monitor: &dyn Monitor) -> Result<(), ExportError> {
        let file = File::create_new(path).at("create", path)?;
        let size = self.size_bytes();
        file.set_len(size).at("write", path)?;
        for index in 0..size.div_ceil(CHUNK_LEN as u64) {
            if monitor.is_cancelled() {
                return Err(ExportError::Cancelled);
            }
            let offset = index * CHUNK_LEN as u64;
            let len = (size - offset).min(CHUNK_LEN as u64);
            if self.is_stored(index)? {
                let chunk = self.read_chunk(index)?;
                file.write_all_at(&chunk[..len as usize], offset)
                    .at("write", path)?;
            }
            monitor.advance(len);
        }
        Ok(())
    }
}
