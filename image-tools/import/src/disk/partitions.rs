//! Partition tables, read from the bytes of a disk that somebody else wrote: every number is checked against the size of
//! the disk, every count is limited, and nothing is believed that its checksum contradicts.

mod ext;
mod gpt;
mod mbr;

use std::{fs::File, io, os::unix::fs::FileExt};

use serde::Serialize;

use super::DiskBoot;

const SECTOR: u64 = 512;

/// How a disk is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionTable {
    /// Not at all.
    None,
    /// The old way, in the first sector.
    Mbr,
    /// With a GUID partition table.
    Gpt,
}

/// What a partition is for, as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionKind {
    /// Where UEFI looks for boot loaders.
    EfiSystem,
    /// Room for GRUB's second stage on a GPT disk that boots through a BIOS.
    BiosBoot,
    /// A Linux file system.
    Linux,
    /// The root of a Linux system, said so by its type.
    LinuxRoot,
    /// A file system of Windows or DOS.
    Windows,
    /// Anything else.
    Other,
}

/// A part of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its number, as Linux counts.
    pub number: u32,
    /// Where it starts.
    pub offset_bytes: u64,
    /// Its size.
    pub size_bytes: u64,
    /// What it is for.
    pub kind: PartitionKind,
    /// It is marked as the one a BIOS boots from.
    pub bootable: bool,
    /// There is an ext2, ext3 or ext4 file system in it.
    pub ext: bool,
}

/// Where a file system lies on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FileSystemPlace {
    /// Where it starts.
    pub offset_bytes: u64,
    /// The size of the place; the file system may be smaller.
    pub size_bytes: u64,
}

/// What was found on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiskFacts {
    /// How it is divided.
    pub table: PartitionTable,
    /// Its parts, in the order of the table.
    pub partitions: Vec<Partition>,
    /// How it boots.
    pub boot: DiskBoot,
    /// The one ext file system that a container can be entered in: the whole disk, or the only such partition.
    pub file_system: Option<FileSystemPlace>,
}

/// Reads what is on the disk.
pub(super) fn read(disk: &File, size_bytes: u64) -> io::Result<DiskFacts> {
    let mut first = [0; SECTOR as usize];
    disk.read_exact_at(&mut first, 0)?;
    let (table, mut partitions) = match gpt::read(disk, size_bytes)? {
        Some(partitions) => (PartitionTable::Gpt, partitions),
        None => match mbr::read(disk, size_bytes, &first)? {
            Some(partitions) => (PartitionTable::Mbr, partitions),
            None => (PartitionTable::None, Vec::new()),
        },
    };
    for partition in &mut partitions {
        partition.ext = ext::is_at(disk, partition.offset_bytes, partition.size_bytes)?;
    }
    let whole = table == PartitionTable::None && ext::is_at(disk, 0, size_bytes)?;
    Ok(DiskFacts {
        boot: boot(table, &partitions, mbr::has_boot_code(&first)),
        file_system: match whole {
            true => Some(FileSystemPlace {
                offset_bytes: 0,
                size_bytes,
            }),
            false => root_partition(&partitions),
        },
        table,
        partitions,
    })
}

/// Cloud images often boot both ways. A BIOS is preferred then: it needs no variables that would have to be kept.
fn boot(table: PartitionTable, partitions: &[Partition], boot_code: bool) -> DiskBoot {
    let has_efi = partitions.iter().any(|one| one.kind == PartitionKind::EfiSystem);
    // On a GPT disk boot code alone means nothing: some tools always write it.
    let for_bios = table != PartitionTable::Gpt
        || !has_efi
        || partitions
            .iter()
            .any(|one| one.kind == PartitionKind::BiosBoot || one.bootable);
    match (boot_code && for_bios, has_efi) {
        (true, _) => DiskBoot::Bios,
        (false, true) => DiskBoot::Uefi,
        (false, false) => DiskBoot::None,
    }
}

fn root_partition(partitions: &[Partition]) -> Option<FileSystemPlace> {
    let only = |wanted: &dyn Fn(&Partition) -> bool| {
        let mut found = partitions.iter().filter(|one| one.ext && wanted(one));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    };
    let root = only(&|one| one.kind == PartitionKind::LinuxRoot).or_else(|| only(&|_| true))?;
    Some(FileSystemPlace {
        offset_bytes: root.offset_bytes,
        size_bytes: root.size_bytes,
    })
}

impl DiskFacts {
    /// What IT should know about this disk.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.boot == DiskBoot::None {
            notes.push(
                "the disk has neither boot code nor an EFI system partition: no virtual machine can boot it"
                    .to_owned(),
            );
        }
        if self.boot == DiskBoot::Uefi {
            notes.push(
                "the disk boots through UEFI: its boot loader must lie at /EFI/BOOT/BOOTX64.EFI, because entries in the \
                 old computer's firmware stay there"
                    .to_owned(),
            );
        }
        if self.file_system.is_none() {
            notes.push(
                "container mode is not possible: the disk does not have exactly one ext4 file system"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Reads `length` bytes, or nothing when the disk ends before.
fn read_inside(disk: &File, disk_bytes: u64, offset: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= disk_bytes => {
            let mut bytes = vec![0; length];
            disk.read_exact_at(&mut bytes, offset)?;
            Ok(Some(bytes))
        }
        _ => Ok(None),
    }
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
