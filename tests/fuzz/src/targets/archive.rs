//! What IT takes in: tar archives and the partition tables of disks.

use std::{cell::RefCell, collections::BTreeMap, fs::File, os::unix::fs::FileExt as _};

use gobag_import::{disk_facts, read_archive};

use crate::fixture::split;

/// An archive from its first byte to the end of its contents.
pub(super) fn tar(input: &[u8]) {
    let first = read_archive(input).map_err(|error| error.to_string());
    let again = read_archive(input).map_err(|error| error.to_string());
    assert_eq!(first, again, "an archive reads differently the second time");
    if let Ok(seen) = first {
        assert!(seen.entries <= input.len() as u64 / 512);
    }
}

pub(super) fn tars() -> Vec<Vec<u8>> {
    vec![
        archive(&[("etc/hostname", b'0', b"tiny\n", "")]),
        archive(&[
            ("usr/", b'5', b"", ""),
            (
                "pax",
                b'x',
                b"19 path=usr/longer\n28 SCHILY.xattr.user.x=value\n",
                "",
            ),
            ("usr/short", b'0', b"content", ""),
            ("././@LongLink", b'L', b"usr/another-name\0", ""),
            ("usr/cut", b'2', b"", "short"),
            ("dev/null", b'3', b"", ""),
            ("usr/hard", b'1', b"", "usr/short"),
        ]),
    ]
}

/// A tar archive of these: name, kind, content and link target.
fn archive(entries: &[(&str, u8, &[u8], &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content, link) in entries {
        let mut header = [0; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, b"0000644\x000001750\x000001750\x00");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"14371573700\x00");
        put(148, b"        ");
        put(156, &[*kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

const DISK_BYTES: usize = 1 << 20;
const PIECE: usize = 64;
/// Where a GUID partition table has its header on a disk with sectors of 512 bytes, and how long that is.
const GPT: std::ops::Range<usize> = 512..512 + 92;

thread_local! {
    static DISK: RefCell<File> = RefCell::new(crate::fixture::file());
}

/// A disk, zero but for pieces of 64 bytes, each behind its number. The checksums of a GUID partition table are put
/// right.
pub(super) fn disk(input: &[u8]) {
    let mut pieces = BTreeMap::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (place, after) = split::<2>(rest);
        let (piece, after) = split::<PIECE>(after);
        pieces.insert(
            usize::from(u16::from_le_bytes(place)) % (DISK_BYTES / PIECE),
            piece,
        );
        rest = after;
    }
    mend_gpt(&mut pieces);
    let wrote = "a file in memory takes what is written";
    DISK.with_borrow_mut(|file| {
        file.set_len(0).expect(wrote);
        file.set_len(DISK_BYTES as u64).expect(wrote);
        for (place, piece) in &pieces {
            file.write_all_at(piece, (place * PIECE) as u64).expect(wrote);
        }
        let Ok(facts) = disk_facts(file, DISK_BYTES as u64) else {
            return;
        };
        for partition in &facts.partitions {
            let end = partition.offset_bytes.checked_add(partition.size_bytes);
            assert!(
                end.is_some_and(|end| end <= DISK_BYTES as u64),
                "a partition ends behind the disk"
            );
        }
        let ext = facts
            .file_system
            .map(|place| place.offset_bytes + place.size_bytes);
        assert!(
            ext.is_none_or(|end| end <= DISK_BYTES as u64),
            "a file system ends behind the disk"
        );
    });
}

fn mend_gpt(pieces: &mut BTreeMap<usize, [u8; PIECE]>) {
    let part = |pieces: &BTreeMap<usize, [u8; PIECE]>, range: std::ops::Range<usize>| -> Vec<u8> {
        let byte = |at: usize| pieces.get(&(at / PIECE)).map_or(0, |piece| piece[at % PIECE]);
        range.map(byte).collect()
    };
    let put = |pieces: &mut BTreeMap<usize, [u8; PIECE]>, at: usize, value: u32| {
        for (at, byte) in (at..).zip(value.to_le_bytes()) {
            pieces.entry(at / PIECE).or_insert([0; PIECE])[at % PIECE] = byte;
        }
    };
    let header = part(pieces, GPT);
    if !header.starts_with(b"EFI PART") {
        return;
    }
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (first, len) = (word(72) as usize, word(80) as usize * word(84).min(4096) as usize);
    if len <= 64 << 10 && first < DISK_BYTES / 512 {
        let table = part(pieces, first * 512..(first * 512 + len).min(DISK_BYTES));
        put(pieces, GPT.start + 88, checksum(&table));
    }
    put(pieces, GPT.start + 16, 0);
    let header = part(pieces, GPT);
    put(pieces, GPT.start + 16, checksum(&header));
}

/// CRC-32 as zip and GUID partition tables have it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

pub(super) fn disks() -> Vec<Vec<u8>> {
    let laid = |disk: &[u8]| -> Vec<u8> {
        let pieces = disk
            .chunks(PIECE)
            .zip(0u16..)
            .filter(|(piece, _)| piece.iter().any(|byte| *byte != 0));
        let pieces = pieces.flat_map(|(piece, place)| [&place.to_le_bytes()[..], piece].concat());
        pieces.collect()
    };
    let entry = |kind: u8, first: u32, sectors: u32| {
        let mut entry = [0; 16];
        entry[4] = kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
        entry
    };
    let mut mbr = vec![0; 64 << 10];
    mbr[446..462].copy_from_slice(&entry(0x83, 8, 8));
    mbr[462..478].copy_from_slice(&entry(5, 32, 64));
    mbr[510..512].copy_from_slice(&[0x55, 0xaa]);
    // A partition inside the extended one, and the way to the next.
    let link = 32 * 512;
    mbr[link + 446..link + 462].copy_from_slice(&entry(0x83, 2, 4));
    mbr[link + 462..link + 478].copy_from_slice(&entry(5, 16, 8));
    mbr[link + 510..link + 512].copy_from_slice(&[0x55, 0xaa]);
    // The mark of ext4 in the first partition's superblock.
    mbr[8 * 512 + 1024 + 56..][..2].copy_from_slice(&[0x53, 0xef]);
    let mut gpt = vec![0; 8 << 10];
    gpt[510..512].copy_from_slice(&[0x55, 0xaa]);
    gpt[512..524].copy_from_slice(b"EFI PART\0\0\x01\0");
    gpt[524] = 92;
    gpt[512 + 72] = 2;
    gpt[512 + 80] = 4;
    gpt[512 + 84] = 128;
    // Type, id, first and last sector of one Linux partition.
    gpt[1024..1040].copy_from_slice(&[
        0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
    ]);
    gpt[1040] = 1;
    gpt[1024 + 32] = 16;
    gpt[1024 + 40] = 99;
    vec![laid(&mbr), laid(&gpt)]
}
