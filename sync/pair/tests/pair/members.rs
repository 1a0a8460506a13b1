//! What goes wrong with a member's folder, or with the room at the server, and what does not follow from it.

use std::{ffi::CStr, fs, path::Path};

use gobag_pair::{Pair, PairError};
use gobag_server::testing::Site;
use gobag_workspace::{StoreError, WorkspaceError};

use crate::{
    lab::{Lab, list, may_mount},
    office::Office,
};

/// The code of why the left folder cannot be opened as one that was paired.
fn opened(lab: &Lab) -> Option<&'static str> {
    let opened = Pair::open(&lab.at("left"), lab.workspace("left"));
    opened.err().map(|error| error.code())
}

#[test]
fn s31_a_folder_that_is_missing_or_another_deletes_nothing() {
    let mut lab = Lab::shared(&[("a", "1"), ("b", "2")]);
    fs::rename(lab.at("left"), lab.at("away")).unwrap();
    assert_eq!(opened(&lab), Some("pair.not-paired"));
    // As where a drive is mounted that is not there.
    fs::create_dir(lab.at("left")).unwrap();
    assert_eq!(opened(&lab), Some("pair.not-paired"));
    // Whoever pairs it gets everything.
    lab.pass();
    assert_eq!(lab.tree("left"), "a=1 b=2");
    fs::rename(lab.at("left"), lab.at("second")).unwrap();
    fs::rename(lab.at("away"), lab.at("left")).unwrap();
    assert_eq!(opened(&lab), None);
    fs::remove_file(lab.at("left/.gobag-sync/root")).unwrap();
    assert_eq!(opened(&lab), Some("files.other-root"));
}

#[test]
fn s36_a_damaged_base_is_noticed_and_nothing_is_deleted() {
    let no_database: fn(&Path) = |base| fs::write(base, "no database").unwrap();
    let altered_row: fn(&Path) = |base| {
        let mut bytes = fs::read(base).unwrap();
        let content = blake3::hash(b"3");
        let at = bytes
            .windows(32)
            .position(|window| window == content.as_bytes())
            .unwrap();
        bytes[at] ^= 1;
        fs::write(base, bytes).unwrap();
    };
    for (is_database, damage) in [(false, no_database), (true, altered_row)] {
        let mut lab = Lab::shared(&[("a", "1"), ("b", "2"), ("c", "3")]);
        lab.remove("left", "a");
        lab.write("left", "b", "changed");
        damage(&lab.at("left/.gobag-sync/base.db"));
        // Somebody has to pair it again, else it is noticed in the middle of a pass.
        assert_eq!(opened(&lab), (!is_database).then_some("pair.base-damaged"));
        let report = lab.pass();
        assert_eq!(report.left.removed + report.right.removed, 0, "{report:?}");
        assert_eq!(report.base_lost, is_database, "{report:?}");
        let tree = lab.tree("right");
        let words: Vec<&str> = tree.split(' ').collect();
        assert!(
            ["a=1", "b=2", "c=3"].iter().all(|word| words.contains(word)),
            "{tree}"
        );
        assert!(
            tree.matches('=').count() == 4 && tree.contains(")=changed"),
            "{tree}"
        );
    }
}

/// With its base, it is as one that was away since then: what it has is older than all there is, and is kept as versions.
#[test]
fn s37_a_folder_that_was_put_back_gets_what_is_newer_and_brings_nothing_back() {
    let mut lab = Lab::shared(&[("a", "old"), ("b", "1")]);
    let copied = std::process::Command::new("cp")
        .args(["-a", "--"])
        .args([lab.at("left"), lab.at("backup")])
        .status();
    assert!(copied.unwrap().success());
    lab.write("left", "a", "a month of work");
    lab.write("right", "new", "2");
    lab.remove("left", "b");
    lab.pass();
    fs::rename(lab.at("left"), lab.at("gone")).unwrap();
    fs::rename(lab.at("backup"), lab.at("left")).unwrap();
    let report = lab.pass();
    assert_eq!(report.right, Default::default(), "{report:?}");
    assert_eq!(lab.tree("left"), "a=a month of work new=2");
    let kept = lab.kept("left");
    assert!(kept.contains("a=old") && kept.contains("b=1"), "{kept}");
}

/// A member's folder on a disk of this size.
fn on_a_small_disk(size: &CStr, act: impl FnOnce(&mut Lab) + std::panic::UnwindSafe) {
    if !may_mount() {
        return;
    }
    let mut lab = Lab::members_of(Office::new());
    let target = lab.at("left");
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &target, "tmpfs", none, Some(size)).unwrap();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&mut lab)));
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
    done.unwrap();
}

#[test]
fn s45_a_folder_without_room_keeps_what_it_had() {
    on_a_small_disk(c"size=2m", |lab| {
        lab.write("right", "a", &"a".repeat(400 << 10));
        lab.write("right", "z", "small");
        lab.pass();
        lab.write("right", "a", &"b".repeat(1900 << 10));
        lab.write("right", "z", "changed");
        lab.write("left", "zz", "of the left");
        let report = lab.pass_with(|_| {}).unwrap();
        assert_eq!(report.failures[0].code, "files.full", "{report:?}");
        let left = list(&lab.at("left"));
        assert_eq!((left["a"].len(), &left["z"][..]), (1 + (400 << 10), "=changed"));
        // What goes the other way goes, and nothing there changes because of it.
        let right = list(&lab.at("right"));
        assert_eq!(
            (right["a"].len(), &right["zz"][..]),
            (1 + (1900 << 10), "=of the left")
        );
        lab.write("right", "a", &"c".repeat(300 << 10));
        lab.pass();
    });
}

#[test]
fn s45_a_server_without_room_refuses_and_nothing_is_lost() {
    let site = Site::start_with(|config| config.quotas.workspace_bytes = 64 << 10);
    let mut lab = Lab::shared_at(Office::at(site), &[("a", "1"), ("b", "2")]);
    let noise: String = (0..40_000_u32)
        .map(|number| format!("{:x} ", number.wrapping_mul(2_654_435_761)))
        .collect();
    lab.write("left", "a", &noise);
    lab.remove("left", "b");
    for _ in 0..2 {
        let full = lab.pass_with(|_| {}).unwrap_err();
        assert!(
            matches!(
                &full,
                PairError::Workspace(WorkspaceError::Store(StoreError::Full(_)))
            ),
            "{full:?}"
        );
        assert!(lab.tree("left").len() > noise.len() && lab.tree("right") == "a=1 b=2");
    }
    // What others put still comes, and what fits goes.
    lab.write("right", "c", "of the right");
    lab.right_pass().unwrap();
    lab.pass_with(|_| {}).unwrap_err();
    assert!(lab.tree("left").contains("c=of the right"));
    lab.write("left", "a", "less");
    lab.pass();
    assert_eq!(lab.tree("right"), "a=less c=of the right");
}
