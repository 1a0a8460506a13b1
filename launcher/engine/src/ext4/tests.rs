//! File systems made by the real e2fsprogs.

#![expect(clippy::disallowed_methods, reason = "the tests make their own files")]

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
};

use tempfile::TempDir;

use super::*;

fn options(size_bytes: Option<u64>) -> Ext4Options {
    Ext4Options {
        label: "gobag-home".to_owned(),
        size_bytes,
        uuid: *b"gobag test uuid!",
        epoch_seconds: 1_700_000_000,
        block_size: 4096,
    }
}

fn never() -> bool {
    false
}

#[test]
fn an_empty_file_system_is_clean_sparse_and_always_the_same() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let report = make_empty(&options(Some(300 << 20)), &one).unwrap();
    assert_eq!(report.size_bytes, 300 << 20);
    make_empty(&options(Some(300 << 20)), &two).unwrap();
    assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());
    let used = fs::metadata(&one).unwrap().blocks() * 512;
    assert!(used < 2 << 20, "{used} bytes are written");
    let found = check(&one, &never).unwrap();
    assert!(found.clean, "{}", found.text);
    assert!(!repair(&one, &never).unwrap());
}

#[test]
fn a_blank_volume_is_formatted_in_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    // Not a whole number of blocks.
    fs::File::create(&path)
        .unwrap()
        .set_len((64 << 20) + 512)
        .unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let report = format_blank(&options(None), &path).unwrap();
    assert_eq!(report.size_bytes, 64 << 20);
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.len(), found.ino()), ((64 << 20) + 512, inode));
    assert!(check(&path, &never).unwrap().clean);
}

#[test]
fn damage_is_found_and_not_repaired_silently() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    make_empty(&options(Some(64 << 20)), &path).unwrap();
    // Overwrite the group descriptors, the bitmaps and the inode table behind the superblock.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xa5; 512 << 10], 8192).unwrap();
    let found = check(&path, &never).unwrap();
    assert!(!found.clean && !found.text.is_empty());
    assert_eq!(repair(&path, &never).unwrap_err().code(), "engine.ext4-damaged");
}

/// A file that was flushed, and one whose entry came onto the medium and whose inode did not.
#[test]
fn a_half_made_file_is_cleared_where_fuse2fs_was_cut_off_and_is_damage_elsewhere() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    let kept = folder.path().join("kept");
    fs::write(&kept, "kept").unwrap();
    let tool = tools::find("debugfs", None).unwrap();
    let debugfs = |request: &str, more: &[&str]| {
        let run = Run::new(&tool).args(more).args(["-R", request]);
        run.arg(&path).success().unwrap().stdout
    };
    for (state, is_cut_off) in [("0", true), ("2", false)] {
        let _ = fs::remove_file(&path);
        make_empty(&options(Some(64 << 20)), &path).unwrap();
        debugfs(&format!("write {} kept", kept.display()), &["-w"]);
        for request in ["sif <20> mode 0100644", "ln <20> half", "sif <20> mode 0"] {
            debugfs(request, &["-w"]);
        }
        debugfs(&format!("set_super_value state {state}"), &["-w"]);
        let repaired = repair(&path, &never);
        if !is_cut_off {
            assert_eq!(repaired.unwrap_err().code(), "engine.ext4-damaged");
            continue;
        }
        assert!(repaired.unwrap());
        assert!(check(&path, &never).unwrap().clean && !repair(&path, &never).unwrap());
        assert_eq!(debugfs("cat kept", &[]), b"kept");
    }
}

#[test]
fn what_cannot_be_read_is_not_written_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    make_empty(&options(Some(256 << 20)), &path).unwrap();
    let tool = tools::find("debugfs", None).unwrap();
    let state = Run::new(&tool).args(["-w", "-R", "set_super_value state 0"]);
    state.arg(&path).success().unwrap();
    // The second half of it is gone, for the moment.
    let whole = fs::read(&path).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    assert_eq!(repair(&path, &never).unwrap_err().code(), "engine.ext4-damaged");
    assert!(fs::read(&path).unwrap() == whole[..128 << 20]);
    fs::write(&path, &whole).unwrap();
    // It had only to be closed.
    assert!(repair(&path, &never).is_ok() && check(&path, &never).unwrap().clean);
}

/// What a superblock looks like that was half written: the backup takes its place.
#[test]
fn a_torn_superblock_is_repaired() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    make_empty(&options(Some(256 << 20)), &path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // When it was mounted last; not under the checksum of before.
    file.write_all_at(&[7; 4], 1024 + 0x2c).unwrap();
    assert!(!check(&path, &never).unwrap().clean);
    assert!(repair(&path, &never).unwrap());
    assert!(check(&path, &never).unwrap().clean);
}

#[test]
fn what_is_no_file_system_is_no_clean_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zeros");
    fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    assert_eq!(check(&path, &never).unwrap_err().code(), "engine.ext4-check");
}

#[test]
fn bad_options_are_refused_before_anything_is_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    let good = options(Some(64 << 20));
    let bad = [
        Ext4Options {
            size_bytes: None,
            ..good.clone()
        },
        Ext4Options {
            size_bytes: Some(4096),
            ..good.clone()
        },
        Ext4Options {
            size_bytes: Some((64 << 20) + 1),
            ..good.clone()
        },
        Ext4Options {
            label: "seventeen letters".to_owned(),
            ..good.clone()
        },
        Ext4Options {
            block_size: 512,
            ..good.clone()
        },
        Ext4Options {
            epoch_seconds: 0,
            ..good.clone()
        },
    ];
    for options in bad {
        let error = make_empty(&options, &path).unwrap_err();
        assert_eq!(error.code(), "engine.ext4-options", "{options:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn owners_modes_and_devices_of_an_archive_survive_with_and_without_root() {
    let folder = TempDir::new().unwrap();
    let content = folder.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("letter"), "hello").unwrap();
    let script = "tar -C content --numeric-owner --owner=1000 --group=1001 --mode=4751 -cf a.tar letter && \
                  tar --numeric-owner --owner=0 --group=5 --mode=0620 -C / -rf a.tar dev/null && cat a.tar";
    let shell = tools::find("sh", None).unwrap();
    let archive = Run::new(&shell)
        .args(["-c", script])
        .folder(folder.path())
        .success()
        .unwrap()
        .stdout;
    for is_root in [true, false] {
        if is_root && !rustix::process::geteuid().is_root() {
            println!("skipped: the half that needs root");
            continue;
        }
        let dest = folder.path().join(format!("volume-{is_root}"));
        let options = options(Some(64 << 20));
        let report =
            from_tar::make_as(is_root, &options, &mut &archive[..], &dest, folder.path(), &never).unwrap();
        assert_eq!(
            report.method,
            if is_root { Method::Root } else { Method::Fakeroot }
        );
        assert!(check(&dest, &never).unwrap().clean);
        let letter = debugfs(&dest, "stat /letter");
        assert!(
            letter.contains("Mode:  04751") && letter.contains("User:  1000   Group:  1001"),
            "{letter}"
        );
        let null = debugfs(&dest, "stat /dev/null");
        assert!(
            null.contains("Type: character special") && null.contains("Mode:  0620"),
            "{null}"
        );
        assert!(null.contains("Device major/minor number: 01:03"), "{null}");
    }
}

#[test]
fn attributes_are_kept_by_root_and_refused_to_others() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("ping"), "x").unwrap();
    let ping = fs::File::open(folder.path().join("ping")).unwrap();
    let set = rustix::fs::fsetxattr(&ping, "user.gobag", b"kept", rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        println!("skipped: no extended attributes here: {error}");
        return;
    }
    let archive = Run::new(&tools::find("tar", None).unwrap())
        .args(["--create", "--xattrs", "--file=-", "ping"])
        .folder(folder.path())
        .success()
        .unwrap()
        .stdout;
    let make = |is_root, name| {
        let dest = folder.path().join(name);
        let options = options(Some(64 << 20));
        from_tar::make_as(is_root, &options, &mut &archive[..], &dest, folder.path(), &never).map(|_| dest)
    };
    let error = make(false, "user").unwrap_err();
    assert_eq!(error.code(), "engine.ext4-attributes");
    assert!(!folder.path().join("user").exists());
    if rustix::process::geteuid().is_root() {
        let found = debugfs(&make(true, "root").unwrap(), "ea_get /ping user.gobag");
        assert!(found.contains("kept"), "{found}");
    }
}

fn debugfs(volume: &Path, request: &str) -> String {
    let program = tools::find("debugfs", None).unwrap();
    let output = Run::new(&program)
        .args(["-R", request])
        .arg(volume)
        .success()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    fs::write(&path, "precious").unwrap();
    let error = make_empty(&options(Some(64 << 20)), &path).unwrap_err();
    assert_eq!(error.code(), "engine.ext4-file");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_cancelled_check_is_no_failed_check() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("volume");
    make_empty(&options(Some(64 << 20)), &path).unwrap();
    let error = repair(&path, &|| true).unwrap_err();
    assert_eq!(error.code(), "engine.ext4-cancelled");
}
