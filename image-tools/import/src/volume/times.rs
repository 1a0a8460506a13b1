//! The times in a new ext4 file system, made independent of when it was made.
//!
//! `mke2fs -d` copies from a folder that was unpacked a moment ago, so every inode says that it was changed and read
//! just now. The same content would give other inode tables each time, and every stick would be sent all of them with
//! each update. This sets both times to the time of the content's last change, which the archive knew.
//!
//! The layout is that of the Linux kernel's `Documentation/filesystems/ext4`; offsets below are from there. Only the
//! features that `gobag-engine` asks for are understood, a file system with others is left as it is.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xef53;
/// Feature words: block group descriptors elsewhere; the checksum seed stored apart; 64-bit block numbers; checksums.
const META_BG: u32 = 0x10;
const CHECKSUM_SEED: u32 = 0x2000;
const WIDE: u32 = 0x80;
const METADATA_CHECKSUMS: u32 = 0x400;
/// A group whose inode table was never written.
const INODES_UNUSED: u16 = 1;

const ACCESSED: usize = 8;
const CHANGED: usize = 12;
const MODIFIED: usize = 16;
const GENERATION: usize = 100;
const CHECKSUM_LOW: usize = 124;
const EXTRA_BYTES: usize = 128;
const CHECKSUM_HIGH: usize = 130;
const CHANGED_EXTRA: usize = 132;
const MODIFIED_EXTRA: usize = 136;
const ACCESSED_EXTRA: usize = 140;
/// Where the fields up to [`ACCESSED_EXTRA`] end.
const EXTRA_END: usize = 144;

/// Settles the times in the file system in `path`. Does nothing to one it does not understand.
pub(super) fn settle(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut superblock = [0; 1024];
    file.read_exact_at(&mut superblock, SUPERBLOCK)?;
    let Some(layout) = Layout::of(&superblock) else {
        return Ok(());
    };
    for group in 0..layout.groups {
        settle_group(&file, &layout, group)?;
    }
    Ok(())
}

/// What the superblock says.
struct Layout {
    block_bytes: u64,
    groups: u32,
    inodes_per_group: u32,
    inode_bytes: usize,
    descriptors: u64,
    descriptor_bytes: usize,
    /// The start of every checksum, when there are any.
    seed: Option<u32>,
}

impl Layout {
    fn of(superblock: &[u8; 1024]) -> Option<Self> {
        let incompatible = le32(superblock, 96);
        let inode_bytes = usize::from(le16(superblock, 88));
        let inodes_per_group = le32(superblock, 40);
        let log_block_size = le32(superblock, 24);
        let understood = le16(superblock, 56) == MAGIC
            && incompatible & (META_BG | CHECKSUM_SEED) == 0
            && (EXTRA_END..=4096).contains(&inode_bytes)
            && inodes_per_group > 0
            && log_block_size <= 6;
        let block_bytes = 1024u64 << log_block_size.min(6);
        let checksums = le32(superblock, 100) & METADATA_CHECKSUMS != 0;
        understood.then(|| Self {
            block_bytes,
            groups: le32(superblock, 0).div_ceil(inodes_per_group),
            inodes_per_group,
            inode_bytes,
            descriptors: (u64::from(le32(superblock, 20)) + 1) * block_bytes,
            descriptor_bytes: match incompatible & WIDE {
                0 => 32,
                _ => usize::from(le16(superblock, 254)).clamp(64, 1024),
            },
            seed: checksums.then(|| crc32c(!0, &superblock[104..120])),
        })
    }
}

fn settle_group(file: &File, layout: &Layout, group: u32) -> io::Result<()> {
    const INODES_AT_ONCE: u32 = 4096;
    let mut descriptor = vec![0; layout.descriptor_bytes];
    let at = layout.descriptors + u64::from(group) * layout.descriptor_bytes as u64;
    file.read_exact_at(&mut descriptor, at)?;
    if le16(&descriptor, 18) & INODES_UNUSED != 0 {
        return Ok(());
    }
    let wide = descriptor.len() >= 64;
    let high = |at: usize| if wide { le32(&descriptor, at) } else { 0 };
    let unused = u32::from(le16(&descriptor, 28))
        | if wide {
            u32::from(le16(&descriptor, 50)) << 16
        } else {
            0
        };
    let table = (u64::from(le32(&descriptor, 8)) | u64::from(high(40)) << 32) * layout.block_bytes;
    let used = layout.inodes_per_group.saturating_sub(unused);
    for first in (0..used).step_by(INODES_AT_ONCE as usize) {
        let count = INODES_AT_ONCE.min(used - first);
        let mut inodes = vec![0; count as usize * layout.inode_bytes];
        let at = table + u64::from(first) * layout.inode_bytes as u64;
        file.read_exact_at(&mut inodes, at)?;
        for (index, inode) in (0..).zip(inodes.chunks_exact_mut(layout.inode_bytes)) {
            settle_inode(
                inode,
                group * layout.inodes_per_group + first + index + 1,
                layout.seed,
            );
        }
        file.write_all_at(&inodes, at)?;
    }
    Ok(())
}

fn settle_inode(inode: &mut [u8], number: u32, seed: Option<u32>) {
    let is_used = le16(inode, 0) != 0;
    let has_extra = usize::from(le16(inode, EXTRA_BYTES)) >= EXTRA_END - EXTRA_BYTES;
    if !is_used || !has_extra {
        return;
    }
    inode.copy_within(MODIFIED..MODIFIED + 4, ACCESSED);
    inode.copy_within(MODIFIED..MODIFIED + 4, CHANGED);
    inode.copy_within(MODIFIED_EXTRA..MODIFIED_EXTRA + 4, ACCESSED_EXTRA);
    inode.copy_within(MODIFIED_EXTRA..MODIFIED_EXTRA + 4, CHANGED_EXTRA);
    let Some(seed) = seed else {
        return;
    };
    inode[CHECKSUM_LOW..CHECKSUM_LOW + 2].fill(0);
    inode[CHECKSUM_HIGH..CHECKSUM_HIGH + 2].fill(0);
    let own = crc32c(seed, &number.to_le_bytes());
    let own = crc32c(own, &inode[GENERATION..GENERATION + 4]);
    let sum = crc32c(own, inode).to_le_bytes();
    inode[CHECKSUM_LOW..CHECKSUM_LOW + 2].copy_from_slice(&sum[..2]);
    inode[CHECKSUM_HIGH..CHECKSUM_HIGH + 2].copy_from_slice(&sum[2..]);
}

/// CRC-32C as ext4 uses it: started with what came before, not inverted at the end.
fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 {
                    value >> 1 ^ 0x82f6_3b78
                } else {
                    value >> 1
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(start, |crc, &byte| {
        crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_the_standards_test_string() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_is_no_ext4_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(&[7; 8192], 0).unwrap();
        settle(file.path()).unwrap();
        let mut bytes = [0; 8192];
        file.as_file().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [7; 8192]);
    }
}
