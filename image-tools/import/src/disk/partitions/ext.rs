//! The superblock of ext2, ext3 and ext4, as far as recognising one needs.

use std::{fs::File, io};

use super::{le32, read_inside};

const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_BYTES: usize = 1024;

/// Whether such a file system starts at `offset` and fits into `size_bytes`.
pub(super) fn is_at(disk: &File, offset: u64, size_bytes: u64) -> io::Result<bool> {
    let Some(end) = offset.checked_add(size_bytes) else {
        return Ok(false);
    };
    let Some(block) = read_inside(disk, end, offset.saturating_add(SUPERBLOCK), SUPERBLOCK_BYTES)? else {
        return Ok(false);
    };
    let blocks = u64::from(le32(&block, 4));
    let log_block_size = le32(&block, 24);
    // 1 KiB to 64 KiB.
    let fits = log_block_size <= 6 && blocks > 0 && blocks << (10 + log_block_size) <= size_bytes;
    Ok(block[56..58] == [0x53, 0xef] && fits)
}
