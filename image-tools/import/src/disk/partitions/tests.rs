//! Partition tables made by `sfdisk` where it is there, and by hand where they must be wrong.

use std::{io::Write, os::unix::fs::FileExt, path::Path};

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;
const DISK: u64 = 64 * MIB;

fn disk() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(DISK).unwrap();
    file
}

/// Divides a disk as `script` says; nothing when `sfdisk` is not installed.
#[expect(
    clippy::disallowed_methods,
    reason = "the test calls sfdisk to have a real partition table"
)]
fn divided(script: &str) -> Option<tempfile::NamedTempFile> {
    let sfdisk = Path::new("/usr/sbin/sfdisk");
    if !sfdisk.exists() {
        let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "sfdisk"),
            "sfdisk is missing"
        );
        println!("skipped: sfdisk is not installed");
        return None;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(DISK).unwrap();
    let mut child = std::process::Command::new(sfdisk)
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(file.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
    Some(file)
}

/// A superblock of `size_bytes` at `offset`.
fn put_ext(disk: &File, offset: u64, size_bytes: u64) {
    let mut block = [0; 1024];
    block[4..8].copy_from_slice(&u32::try_from(size_bytes / 4096).unwrap().to_le_bytes());
    block[24..28].copy_from_slice(&2u32.to_le_bytes());
    block[56..58].copy_from_slice(&[0x53, 0xef]);
    disk.write_all_at(&block, offset + 1024).unwrap();
}

fn put_boot_code(disk: &File) {
    disk.write_all_at(&[0xeb, 0x63, 0x90], 0).unwrap();
    disk.write_all_at(&[0x55, 0xaa], 510).unwrap();
}

fn facts(disk: &File) -> DiskFacts {
    read(disk, DISK).unwrap()
}

#[test]
fn an_empty_disk_is_nothing() {
    let found = facts(&disk());
    assert_eq!(found.table, PartitionTable::None);
    assert_eq!((found.boot, found.file_system), (DiskBoot::None, None));
    assert_eq!(found.notes().len(), 2);
}

#[test]
fn a_whole_disk_file_system() {
    let disk = disk();
    put_ext(&disk, 0, DISK);
    let found = facts(&disk);
    let whole = FileSystemPlace {
        offset_bytes: 0,
        size_bytes: DISK,
    };
    assert_eq!(found.file_system, Some(whole));
    assert_eq!(found.boot, DiskBoot::None);
    put_ext(&disk, 0, DISK + 4096);
    assert_eq!(facts(&disk).file_system, None, "larger than the disk");
}

#[test]
fn an_mbr_disk_with_logical_partitions() {
    let script = "label: dos\n\
        start=1MiB, size=8MiB, type=83, bootable\n\
        start=9MiB, size=40MiB, type=5\n\
        start=10MiB, size=8MiB, type=7\n\
        start=20MiB, size=8MiB, type=83\n";
    let Some(file) = divided(script) else {
        return;
    };
    let disk = file.as_file();
    put_boot_code(disk);
    put_ext(disk, 20 * MIB, 8 * MIB);
    let found = facts(disk);
    assert_eq!(found.table, PartitionTable::Mbr);
    let seen: Vec<_> = found
        .partitions
        .iter()
        .map(|one| (one.number, one.offset_bytes / MIB, one.size_bytes / MIB, one.kind))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 1, 8, PartitionKind::Linux),
            (5, 10, 8, PartitionKind::Windows),
            (6, 20, 8, PartitionKind::Linux)
        ]
    );
    assert!(found.partitions[0].bootable);
    assert_eq!(found.boot, DiskBoot::Bios);
    assert_eq!(found.file_system.unwrap().offset_bytes, 20 * MIB);
}

const EFI: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BIOS: &str = "21686148-6449-6E6F-744E-656564454649";
const ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";

#[test]
fn gpt_disks_boot_through_what_they_have() {
    for (types, boot_code, boot) in [
        (&[EFI, ROOT][..], false, DiskBoot::Uefi),
        // Some tools write boot code on every disk.
        (&[EFI, ROOT], true, DiskBoot::Uefi),
        (&[BIOS, ROOT], true, DiskBoot::Bios),
        (&[BIOS, EFI, ROOT], true, DiskBoot::Bios),
        (&[BIOS, EFI, ROOT], false, DiskBoot::Uefi),
        (&[ROOT], false, DiskBoot::None),
    ] {
        let lines: String = types
            .iter()
            .map(|kind| format!("size=8MiB, type={kind}\n"))
            .collect();
        let Some(file) = divided(&format!("label: gpt\n{lines}")) else {
            return;
        };
        let disk = file.as_file();
        if boot_code {
            put_boot_code(disk);
        }
        let root = facts(disk).partitions.last().unwrap().offset_bytes;
        put_ext(disk, root, 8 * MIB);
        let found = facts(disk);
        assert_eq!(found.table, PartitionTable::Gpt);
        assert_eq!(found.boot, boot, "{types:?}");
        assert_eq!(found.file_system.unwrap().offset_bytes, root);
        assert_eq!(found.partitions.last().unwrap().kind, PartitionKind::LinuxRoot);

        disk.write_all_at(&[0; 512], 512).unwrap();
        assert_eq!(facts(disk), found, "the copy at the end counts as well");
    }
}

#[test]
fn of_several_file_systems_the_one_typed_root_is_meant() {
    let script = format!("label: gpt\nsize=8MiB\nsize=8MiB, type={ROOT}\nsize=8MiB\n");
    let Some(file) = divided(&script) else {
        return;
    };
    let partitions = facts(file.as_file()).partitions;
    put_ext(file.as_file(), partitions[0].offset_bytes, 8 * MIB);
    put_ext(file.as_file(), partitions[2].offset_bytes, 8 * MIB);
    assert_eq!(facts(file.as_file()).file_system, None);
    put_ext(file.as_file(), partitions[1].offset_bytes, 8 * MIB);
    let found = facts(file.as_file()).file_system.unwrap();
    assert_eq!(found.offset_bytes, partitions[1].offset_bytes);
}

#[test]
fn a_chain_of_logical_partitions_that_leads_back_ends() {
    let disk = disk();
    let entry = |kind: u8, start: u32, sectors: u32| {
        let mut entry = [0; 16];
        entry[4] = kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
        entry
    };
    let table = |at: u64, entries: &[[u8; 16]]| {
        for (index, entry) in (0..).zip(entries) {
            disk.write_all_at(entry, at * 512 + 446 + index * 16).unwrap();
        }
        disk.write_all_at(&[0x55, 0xaa], at * 512 + 510).unwrap();
    };
    table(0, &[entry(5, 100, 1000)]);
    table(100, &[entry(0x83, 1, 10), entry(5, 50, 10)]);
    table(150, &[entry(0x83, 1, 10), entry(5, 0, 10)]);
    let numbers: Vec<u32> = facts(&disk).partitions.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [5, 6]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the first sectors hold: an answer, and no partition beyond the disk.
    #[test]
    fn garbage_is_survived(
        pieces in prop::collection::vec((0u64..4096, prop::collection::vec(any::<u8>(), 1..64)), 0..12),
        looks_like_gpt: bool,
        entry_bytes: u32,
        count: u32,
        table: u64,
    ) {
        let disk = disk();
        for (at, bytes) in pieces {
            disk.write_all_at(&bytes, at).unwrap();
        }
        disk.write_all_at(&[0x55, 0xaa], 510).unwrap();
        if looks_like_gpt {
            let mut header = [0u8; 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[12..16].copy_from_slice(&92u32.to_le_bytes());
            header[72..80].copy_from_slice(&table.to_le_bytes());
            header[80..84].copy_from_slice(&count.to_le_bytes());
            header[84..88].copy_from_slice(&entry_bytes.to_le_bytes());
            let mut crc = flate2::Crc::new();
            crc.update(&header);
            header[16..20].copy_from_slice(&crc.sum().to_le_bytes());
            disk.write_all_at(&header, 512).unwrap();
        }
        for one in facts(&disk).partitions {
            prop_assert!(one.offset_bytes + one.size_bytes <= DISK);
        }
    }
}
