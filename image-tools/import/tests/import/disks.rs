//! Disk images in every format, made by `qemu-img` from a disk with known content.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use crate::common::{have, options, program, run, write};
use gobag_format::{Monitor, Silent};
use gobag_import::{Boot, SourceKind, detect, open};

const DISK: u64 = 200 << 20;

/// A disk with a little data far apart.
fn disk(folder: &Path) -> Vec<u8> {
    let mut bytes = vec![0; DISK as usize];
    for (number, at) in [512usize, 1 << 20, 100 << 20, (200 << 20) - 5000]
        .into_iter()
        .enumerate()
    {
        bytes[at..at + 4096].fill(number as u8 + 1);
    }
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes[..3].copy_from_slice(&[0xeb, 0x63, 0x90]);
    let file = File::create_new(folder.join("disk.img")).unwrap();
    file.set_len(DISK).unwrap();
    for at in [0usize, 1 << 20, 100 << 20, (200 << 20) - 8192] {
        file.write_all_at(&bytes[at..at + 8192], at as u64).unwrap();
    }
    bytes
}

fn have_qemu_img() -> bool {
    have("qemu", program("qemu-img"))
}

#[test]
fn every_format_becomes_the_same_sparse_disk() {
    if !have_qemu_img() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = disk(folder.path());
    for (format, more, kind) in [
        ("qcow2", "compat=v3", SourceKind::Qcow2),
        ("qcow2", "compat=0.10", SourceKind::Qcow2),
        ("vmdk", "subformat=monolithicSparse", SourceKind::Vmdk),
        ("vmdk", "subformat=streamOptimized", SourceKind::Vmdk),
        ("vmdk", "subformat=twoGbMaxExtentFlat", SourceKind::Vmdk),
        ("vpc", "subformat=dynamic,force_size=on", SourceKind::Vhd),
        ("vpc", "subformat=fixed,force_size=on", SourceKind::Vhd),
        ("vhdx", "subformat=dynamic", SourceKind::Vhdx),
        ("vdi", "static=off", SourceKind::Vdi),
    ] {
        let image = folder.path().join("image");
        let args = [
            "convert", "-f", "raw", "-O", format, "-o", more, "disk.img", "image",
        ];
        run(folder.path(), "qemu-img", args);
        assert_eq!(detect(&image).unwrap(), kind, "{format} {more}");
        let imported = open(&image, None, folder.path(), &options(), &Silent).unwrap();
        assert_eq!(imported.boot, Boot::Firmware { uefi: false });
        assert!(imported.system.temporary);
        assert_eq!(imported.system.size_bytes, DISK, "{format} {more}");
        let found = fs::read(&imported.system.path).unwrap();
        assert!(found == expected, "{format} {more}: content differs");
        let taken = fs::metadata(&imported.system.path).unwrap().blocks() * 512;
        assert!(taken < 2 << 20, "{format} {more}: {taken} bytes are not sparse");

        let work = imported.work_folder().to_owned();
        drop(imported);
        assert!(!work.exists(), "temporary files stay behind");
    }
}

#[test]
fn a_raw_disk_is_used_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    let path = folder.path().join("disk.img");
    let before = fs::metadata(&path).unwrap();
    let imported = open(&path, None, folder.path(), &options(), &Silent).unwrap();
    assert_eq!(
        (imported.kind, imported.system.temporary),
        (SourceKind::Raw, false)
    );
    assert_eq!(imported.system.path, path);
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (before.mtime_nsec(), before.len()),
        (after.mtime_nsec(), after.len())
    );
}

#[test]
fn images_that_need_other_files_are_refused() {
    if !have_qemu_img() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    disk(folder.path());
    let over = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "raw",
        "-b",
        "disk.img",
        "over.qcow2",
    ];
    run(folder.path(), "qemu-img", over);
    let data = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "data_file=data.raw",
        "data.qcow2",
        "1M",
    ];
    run(folder.path(), "qemu-img", data);
    let secret = at("secret");
    write(&secret, vec![b's'; 1 << 20]);
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
         createType=\"monolithicFlat\"\nRW 2048 FLAT \"{}\" 0\n",
        secret.display()
    );
    write(at("steal.vmdk"), descriptor);
    for name in ["over.qcow2", "data.qcow2", "steal.vmdk"] {
        let error = open(&at(name), None, folder.path(), &options(), &Silent).unwrap_err();
        assert_eq!(error.code(), "engine.image-needs-other-file", "{name}: {error}");
    }
}

#[test]
fn a_qcow2_called_raw_is_never_followed() {
    if !have_qemu_img() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    let over = [
        "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "disk.img", "over.img",
    ];
    run(folder.path(), "qemu-img", over);
    let path = folder.path().join("over.img");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 20).unwrap();
    let imported = open(&path, Some(SourceKind::Raw), folder.path(), &options(), &Silent).unwrap();
    assert_eq!(
        (imported.system.path, imported.system.size_bytes),
        (path, 1 << 20)
    );

    let disk = folder.path().join("disk.img");
    let error = open(&disk, Some(SourceKind::Qcow2), folder.path(), &options(), &Silent).unwrap_err();
    assert_eq!(error.code(), "engine.image-other-format");
}

/// Some makers' VHDs hold more than their geometry says; QEMU would cut the rest off.
#[test]
fn a_vhd_that_qemu_would_cut_is_refused() {
    if !have_qemu_img() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    let args = [
        "convert",
        "-f",
        "raw",
        "-O",
        "vpc",
        "-o",
        "subformat=fixed,force_size=on",
        "disk.img",
        "a.vhd",
    ];
    run(folder.path(), "qemu-img", args);
    let path = folder.path().join("a.vhd");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let at = file.metadata().unwrap().len() - 512;
    let mut footer = [0; 512];
    file.read_exact_at(&mut footer, at).unwrap();
    footer[28..32].copy_from_slice(b"vbox");
    // 400 cylinders, 16 heads, 63 sectors: less than the 200 MiB of the disk.
    footer[56..60].copy_from_slice(&[1, 144, 16, 63]);
    footer[64..68].fill(0);
    let sum = !footer.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    footer[64..68].copy_from_slice(&sum.to_be_bytes());
    file.write_all_at(&footer, at).unwrap();
    let error = open(&path, None, folder.path(), &options(), &Silent).unwrap_err();
    assert_eq!(error.code(), "import.vhd-geometry", "{error}");
}

struct Cancelled;

impl Monitor for Cancelled {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_cancelled_conversion_leaves_nothing_behind() {
    if !have_qemu_img() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    run(
        folder.path(),
        "qemu-img",
        ["convert", "-f", "raw", "-O", "qcow2", "disk.img", "a.qcow2"],
    );
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let path = folder.path().join("a.qcow2");
    if let Err(error) = open(&path, None, &work, &options(), &Cancelled) {
        assert!(error.is_cancelled(), "{error}");
    }
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
}
