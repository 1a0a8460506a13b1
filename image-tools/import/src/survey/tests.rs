//! Surveys of small trees, as distributions lay them out.

use gobag_format::{Monitor, Silent};

use super::*;
use crate::{
    archive::{TarStream, TarWriter},
    entry::{EntryStream, Kind, Layer, ReadError},
    tree,
};

struct Memory(Vec<u8>);

impl Layer for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn size_bytes(&self) -> Option<u64> {
        None
    }

    fn open<'a>(&'a self, _monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        Ok(Box::new(TarStream::new(self.0.as_slice(), self.name(), true)))
    }
}

/// A tree of files (`name`, content) and symbolic links (`name -> target`).
fn tree(files: &[(&str, &[u8])]) -> Tree {
    let mut bytes = Vec::new();
    let mut writer = TarWriter::new(&mut bytes);
    for (name, content) in files {
        let (name, kind) = match name.split_once(" -> ") {
            Some((name, target)) => {
                let target = target.as_bytes().to_vec();
                (name, Kind::Symlink { target })
            }
            None if name.ends_with('/') => (*name, Kind::Folder),
            None => {
                let size_bytes = content.len() as u64;
                let kind = Kind::File {
                    size_bytes,
                    stored_bytes: size_bytes,
                };
                (*name, kind)
            }
        };
        let path = ImagePath::parse(name.as_bytes()).unwrap();
        writer.entry(&path, &kind, &Meta::default()).unwrap();
        writer.content(content).unwrap();
    }
    writer.finish().unwrap();
    let layers: [Box<dyn Layer>; 1] = [Box::new(Memory(bytes))];
    tree::build(&layers, false, keep, &Silent).unwrap()
}

fn at(tree: &Tree, path: &str) -> InodeId {
    match tree.lookup(path) {
        Some(Found::Inode(id)) => id,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn debian() {
    let tree = tree(&[
        ("bin -> usr/bin", b""),
        ("lib -> usr/lib", b""),
        ("vmlinuz -> boot/vmlinuz-6.1.0-9-amd64", b""),
        ("boot/vmlinuz-6.1.0-9-amd64", b"old"),
        ("boot/initrd.img-6.1.0-9-amd64", b"old initrd"),
        ("boot/vmlinuz-6.1.0-18-amd64", b"new"),
        ("boot/initrd.img-6.1.0-18-amd64", b"new initrd"),
        ("boot/vmlinuz-6.1.0-20-amd64", b"newest, without initrd"),
        ("etc/os-release -> ../usr/lib/os-release", b""),
        (
            "usr/lib/os-release",
            b"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        ),
        (
            "usr/bin/dash",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0",
        ),
        ("usr/lib/systemd/systemd", b"x"),
        ("etc/fstab", b"# UNCONFIGURED\n"),
        ("home/anna/letter", b"dear"),
    ]);
    let found = survey(&tree, true);
    let boot = found.boot.unwrap();
    assert_eq!(boot.kernel, at(&tree, "boot/vmlinuz-6.1.0-18-amd64"));
    assert_eq!(boot.initrd, Some(at(&tree, "boot/initrd.img-6.1.0-18-amd64")));
    assert_eq!(boot.version, "6.1.0-18-amd64");
    assert_eq!(found.os_name.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(found.architecture, Some("amd64"));
    assert_eq!(found.home.unwrap().to_string(), "/home");
    assert_eq!(found.home_size.full_bytes, 4);
    match found.fstab {
        FstabChange::Replace(id, text) => {
            assert_eq!(id, at(&tree, "etc/fstab"));
            assert!(text.starts_with(b"# UNCONFIGURED\nLABEL=gobag-system / "));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_distributions() {
    for (kernel, initrd) in [
        (
            "boot/vmlinuz-6.6.1-200.fc39.x86_64",
            Some("boot/initramfs-6.6.1-200.fc39.x86_64.img"),
        ),
        (
            "boot/vmlinuz-6.4.0-150600.1-default",
            Some("boot/initrd-6.4.0-150600.1-default"),
        ),
        ("boot/vmlinuz-linux", Some("boot/initramfs-linux.img")),
        ("boot/vmlinuz-virt", Some("boot/initramfs-virt")),
        ("vmlinuz", Some("initrd.img")),
        ("boot/vmlinuz", Some("boot/initrd.img")),
        ("usr/lib/modules/6.6.1/vmlinuz", None),
    ] {
        let mut files = vec![(kernel, &b"kernel"[..])];
        files.extend(initrd.map(|initrd| (initrd, &b"initrd"[..])));
        files.push(("boot/vmlinuz-0-rescue-0123", b"rescue"));
        files.push(("boot/initramfs-0-rescue-0123.img", b"rescue"));
        let tree = tree(&files);
        let boot = survey(&tree, true).boot.unwrap();
        assert_eq!(boot.kernel, at(&tree, kernel), "{kernel}");
        assert_eq!(boot.initrd, initrd.map(|initrd| at(&tree, initrd)), "{kernel}");
    }
}

#[test]
fn a_container_image_has_no_kernel_and_keeps_its_etc() {
    let tree = tree(&[("bin/busybox", b"#!"), ("etc/hosts", b""), ("home/", b"")]);
    let found = survey(&tree, true);
    assert_eq!(found.boot, None);
    assert_eq!(found.architecture, None);
    assert_eq!(found.fstab, FstabChange::None);
    assert_eq!(found.home, None, "an empty /home is nothing to split off");
    assert!(found.notes.is_empty());
}

#[test]
fn systemd_without_fstab_gets_one() {
    let tree = tree(&[
        ("usr/lib/systemd/systemd", b"x"),
        ("lib -> usr/lib", b""),
        ("etc/", b""),
    ]);
    match survey(&tree, true).fstab {
        FstabChange::Add(path, meta, text) => {
            assert_eq!((path.to_string().as_str(), meta.mode), ("/etc/fstab", 0o644));
            assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_linked_home_stays() {
    let tree = tree(&[
        ("home -> srv/home", b""),
        ("srv/home/anna", b"x"),
        ("etc/fstab", b""),
    ]);
    let found = survey(&tree, true);
    assert_eq!(found.home, None);
    assert!(found.notes[0].contains("/home"));
    match found.fstab {
        FstabChange::Replace(_, text) => assert!(!text.windows(5).any(|part| part == b"/home")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn volumes_have_room_to_grow() {
    let size = |stored_bytes| Size {
        stored_bytes,
        ..Size::default()
    };
    assert_eq!(size(0).roomy_volume_bytes(), 1 << 30);
    let roomy = size(10 << 30).roomy_volume_bytes();
    assert_eq!(roomy, 14 << 30);
    assert_eq!(roomy % (64 << 20), 0);
}
