//! A launcher that is killed takes its guest with it.

use std::{cell::RefCell, time::Duration};

use gobag_engine::{guest::Event, run::Run, runtime::end_orphan};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    console::PATIENCE,
    machine::{bench, wait_for},
};

/// What the killed launcher runs: this test binary again, with this test.
#[test]
#[ignore = "the part of `the_guest_of_a_killed_launcher_ends` that is killed"]
fn launcher_to_be_killed() {
    let Some(bench) = bench() else { return };
    let (guest, mut console) = bench.start();
    let started = wait_for(&guest, "its start", |event| {
        matches!(event, Event::Started { .. })
    });
    let Event::Started { pid, .. } = started else {
        unreachable!()
    };
    console.ready();
    println!("qemu runs as {pid};");
    loop {
        console.line();
    }
}

#[test]
fn the_guest_of_a_killed_launcher_ends() {
    let Some(bench) = bench() else { return };
    let this = std::env::current_exe().unwrap();
    let said = RefCell::new(String::new());
    let mut listen = |piece: &[u8]| said.borrow_mut().push_str(&String::from_utf8_lossy(piece));
    let pid = || {
        let said = said.borrow();
        let (_, after) = said.split_once("qemu runs as ")?;
        Some(after.split_once(';')?.0.parse::<u32>().unwrap())
    };
    let is_up = || pid().is_some();
    let killed = Run::new(&this)
        .args([
            "--exact",
            "orphan::launcher_to_be_killed",
            "--ignored",
            "--nocapture",
        ])
        .env("GOBAG_REQUIRE", "qemu")
        .env("TMPDIR", bench.folder.path())
        .on_stdout(&mut listen)
        .cancel(&is_up)
        .deadline(PATIENCE)
        .run()
        .unwrap_err();
    assert_eq!(
        killed.code(),
        "engine.tool-cancelled",
        "{killed} {}",
        said.borrow()
    );
    let pid = pid().unwrap();
    assert!(ends_soon(pid), "qemu still runs as {pid}");

    // The next start finds the dead run's record and nothing to kill.
    let mut folders = std::fs::read_dir(bench.folder.path()).unwrap();
    let dead = folders.find_map(|entry| Some(entry.unwrap().path()).filter(|path| path.is_dir()));
    let dead = dead.unwrap();
    assert!(dead.join("guest.json").exists());
    assert_eq!(end_orphan(&dead, PATIENCE).unwrap(), None);
    assert!(!dead.join("guest.json").exists());
}

/// Waits for the end of a process that is not our child.
fn ends_soon(pid: u32) -> bool {
    let pid = pid.try_into().ok().and_then(Pid::from_raw).unwrap();
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let patience = Duration::from_secs(10).try_into().unwrap();
    poll(&mut fds, Some(&patience)).is_ok_and(|count| count > 0)
}
