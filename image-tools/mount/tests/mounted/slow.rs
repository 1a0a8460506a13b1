//! A medium that does not answer must not block the door.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc, sync::mpsc, time::Duration};

use gobag_mount::{Export, MountOptions};

use crate::{Fixture, has_fuse, volume::Memory};

#[test]
fn with_every_read_stuck_the_folder_still_answers() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let exports = vec![
        Export::volume("disk.img", volume.clone()),
        Export::bytes("kernel", b"a kernel".to_vec()),
    ];
    let options = MountOptions {
        event_threads: 2,
        ..MountOptions::default()
    };
    let fixture = Fixture::new(exports, &options);
    let file = File::open(fixture.disk()).unwrap();
    volume.close_gate();
    std::thread::scope(|scope| {
        // More than there are event threads, and no more than spare threads besides.
        let readers: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| file.read_exact_at(&mut [0; 4096], 8192)))
            .collect();
        volume.wait_for_held(readers.len());

        let (answer, answered) = mpsc::channel();
        let (folder, kernel) = (
            fixture.mounted.mountpoint().to_owned(),
            fixture.mounted.file("kernel"),
        );
        scope.spawn(move || {
            let names = std::fs::read_dir(folder).unwrap().count();
            answer.send((names, std::fs::read(kernel).unwrap())).unwrap();
        });
        let answer = answered.recv_timeout(Duration::from_secs(10));
        // Opened in any case, so that a failure ends instead of hanging.
        volume.open_gate();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap().is_ok()));
        assert_eq!(answer, Ok((2, b"a kernel".to_vec())));
    });
}
