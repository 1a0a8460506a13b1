//! `sync --watch`, and copying that is slow or ended.

use std::{
    fs,
    time::{Duration, Instant},
};

use jiff::{ToSpan as _, Zoned};
use rustix::{
    mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount},
    process::Signal,
};

use crate::desk::Desk;

#[test]
fn what_changes_in_either_is_done_in_the_other_until_it_is_ended() {
    let desk = Desk::paired(&[("a", "1")]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut watch = desk.start("sync mine office --watch");
        watch.says("Both folders are the same; they are kept so.");
        desk.write("mine/new/deep/b", "2");
        watch.says("In the other folder 1 put");
        assert_eq!(desk.read("office/new/deep/b"), "2");
        // In a folder that came while it was watching.
        desk.write("office/new/deep/c", "3");
        watch.says("In your folder 1 put");
        assert_eq!(desk.read("mine/new/deep/c"), "3");
        fs::remove_dir_all(desk.at("mine/new")).unwrap();
        watch.says("In the other folder 2 deleted");
        let (code, heard) = watch.end(signal);
        assert_eq!(code, Some(0), "{heard:?}");
        assert!(heard.iter().any(|line| line.starts_with("Ended.")), "{heard:?}");
    }
}

#[test]
fn a_folder_that_is_away_is_said_once_and_waited_for() {
    let desk = Desk::paired(&[("a", "1")]);
    let mut watch = desk.start("sync mine office --watch");
    watch.says("kept so");
    fs::rename(desk.at("office"), desk.at("away")).unwrap();
    watch.says("FAIL cannot use folder office");
    desk.write("mine/b", "2");
    desk.write("away/c", "3");
    // Another one in its place is not it.
    fs::create_dir(desk.at("office")).unwrap();
    watch.says("FAIL office is not the folder it was");
    desk.is(
        "status mine",
        3,
        &["FAIL The other folder cannot be used now", "FAIL "],
    );
    fs::remove_dir(desk.at("office")).unwrap();
    fs::rename(desk.at("away"), desk.at("office")).unwrap();
    watch.says("ok   Both folders are the same; they are kept so.");
    assert_eq!(
        (desk.read("office/b"), desk.read("mine/c")),
        ("2".into(), "3".into())
    );
    // What is so still is not said again: once when it went, and perhaps once more when the other one had gone.
    let said = watch.heard("FAIL cannot use folder office");
    assert!((1..=2).contains(&said), "{said}");
    desk.is("status mine", 0, &["ok   The other folder is there"]);
}

/// Whether this is root; says that a test is skipped otherwise, or fails where that must not be.
fn may_mount() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        is_root || !required.split(',').any(|name| name == "root"),
        "only root mounts"
    );
    if !is_root {
        println!("skipped: only root mounts");
    }
    is_root
}

#[test]
fn s31_a_drive_that_is_pulled_is_waited_for() {
    if !may_mount() {
        return;
    }
    let desk = Desk::new();
    for folder in ["store", "drive"] {
        fs::create_dir(desk.at(folder)).unwrap();
    }
    let plug = || {
        mount_bind(desk.at("store"), desk.at("drive")).unwrap();
        mount_change(desk.at("drive"), MountPropagationFlags::PRIVATE).unwrap();
    };
    let pull = || unmount(desk.at("drive"), UnmountFlags::DETACH);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        plug();
        fs::create_dir(desk.at("drive/office")).unwrap();
        desk.write("mine/a", "1");
        desk.is("pair mine drive/office", 0, &[]);
        let mut watch = desk.start("sync mine drive/office --watch");
        watch.says("kept so");
        pull().unwrap();
        watch.says("FAIL cannot use folder drive/office");
        desk.write("mine/a", "changed while it was away");
        plug();
        watch.says("kept so");
        assert_eq!(desk.read("store/office/a"), "changed while it was away");
        assert_eq!(watch.end(Signal::TERM).0, Some(0));
    }));
    let _ = pull();
    done.unwrap();
}

#[test]
fn what_is_held_goes_on_when_somebody_agrees_and_each_pass_is_a_line() {
    let names: Vec<String> = (0..60).map(|number| format!("d/f{number}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let desk = Desk::paired(&files);
    let mut watch = desk.start("sync mine office --watch --json");
    assert_eq!(
        watch.tells("\"outcome\":\"in-step\"")["error"],
        serde_json::Value::Null
    );
    // All in one step, whenever a pass looks.
    fs::rename(desk.at("mine/d"), desk.at("away")).unwrap();
    let held = watch.tells("\"outcome\":\"held\"");
    assert_eq!(held["report"]["holds"][0]["files"], 60, "{held}");
    desk.is(
        "holds mine",
        3,
        &["FAIL 60 files (60 B) would be deleted in the other folder."],
    );
    desk.is("holds confirm mine --yes", 0, &[]);
    let done = watch.tells("\"outcome\":\"in-step\"");
    assert_eq!(done["report"]["right"]["removed"], 60, "{done}");
    assert_eq!(done["error"], serde_json::Value::Null);
    let (code, heard) = watch.end(Signal::INT);
    assert_eq!(code, Some(0), "{heard:?}");
    for line in heard.iter().filter(|line| !line.starts_with("Ended")) {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn outside_its_hours_it_waits() {
    let desk = Desk::new();
    desk.write("mine/a", "1");
    desk.is("pair mine office", 0, &[]);
    let now = Zoned::now();
    let hour = |hours: i64| {
        now.checked_add(hours.hours())
            .unwrap()
            .strftime("%H:%M")
            .to_string()
    };
    let mut watch = desk.start(&format!(
        "sync mine office --watch --schedule {}-{}",
        hour(2),
        hour(3)
    ));
    watch.says("By the schedule nothing is done now.");
    assert_eq!(watch.end(Signal::TERM).0, Some(0));
    assert!(!desk.at("office/a").exists());
    let within = format!(
        "--schedule {}-{} --schedule {}-{}",
        hour(-1),
        hour(1),
        hour(2),
        hour(3)
    );
    let mut watch = desk.start(&format!("sync mine office --watch {within}"));
    watch.says("kept so");
    assert_eq!(desk.read("office/a"), "1");
}

#[test]
fn a_folder_that_is_not_there_yet_is_waited_for() {
    let desk = Desk::paired(&[("a", "1")]);
    fs::rename(desk.at("mine"), desk.at("away")).unwrap();
    let mut watch = desk.start("sync mine office --watch");
    watch.says("FAIL ");
    // Where a drive is to be mounted.
    fs::create_dir(desk.at("mine")).unwrap();
    fs::remove_dir(desk.at("mine")).unwrap();
    fs::rename(desk.at("away"), desk.at("mine")).unwrap();
    watch.says("kept so");
    assert_eq!(watch.end(Signal::TERM).0, Some(0));
}

#[test]
fn what_is_not_paired_is_not_watched() {
    let desk = Desk::new();
    desk.write("mine/a", "1");
    desk.is("sync mine office --watch", 1, &["not paired", "hint: "]);
    desk.is("sync mine mine --watch", 2, &["in each other"]);
    desk.is("sync mine office --watch --confirm", 2, &[]);
    desk.is("sync mine office --schedule 18:00-07:00", 2, &["--watch"]);
}

#[test]
fn s52_copying_is_as_slow_as_it_has_to_be() {
    let desk = Desk::new();
    fs::write(desk.at("mine/a"), vec![1; 160 << 10]).unwrap();
    fs::write(desk.at("office/b"), vec![2; 160 << 10]).unwrap();
    desk.is("pair mine office", 0, &[]);
    let begun = Instant::now();
    desk.is("sync mine office --limit 64KiB", 0, &[]);
    let took = begun.elapsed();
    // 320 KiB in five seconds, whichever way they go; the first 16 KiB wait for nothing.
    assert!(took >= Duration::from_millis(4500), "{took:?}");
    assert!(took <= Duration::from_secs(20), "{took:?}");
    desk.is("sync mine office --limit 0", 2, &["no speed"]);
}

#[test]
fn it_is_ended_in_the_middle_of_a_file_and_goes_on() {
    let desk = Desk::new();
    fs::write(desk.at("mine/big"), vec![1; 4 << 20]).unwrap();
    desk.is("pair mine office", 0, &[]);
    let mut sync = desk.start("sync mine office --limit 64KiB");
    sync.says("copying: started");
    let (code, heard) = sync.end(Signal::INT);
    assert_eq!(code, Some(130), "{heard:?}");
    assert!(
        heard.iter().any(|line| line.starts_with("It was ended early.")),
        "{heard:?}"
    );
    assert!(!desk.at("office/big").exists());
    assert_eq!(
        fs::read_dir(desk.at("office/.gobag-sync/stage")).unwrap().count(),
        0
    );
    desk.is("status mine", 3, &["it was ended early"]);
    desk.is("sync mine office", 0, &[]);
    assert_eq!(fs::metadata(desk.at("office/big")).unwrap().len(), 4 << 20);
}
