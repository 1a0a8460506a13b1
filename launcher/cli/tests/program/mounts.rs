//! Disks open as files: one program at a time, closed by `gobag stop`, and after a launcher that was killed.

#![expect(clippy::disallowed_methods, reason = "another program unmounts")]

use std::{ffi::OsStr, fs::File, os::unix::fs::FileExt, path::PathBuf, process::Command};

use crate::{
    program::{Desk, Running},
    require,
    stick::{Contents, Stick},
};

/// An open mount and the home disk in it; none without FUSE, and the test is skipped.
pub(crate) fn mount(desk: &Desk, stick: &Stick) -> Option<(Running, PathBuf)> {
    mount_with(desk, stick, &[])
}

/// The same with options of the program before its command.
pub(crate) fn mount_with(
    desk: &Desk,
    stick: &Stick,
    options: &[&dyn AsRef<OsStr>],
) -> Option<(Running, PathBuf)> {
    let missing = File::open("/dev/fuse")
        .err()
        .map(|error| format!("/dev/fuse: {error}"));
    if !require::have("fuse", missing) {
        return None;
    }
    let path = stick.path();
    let command: [&dyn AsRef<OsStr>; 5] = [&"mount", &"--stick", &path, &"--passphrase-file", &"right"];
    let mut running = desk.start(&[options, &command].concat());
    let home = running.words.wait_for("home.img (");
    let open = running.words.wait_for("The disks are open");
    assert_eq!(
        open,
        "ok   The disks are open. Ctrl-C here, or `gobag stop`, closes them."
    );
    let (path, size) = home.rsplit_once(" (").unwrap();
    assert_eq!(size, "4.0 MiB)");
    Some((running, path.into()))
}

fn write(home: &PathBuf, text: &str) {
    let file = File::options().write(true).open(home).unwrap();
    file.write_all_at(text.as_bytes(), 8192).unwrap();
    file.sync_data().unwrap();
}

fn read(home: &PathBuf, len: usize) -> String {
    let mut bytes = vec![0; len];
    File::open(home).unwrap().read_exact_at(&mut bytes, 8192).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_second_program_is_told_that_the_stick_is_busy_and_stop_ends_the_first() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let Some((mut first, home)) = mount(&desk, &stick) else {
        return;
    };
    for command in ["start", "mount", "verify", "passwd"] {
        let ran = desk.run(&[
            &command,
            &"--stick",
            &stick.path(),
            &"--passphrase-file",
            &"right",
        ]);
        let said = format!(
            "error: the bundle in {} is in use\nhint: see what uses it with `gobag status`\nhint: end it in \
             good order with `gobag stop`\n",
            stick.path().display()
        );
        ran.is(7, "", &said);
    }
    write(&home, "kept");
    let status = desk.run(&[&"status", &"--json"]).json();
    let session = &status["sessions"][0];
    assert_eq!(
        (&session["image"], &session["mode"], &session["bundle"]),
        (
            &"office".into(),
            &"mount".into(),
            &stick.bundle.to_string().into()
        )
    );
    let stopped = desk.run(&[&"stop"]);
    assert_eq!(
        (stopped.exit, &*stopped.stdout),
        (0, "The stick is safe to remove.\n"),
        "{stopped:?}"
    );
    assert_eq!(first.finish(), Some(0));
    assert_eq!(&stick.home()[8192..8196], b"kept");
    assert!(desk.is_tidy());
}

#[test]
fn after_a_killed_launcher_the_next_one_cleans_up_and_everything_flushed_is_there() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let Some((mut killed, home)) = mount(&desk, &stick) else {
        return;
    };
    write(&home, "before the crash");
    killed.kill();
    assert!(File::open(&home).is_err(), "a dead mount shows nothing");
    desk.run(&[&"status"]).is(0, "No workstation is running.\n", "");

    let (mut again, home) = mount(&desk, &stick).unwrap();
    assert_eq!(read(&home, 16), "before the crash");
    assert_eq!(desk.sessions().len(), 1, "what the killed one left is gone");
    let stopped = desk.run(&[&"stop", &"--json"]);
    assert_eq!(
        (stopped.exit, &stopped.json()["state"]),
        (0, &"safe-to-remove".into()),
        "{stopped:?}"
    );
    assert_eq!(again.finish(), Some(0));
    assert!(desk.is_tidy());
}

#[test]
fn disks_that_another_program_unmounts_are_closed_in_good_order() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let Some((mut first, home)) = mount(&desk, &stick) else {
        return;
    };
    write(&home, "left behind");
    let unmounted = Command::new("fusermount3")
        .arg("-u")
        .arg(home.parent().unwrap())
        .status();
    let missing = unmounted
        .as_ref()
        .err()
        .map(|error| format!("fusermount3: {error}"));
    if !require::have("fuse", missing) {
        return;
    }
    assert!(unmounted.unwrap().success());
    first.words.wait_for("All changes are on the stick");
    assert_eq!(first.finish(), Some(0));
    assert_eq!(&stick.home()[8192..8203], b"left behind");
    assert!(desk.is_tidy());
}
