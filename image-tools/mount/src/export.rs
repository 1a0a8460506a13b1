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

    /// `len` bytes of a volume from `offset` on, as a file of their own: one partition of a disk. What would lie outside the
    /// volume is cut off.
    pub fn part(name: impl Into<String>, volume: Arc<dyn Volume>, offset: u64, len: u64) -> Self {
        let rest = volume.size_bytes().saturating_sub(offset);
        let part = Part {
            len: len.min(rest),
            whole: volume,
            offset,
        };
        Self::volume(name, Arc::new(part))
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

/// A stretch of another volume.
struct Part {
    whole: Arc<dyn Volume>,
    offset: u64,
    len: u64,
}

impl Part {
    /// Where in the whole volume `len` bytes at `offset` of the part stand.
    fn place(&self, offset: u64, len: u64) -> Result<u64, VolumeError> {
        match offset.checked_add(len).filter(|end| *end <= self.len) {
            Some(_) => Ok(self.offset + offset),
            None => Err(VolumeError::OutOfRange {
                offset,
                len,
                size: self.len,
            }),
        }
    }
}

impl Volume for Part {
    fn size_bytes(&self) -> u64 {
        self.len
    }

    fn is_read_only(&self) -> bool {
        self.whole.is_read_only()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.whole
            .read_at(self.place(offset, buffer.len() as u64)?, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.whole.write_at(self.place(offset, data.len() as u64)?, data)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.whole.flush()
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.whole.trim(self.place(offset, len)?, len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Remembers where it was asked.
    struct Asked(Mutex<Vec<(u64, u64)>>);

    impl Volume for Asked {
        fn size_bytes(&self) -> u64 {
            10_000
        }

        fn is_read_only(&self) -> bool {
            false
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
            self.trim(offset, buffer.len() as u64)
        }

        fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
            self.trim(offset, data.len() as u64)
        }

        fn flush(&self) -> Result<(), VolumeError> {
            Ok(())
        }

        fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
            self.0.lock().unwrap().push((offset, len));
            Ok(())
        }
    }

    #[test]
    fn a_part_stays_inside_its_place() {
        let asked = Arc::new(Asked(Mutex::default()));
        let part = Export::part("part", asked.clone(), 4096, 512).volume;
        assert_eq!(part.size_bytes(), 512);
        part.read_at(0, &mut [0; 512]).unwrap();
        part.write_at(500, &[0; 12]).unwrap();
        part.trim(512, 0).unwrap();
        for (offset, len) in [(1, 512), (513, 0), (u64::MAX, 2)] {
            assert!(
                matches!(
                    part.trim(offset, len),
                    Err(VolumeError::OutOfRange { size: 512, .. })
                ),
                "{offset}+{len}"
            );
        }
        assert_eq!(*asked.0.lock().unwrap(), [(4096, 512), (4596, 12), (4608, 0)]);
        let at_the_end = Export::part("rest", asked.clone(), 9_000, u64::MAX);
        assert_eq!(at_the_end.volume.size_bytes(), 1_000);
        assert_eq!(Export::part("none", asked, 20_000, 5).volume.size_bytes(), 0);
    }
}
