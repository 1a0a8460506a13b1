//! What a disk image file is, from its own first and last bytes, and whether it needs other files.
//!
//! QEMU can probe a format too, but its drivers then open whatever the image names: a backing file, a data file, an
//! extent, possibly across the network. An image comes from somebody else, so this is decided here before QEMU sees the
//! file. Only references to plain names in the image's own folder pass (a VMDK descriptor with its extents).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileTypeExt,
    path::Path,
};

use super::{DiskFormat, InfoError};
use crate::limits::VMDK_DESCRIPTOR_BYTES;

const HEAD_BYTES: u64 = 512;
/// A VHD's copy of its header, the last thing in the file, and the only one in a fixed VHD.
const VHD_FOOTER_BYTES: u64 = 512;
const VHD_DIFFERENCING: u32 = 4;
const QCOW2_INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
const NO_PARENT: &str = "ffffffff";

/// The format of the image at `path`; an image that needs another image to be complete is refused.
pub(super) fn sniff(path: &Path) -> Result<DiskFormat, InfoError> {
    let read_failed = |source| InfoError::Read {
        path: path.to_owned(),
        source,
    };
    // A pipe would be waited for.
    let kind = path.metadata().map_err(read_failed)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(read_failed(io::Error::other(
            "it is neither a regular file nor a block device",
        )));
    }
    let mut file = File::open(path).map_err(read_failed)?;
    let head = read_at(&mut file, 0, HEAD_BYTES).map_err(read_failed)?;
    let length = file.seek(SeekFrom::End(0)).map_err(read_failed)?;
    let tail = read_at(
        &mut file,
        length.saturating_sub(VHD_FOOTER_BYTES),
        VHD_FOOTER_BYTES,
    )
    .map_err(read_failed)?;
    let refused = |reference: &str| InfoError::NeedsOtherFile {
        path: path.to_owned(),
        reference: reference.to_owned(),
    };

    if head.starts_with(b"QFI\xfb") {
        let version = be32(&head, 4);
        if !matches!(version, 2 | 3) {
            return Err(unsupported(path, &format!("qcow version {version}")));
        }
        if be64(&head, 8) != 0 {
            return Err(refused("its backing file"));
        }
        if version == 3 && be64(&head, 72) & QCOW2_INCOMPATIBLE_DATA_FILE != 0 {
            return Err(refused("its external data file"));
        }
        Ok(DiskFormat::Qcow2)
    } else if head.starts_with(b"KDMV") {
        // A capacity of zero makes QEMU follow the embedded descriptor to other files.
        match head.get(12..20) {
            Some(capacity) if capacity != [0; 8] => Ok(DiskFormat::Vmdk),
            _ => Err(refused("the extents of its embedded descriptor")),
        }
    } else if head.starts_with(b"COWD") {
        Err(unsupported(path, "VMDK 3 (COWD)"))
    } else if head.starts_with(b"# Disk Descriptor") {
        let text = read_at(&mut file, 0, VMDK_DESCRIPTOR_BYTES).map_err(read_failed)?;
        match foreign_reference(&String::from_utf8_lossy(&text)) {
            Some(reference) => Err(refused(&reference)),
            None => Ok(DiskFormat::Vmdk),
        }
    } else if head.starts_with(b"vhdxfile") {
        Ok(DiskFormat::Vhdx)
    } else if head.len() >= 68 && head[64..68] == [0x7f, 0x10, 0xda, 0xbe] {
        Ok(DiskFormat::Vdi)
    } else if head.starts_with(b"conectix") || tail.starts_with(b"conectix") {
        let header = if head.starts_with(b"conectix") {
            &head
        } else {
            &tail
        };
        match be32(header, 60) {
            VHD_DIFFERENCING => Err(refused("its parent disk")),
            _ => Ok(DiskFormat::Vhd),
        }
    } else {
        Ok(DiskFormat::Raw)
    }
}

/// The first thing in a VMDK descriptor that is not a plain file name beside it.
fn foreign_reference(descriptor: &str) -> Option<String> {
    for line in descriptor.lines().map(str::trim) {
        if let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("parentCID")
            && !value.trim().eq_ignore_ascii_case(NO_PARENT)
        {
            return Some("its parent disk".to_owned());
        }
        let access = line.split_whitespace().next().unwrap_or("");
        if !["RW", "RDONLY", "NOACCESS"].contains(&access) {
            continue;
        }
        // `RW 20480 FLAT "disk-flat.vmdk" 0`; a ZERO extent has no file.
        if let Some(name) = line.split('"').nth(1)
            && (name.is_empty() || name.contains(['/', ':', '\\']) || name == "..")
        {
            return Some(format!("extent `{name}`"));
        }
    }
    None
}

fn unsupported(path: &Path, what: &str) -> InfoError {
    InfoError::Unsupported {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn read_at(file: &mut File, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(bytes).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Bytes past the end of a short file count as zero.
fn be64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(found) = bytes.get(at..at + 8) {
        word.copy_from_slice(found);
    }
    u64::from_be_bytes(word)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(found) = bytes.get(at..at + 4) {
        word.copy_from_slice(found);
    }
    u32::from_be_bytes(word)
}
