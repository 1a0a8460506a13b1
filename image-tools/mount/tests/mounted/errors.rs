//! What a program sees, and the launcher hears, when a volume refuses.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
    time::Duration,
};

use gobag_mount::{Export, MountOptions, UnmountError};
use rustix::io::Errno;

use crate::{
    Fixture, has_fuse,
    volume::{Memory, Mood},
};

fn number<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn every_refusal_has_its_number_and_the_mount_goes_on() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let options = MountOptions {
        on_error: Some(Arc::new(move |export, error| {
            sink.lock().unwrap().push(format!("{export}: {}", error.code()));
        })),
        ..MountOptions::default()
    };
    let fixture = Fixture::new(vec![Export::volume("disk.img", volume.clone())], &options);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(fixture.disk())
        .unwrap();
    let mut buffer = [0; 512];

    let cases = [
        (Mood::Full, Errno::NOSPC, "disk.img: volume.full"),
        (Mood::Gone, Errno::IO, "disk.img: volume.medium"),
        (Mood::Damaged, Errno::IO, "disk.img: volume.damaged"),
        (Mood::Panics, Errno::IO, "disk.img: volume.medium"),
    ];
    for (mood, errno, report) in cases {
        volume.set_mood(mood);
        let expected = Some(errno.raw_os_error());
        assert_eq!(number(file.write_at(&[1; 512], 0)), expected);
        assert_eq!(number(file.read_at(&mut buffer, 0)), expected);
        assert_eq!(number(file.sync_data()), expected);
        assert_eq!(*heard.lock().unwrap(), [report; 3]);
        heard.lock().unwrap().clear();

        volume.set_mood(Mood::Good);
        file.write_all_at(&[7; 512], 512).unwrap();
        file.read_exact_at(&mut buffer, 512).unwrap();
        file.sync_data().unwrap();
        assert_eq!(buffer, [7; 512]);
    }
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn a_volume_that_cannot_flush_keeps_its_mount_until_it_can() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let mut fixture = Fixture::with_volume(volume.clone());
    let file = OpenOptions::new().write(true).open(fixture.disk()).unwrap();
    file.write_all_at(b"acknowledged", 0).unwrap();

    volume.set_mood(Mood::Gone);
    drop(file);
    let error = fixture.mounted.unmount(Duration::from_secs(5)).unwrap_err();
    assert!(matches!(error, UnmountError::Flush { .. }), "{error}");
    assert!(fixture.mounted.is_served());
    assert!(fixture.disk().exists());

    volume.set_mood(Mood::Good);
    fixture.mounted.unmount(Duration::from_secs(5)).unwrap();
    assert!(!fixture.mounted.is_served());
    assert_eq!(&volume.contents()[..12], b"acknowledged");
}
