//! What a source is: by its first bytes, and only where these say nothing, by what lies beside them.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use gobag_engine::qemu_img::DiskFormat;
use rustix::fs::OFlags;
use serde::Serialize;

use crate::{
    archive::TarStream,
    compress::{Compression, decompressed},
    entry::EntryStream,
    oci::{Blobs, looks_like_image_archive},
    path::ImagePath,
};

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SourceKind {
    /// The bytes of a disk.
    Raw,
    /// QEMU's disk format.
    Qcow2,
    /// VMware's disk format.
    Vmdk,
    /// Microsoft's older disk format (Virtual PC, Azure).
    Vhd,
    /// Microsoft's newer disk format (Hyper-V).
    Vhdx,
    /// VirtualBox's disk format.
    Vdi,
    /// An OCI image layout: a folder, or a tar archive of one, as newer `docker save` writes too.
    OciLayout,
    /// An archive of `docker save` in its older form.
    DockerArchive,
    /// A tar archive of a root file system, plain or packed with gzip, zstd or xz.
    RootfsTar,
    /// A folder with a root file system.
    RootfsFolder,
}

const NAMES: [(SourceKind, &str); 10] = [
    (SourceKind::Raw, "raw"),
    (SourceKind::Qcow2, "qcow2"),
    (SourceKind::Vmdk, "vmdk"),
    (SourceKind::Vhd, "vhd"),
    (SourceKind::Vhdx, "vhdx"),
    (SourceKind::Vdi, "vdi"),
    (SourceKind::OciLayout, "oci-layout"),
    (SourceKind::DockerArchive, "docker-archive"),
    (SourceKind::RootfsTar, "rootfs-tar"),
    (SourceKind::RootfsFolder, "rootfs-folder"),
];

impl SourceKind {
    /// All kinds, for help texts.
    pub fn all() -> impl Iterator<Item = SourceKind> {
        NAMES.iter().map(|(kind, _)| *kind)
    }

    /// Whether it is a disk, which is taken as it is.
    pub fn is_disk(self) -> bool {
        self.disk_format().is_some()
    }

    /// The disk format, when it is a disk.
    pub(crate) fn disk_format(self) -> Option<DiskFormat> {
        match self {
            Self::Raw => Some(DiskFormat::Raw),
            Self::Qcow2 => Some(DiskFormat::Qcow2),
            Self::Vmdk => Some(DiskFormat::Vmdk),
            Self::Vhd => Some(DiskFormat::Vhd),
            Self::Vhdx => Some(DiskFormat::Vhdx),
            Self::Vdi => Some(DiskFormat::Vdi),
            _ => None,
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self);
        f.pad(name.map_or("unknown", |(_, name)| name))
    }
}

impl FromStr for SourceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = NAMES.iter().find(|(_, name)| *name == text);
        kind.map(|(kind, _)| *kind).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("not one of {}", names.join(", "))
        })
    }
}

/// Why the kind of a source is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The source.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is nothing that can be imported.
    #[error("{} is not an image that can be imported: {what}", path.display())]
    NotAnImage {
        /// The source.
        path: PathBuf,
        /// What it seems to be.
        what: &'static str,
    },
}

impl DetectError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "import.source-unreadable",
            Self::NotAnImage { .. } => "import.source-not-an-image",
        }
    }
}

/// Opens a file or a disk of IT's. A pipe would be waited for, so it is opened without waiting, and what was opened is looked at.
pub(crate) fn open_source(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?.file_type();
    match found.is_file() || found.is_block_device() {
        true => Ok(file),
        false => Err(io::Error::other(
            "it is neither a regular file nor a block device",
        )),
    }
}

/// The kind of the source at `path`.
pub fn detect(path: &Path) -> Result<SourceKind, DetectError> {
    let failed = |source| DetectError::Read {
        path: path.to_owned(),
        source,
    };
    let not = |what| DetectError::NotAnImage {
        path: path.to_owned(),
        what,
    };
    let found = std::fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return folder(path).ok_or_else(|| {
            not("a folder with neither an OCI layout nor a root file system (`etc` and `usr` or `bin`) in it")
        });
    }
    let mut file = open_source(path).map_err(failed)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(failed)?;
    if head.is_empty() {
        return Err(not("it is empty"));
    }
    if let Some(kind) = disk(&head) {
        return Ok(kind);
    }
    let packed = Compression::of(&head) != Compression::None;
    if packed || is_tar(&head) {
        file.rewind().map_err(failed)?;
        let (input, name) = (BufReader::new(file), path.display().to_string());
        let kind = match packed {
            true => archive(
                path,
                TarStream::new(decompressed(input).map_err(failed)?, name, true),
            ),
            false => archive(path, TarStream::seekable(input, name)),
        };
        return kind?.ok_or_else(|| not("a packed file with no tar archive in it; unpack it first"));
    }
    let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
    if end > VHD_FOOTER_BYTES {
        let mut tail = [0u8; 8];
        file.seek(SeekFrom::Start(end - VHD_FOOTER_BYTES))
            .map_err(failed)?;
        file.read_exact(&mut tail).map_err(failed)?;
        if &tail == b"conectix" {
            return Ok(SourceKind::Vhd);
        }
    }
    if head.starts_with(b"PK\x03\x04") {
        return Err(not("a zip archive; unpack it first"));
    }
    if head.starts_with(b"7z\xbc\xaf\x27\x1c") {
        return Err(not("a 7z archive; unpack it first"));
    }
    Ok(SourceKind::Raw)
}

const HEAD_BYTES: u64 = 1024;
const VHD_FOOTER_BYTES: u64 = 512;

/// Formats that say what they are in their first bytes.
fn disk(head: &[u8]) -> Option<SourceKind> {
    if head.starts_with(b"QFI\xfb") {
        Some(SourceKind::Qcow2)
    } else if head.starts_with(b"KDMV") || head.starts_with(b"COWD") || head.starts_with(b"# Disk Descriptor")
    {
        Some(SourceKind::Vmdk)
    } else if head.starts_with(b"vhdxfile") {
        Some(SourceKind::Vhdx)
    } else if head.starts_with(b"conectix") {
        Some(SourceKind::Vhd)
    } else if head.get(64..68) == Some(&[0x7f, 0x10, 0xda, 0xbe]) {
        Some(SourceKind::Vdi)
    } else {
        None
    }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// A tar archive of an image or of a root file system, by its first member: builders of images put nothing else into
/// the top folder than what [`looks_like_image_archive`] knows. Nothing when it is no tar archive at all.
fn archive(path: &Path, mut stream: impl EntryStream) -> Result<Option<SourceKind>, DetectError> {
    let first = loop {
        match stream.next_entry() {
            Ok(Some(entry)) if entry.path.is_root() => {}
            Ok(Some(entry)) => break entry.path,
            // An empty archive, or none.
            Ok(None) | Err(_) => return Ok(None),
        }
    };
    if first.file_name().to_ascii_lowercase().ends_with(b".ovf") {
        return Err(DetectError::NotAnImage {
            path: path.to_owned(),
            what: "an OVA package; unpack it with tar and import the disk in it",
        });
    }
    Ok(Some(match looks_like_image_archive(&first) {
        true => image_archive(stream, &first),
        false => SourceKind::RootfsTar,
    }))
}

/// Newer archives have both an OCI layout and docker's `manifest.json`; the layout says more.
fn image_archive(mut stream: impl EntryStream, first: &ImagePath) -> SourceKind {
    const LAYOUT: &[u8] = b"oci-layout";
    let mut has_layout = first.as_bytes() == LAYOUT;
    while !has_layout && let Ok(Some(entry)) = stream.next_entry() {
        has_layout = entry.path.as_bytes() == LAYOUT;
    }
    match has_layout {
        true => SourceKind::OciLayout,
        false => SourceKind::DockerArchive,
    }
}

fn folder(path: &Path) -> Option<SourceKind> {
    let blobs = Blobs::folder(path);
    if blobs.has("oci-layout") && blobs.has("index.json") {
        return Some(SourceKind::OciLayout);
    }
    if blobs.has("manifest.json") {
        return Some(SourceKind::DockerArchive);
    }
    let has = |name: &str| path.join(name).symlink_metadata().is_ok();
    (has("etc") && (has("usr") || has("bin"))).then_some(SourceKind::RootfsFolder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for kind in SourceKind::all() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(SourceKind::all().count(), NAMES.len());
        assert!("qcow".parse::<SourceKind>().unwrap_err().contains("qcow2"));
    }

    #[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
    fn detected(bytes: &[u8]) -> Result<SourceKind, &'static str> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("misleading.tar");
        std::fs::write(&path, bytes).unwrap();
        detect(&path).map_err(|error| error.code())
    }

    fn tar_of(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &[][..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn bytes_decide_and_names_do_not() {
        let zeros = vec![0; 4096];
        let vdi = [&[0; 64][..], &[0x7f, 0x10, 0xda, 0xbe], &zeros].concat();
        let fixed_vhd = [&zeros[..], b"conectix", &[0; 504]].concat();
        for (bytes, kind) in [
            (zeros.clone(), SourceKind::Raw),
            (b"QFI\xfb\0\0\0\x03".to_vec(), SourceKind::Qcow2),
            (b"KDMV".to_vec(), SourceKind::Vmdk),
            (b"# Disk DescriptorFile\n".to_vec(), SourceKind::Vmdk),
            (b"vhdxfile".to_vec(), SourceKind::Vhdx),
            (fixed_vhd, SourceKind::Vhd),
            (vdi, SourceKind::Vdi),
            (tar_of(&["etc/passwd"]), SourceKind::RootfsTar),
            (
                tar_of(&["blobs/sha256/x", "index.json", "oci-layout"]),
                SourceKind::OciLayout,
            ),
            (tar_of(&["manifest.json", "x.tar"]), SourceKind::DockerArchive),
            (
                tar_of(&[&format!("{}/VERSION", "0f".repeat(32)), "manifest.json"]),
                SourceKind::DockerArchive,
            ),
            (
                zstd::encode_all(&tar_of(&["bin/sh"])[..], 1).unwrap(),
                SourceKind::RootfsTar,
            ),
        ] {
            assert_eq!(detected(&bytes), Ok(kind));
        }
    }

    #[test]
    fn what_cannot_be_imported_is_named() {
        for bytes in [
            b"".to_vec(),
            b"PK\x03\x04zip".to_vec(),
            zstd::encode_all(&[1u8; 5000][..], 1).unwrap(),
            tar_of(&["Machine.ovf", "disk.vmdk"]),
        ] {
            assert_eq!(detected(&bytes), Err("import.source-not-an-image"));
        }
        assert_eq!(
            detect(Path::new("/nonexistent")).unwrap_err().code(),
            "import.source-unreadable"
        );
    }
}
