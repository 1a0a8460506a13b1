//! What a flattened root file system is: which system, for which processor, how it boots, how large it is.
//!
//! Everything here is a pure function of the tree and of the first bytes of a few files that it kept.

mod fstab;
mod kernel;
mod version;

use crate::{
    entry::{Meta, Timestamp},
    limits::MAX_TEXT_FILE_BYTES,
    path::{ImagePath, printable},
    tree::{Found, Inode, InodeId, InodeKind, Tree},
};

pub(crate) use kernel::{BootFiles, KERNEL_HEAD_BYTES, is_x86_kernel};

/// Programs of which some are in every Linux system; their headers tell the processor.
const PROGRAMS: [&str; 10] = [
    "usr/lib/systemd/systemd",
    "lib/systemd/systemd",
    "usr/bin/bash",
    "bin/bash",
    "usr/bin/dash",
    "bin/dash",
    "bin/busybox",
    "usr/bin/busybox",
    "sbin/init",
    "usr/sbin/init",
];
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
const FSTAB: &str = "etc/fstab";
const HOME: &str = "home";
const ELF_HEAD_BYTES: u64 = 20;

/// What to keep of which file while the tree is built, for [`survey`] to look into.
pub(crate) fn keep(path: &ImagePath, size_bytes: u64) -> Option<u64> {
    let path = path.as_bytes();
    let is = |known: &[&str]| known.iter().any(|known| known.as_bytes() == path);
    if is(&[FSTAB]) || is(&OS_RELEASE) {
        return (size_bytes <= MAX_TEXT_FILE_BYTES).then_some(size_bytes);
    }
    is(&PROGRAMS).then_some(ELF_HEAD_BYTES)
}

/// What was found.
pub(crate) struct Survey {
    pub(crate) boot: Option<BootFiles>,
    /// The name for people, from `os-release`.
    pub(crate) os_name: Option<String>,
    /// The processor as OCI names it.
    pub(crate) architecture: Option<&'static str>,
    pub(crate) fstab: FstabChange,
    /// `/etc/fstab` waits for a home volume.
    pub(crate) home_volume: bool,
    /// `/home`, when it is a folder with something in it.
    pub(crate) home: Option<ImagePath>,
    /// The content without `/home` when that is split off.
    pub(crate) system: Size,
    /// The content of `/home`.
    pub(crate) home_size: Size,
    pub(crate) notes: Vec<String>,
}

/// What happens to `/etc/fstab`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FstabChange {
    None,
    Replace(InodeId, Vec<u8>),
    Add(ImagePath, Meta, Vec<u8>),
}

/// How much a volume will hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// In whole blocks of 4 KiB, without holes.
    pub(crate) stored_bytes: u64,
    /// Holes included: what unpacking may take.
    pub(crate) full_bytes: u64,
    pub(crate) entries: u64,
}

impl Size {
    /// The size of a volume that holds this and has room to grow: 1.3 times the content and 1 GiB, in steps of 64 MiB.
    /// Nothing is lost by being generous, an unused part of a volume takes no space anywhere.
    pub(crate) fn roomy_volume_bytes(&self) -> u64 {
        const BYTES_PER_ENTRY: u64 = 512;
        let content = self.stored_bytes + self.entries * BYTES_PER_ENTRY;
        (content + content * 3 / 10 + (1 << 30)).next_multiple_of(64 << 20)
    }

    fn add(&mut self, inode: &Inode) {
        self.entries += 1;
        if let InodeKind::File {
            size_bytes,
            stored_bytes,
        } = inode.kind
        {
            self.stored_bytes += stored_bytes.next_multiple_of(4096);
            self.full_bytes += size_bytes;
        }
    }
}

/// Looks at a tree that was built with [`keep`].
pub(crate) fn survey(tree: &Tree, split_home: bool) -> Survey {
    let mut notes = Vec::new();
    let home = split_home.then(|| home(tree, &mut notes)).flatten();
    let (system, home_size) = sizes(tree, home.as_ref());
    let home_volume = split_home && !matches!(tree.node([HOME.as_bytes()]), Some(Found::Inode(_)));
    Survey {
        boot: kernel::find(tree),
        os_name: os_name(tree),
        architecture: architecture(tree),
        fstab: fstab(tree, home_volume, &mut notes),
        home_volume,
        home,
        system,
        home_size,
        notes,
    }
}

fn home(tree: &Tree, notes: &mut Vec<String>) -> Option<ImagePath> {
    match tree.node([HOME.as_bytes()])? {
        Found::Folder(folder) if folder.children().next().is_some() => ImagePath::parse(HOME.as_bytes()).ok(),
        Found::Folder(_) => None,
        Found::Inode(_) => {
            notes.push("/home is not a folder but a link: it stays on the system volume".to_owned());
            None
        }
    }
}

fn sizes(tree: &Tree, home: Option<&ImagePath>) -> (Size, Size) {
    let (mut system, mut below) = (Size::default(), Size::default());
    // Files with several names count once on each volume that has one of them.
    let mut counted = std::collections::HashSet::new();
    tree.walk(&mut |components, found| {
        let in_home = home.is_some_and(|home| home.components().eq(components.iter().take(1).copied()));
        let size = if in_home { &mut below } else { &mut system };
        match found {
            Found::Folder(_) => {
                size.entries += 1;
                size.stored_bytes += 4096;
            }
            Found::Inode(id) if counted.insert((id, in_home)) => size.add(tree.inode(id)),
            Found::Inode(_) => size.entries += 1,
        }
    });
    (system, below)
}

/// The kept bytes of the file that `path` leads to.
fn head<'t>(tree: &'t Tree, path: &str) -> Option<&'t [u8]> {
    match tree.lookup(path)? {
        Found::Inode(id) => tree.inode(id).head.as_deref(),
        Found::Folder(_) => None,
    }
}

fn os_name(tree: &Tree) -> Option<String> {
    let text = OS_RELEASE.iter().find_map(|path| head(tree, path))?;
    let text = String::from_utf8_lossy(text);
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key))?;
        let value = line.strip_prefix('=')?.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| printable(value.as_bytes()))
    };
    value("PRETTY_NAME")
        .or_else(|| value("NAME"))
        .or_else(|| value("ID"))
}

/// The machine field of an ELF header.
fn architecture(tree: &Tree) -> Option<&'static str> {
    let head = PROGRAMS
        .iter()
        .filter_map(|path| head(tree, path))
        .find(|head| head.len() >= ELF_HEAD_BYTES as usize && head.starts_with(b"\x7fELF"))?;
    let machine = match head[5] {
        1 => u16::from_le_bytes([head[18], head[19]]),
        _ => u16::from_be_bytes([head[18], head[19]]),
    };
    match machine {
        3 => Some("386"),
        40 => Some("arm"),
        62 => Some("amd64"),
        183 => Some("arm64"),
        243 => Some("riscv64"),
        _ => None,
    }
}

/// Volumes made here have other identifiers than the disk the system came from, so its `fstab` must name them: in
/// systems that have one, or boot with systemd, which makes do without one but then leaves the root read-only.
fn fstab(tree: &Tree, home_volume: bool, notes: &mut Vec<String>) -> FstabChange {
    if let Some(Found::Inode(id)) = tree.lookup(FSTAB) {
        let Some(text) = tree.inode(id).head.as_deref() else {
            notes.push("/etc/fstab was left as it is: it is too large, or lies somewhere else".to_owned());
            return FstabChange::None;
        };
        let adapted = fstab::adapt(text, home_volume);
        notes.extend(adapted.notes);
        return FstabChange::Replace(id, adapted.text);
    }
    let has_systemd =
        tree.lookup("lib/systemd/systemd").is_some() || tree.lookup("usr/lib/systemd/systemd").is_some();
    let etc = tree.resolve_all(b"etc");
    match etc.filter(|_| has_systemd && tree.lookup(FSTAB).is_none()) {
        Some(etc) => {
            let names = etc.components().chain([&b"fstab"[..]]);
            let Ok(path) = ImagePath::from_components(names) else {
                return FstabChange::None;
            };
            if tree.node(path.components()).is_some() {
                notes.push("/etc/fstab leads nowhere and was left as it is".to_owned());
                return FstabChange::None;
            }
            let meta = Meta {
                mode: 0o644,
                modified: Timestamp::default(),
                ..Meta::default()
            };
            FstabChange::Add(path, meta, fstab::adapt(b"", home_volume).text)
        }
        None => FstabChange::None,
    }
}

#[cfg(test)]
mod tests;
