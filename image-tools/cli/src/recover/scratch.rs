//! A disk that may be written although what lies below it may not: what is written goes into a file without a name, and with it.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use gobag_bundle::{Volume, VolumeError};
use gobag_format::limits::BLOCK_LEN;
use rustix::fs::{FallocateFlags, fallocate};

const BLOCK: u64 = BLOCK_LEN as u64;

/// A volume over another one.
pub(super) struct Scratch<V> {
    below: V,
    file: File,
    /// Which blocks are in the file.
    written: RwLock<Vec<bool>>,
}

impl<V: Volume> Scratch<V> {
    /// Over `below`; its file is in `folder`, and gone when this is, or the program.
    pub(super) fn over(below: V, folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        file.set_len(below.size_bytes().next_multiple_of(BLOCK))?;
        let blocks = below.size_bytes().div_ceil(BLOCK);
        Ok(Self {
            below,
            file,
            written: RwLock::new(vec![false; blocks as usize]),
        })
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        let size = self.size_bytes();
        match offset.checked_add(len) {
            Some(end) if end <= size => Ok(()),
            _ => Err(VolumeError::OutOfRange { offset, len, size }),
        }
    }

    fn written(&self) -> RwLockReadGuard<'_, Vec<bool>> {
        self.written.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what `written`, which is of the blocks from that of `offset` on, says is in the file from there, all else from below.
    fn read(&self, written: &[bool], mut offset: u64, mut buffer: &mut [u8]) -> Result<(), VolumeError> {
        for alike in written.chunk_by(|one, next| one == next) {
            let end = (offset / BLOCK + alike.len() as u64) * BLOCK;
            let len = (end - offset).min(buffer.len() as u64);
            let (part, rest) = buffer.split_at_mut(len as usize);
            match alike[0] {
                true => self
                    .file
                    .read_exact_at(part, offset)
                    .map_err(VolumeError::Medium)?,
                false => self.below.read_at(offset, part)?,
            }
            (buffer, offset) = (rest, offset + len);
        }
        Ok(())
    }
}

impl<V: Volume> Volume for Scratch<V> {
    fn size_bytes(&self) -> u64 {
        self.below.size_bytes()
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.check(offset, buffer.len() as u64)?;
        let blocks = blocks(offset, buffer.len() as u64);
        // Nobody waits for the network under the lock. What is written meanwhile may be read or not.
        let written = self.written()[blocks].to_vec();
        self.read(&written, offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.check(offset, data.len() as u64)?;
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        let end = offset + data.len() as u64;
        // Of blocks that are written in part the rest has to be in the file, too.
        for edge in [offset, end] {
            let (block, inside) = ((edge / BLOCK) as usize, edge % BLOCK);
            if inside > 0 && !written[block] {
                let at = edge - inside;
                let mut whole = vec![0; BLOCK.min(self.size_bytes() - at) as usize];
                self.read(&[false], at, &mut whole)?;
                self.file.write_all_at(&whole, at).map_err(refused)?;
                written[block] = true;
            }
        }
        self.file.write_all_at(data, offset).map_err(refused)?;
        written[blocks(offset, data.len() as u64)].fill(true);
        Ok(())
    }

    /// Nothing outlives this program.
    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    /// Whole blocks take no room: they are a hole in the file.
    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.check(offset, len)?;
        let end = offset + len;
        let (first, last) = (offset.next_multiple_of(BLOCK), end / BLOCK * BLOCK);
        if first >= last {
            return self.write_at(offset, &vec![0; len as usize]);
        }
        self.write_at(offset, &vec![0; (first - offset) as usize])?;
        self.write_at(last, &vec![0; (end - last) as usize])?;
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, hole, first, last - first).map_err(|error| refused(error.into()))?;
        written[blocks(first, last - first)].fill(true);
        Ok(())
    }
}

/// The blocks that a range touches.
fn blocks(offset: u64, len: u64) -> Range<usize> {
    (offset / BLOCK) as usize..(offset + len).div_ceil(BLOCK) as usize
}

/// Why the file took nothing more.
fn refused(error: io::Error) -> VolumeError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => VolumeError::Full,
        _ => VolumeError::Medium(error),
    }
}

#[cfg(test)]
mod tests {
    use gobag_mount::Export;

    use super::*;

    #[test]
    fn it_reads_as_a_disk_does_whose_writes_go_elsewhere() {
        // Not a whole number of blocks, as a disk may be.
        let size = 9 * BLOCK_LEN + 512;
        let mut expected: Vec<u8> = (0..size).map(|at| (at * 7 / 5) as u8).collect();
        let below = Export::bytes("disk", expected.clone()).volume;
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::over(Below(below.clone()), folder.path()).unwrap();
        let mut state = 12345_u64;
        let mut next = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % end
        };
        for round in 0..400 {
            let from = next(size);
            let len = next(size - from).min(next(3 * BLOCK_LEN) + 1);
            if round % 5 == 0 {
                scratch.trim(from as u64, len as u64).unwrap();
                expected[from..from + len].fill(0);
            } else {
                let data: Vec<u8> = (0..len).map(|at| (at + round) as u8).collect();
                scratch.write_at(from as u64, &data).unwrap();
                expected[from..from + len].copy_from_slice(&data);
            }
            let (from, end) = (next(size), size);
            let mut found = vec![0; end - from];
            scratch.read_at(from as u64, &mut found).unwrap();
            assert!(found == expected[from..], "round {round}");
        }
        assert!(matches!(
            scratch.write_at(size as u64 - 1, &[0; 2]),
            Err(VolumeError::OutOfRange { .. })
        ));
        scratch.trim(0, size as u64).unwrap();
        let room = rustix::fs::fstat(&scratch.file).unwrap().st_blocks * 512;
        assert!(room <= 2 * BLOCK as i64, "{room} bytes of zeros");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "nothing to find"
        );
    }

    struct Below(std::sync::Arc<dyn Volume>);

    impl Volume for Below {
        fn size_bytes(&self) -> u64 {
            self.0.size_bytes()
        }

        fn is_read_only(&self) -> bool {
            true
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
            self.0.read_at(offset, buffer)
        }

        fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), VolumeError> {
            panic!("what lies below is written to")
        }

        fn flush(&self) -> Result<(), VolumeError> {
            Ok(())
        }

        fn trim(&self, _offset: u64, _len: u64) -> Result<(), VolumeError> {
            panic!("what lies below is written to")
        }
    }
}
