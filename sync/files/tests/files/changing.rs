//! What changes do, and what they leave alone.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use gobag_files::{Changes, FilesError, Known};
use gobag_reconcile::Item;

use crate::lab::{Lab, Plain, file, path};

#[test]
fn a_file_comes_whole_with_its_time_and_what_it_replaces_is_kept() {
    let mut lab = Lab::new();
    lab.put("1", "f", "first", None).unwrap();
    assert_eq!(lab.read("f"), "first");
    assert_eq!(fs::metadata(lab.at("f")).unwrap().mtime(), 1_000_000);
    lab.note();
    lab.put("2", "f", "second", Some(&lab.of("f"))).unwrap();
    lab.note();
    lab.put("2", "f", "third", Some(&lab.of("f"))).unwrap();
    assert_eq!(
        (lab.read("f"), lab.kept()),
        ("third".into(), "2-1/f=second 2/f=first".into())
    );
    assert_eq!(lab.staged(), 0);
}

#[test]
fn what_changed_meanwhile_stays() {
    let mut lab = Lab::new();
    lab.write("f", "known");
    lab.note();
    let known = lab.of("f");
    lab.write("f", "newer");
    let is_changed = |done: Result<(), FilesError>| assert_eq!(done.unwrap_err().code(), "files.changed");
    let changes = Changes::begin(&lab.root, "run", "test").unwrap();
    is_changed(lab.put("run", "f", "put", Some(&known)));
    is_changed(lab.put("run", "f", "put", None));
    is_changed(changes.remove(&path("f"), &known));
    is_changed(changes.rename(&path("f"), &path("g"), &known).map(drop));
    is_changed(changes.set_executable(&path("f"), true, &known).map(drop));
    assert_eq!((lab.read("f"), lab.kept()), ("newer".into(), String::new()));
    // The same content again is what was known.
    lab.write("f", "known");
    lab.put("run", "f", "put", Some(&known)).unwrap();
    assert_eq!((lab.read("f"), lab.staged()), ("put".into(), 0));
}

#[test]
fn what_is_removed_is_kept_and_what_is_moved_does_not_cover_anything() {
    let mut lab = Lab::new();
    lab.write("d/f", "1");
    lab.write("g", "2");
    symlink("x", lab.at("l")).unwrap();
    lab.note();
    let changes = Changes::begin(&lab.root, "run", "test").unwrap();
    assert_eq!(
        changes
            .rename(&path("d/f"), &path("g"), &lab.of("d/f"))
            .unwrap_err()
            .code(),
        "files.changed"
    );
    changes.rename(&path("d/f"), &path("h"), &lab.of("d/f")).unwrap();
    changes.remove(&path("g"), &lab.of("g")).unwrap();
    changes.remove(&path("l"), &lab.of("l")).unwrap();
    changes.make_folder(&path("n")).unwrap();
    changes.make_folder(&path("n")).unwrap();
    assert_eq!(
        changes.make_folder(&path("h")).unwrap_err().code(),
        "files.changed"
    );
    changes.remove_folder(&path("d")).unwrap();
    lab.write("n/user", "3");
    assert_eq!(
        changes.remove_folder(&path("n")).unwrap_err().code(),
        "files.changed"
    );
    assert_eq!(lab.kept(), "run/g=2 run/l=x");
    drop(changes);
    assert_eq!(lab.told(), "-d -d/f -g h:1 -l n/ n/user:1");
}

#[test]
fn s42_s43_what_is_not_what_was_promised_does_not_come() {
    let lab = Lab::new();
    let changes = Changes::begin(&lab.root, "run", "test").unwrap();
    for wrong in ["shorter", "other content!", "longer content than said"] {
        let staged = changes.stage(
            &path("f"),
            &file("right content!"),
            (0, 0),
            0o644,
            &mut wrong.as_bytes(),
            true,
        );
        assert_eq!(staged.err().unwrap().code(), "files.other-content", "{wrong}");
    }
    assert!(!lab.at("f").exists() && lab.staged() == 0);
}

#[test]
fn s22_nobody_leads_us_out_by_a_link() {
    let mut lab = Lab::new();
    let outside = Lab::new();
    outside.write("f", "theirs");
    lab.write("d/f", "ours");
    lab.note();
    let known = lab.of("d/f");
    fs::rename(lab.at("d"), lab.at("moved")).unwrap();
    symlink(outside.path(), lab.at("d")).unwrap();
    let changes = Changes::begin(&lab.root, "run", "test").unwrap();
    assert!(lab.put("run", "d/f", "evil", Some(&known)).is_err());
    assert!(lab.put("run", "d/new", "evil", None).is_err());
    assert!(changes.remove(&path("d/f"), &known).is_err());
    assert!(changes.make_folder(&path("d/new")).is_err());
    assert!(changes.rename(&path("moved/f"), &path("d/new"), &known).is_err());
    assert!(gobag_files::content_of(&lab.root, &path("d/f")).is_err());
    assert_eq!(
        (outside.read("f"), fs::read_dir(outside.path()).unwrap().count()),
        ("theirs".into(), 2)
    );
    drop(changes);
    assert_eq!(
        lab.told(),
        format!("d->{} -d/f moved/ moved/f:4", outside.path().display())
    );
}

#[test]
fn what_an_interrupted_run_left_is_kept_if_it_is_whole() {
    let lab = Lab::new();
    lab.put("1", "f", "first", None).unwrap();
    fs::create_dir_all(lab.at(".gobag-sync/stage/lab")).unwrap();
    fs::write(lab.at(".gobag-sync/stage/lab/part-1"), "half").unwrap();
    fs::write(lab.at(".gobag-sync/stage/lab/ready-2"), "whole").unwrap();
    drop(Changes::begin(&lab.root, "2", "lab").unwrap());
    assert_eq!(
        (lab.staged(), lab.kept()),
        (0, "2/interrupted-ready-2=whole".into())
    );
}

#[test]
fn links_what_may_be_run_and_holes() {
    let mut lab = Lab::new();
    lab.write("run", "#!");
    lab.note();
    let changes = Changes::begin(&lab.root, "run", "test").unwrap();
    let staged = changes.stage_link(&path("l"), b"../../etc/passwd").unwrap();
    for ready in changes.flush(vec![staged]).unwrap() {
        changes.place(ready, None).unwrap();
    }
    assert_eq!(
        fs::read_link(lab.at("l")).unwrap().to_str(),
        Some("../../etc/passwd")
    );
    changes
        .set_executable(&path("run"), true, &lab.of("run"))
        .unwrap();
    assert_eq!(
        fs::metadata(lab.at("run")).unwrap().permissions().mode() & 0o111,
        0o111
    );
    let Item::File(mut expect) = lab.of("run").item else {
        unreachable!()
    };
    expect.executable = true;
    let known = Known {
        item: Item::File(expect),
        stamp: None,
    };
    changes.set_executable(&path("run"), false, &known).unwrap();
    assert_eq!(
        fs::metadata(lab.at("run")).unwrap().permissions().mode() & 0o111,
        0
    );
    let holes = "\0".repeat(8 << 20) + "end";
    lab.put("run", "holes", &holes, None).unwrap();
    let found = fs::metadata(lab.at("holes")).unwrap();
    assert_eq!(found.len(), (8 << 20) + 3);
    assert!(found.blocks() * 512 < 1 << 20, "{}", found.blocks());
    let zeros = "\0".repeat(1 << 20);
    lab.put("run", "zeros", &zeros, None).unwrap();
    assert_eq!(lab.read("zeros"), zeros);
}

#[test]
fn what_is_made_is_what_comes_into_its_place() {
    let lab = Lab::new();
    let changes = Changes::begin(&lab.root, "run", "me").unwrap();
    let staged = changes
        .stage(&path("f"), &file("mine"), (7, 7), 0o644, &mut &b"mine"[..], false)
        .unwrap();
    let ready = changes.flush(vec![staged]).unwrap().pop().unwrap();
    // Somebody else's is there by then.
    let at = lab.at(".gobag-sync/stage/me");
    let made = fs::read_dir(&at).unwrap().next().unwrap().unwrap().path();
    fs::write(at.join("theirs"), "theirs").unwrap();
    fs::rename(at.join("theirs"), made).unwrap();
    assert_eq!(
        changes.place(ready, None).unwrap_err().code(),
        "files.other-content"
    );
    assert!(!lab.at("f").exists());
    assert!(lab.kept().ends_with("=theirs"), "{}", lab.kept());
}

#[test]
fn without_renames_that_exclude_nothing_is_covered_either() {
    let Some(plain) = Plain::mount() else { return };
    let mut lab = Lab::in_folder(plain.folder());
    lab.put("1", "f", "first", None).unwrap();
    assert_eq!(
        lab.put("1", "f", "cover", None).unwrap_err().code(),
        "files.changed"
    );
    lab.note();
    lab.put("2", "f", "second", Some(&lab.of("f"))).unwrap();
    lab.write("g", "user's");
    lab.note();
    let changes = Changes::begin(&lab.root, "3", "test").unwrap();
    assert_eq!(
        changes
            .rename(&path("f"), &path("g"), &lab.of("f"))
            .unwrap_err()
            .code(),
        "files.changed"
    );
    changes.rename(&path("f"), &path("h"), &lab.of("f")).unwrap();
    changes.remove(&path("g"), &lab.of("g")).unwrap();
    drop(changes);
    assert_eq!(
        (lab.read("h"), lab.kept(), lab.staged()),
        ("second".into(), "2/f=first 3/g=user's".into(), 0)
    );
    assert!(!lab.at("f").exists() && !lab.at("g").exists());
}
