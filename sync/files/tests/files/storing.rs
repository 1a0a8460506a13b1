//! The version store, and what killed programs leave behind.

use std::{fs, os::unix::fs::symlink};

use gobag_files::{Changes, KeepRules, all_versions, known, once, prune, replace};
use gobag_reconcile::RelPath;
use jiff::Timestamp;
use rustix::fs::FlockOperation;

use crate::lab::{Lab, path};

#[test]
fn what_a_killed_restore_left_is_cleared_up_by_whoever_comes_next() {
    let lab = Lab::new();
    let stage = |owner: &str, name: &str| format!(".gobag-sync/stage/{owner}/{name}");
    let (killed, lives, other) = (once("killed"), once("lives"), "a left root");
    for owner in [killed.as_str(), lives.as_str(), other] {
        lab.write(&stage(owner, "part-1"), "not complete");
        lab.write(&stage(owner, "ready-2"), owner);
    }
    let lives_on = fs::File::open(lab.at(&stage(&lives, ""))).unwrap();
    rustix::fs::flock(&lives_on, FlockOperation::LockExclusive).unwrap();
    drop(Changes::begin(&lab.root, "run", "me").unwrap());
    assert!(!lab.at(&stage(&killed, "")).exists());
    assert_eq!(lab.kept(), format!("run/interrupted-ready-2={killed}"));
    // Whoever is still there keeps what it has; and who comes again clears up for itself.
    for owner in [lives.as_str(), other] {
        assert_eq!(lab.read(&stage(owner, "part-1")), "not complete", "{owner}");
    }
    drop(lives_on);
    drop(Changes::begin(&lab.root, "run", &once("new")).unwrap());
    assert!(!lab.at(&stage(&lives, "")).exists() && lab.at(&stage(other, "")).exists());
    assert_eq!(lab.kept().matches("interrupted-ready-2").count(), 2);
}

#[test]
fn whoever_changes_something_has_its_place_locked() {
    let lab = Lab::new();
    let changes = Changes::begin(&lab.root, "run", "me").unwrap();
    let place = fs::File::open(lab.at(".gobag-sync/stage/me")).unwrap();
    let lock = || rustix::fs::flock(&place, FlockOperation::NonBlockingLockExclusive);
    assert!(lock().is_err());
    // The same left folder, copied to another computer.
    let second = Changes::begin(&lab.root, "run", "me");
    assert_eq!(second.err().unwrap().code(), "files.busy");
    assert!(Changes::begin(&lab.root, "run", "you").is_ok());
    drop(changes);
    assert!(lock().is_ok());
}

#[test]
fn one_comes_in_the_place_of_another_and_both_are_kept() {
    let lab = Lab::new();
    lab.write("d/name", "theirs");
    lab.write("d/copy", "mine");
    symlink("mine", lab.at("d/link")).unwrap();
    let changes = Changes::begin(&lab.root, "run", "me").unwrap();
    replace(&lab.root, &changes, &path("d/copy"), &path("d/name")).unwrap();
    assert_eq!(lab.read("d/name"), "mine");
    assert!(!lab.at("d/copy").exists());
    assert_eq!(lab.kept(), "run/d/copy=mine run/d/name=theirs");
    replace(&lab.root, &changes, &path("d/link"), &path("d/name")).unwrap();
    assert_eq!(fs::read_link(lab.at("d/name")).unwrap().to_str(), Some("mine"));
    // Where nothing is, and never where a folder is.
    replace(&lab.root, &changes, &path("d/name"), &path("d/free")).unwrap();
    assert!(lab.at("d/free").is_symlink() && known(&lab.root, &path("d/name")).unwrap().is_none());
    lab.write("folder/f", "1");
    assert!(replace(&lab.root, &changes, &path("d/free"), &path("folder")).is_err());
    assert!(replace(&lab.root, &changes, &path("folder"), &path("other")).is_err());
    assert!(lab.at("d/free").is_symlink() && lab.read("folder/f") == "1");
    // Nothing is left of what could not be done.
    assert_eq!(fs::read_dir(lab.at(".gobag-sync/stage/me")).unwrap().count(), 0);
}

#[test]
fn what_is_let_go_is_only_what_the_rules_let_go() {
    let lab = Lab::new();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    lab.write("there", "now");
    for (run, of) in [
        ("2026-11-22T113000.000Z", "there"),
        ("2026-11-22T113001.000Z", "there"),
        ("2026-11-22T113002.000Z", "there"),
        ("2025-01-01T000000.000Z", "there"),
        ("2025-01-01T000000.000Z", "d/gone"),
        ("2026-10-01T000000.000Z", "d/gone"),
        ("no time", "there"),
    ] {
        lab.write(&format!(".gobag-sync/versions/{run}/{of}"), run);
    }
    let would = prune(&lab.root, &KeepRules::default(), now, true).unwrap();
    assert_eq!(
        (would.files, would.kept, lab.kept().matches('=').count()),
        (3, 4, 7)
    );
    let gone = prune(&lab.root, &KeepRules::default(), now, false).unwrap();
    assert_eq!(gone, would);
    assert_eq!(
        lab.kept(),
        "2026-10-01T000000.000Z/d/gone=2026-10-01T000000.000Z \
         2026-11-22T113000.000Z/there=2026-11-22T113000.000Z \
         2026-11-22T113002.000Z/there=2026-11-22T113002.000Z no time/there=no time"
    );
    let again = prune(&lab.root, &KeepRules::default(), now, false).unwrap();
    assert_eq!((again.files, again.kept), (0, 4));
    let of = |under: &str| all_versions(&lab.root, &path(under)).unwrap().len();
    assert_eq!((of("d"), of("d/gone"), of("there"), of("nothing")), (1, 1, 3, 0));
    assert_eq!(all_versions(&lab.root, &RelPath::root()).unwrap().len(), 4);
}

#[test]
fn what_is_later_than_the_clock_stays_and_is_in_nobodys_way() {
    let lab = Lab::new();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    for run in ["2199-01-01T000000.000Z", "2001-01-01T000000.000Z"] {
        lab.write(&format!(".gobag-sync/versions/{run}/a"), run);
    }
    let gone = prune(&lab.root, &KeepRules::default(), now, false).unwrap();
    assert_eq!((gone.files, gone.kept, gone.later), (1, 1, 1));
    assert_eq!(lab.kept(), "2199-01-01T000000.000Z/a=2199-01-01T000000.000Z");
}

#[test]
fn what_was_rescued_stands_for_nothing_else() {
    let lab = Lab::new();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    for run in [
        "2026-11-01T010000.000Z",
        "2026-11-01T020000.000Z",
        "2026-11-01T030000.000Z",
    ] {
        lab.write(&format!(".gobag-sync/versions/{run}/interrupted-ready-1"), run);
        lab.write(&format!(".gobag-sync/versions/{run}/a"), run);
    }
    let gone = prune(&lab.root, &KeepRules::default(), now, false).unwrap();
    assert_eq!((gone.files, gone.kept), (1, 5));
    assert_eq!(lab.kept().matches("interrupted-ready-1").count(), 3);
    let later = now
        .checked_add(jiff::SignedDuration::from_hours(366 * 24))
        .unwrap();
    let gone = prune(&lab.root, &KeepRules::default(), later, false).unwrap();
    assert_eq!(gone.kept, 0);
}
