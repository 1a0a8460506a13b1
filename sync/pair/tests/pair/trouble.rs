//! What goes wrong, and what does not follow from it.

use std::{fs, path::Path};

use gobag_pair::{Pair, PairError, RootId};

use crate::lab::{Lab, list, may_mount};

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
    if !may_mount() {
        return;
    }
    let mut lab = Lab::new();
    let (target, none): (_, Option<&std::ffi::CStr>) = (lab.at("right"), Some(c"size=1m"));
    rustix::mount::mount("none", &target, "tmpfs", rustix::mount::MountFlags::empty(), none).unwrap();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        lab.pair().unwrap();
        lab.write("left", "a", &"a".repeat(400 << 10));
        lab.pass();
        lab.write("left", "a", &"b".repeat(900 << 10));
        lab.write("left", "longer", &"b".repeat(901 << 10));
        lab.write("left", "small", "fits");
        lab.write("right", "mine", "of the right");
        let report = lab.pass_with(|_| {}).unwrap();
        assert_eq!((report.failures.len(), report.is_cut), (1, true), "{report:?}");
        assert_eq!(report.failures[0].code, "files.full", "{report:?}");
        assert_eq!(list(&target)["a"].len(), 1 + (400 << 10));
        // What is shorter is tried, and what goes the other way goes.
        assert_eq!(list(&target)["small"], "=fits");
        assert_eq!(list(&lab.at("left"))["mine"], "=of the right");
        lab.remove("left", "longer");
        lab.write("left", "a", &"c".repeat(300 << 10));
        lab.pass();
    }));
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
    done.unwrap();
}

#[test]
fn s45_a_first_copy_goes_on_where_something_does_not_fit() {
    if !may_mount() {
        return;
    }
    let mut lab = Lab::new();
    let (target, none): (_, Option<&std::ffi::CStr>) = (lab.at("right"), Some(c"size=1m"));
    rustix::mount::mount("none", &target, "tmpfs", rustix::mount::MountFlags::empty(), none).unwrap();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(lab.pair().unwrap());
        lab.write("left", "a", &"a".repeat(2 << 20));
        for name in ["b", "c", "d", "e"] {
            lab.write("left", name, "small");
        }
        lab.write("left", "f", &"f".repeat(3 << 20));
        lab.write("right", "z", "of the right");
        for _ in 0..2 {
            // In slices of two.
            let report = lab.pass_with(|_| {}).unwrap();
            let failed: Vec<&str> = report.failures.iter().map(|failure| &failure.path[..]).collect();
            assert_eq!((failed, report.is_cut), (vec!["a", "f"], true), "{report:?}");
            assert_eq!(
                lab.tree("right"),
                "b=small c=small d=small e=small z=of the right"
            );
            assert_eq!(list(&lab.at("left"))["z"], "=of the right");
        }
        lab.remove("left", "a");
        lab.remove("left", "f");
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

/// What is in no folder to the base is not known to it: a restored file is new then, and not one that the other side deleted.
#[test]
fn what_came_back_after_its_folder_went_is_not_deleted_again() {
    let mut lab = Lab::paired(&[("d/g", "1"), ("z", "2")]);
    lab.remove("left", "d");
    // The right one's user deletes the file while the folder is being removed there: as if it had been between scan and change.
    let mut options = lab.options();
    options.confirmed = true;
    let mut pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
    let right = lab.at("right/d/g");
    let meanwhile = Meanwhile(Box::new(move || fs::remove_file(&right).unwrap()));
    let report = pair.pass(&options, &meanwhile).unwrap();
    drop(pair);
    assert_eq!(report.failures.len(), 1, "{report:?}");
    lab.write("left", "d/g", "1");
    lab.pass();
    assert_eq!(lab.tree("left"), "d/ d/g=1 z=2");
}

/// Does something once, when a pass begins to change things.
pub(crate) struct Meanwhile<'a>(pub(crate) Box<dyn Fn() + Sync + 'a>);

impl gobag_format::Monitor for Meanwhile<'_> {
    fn phase(&self, name: &str, _total_bytes: Option<u64>) {
        if name == "copying" {
            (self.0)();
        }
    }

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[test]
fn two_users_of_one_share_at_once() {
    let mut lab = Lab::paired(&[("a", "1")]);
    fs::create_dir(lab.at("other")).unwrap();
    let (options, left, other, right) = (lab.options(), lab.at("left"), lab.at("other"), lab.at("right"));
    let other_pass = || {
        let mut pair = Pair::make(&other, &right, [RootId([3; 16]), RootId([4; 16])]).unwrap();
        assert!(pair.pass(&options, &gobag_format::Silent).unwrap().is_in_step());
    };
    other_pass();
    lab.write("left", "mine", "mine");
    lab.write("other", "theirs", "theirs");
    // The other's whole pass comes between this one's scan and its changes.
    let meanwhile = Meanwhile(Box::new(other_pass));
    let mut pair = Pair::open(&left, &right).unwrap();
    assert!(pair.pass(&options, &meanwhile).unwrap().is_in_step());
    drop((pair, meanwhile));
    lab.pass();
    other_pass();
    for side in ["left", "other"] {
        assert_eq!(lab.tree(side), "a=1 mine=mine theirs=theirs");
    }
}

#[test]
fn s37_s38_a_side_that_was_put_back_deletes_nothing_and_replaces_nothing() {
    for side in ["left", "right"] {
        let mut lab = Lab::paired(&[("a", "old"), ("b", "1")]);
        let copy = |from: &str, to: &str| {
            let done = std::process::Command::new("cp")
                .args(["-a", "--"])
                .arg(lab.at(from))
                .arg(lab.at(to))
                .status();
            assert!(done.unwrap().success());
        };
        copy(side, "backup");
        lab.write("left", "a", "a month of work");
        lab.write("right", "new", "2");
        lab.remove("left", "b");
        lab.pass();
        fs::rename(lab.at(side), lab.at("gone")).unwrap();
        fs::rename(lab.at("backup"), lab.at(side)).unwrap();
        let report = lab.pass();
        assert!(
            report.base_lost && report.left.removed + report.right.removed == 0,
            "{side} {report:?}"
        );
        let end = lab.tree("left");
        assert!(
            end.contains("=a month of work") && end.contains("=old") && end.contains("new=2"),
            "{side} {end}"
        );
    }
}

#[test]
fn a_folder_without_its_marker_and_a_copy_under_another_name_are_others() {
    let mut lab = Lab::paired(&[("a", "1")]);
    fs::remove_file(lab.at("left/.gobag-sync/root")).unwrap();
    assert_eq!(lab.pass_with(|_| {}).unwrap_err().code(), "files.other-root");
    let again = Pair::make(&lab.at("left"), &lab.at("right"), [RootId([8; 16]); 2]);
    assert_eq!(again.err().unwrap().code(), "files.other-root");
}

#[test]
fn another_pair_within_is_not_touched() {
    let mut lab = Lab::paired(&[("a", "1")]);
    lab.write("left", "in/.gobag-sync/base.db", "theirs");
    lab.write("right", ".GOBAG-SYNC/base.db", "planted");
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!((report.notices.len(), lab.at("right/in").exists()), (2, true));
    assert!(!lab.at("right/in/.gobag-sync").exists() && !lab.at("left/.GOBAG-SYNC").exists());
}

#[test]
fn who_may_read_a_file_stays_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut lab = Lab::paired(&[("key", "1")]);
    let mode = |lab: &Lab, path: &str| fs::metadata(lab.at(path)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(lab.at("left/key"), fs::Permissions::from_mode(0o600)).unwrap();
    lab.write("right", "key", "2");
    lab.write("left", "secret", "3");
    fs::set_permissions(lab.at("left/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    lab.pass();
    assert_eq!(
        (mode(&lab, "left/key"), mode(&lab, "right/secret")),
        (0o600, 0o600)
    );
}

#[test]
fn a_dry_run_of_a_side_that_was_put_back_changes_nothing_and_pairing_again_is_no_loss() {
    let mut lab = Lab::paired(&[("a", "1")]);
    let counter = fs::read_dir(lab.at("right/.gobag-sync/passes"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&counter, "0\n").unwrap();
    let report = lab.pass_with(|options| options.dry_run = true).unwrap();
    assert!(report.base_lost && report.dry_run, "{report:?}");
    lab.write("left", "b", "2");
    assert!(lab.pass().base_lost);
    assert!(!lab.pass().base_lost);
    Pair::forget(&lab.at("left"), RootId([1; 16])).unwrap();
    drop(lab.pair().unwrap());
    assert!(!lab.pass().base_lost);
}

/// What S28 is on Linux, where nobody can lock a file against others: locks that programs keep among themselves are no reason to wait, and a file that cannot be
/// replaced, or is a place where something is mounted, is left to the next time.
#[test]
fn s28_a_file_that_somebody_has_locked_or_that_is_busy() {
    use rustix::fs::{FlockOperation, fcntl_lock, flock};
    let mut lab = Lab::paired(&[("flock", "1"), ("fcntl", "1"), ("busy", "1")]);
    let open = |path: &str| {
        fs::File::options()
            .read(true)
            .write(true)
            .open(lab.at(path))
            .unwrap()
    };
    let locked = ["left/flock", "right/flock", "left/fcntl", "right/fcntl"].map(open);
    for file in &locked[..2] {
        flock(file, FlockOperation::LockExclusive).unwrap();
    }
    for file in &locked[2..] {
        fcntl_lock(file, FlockOperation::LockExclusive).unwrap();
    }
    lab.write("left", "flock", "2");
    lab.write("right", "fcntl", "2");
    lab.pass();
    assert_eq!(lab.tree("right"), "busy=1 fcntl=2 flock=2");
    if !may_mount() {
        return;
    }
    let busy = lab.at("right/busy");
    fs::write(lab.at("other"), "of another file system's").unwrap();
    rustix::mount::mount_bind(lab.at("other"), &busy).unwrap();
    lab.write("left", "busy", "2");
    let report = lab.pass_with(|_| {}).unwrap();
    rustix::mount::unmount(&busy, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(
        (report.right.put, lab.tree("right")),
        (0, "busy=1 fcntl=2 flock=2".to_owned())
    );
    assert!(report.notices.len() + report.failures.len() == 1, "{report:?}");
    lab.pass();
    assert_eq!(lab.tree("right"), "busy=2 fcntl=2 flock=2");
}
