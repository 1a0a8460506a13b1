//! What goes wrong, and what does not follow from it.

use std::{fs, path::Path};

use gobag_pair::{Pair, PairError, RootId};
use gobag_reconcile::Hold;

use crate::lab::{Lab, list};

#[test]
fn s31_s54_a_folder_that_is_missing_another_or_in_the_other() {
    let mut lab = Lab::paired(&[("a", "1"), ("b", "2")]);
    let code = |result: Result<gobag_pair::Report, PairError>| result.unwrap_err().code();
    fs::rename(lab.at("right"), lab.at("away")).unwrap();
    assert_eq!(code(lab.pass_with(|_| {})), "files.root");
    fs::create_dir(lab.at("right")).unwrap();
    assert_eq!(code(lab.pass_with(|_| {})), "files.other-root");
    fs::remove_dir(lab.at("right")).unwrap();
    fs::rename(lab.at("away"), lab.at("right")).unwrap();
    fs::rename(lab.at("left"), lab.at("away")).unwrap();
    fs::create_dir(lab.at("left")).unwrap();
    assert_eq!(code(lab.pass_with(|_| {})), "pair.not-paired");
    assert_eq!(lab.tree("right"), "a=1 b=2");
    let make = |left: &str, right: &str| {
        Pair::make(&lab.at(left), &lab.at(right), [RootId([5; 16]); 2])
            .err()
            .map(|error| error.code())
    };
    fs::create_dir(lab.at("right/in")).unwrap();
    assert_eq!(make("right", "right"), Some("pair.overlap"));
    assert_eq!(make("right/in", "right"), Some("pair.overlap"));
}

#[test]
fn s32_s33_what_takes_much_away_waits_until_somebody_agrees() {
    let mut lab = Lab::paired(&[("a", "1"), ("b", "2"), ("c/d", "3")]);
    for gone in ["a", "b", "c"] {
        lab.remove("left", gone);
    }
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(
        matches!(report.holds[..], [Hold::Emptied { .. }]) && !report.is_in_step(),
        "{report:?}"
    );
    assert_eq!(lab.tree("right"), "a=1 b=2 c/ c/d=3");
    let report = lab.pass_with(|options| options.confirmed = true).unwrap();
    assert_eq!((report.right.removed, lab.tree("right")), (3, String::new()));
    assert!(lab.kept("right").contains("a=1") && lab.kept("right").contains("c/d=3"));
}

/// One side deleted, one changed, and the base is gone after that.
fn without_base(damage: impl Fn(&Path)) -> Lab {
    let lab = Lab::paired(&[("a", "1"), ("b", "2"), ("c", "3")]);
    lab.remove("left", "a");
    lab.write("left", "b", "changed");
    damage(&lab.at("left/.gobag-sync/base.db"));
    lab
}

/// What is on one side is on both; what differs is there twice.
fn is_union(tree: &str) -> bool {
    let has = |word: &str| tree.split(' ').any(|other| other == word);
    tree.matches('=').count() == 4 && ["a=1", "b=2", "c=3"].into_iter().all(has) && tree.contains(")=changed")
}

#[test]
fn s35_s36_without_a_base_nothing_is_deleted() {
    for (code, damage) in [
        (
            "pair.not-paired",
            (|base| fs::remove_file(base).unwrap()) as fn(&Path),
        ),
        ("pair.base-damaged", |base| {
            fs::write(base, "no database").unwrap()
        }),
    ] {
        let mut lab = without_base(damage);
        assert_eq!(lab.pass_with(|_| {}).unwrap_err().code(), code);
        // Somebody pairs them again.
        drop(lab.pair().unwrap());
        lab.pass();
        assert!(is_union(&lab.tree("right")), "{}", lab.tree("right"));
    }
}

#[test]
fn s36_a_row_that_was_altered_is_noticed() {
    let mut lab = without_base(|base| {
        let mut bytes = fs::read(base).unwrap();
        let content = blake3::hash(b"3");
        let at = bytes
            .windows(32)
            .position(|window| window == content.as_bytes())
            .unwrap();
        bytes[at] ^= 1;
        fs::write(base, bytes).unwrap();
    });
    let report = lab.pass();
    assert!(
        report.base_lost && report.left.removed + report.right.removed == 0,
        "{report:?}"
    );
    assert!(is_union(&lab.tree("right")), "{}", lab.tree("right"));
    let aside = fs::read_dir(lab.at("left/.gobag-sync")).unwrap();
    assert!(aside.flatten().any(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("base.db.damaged-")
    }));
}

#[test]
fn s45_a_side_without_room_keeps_what_it_had() {
    let mut lab = Lab::new();
    let (target, none): (_, Option<&std::ffi::CStr>) = (lab.at("right"), Some(c"size=1m"));
    rustix::mount::mount("none", &target, "tmpfs", rustix::mount::MountFlags::empty(), none).unwrap();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        lab.pair().unwrap();
        lab.write("left", "a", &"a".repeat(400 << 10));
        lab.pass();
        lab.write("left", "a", &"b".repeat(900 << 10));
        let report = lab.pass_with(|_| {}).unwrap();
        assert_eq!(report.failures[0].code, "files.full", "{report:?}");
        assert_eq!(list(&target)["a"].len(), 1 + (400 << 10));
        lab.write("left", "a", &"c".repeat(300 << 10));
        lab.pass();
    }));
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
    done.unwrap();
}

#[test]
fn two_at_once_are_one_too_many() {
    let mut lab = Lab::paired(&[]);
    let pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
    assert_eq!(lab.pass_with(|_| {}).unwrap_err().code(), "pair.busy");
    drop(pair);
    lab.pass();
}
