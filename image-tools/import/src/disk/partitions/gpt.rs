//! The GUID partition table: at the start of the disk, and again at its end for when the first is damaged.

use std::{fs::File, io};

use super::{Partition, PartitionKind, SECTOR, le32, le64, read_inside};
use crate::limits::{MAX_GPT_ENTRY_BYTES, MAX_PARTITIONS};

const HEADER_BYTES: usize = 92;
/// GPT sectors are those of the disk; images of disks with large ones exist.
const SECTOR_SIZES: [u64; 2] = [SECTOR, 4096];
/// Attribute bit: a BIOS may boot from this one.
const LEGACY_BOOTABLE: u64 = 1 << 2;

/// Types in the byte order of the disk: the first three fields of a GUID are little-endian.
const EFI_SYSTEM: [u8; 16] = guid(0xc12a_7328, 0xf81f, 0x11d2, 0xba4b_00a0_c93e_c93b);
const BIOS_BOOT: [u8; 16] = guid(0x2168_6148, 0x6449, 0x6e6f, 0x744e_6565_6445_4649);
const LINUX: [u8; 16] = guid(0x0fc6_3daf, 0x8483, 0x4772, 0x8e79_3d69_d847_7de4);
const LINUX_ROOT_X86_64: [u8; 16] = guid(0x4f68_bce3, 0xe8cd, 0x4db1, 0x96e7_fbca_f984_b709);
const WINDOWS_DATA: [u8; 16] = guid(0xebd0_a0a2, 0xb9e5, 0x4433, 0x87c0_68b6_b726_99c7);

const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let (a, b, c, d) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes(), d.to_be_bytes());
    [
        a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7],
    ]
}

/// The partitions; nothing when there is no table with a correct checksum.
pub(super) fn read(disk: &File, disk_bytes: u64) -> io::Result<Option<Vec<Partition>>> {
    for sector in SECTOR_SIZES {
        for place in [Some(sector), disk_bytes.checked_sub(sector)]
            .into_iter()
            .flatten()
        {
            if let Some(partitions) = read_at(disk, disk_bytes, place, sector)? {
                return Ok(Some(partitions));
            }
        }
    }
    Ok(None)
}

fn read_at(disk: &File, disk_bytes: u64, place: u64, sector: u64) -> io::Result<Option<Vec<Partition>>> {
    let Some(header) = read_inside(disk, disk_bytes, place, HEADER_BYTES)? else {
        return Ok(None);
    };
    if &header[..8] != b"EFI PART" || !checksum_fits(&header) {
        return Ok(None);
    }
    let count = le32(&header, 80) as usize;
    let entry_bytes = le32(&header, 84) as usize;
    if !(128..=MAX_GPT_ENTRY_BYTES).contains(&entry_bytes) {
        return Ok(None);
    }
    let table = le64(&header, 72).checked_mul(sector);
    let length = count.min(MAX_PARTITIONS) * entry_bytes;
    let Some(table) = table
        .map(|at| read_inside(disk, disk_bytes, at, length))
        .transpose()?
        .flatten()
    else {
        return Ok(None);
    };
    // The checksum is over all entries; one that has more of them than we look at is taken without it.
    if count <= MAX_PARTITIONS && crc32(&table) != le32(&header, 88) {
        return Ok(None);
    }
    let entries = (1..).zip(table.chunks_exact(entry_bytes));
    Ok(Some(
        entries
            .filter_map(|(number, entry)| partition(number, entry, sector, disk_bytes))
            .collect(),
    ))
}

/// The header's checksum is over itself with the checksum set to zero. Longer headers than today's are not known.
fn checksum_fits(header: &[u8]) -> bool {
    let mut bare = header.to_vec();
    bare[16..20].fill(0);
    le32(header, 12) as usize == HEADER_BYTES && crc32(&bare) == le32(header, 16)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn partition(number: u32, entry: &[u8], sector: u64, disk_bytes: u64) -> Option<Partition> {
    let kind = match entry.first_chunk::<16>()? {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => return None,
        kind if *kind == EFI_SYSTEM => PartitionKind::EfiSystem,
        kind if *kind == BIOS_BOOT => PartitionKind::BiosBoot,
        kind if *kind == LINUX => PartitionKind::Linux,
        kind if *kind == LINUX_ROOT_X86_64 => PartitionKind::LinuxRoot,
        kind if *kind == WINDOWS_DATA => PartitionKind::Windows,
        _ => PartitionKind::Other,
    };
    let start = le64(entry, 32).checked_mul(sector)?;
    let end = le64(entry, 40).checked_add(1)?.checked_mul(sector)?;
    (start < end && end <= disk_bytes).then(|| Partition {
        number,
        offset_bytes: start,
        size_bytes: end - start,
        kind,
        bootable: le64(entry, 48) & LEGACY_BOOTABLE != 0,
        ext: false,
    })
}
