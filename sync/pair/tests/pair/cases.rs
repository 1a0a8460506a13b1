//! What becomes of what people do; the same where the other side is a folder and where it is a workspace on a server.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt, symlink},
    sync::atomic::{AtomicBool, Ordering},
};

use gobag_pair::{Report, Told};
use gobag_reconcile::Hold;

#[test]
fn s21_a_first_pass_brings_everything_and_changes_go_both_ways() {
    let mut lab = super::lab(&[("a", "1"), ("d/b", "2"), ("d/e/c", "3")]);
    assert_eq!(lab.tree("right"), "a=1 d/ d/b=2 d/e/ d/e/c=3");
    lab.write("right", "a", "changed");
    lab.write("left", "new/f", "4");
    fs::create_dir(lab.at("right/empty")).unwrap();
    symlink("/nowhere", lab.at("left/l")).unwrap();
    lab.write("right", "run", "#!");
    fs::set_permissions(lab.at("right/run"), PermissionsExt::from_mode(0o755)).unwrap();
    lab.remove("left", "d/e");
    lab.pass();
    assert_eq!(
        lab.tree("left"),
        "a=changed d/ d/b=2 empty/ l->/nowhere new/ new/f=4 run*#!"
    );
    fs::set_permissions(lab.at("left/run"), PermissionsExt::from_mode(0o644)).unwrap();
    lab.pass();
    assert_eq!(
        lab.tree("right"),
        "a=changed d/ d/b=2 empty/ l->/nowhere new/ new/f=4 run=#!"
    );
    let kept = lab.kept("left");
    assert!(kept.ends_with("/a=1") && kept.matches('=').count() == 1, "{kept}");
}

#[test]
fn s1_both_changed_and_nothing_is_lost() {
    let mut lab = super::lab(&[("f.odt", "base")]);
    lab.write("left", "f.odt", "mine");
    lab.write("right", "f.odt", "theirs");
    let report = lab.pass();
    let [Told::Conflict { path, copy, .. }] = &report.notices[..] else {
        panic!("{report:?}")
    };
    assert_eq!(path, "f.odt");
    assert_eq!(lab.tree("left"), format!("{copy}=mine f.odt=theirs"));
    // A conflict of the conflict.
    lab.write("left", copy, "mine again");
    lab.write("right", copy, "theirs, too");
    lab.pass();
    assert_eq!(lab.tree("left").matches('=').count(), 3);
}

#[test]
fn s2_s3_s4_s6_the_same_on_both_and_deletions_that_meet_changes() {
    let mut lab = super::lab(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    for side in ["left", "right"] {
        lab.write(side, "a", "same");
        lab.write(side, "new", "same");
        lab.remove(side, "d");
    }
    lab.remove("left", "b");
    lab.write("right", "b", "changed");
    lab.remove("right", "c");
    lab.write("left", "c", "changed");
    let report = lab.pass();
    assert_eq!(
        (report.left.put, report.right.put, report.notices.len()),
        (1, 1, 2)
    );
    assert_eq!(lab.tree("left"), "a=same b=changed c=changed new=same");
}

#[test]
fn s7_s8_s9_folders_that_go_and_come() {
    let mut lab = super::lab(&[("d/a", "1"), ("d/b", "2"), ("f", "3"), ("g/x", "4")]);
    lab.remove("left", "d");
    lab.write("right", "d/new", "5");
    lab.remove("left", "f");
    lab.write("left", "f/in", "6");
    lab.remove("right", "g");
    symlink("elsewhere", lab.at("right/g")).unwrap();
    lab.pass();
    assert_eq!(lab.tree("left"), "d/ d/new=5 f/ f/in=6 g->elsewhere");
    assert!(lab.kept("left").contains("g/x=4") && lab.kept("right").contains("f=3"));
}

#[test]
fn s11_what_is_moved_is_not_sent_again() {
    let files: Vec<(String, String)> = (0..60).map(|n| (format!("a/{n}"), format!("text {n}"))).collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let mut lab = super::lab(&files);
    fs::rename(lab.at("left/a"), lab.at("left/b")).unwrap();
    let Report { right, .. } = lab.pass();
    assert_eq!(
        (right.moved, right.put, right.removed, right.folders),
        (60, 0, 0, 2)
    );
}

#[test]
fn s20_s19_times_decide_nothing_and_come_along() {
    use std::time::{Duration, SystemTime};
    let mut lab = super::lab(&[("f", "base")]);
    let year = Duration::from_secs(366 * 86400);
    for (side, at) in [
        ("left", SystemTime::now() - year),
        ("right", SystemTime::now() + year),
    ] {
        lab.write(side, "f", side);
        fs::File::options()
            .write(true)
            .open(lab.at(side).join("f"))
            .unwrap()
            .set_modified(at)
            .unwrap();
    }
    lab.pass();
    assert!(lab.tree("left").contains("f=right") && lab.tree("left").contains("=left"));
    let odd = SystemTime::UNIX_EPOCH - Duration::from_secs(1000);
    lab.write("left", "old", "x");
    fs::File::options()
        .write(true)
        .open(lab.at("left/old"))
        .unwrap()
        .set_modified(odd)
        .unwrap();
    lab.pass();
    assert_eq!(
        fs::metadata(lab.at("right/old")).unwrap().modified().unwrap(),
        odd
    );
}

#[test]
fn s23_what_is_no_file_is_told_and_left() {
    let mut lab = super::lab(&[("d/f", "1")]);
    let pipe = lab.at("left/d/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(
        matches!(&report.notices[..], [Told::Left { why, .. }] if why == "special"),
        "{report:?}"
    );
    // Its folder goes on the other side: here it stays, with the pipe in it.
    lab.remove("right", "d");
    lab.pass_with(|options| options.confirmed = true).unwrap();
    assert_eq!(
        (lab.tree("left"), lab.tree("right")),
        ("d/ d/pipe?".into(), String::new())
    );
}

#[test]
fn s24_two_names_of_one_file_become_two_files() {
    let mut lab = super::lab(&[("a", "1")]);
    fs::hard_link(lab.at("left/a"), lab.at("left/b")).unwrap();
    lab.pass();
    assert_eq!(lab.tree("right"), "a=1 b=1");
    let ino = |path: &str| fs::metadata(lab.at(path)).unwrap().ino();
    assert_ne!(ino("right/a"), ino("right/b"));
    // Written by one name, it has changed by both.
    fs::write(lab.at("left/b"), "2").unwrap();
    lab.pass();
    assert_eq!(lab.tree("right"), "a=2 b=2");
    lab.remove("left", "b");
    lab.pass();
    assert_eq!(lab.tree("left"), "a=2");
}

#[test]
fn s32_s33_what_takes_much_away_waits_until_somebody_agrees() {
    let mut lab = super::lab(&[("a", "1"), ("b", "2"), ("c/d", "3")]);
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

#[test]
fn s5_the_same_new_name_for_two_things_is_there_twice() {
    let mut lab = super::lab(&[("a", "1")]);
    lab.write("left", "new", "mine");
    lab.write("right", "new", "theirs");
    let report = lab.pass();
    assert_eq!(report.notices.len(), 1, "{report:?}");
    let tree = lab.tree("left");
    assert!(tree.contains("new=theirs") && tree.contains(")=mine"), "{tree}");
    assert_eq!(tree.matches('=').count(), 3, "{tree}");
}

#[test]
fn s10_folders_moved_into_each_other_are_there_with_all_that_was_in_them() {
    let mut lab = super::lab(&[("a/1", "one"), ("b/2", "two"), ("z", "stays")]);
    fs::rename(lab.at("left/a"), lab.at("left/b/a")).unwrap();
    fs::rename(lab.at("right/b"), lab.at("right/a/b")).unwrap();
    lab.pass();
    let tree = lab.tree("left");
    for text in ["=one", "=two", "z=stays"] {
        assert!(tree.contains(text), "{tree}");
    }
}

#[test]
fn s22_nothing_follows_a_link_that_leads_out() {
    let mut lab = super::lab(&[("d/a", "1"), ("z", "2")]);
    let outside = lab.at("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "not ours").unwrap();
    lab.remove("left", "d");
    symlink(&outside, lab.at("left/d")).unwrap();
    lab.write("right", "d/a", "changed");
    lab.write("right", "d/new", "3");
    lab.pass();
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "not ours");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let tree = lab.tree("left");
    assert!(tree.contains("=changed") && tree.contains("=3"), "{tree}");
}

#[test]
fn s26_attributes_of_the_user_come_along_or_it_is_said() {
    let mut lab = super::lab(&[("a", "1")]);
    lab.write("left", "f", "2");
    let none = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(lab.at("left/f"), "user.note", b"mine", none).is_err() {
        println!("skipped: the file system of temporary files has no attributes");
        return;
    }
    let report = lab.pass();
    let mut value = [0; 64];
    let came = rustix::fs::getxattr(lab.at("right/f"), "user.note", &mut value[..]);
    match lab.is_shared() {
        true => assert_eq!(report.notices, [Told::Attributes { path: "f".to_owned() }]),
        false => assert_eq!(&value[..came.unwrap()], b"mine"),
    }
    assert_eq!(lab.tree("right"), "a=1 f=2");
}

#[test]
fn s34_what_is_left_out_stays_on_both_sides() {
    let mut lab = super::lab(&[("keep", "1"), ("x.log", "2")]);
    lab.write("left", ".gobag-sync-ignore", "*.log\n");
    lab.pass();
    lab.remove("left", "x.log");
    lab.write("left", "new.log", "3");
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{report:#?}");
    assert_eq!((report.left, report.right), Default::default());
    let right = lab.tree("right");
    assert!(right.contains("x.log=2") && !right.contains("new.log"), "{right}");
    assert!(lab.tree("left").contains("new.log=3"));
}

#[test]
fn a_dry_run_tells_what_it_would_do_and_does_nothing() {
    let mut lab = super::lab(&[("a", "1")]);
    lab.write("left", "b", "22");
    let report = lab.pass_with(|options| options.dry_run = true).unwrap();
    assert_eq!(
        (report.right.put, report.right.put_bytes, report.dry_run),
        (1, 2, true)
    );
    assert_eq!(lab.tree("right"), "a=1");
}

#[test]
fn s17_an_edit_behind_the_same_size_and_time_goes_over() {
    let mut lab = super::lab(&[("f", "old")]);
    for side in ["left", "right"] {
        let at = lab.at(side).join("f");
        let before = fs::metadata(&at).unwrap().modified().unwrap();
        fs::write(&at, &side[..3]).unwrap();
        let file = fs::File::options().write(true).open(&at).unwrap();
        file.set_modified(before).unwrap();
        lab.pass();
        assert_eq!(lab.tree("left"), format!("f={}", &side[..3]));
    }
}

#[test]
fn s25_a_file_of_holes_stays_one() {
    const SIZE: u64 = 512 << 20;
    let mut lab = super::lab(&[]);
    let mut disk = fs::File::create(lab.at("left/disk")).unwrap();
    disk.set_len(SIZE).unwrap();
    for at in [128 << 20, (384 << 20) + 12345] {
        disk.seek(SeekFrom::Start(at)).unwrap();
        disk.write_all(&vec![7; 512 << 10]).unwrap();
    }
    drop(disk);
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{report:#?}");
    let came = fs::metadata(lab.at("right/disk")).unwrap();
    assert_eq!(came.len(), SIZE);
    assert!(came.blocks() * 512 <= 4 << 20, "{}", came.blocks());
    // The digest, which was looked at, is that of all bytes. Compared where there are any.
    let part = |side: &str| {
        let mut bytes = vec![0; 2 << 20];
        let file = fs::File::open(lab.at(side).join("disk")).unwrap();
        file.read_exact_at(&mut bytes, 384 << 20).unwrap();
        blake3::hash(&bytes)
    };
    assert_eq!(part("left"), part("right"));
}

#[test]
fn s27_a_file_that_grows_while_it_is_read_comes_whole_or_not_at_all() {
    let mut lab = super::lab(&[]);
    let (path, stop) = (lab.at("left/log"), AtomicBool::new(false));
    fs::write(&path, vec![b'0'; 32 << 20]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::File::options().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                log.write_all(b"1").unwrap();
            }
        });
        let passed = lab.pass_with(|_| {});
        stop.store(true, Ordering::Relaxed);
        let report = passed.unwrap();
        assert!(!lab.at("right/log").exists(), "{report:#?}");
        assert!(
            !report.notices.is_empty() || !report.failures.is_empty(),
            "{report:#?}"
        );
    });
    lab.pass();
    let same = fs::read(lab.at("left/log")).unwrap() == fs::read(lab.at("right/log")).unwrap();
    assert!(same);
}
