//! Every format through the real `qemu-img`, and images that try to reach other files.

#![expect(clippy::disallowed_methods, reason = "the tests make their own files")]

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
};

use tempfile::TempDir;

use super::*;

const FORMATS: [DiskFormat; 6] = [
    DiskFormat::Raw,
    DiskFormat::Qcow2,
    DiskFormat::Vmdk,
    DiskFormat::Vhd,
    DiskFormat::Vhdx,
    DiskFormat::Vdi,
];
const DISK: u64 = 64 << 20;

/// `qemu-img`, unless this host has none and may do without.
fn qemu_img() -> Option<PathBuf> {
    match tools::find("qemu-img", None) {
        Ok(program) => Some(program),
        Err(error) => {
            let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "qemu"), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

fn create(program: &Path, folder: &TempDir, args: &[&str]) {
    Run::new(program)
        .arg("create")
        .arg("-q")
        .args(args)
        .folder(folder.path())
        .success()
        .unwrap();
}

/// A raw disk with something at its start, in its middle and at its very end.
fn patterned(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("pattern.raw");
    let disk = fs::File::create(&path).unwrap();
    disk.set_len(DISK).unwrap();
    for (seed, at) in [(1u8, 1024), (2, 33 << 20), (3, DISK - 4096)] {
        let bytes: Vec<u8> = (0..4096u32).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect();
        disk.write_all_at(&bytes, at).unwrap();
    }
    path
}

fn never() -> bool {
    false
}

#[test]
fn every_format_is_recognised_and_converted_to_the_same_bytes() {
    let Some(program) = qemu_img() else { return };
    let folder = TempDir::new().unwrap();
    let pattern = patterned(&folder);
    let expected = fs::read(&pattern).unwrap();
    for format in FORMATS {
        // A comma and a colon, both of which QEMU would read as its own syntax.
        let image = folder.path().join(format!("a,b:{}", format.qemu_driver()));
        Run::new(&program)
            .args(["convert", "-f", "raw", "-O", format.qemu_driver()])
            .args([&pattern, &image])
            .success()
            .unwrap();
        let found = info(&image).unwrap();
        assert_eq!(found.format, format);
        assert!(found.virtual_size_bytes >= DISK, "{found:?}");
        assert!(found.extents.is_empty() && !found.dirty, "{found:?}");

        let raw = folder.path().join(format!("out-{}", format.qemu_driver()));
        let mut last = 0.0;
        convert_to_raw(&image, format, &raw, &mut |part| last = part, &never).unwrap();
        assert_eq!(last, 1.0, "{format:?}");
        let bytes = fs::read(&raw).unwrap();
        assert_eq!(bytes.len() as u64, found.virtual_size_bytes);
        assert!(bytes[..expected.len()] == expected[..], "{format:?}");
        assert!(bytes[expected.len()..].iter().all(|&byte| byte == 0));
        assert!(
            fs::metadata(&raw).unwrap().blocks() * 512 < 1 << 20,
            "{format:?} is not sparse"
        );
    }
}

#[test]
fn a_vmdk_descriptor_comes_with_its_extents() {
    let Some(program) = qemu_img() else { return };
    let folder = TempDir::new().unwrap();
    create(
        &program,
        &folder,
        &["-f", "vmdk", "-o", "subformat=monolithicFlat", "d.vmdk", "8M"],
    );
    let found = info(&folder.path().join("d.vmdk")).unwrap();
    assert_eq!(found.extents, [folder.path().join("d-flat.vmdk")]);
}

#[test]
fn images_that_need_another_file_are_refused() {
    let Some(program) = qemu_img() else { return };
    let folder = TempDir::new().unwrap();
    create(&program, &folder, &["-f", "qcow2", "base", "1M"]);
    create(
        &program,
        &folder,
        &["-f", "qcow2", "-b", "base", "-F", "qcow2", "overlay"],
    );
    create(
        &program,
        &folder,
        &[
            "-f",
            "qcow2",
            "-o",
            "data_file=data,data_file_raw=on",
            "external",
            "1M",
        ],
    );
    create(&program, &folder, &["-f", "vmdk", "vbase", "1M"]);
    create(
        &program,
        &folder,
        &["-f", "vmdk", "-b", "vbase", "-F", "vmdk", "voverlay"],
    );
    for name in ["overlay", "external", "voverlay"] {
        let error = info(&folder.path().join(name)).unwrap_err();
        assert_eq!(error.code(), "engine.image-needs-other-file", "{name}: {error}");
    }
}

#[test]
fn a_descriptor_cannot_name_a_file_elsewhere() {
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("evil.vmdk");
    for extent in ["/etc/shadow", "../secret", "nbd:10.0.0.1:10809", ""] {
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
             RW 20480 FLAT \"{extent}\" 0\n"
        );
        fs::write(&image, text).unwrap();
        let error = info(&image).unwrap_err();
        assert_eq!(error.code(), "engine.image-needs-other-file", "{extent}: {error}");
    }
}

#[test]
fn a_descriptor_cannot_reach_elsewhere_through_a_link() {
    if qemu_img().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("evil.vmdk");
    fs::write(folder.path().join("secret"), vec![b's'; 1 << 20]).unwrap();
    std::os::unix::fs::symlink("secret", folder.path().join("link")).unwrap();
    fs::write(
        &image,
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
         RW 2048 FLAT \"link\" 0\n",
    )
    .unwrap();
    assert_eq!(info(&image).unwrap_err().code(), "engine.image-needs-other-file");
}

#[test]
fn a_damaged_image_is_said_to_be_damaged() {
    if qemu_img().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("short.qcow2");
    fs::write(&image, b"QFI\xfb\0\0\0\x03").unwrap();
    assert_eq!(info(&image).unwrap_err().code(), "engine.image-damaged");
}

#[test]
fn a_disk_of_absurd_size_is_refused() {
    let Some(program) = qemu_img() else { return };
    let folder = TempDir::new().unwrap();
    create(
        &program,
        &folder,
        &["-f", "qcow2", "-o", "cluster_size=2M", "huge", "1P"],
    );
    let error = info(&folder.path().join("huge")).unwrap_err();
    assert_eq!(error.code(), "engine.image-too-large");
}

#[test]
fn a_cancelled_conversion_leaves_nothing() {
    if qemu_img().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let pattern = patterned(&folder);
    let raw = folder.path().join("out");
    let error = convert_to_raw(&pattern, DiskFormat::Raw, &raw, &mut |_| {}, &|| true).unwrap_err();
    assert_eq!(error.code(), "engine.convert-cancelled");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["pattern.raw"]);
}

#[test]
fn an_existing_destination_is_not_overwritten() {
    if qemu_img().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let pattern = patterned(&folder);
    let raw = folder.path().join("out");
    fs::write(&raw, "precious").unwrap();
    let error = convert_to_raw(&pattern, DiskFormat::Raw, &raw, &mut |_| {}, &never).unwrap_err();
    assert_eq!(error.code(), "engine.convert-destination");
    assert_eq!(fs::read(&raw).unwrap(), b"precious");
}

#[test]
fn progress_is_read_across_pieces() {
    let mut seen = Vec::new();
    let mut progress = Progress::default();
    for piece in [
        &b"    (0.00/100%)\r    (12."[..],
        b"50/100%)\r  noise\n (100.0",
        b"0/100%)\r\n",
    ] {
        progress.take(piece, &mut |part| seen.push(part));
    }
    assert_eq!(seen, [0.0, 0.125, 1.0]);
}
