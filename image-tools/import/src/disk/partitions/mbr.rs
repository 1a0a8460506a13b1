//! The partition table in the first sector, with its chain of logical partitions.

use std::{fs::File, io};

use super::{Partition, PartitionKind, SECTOR, le32, read_inside};
use crate::limits::MAX_PARTITIONS;

const ENTRIES: usize = 446;
const ENTRY_BYTES: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Boot code stands before the disk's own signature.
const CODE_BYTES: usize = 440;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];

/// One of the four entries.
struct Entry {
    status: u8,
    kind: u8,
    start: u64,
    sectors: u64,
}

/// Whether a BIOS would find something to run in the first sector.
pub(super) fn has_boot_code(first: &[u8; SECTOR as usize]) -> bool {
    first[510..] == SIGNATURE && first[..CODE_BYTES].iter().any(|&byte| byte != 0)
}

/// The partitions; nothing when the sector holds no such table. A boot sector of a file system has the same signature,
/// but no sense in the place of the entries.
pub(super) fn read(
    disk: &File,
    disk_bytes: u64,
    first: &[u8; SECTOR as usize],
) -> io::Result<Option<Vec<Partition>>> {
    let sane = |entry: &Entry| {
        let empty = entry.kind == 0 && entry.sectors == 0;
        empty || (entry.status & 0x7f == 0 && entry.kind != 0 && inside(entry, disk_bytes))
    };
    let entries = entries(first);
    let used = |entry: &&Entry| entry.kind != 0;
    if first[510..] != SIGNATURE || !entries.iter().all(sane) || !entries.iter().any(|entry| used(&entry)) {
        return Ok(None);
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(&entries) {
        if used(&entry) && !EXTENDED.contains(&entry.kind) {
            partitions.push(partition(number, entry));
        }
    }
    if let Some(extended) = entries.iter().find(|entry| EXTENDED.contains(&entry.kind)) {
        logical(disk, disk_bytes, extended.start, &mut partitions)?;
    }
    Ok(Some(partitions))
}

/// Follows the chain: each sector has one partition and the way to the next, which lies relative to `base`. Each link
/// must lead forward, so no chain is endless.
fn logical(disk: &File, disk_bytes: u64, base: u64, partitions: &mut Vec<Partition>) -> io::Result<()> {
    let mut at = base;
    for number in 5.. {
        let sector = match at.checked_mul(SECTOR) {
            Some(offset) => read_inside(disk, disk_bytes, offset, SECTOR as usize)?,
            None => None,
        };
        let Some(sector) = sector.filter(|sector| sector[510..] == SIGNATURE) else {
            return Ok(());
        };
        let [mut own, next, ..] = entries(&sector);
        own.start += at;
        if own.kind != 0 && inside(&own, disk_bytes) {
            partitions.push(partition(number, &own));
        }
        let next_at = base + next.start;
        if !EXTENDED.contains(&next.kind) || next_at <= at || partitions.len() >= MAX_PARTITIONS {
            return Ok(());
        }
        at = next_at;
    }
    Ok(())
}

fn entries(sector: &[u8]) -> [Entry; 4] {
    [0, 1, 2, 3].map(|index| {
        let entry = &sector[ENTRIES + index * ENTRY_BYTES..][..ENTRY_BYTES];
        Entry {
            status: entry[0],
            kind: entry[4],
            start: u64::from(le32(entry, 8)),
            sectors: u64::from(le32(entry, 12)),
        }
    })
}

fn inside(entry: &Entry, disk_bytes: u64) -> bool {
    let end = (entry.start + entry.sectors) * SECTOR;
    entry.start > 0 && entry.sectors > 0 && end <= disk_bytes
}

fn partition(number: u32, entry: &Entry) -> Partition {
    Partition {
        number,
        offset_bytes: entry.start * SECTOR,
        size_bytes: entry.sectors * SECTOR,
        kind: match entry.kind {
            0xef => PartitionKind::EfiSystem,
            0x83 => PartitionKind::Linux,
            0x01 | 0x04 | 0x06 | 0x07 | 0x0b | 0x0c | 0x0e => PartitionKind::Windows,
            _ => PartitionKind::Other,
        },
        bootable: entry.status == 0x80,
        ext: false,
    }
}
