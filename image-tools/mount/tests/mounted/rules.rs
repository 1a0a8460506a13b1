//! What the files look like and what is refused.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{FileExt, MetadataExt},
    sync::{Arc, atomic::Ordering},
};

use gobag_mount::{Export, MountOptions};
use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

use crate::{Fixture, has_fuse, volume::Memory};

const SIZE: usize = (1 << 20) + 512;

fn number<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn the_folder_lists_exactly_the_exports_and_cannot_change() {
    if !has_fuse() {
        return;
    }
    let names: Vec<String> = (0..40).map(|number| format!("volume-{number:02}.img")).collect();
    let export = |name: &String| Export::volume(name, Arc::new(Memory::new(SIZE)));
    let fixture = Fixture::new(names.iter().map(export).collect(), &MountOptions::default());
    let folder = fixture.mounted.mountpoint();
    let mut listed: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    listed.sort();
    assert_eq!(listed, names);

    let metadata = std::fs::metadata(folder.join(&names[7])).unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o7777), (SIZE as u64, 0o600));
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    assert_eq!(
        std::fs::metadata(folder.join("other")).unwrap_err().kind(),
        ErrorKind::NotFound
    );

    let space = statvfs(folder).unwrap();
    assert!(space.f_blocks * space.f_frsize >= (40 * SIZE) as u64);
    assert_eq!((space.f_bavail, space.f_files), (0, 40));

    let denied = Some(Errno::PERM.raw_os_error());
    assert_eq!(number(File::create_new(folder.join("new"))), denied);
    assert_eq!(number(std::fs::create_dir(folder.join("new"))), denied);
    assert_eq!(
        number(std::fs::hard_link(folder.join(&names[0]), folder.join("new"))),
        denied
    );
}

#[test]
fn a_disk_keeps_its_size() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(SIZE));
    let fixture = Fixture::with_volume(volume.clone());
    let denied = Some(Errno::PERM.raw_os_error());
    let truncating = OpenOptions::new().write(true).truncate(true).open(fixture.disk());
    assert_eq!(number(truncating), denied);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(fixture.disk())
        .unwrap();
    assert_eq!(number(file.set_len(SIZE as u64 + 1)), denied);
    file.set_len(SIZE as u64).expect("its own size is fine");

    let end = SIZE as u64;
    assert_eq!(
        file.write_at(&[1; 100], end - 40).unwrap(),
        40,
        "what fits is written"
    );
    assert_eq!(number(file.write_at(&[1], end)), Some(Errno::FBIG.raw_os_error()));
    assert_eq!(file.read_at(&mut [0; 100], end - 40).unwrap(), 40);
    assert_eq!(file.read_at(&mut [0; 100], end).unwrap(), 0);
    assert_eq!(file.metadata().unwrap().len(), end);

    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, punch, end - 40, 1 << 30).expect("a hole may reach over the end");
    assert_eq!(volume.contents()[SIZE - 40..], [0; 40]);
    assert_eq!(volume.trims.load(Ordering::SeqCst), 1);
    assert_eq!(
        fallocate(&file, FallocateFlags::ZERO_RANGE, end - 1, 2),
        Err(Errno::FBIG)
    );
    assert_eq!(
        fallocate(&file, FallocateFlags::empty(), 0, 4096),
        Err(Errno::OPNOTSUPP)
    );
}

#[test]
fn read_only_exports_can_only_be_read() {
    if !has_fuse() {
        return;
    }
    let mut volume = Memory::new(SIZE);
    volume.read_only = true;
    let kernel: Vec<u8> = (0..100_001_u32).map(|i| i as u8).collect();
    let exports = vec![
        Export::volume("disk.img", Arc::new(volume)),
        Export::bytes("kernel", kernel.clone()),
    ];
    let fixture = Fixture::new(exports, &MountOptions::default());
    for name in ["disk.img", "kernel"] {
        let path = fixture.mounted.file(name);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o400);
        let refused = number(OpenOptions::new().write(true).open(&path));
        assert_eq!(refused, Some(Errno::ROFS.raw_os_error()));
    }
    assert!(std::fs::read(fixture.mounted.file("kernel")).unwrap() == kernel);
}
