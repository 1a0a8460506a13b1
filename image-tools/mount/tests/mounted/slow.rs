//! A medium that does not answer must not block the door.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    sync::{Arc, mpsc},
    time::Duration,
};

use gobag_mount::{Export, Hold, MountOptions};
use rustix::io::Errno;

use crate::{
    Fixture, has_fuse,
    volume::{Memory, Mood},
};

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

/// A mount that lets requests wait, and what hears of each error.
fn holding(volume: &Arc<Memory>) -> (Fixture, Arc<Hold>, mpsc::Receiver<String>) {
    let hold = Arc::new(Hold::default());
    let (trouble, troubles) = mpsc::channel();
    let options = MountOptions {
        hold: Some(Arc::clone(&hold)),
        on_error: Some(Arc::new(move |_, error| {
            // Nobody listens any more at the end of a test.
            let _ = trouble.send(error.code().to_owned());
        })),
        ..MountOptions::default()
    };
    let exports = vec![Export::volume("disk.img", volume.clone())];
    (Fixture::new(exports, &options), hold, troubles)
}

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn held_requests_go_on_when_the_medium_is_back() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let (mut fixture, hold, troubles) = holding(&volume);
    let file = OpenOptions::new().write(true).open(fixture.disk()).unwrap();
    volume.set_mood(Mood::Gone);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            file.write_all_at(b"patience", 4096)
                .and_then(|()| file.sync_data())
        });
        assert_eq!(troubles.recv_timeout(DEADLINE).as_deref(), Ok("volume.medium"));
        // Released too early, it is held again.
        hold.release();
        assert_eq!(troubles.recv_timeout(DEADLINE).as_deref(), Ok("volume.medium"));
        volume.set_mood(Mood::Good);
        hold.release();
        writer.join().unwrap().expect("the program never learns of it");
    });
    assert_eq!(&volume.contents()[4096..4104], b"patience");
    assert_eq!(hold.held(), 0);
    drop(file);
    fixture.mounted.unmount(DEADLINE).unwrap();
}

#[test]
fn held_requests_fail_when_the_medium_is_given_up_and_other_errors_are_never_held() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let (fixture, hold, troubles) = holding(&volume);
    let file = OpenOptions::new().write(true).open(fixture.disk()).unwrap();
    let number = |result: std::io::Result<()>| result.unwrap_err().raw_os_error();
    volume.set_mood(Mood::Full);
    assert_eq!(
        number(file.write_all_at(b"x", 0)),
        Some(Errno::NOSPC.raw_os_error())
    );
    assert_eq!(troubles.recv_timeout(DEADLINE).as_deref(), Ok("volume.full"));

    volume.set_mood(Mood::Gone);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| file.write_all_at(b"x", 0));
        assert_eq!(troubles.recv_timeout(DEADLINE).as_deref(), Ok("volume.medium"));
        hold.give_up();
        assert_eq!(number(writer.join().unwrap()), Some(Errno::IO.raw_os_error()));
    });
    assert_eq!(
        number(file.write_all_at(b"x", 0)),
        Some(Errno::IO.raw_os_error()),
        "nothing waits any more"
    );
}
