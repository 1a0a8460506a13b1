//! What is offered under which name.

use std::sync::Arc;

use gobag_bundle::{Volume, VolumeError};

/// One file of a mount.
#[derive(Clone)]
pub struct Export {
    /// File name: no slash, not empty, unique in its mount.
    pub name: String,
    /// What the file contains.
    pub volume: Arc<dyn Volume>,
    /// Whether the host's page cache may keep the contents. Leave it off for anything personal.
    pub cached: bool,
}

impl Export {
    /// A volume as a file that passes by the host's page cache.
    pub fn volume(name: impl Into<String>, volume: Arc<dyn Volume>) -> Self {
        Self {
            name: name.into(),
            volume,
            cached: false,
        }
    }

    /// A small immutable file from memory, such as the kernel that a guest boots from. Serving it here instead of
    /// writing it to a temporary folder leaves no trace on the host's disk.
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            volume: Arc::new(Bytes(bytes)),
            cached: true,
        }
    }
}

/// A read-only volume in memory.
struct Bytes(Vec<u8>);

impl Volume for Bytes {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buffer.len())?));
        match range {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(VolumeError::OutOfRange {
                offset,
                len: buffer.len() as u64,
                size: self.size_bytes(),
            }),
        }
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, _offset: u64, _len: u64) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }
}
