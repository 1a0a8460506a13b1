//! The kernel of a root file system and the initial RAM disk that belongs to it, in the places where distributions put
//! them.

use std::cmp::Ordering;

use super::version;
use crate::{
    limits::MAX_BOOT_FILE_BYTES,
    path::{ImagePath, printable},
    tree::{Found, InodeId, InodeKind, Tree},
};

/// What a hypervisor loads to boot the system without a boot loader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BootFiles {
    pub(crate) kernel: InodeId,
    pub(crate) initrd: Option<InodeId>,
    /// The version, as far as the name has one.
    pub(crate) version: String,
}

/// A kernel under one of its names.
struct Candidate {
    version: Vec<u8>,
    kernel: InodeId,
    initrd: Option<InodeId>,
}

/// The newest kernel that has an initial RAM disk, or else the newest.
pub(super) fn find(tree: &Tree) -> Option<BootFiles> {
    let mut candidates = in_boot(tree);
    candidates.extend(in_modules(tree));
    if candidates.is_empty() {
        candidates.extend(by_plain_name(tree));
    }
    let best = candidates.into_iter().max_by(Candidate::compare)?;
    Some(BootFiles {
        kernel: best.kernel,
        initrd: best.initrd,
        version: printable(&best.version),
    })
}

impl Candidate {
    fn compare(&self, other: &Self) -> Ordering {
        let has_initrd = |one: &Self| one.initrd.is_some();
        has_initrd(self)
            .cmp(&has_initrd(other))
            .then_with(|| version::compare(&self.version, &other.version))
    }
}

/// `/boot/vmlinuz-VERSION` (all large distributions).
fn in_boot(tree: &Tree) -> Vec<Candidate> {
    let Some(Found::Folder(boot)) = tree.lookup("boot") else {
        return Vec::new();
    };
    let versions = boot
        .children()
        .filter_map(|(name, _)| name.strip_prefix(b"vmlinuz-"))
        // Fedora's rescue kernel is a copy with an initial RAM disk for repairs.
        .filter(|version| !version.windows(6).any(|part| part == b"rescue"));
    versions
        .filter_map(|version| {
            Some(Candidate {
                version: version.to_vec(),
                kernel: file(tree, &[b"boot/vmlinuz-", version])?,
                initrd: initrd(tree, version),
            })
        })
        .collect()
}

/// Debian, Fedora and Arch, SUSE, Alpine.
fn initrd(tree: &Tree, version: &[u8]) -> Option<InodeId> {
    let names: [[&[u8]; 2]; 4] = [
        [b"boot/initrd.img-", b""],
        [b"boot/initramfs-", b".img"],
        [b"boot/initrd-", b""],
        [b"boot/initramfs-", b""],
    ];
    names
        .iter()
        .find_map(|[start, end]| file(tree, &[start, version, end]))
}

/// `/usr/lib/modules/VERSION/vmlinuz` (where Fedora and Arch keep the original).
fn in_modules(tree: &Tree) -> Vec<Candidate> {
    let Some(Found::Folder(modules)) = tree.lookup("usr/lib/modules") else {
        return Vec::new();
    };
    modules
        .children()
        .filter_map(|(version, _)| {
            Some(Candidate {
                version: version.to_vec(),
                kernel: file(tree, &[b"usr/lib/modules/", version, b"/vmlinuz"])?,
                initrd: initrd(tree, version),
            })
        })
        .collect()
}

/// `/vmlinuz` and `/boot/vmlinuz`, without a version.
fn by_plain_name(tree: &Tree) -> Option<Candidate> {
    let folders: [&[u8]; 2] = [b"", b"boot/"];
    folders.iter().find_map(|folder| {
        let kernel = file(tree, &[folder, b"vmlinuz"])?;
        let names: [&[u8]; 3] = [b"initrd.img", b"initramfs.img", b"initrd"];
        Some(Candidate {
            version: Vec::new(),
            kernel,
            initrd: names.iter().find_map(|name| file(tree, &[folder, name])),
        })
    })
}

/// The regular file of a believable size that a path leads to.
fn file(tree: &Tree, path: &[&[u8]]) -> Option<InodeId> {
    let path: ImagePath = tree.resolve_all(&path.concat())?;
    let Some(Found::Inode(id)) = tree.node(path.components()) else {
        return None;
    };
    match tree.inode(id).kind {
        InodeKind::File { size_bytes, .. } if (1..=MAX_BOOT_FILE_BYTES).contains(&size_bytes) => Some(id),
        _ => None,
    }
}

/// Bytes that [`is_x86_kernel`] wants to see.
pub(crate) const KERNEL_HEAD_BYTES: usize = 0x206;

/// Whether these are the first bytes of a kernel for x86 in the form that QEMU loads (`bzImage`).
pub(crate) fn is_x86_kernel(head: &[u8]) -> bool {
    head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..KERNEL_HEAD_BYTES) == Some(b"HdrS")
}
