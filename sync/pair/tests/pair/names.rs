//! Names of which a file system makes something else than another.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use gobag_pair::{Report, Told};

use crate::{
    disk::Disk,
    lab::{Lab, may_mount},
    odd::Odd,
};

const SHORT: &str = "caf\u{e9}";
const APART: &str = "cafe\u{301}";

/// Two folders, the right one on a file system with its own mind about names.
fn lab() -> Option<(Lab, Odd)> {
    let lab = Lab::new();
    let odd = Odd::mount(&lab.at("right"))?;
    lab.pair().unwrap();
    Some((lab, odd))
}

/// The same on exFAT, as sticks have it. None where nobody may mount it.
fn exfat() -> Option<(Lab, Exfat)> {
    let lab = Lab::new();
    let exfat = Exfat::mount(&lab.at("image"), &lab.at("right"))?;
    lab.pair().unwrap();
    Some((lab, exfat))
}

/// A real file system of that kind, put away when dropped.
struct Exfat {
    folder: PathBuf,
    device: String,
}

impl Exfat {
    fn mount(image: &Path, folder: &Path) -> Option<Self> {
        if !may_mount() {
            return None;
        }
        fs::File::create(image).unwrap().set_len(64 << 20).unwrap();
        let run = |program: &str, words: &[&OsStr]| {
            let done = Command::new(program).args(words).output().unwrap();
            assert!(done.status.success(), "{program}: {done:?}");
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        };
        run("mkfs.exfat", &[image.as_ref()]);
        let device = run("losetup", &["--find".as_ref(), "--show".as_ref(), image.as_ref()]);
        let exfat = Self {
            folder: folder.to_owned(),
            device,
        };
        run("mount.exfat-fuse", &[exfat.device.as_ref(), folder.as_ref()]);
        Some(exfat)
    }
}

impl Drop for Exfat {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.folder, rustix::mount::UnmountFlags::DETACH);
        let _ = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}

/// What a side has, whoever may run it.
fn tree(lab: &Lab, side: &str) -> String {
    lab.tree(side).replace('*', "=")
}

/// A pass that does all that can be done, and a second one that does nothing more.
fn pass(lab: &mut Lab) -> Report {
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{report:#?}");
    let again = lab.pass_with(|_| {}).unwrap();
    assert_eq!((again.left, again.right), Default::default(), "{again:#?}");
    assert_eq!(again.failures, [], "{again:#?}");
    report
}

fn left_alone(report: &Report) -> Vec<(&str, &str)> {
    let told = report.notices.iter();
    told.filter_map(|told| match told {
        Told::Left { path, why } => Some((path.as_str(), why.as_str())),
        _ => None,
    })
    .collect()
}

#[test]
fn s12_another_case_is_one_rename_and_no_deletion() {
    if let Some((lab, _odd)) = lab() {
        another_case(lab);
    }
}

#[test]
fn s12_another_case_is_one_rename_on_a_stick_too() {
    if let Some((lab, _exfat)) = exfat() {
        another_case(lab);
    }
}

fn another_case(mut lab: Lab) {
    lab.write("left", "report", "1");
    lab.write("left", "Folder/Sub/a", "2");
    lab.write("left", "Folder/b", "");
    pass(&mut lab);
    // Once from each side, a file, an empty one, and folders within each other.
    for (side, renames) in [
        (
            "left",
            [
                ("report", "REPORT"),
                ("Folder", "between"),
                ("between", "folder"),
                ("folder/Sub", "folder/SUB"),
            ],
        ),
        (
            "right",
            [
                ("REPORT", "between"),
                ("between", "Report"),
                ("folder/b", "folder/c"),
                ("folder/c", "folder/B"),
            ],
        ),
    ] {
        for (from, to) in renames {
            fs::rename(lab.at(side).join(from), lab.at(side).join(to)).unwrap();
        }
        let report = pass(&mut lab);
        assert_eq!(tree(&lab, "left"), tree(&lab, "right"), "{report:#?}");
        let done = (
            report.left.removed,
            report.right.removed,
            report.left.put + report.right.put,
        );
        assert_eq!((done, report.notices.len()), ((0, 0, 0), 0), "{report:#?}");
    }
    assert_eq!(
        tree(&lab, "left"),
        "Report=1 folder/ folder/B= folder/SUB/ folder/SUB/a=2"
    );
    // And changed at the same time, while the other side changed something in the folder.
    fs::rename(lab.at("left/folder"), lab.at("left/FOLDER")).unwrap();
    fs::rename(lab.at("left/Report"), lab.at("left/report")).unwrap();
    lab.write("left", "report", "changed");
    lab.write("right", "folder/SUB/new", "3");
    pass(&mut lab);
    assert_eq!(
        tree(&lab, "left"),
        "FOLDER/ FOLDER/B= FOLDER/SUB/ FOLDER/SUB/a=2 FOLDER/SUB/new=3 report=changed"
    );
    assert_eq!(tree(&lab, "left"), tree(&lab, "right"));
}

#[test]
fn s13_of_two_names_that_are_one_there_one_is_kept_the_same() {
    if let Some((lab, _odd)) = lab() {
        two_that_are_one(lab);
    }
}

#[test]
fn s13_of_two_names_that_are_one_on_a_stick_one_is_kept_the_same() {
    if let Some((lab, _exfat)) = exfat() {
        two_that_are_one(lab);
    }
}

fn two_that_are_one(mut lab: Lab) {
    lab.write("left", "case", "known");
    pass(&mut lab);
    lab.write("left", "Case", "another");
    lab.write("left", "d/x", "first");
    lab.write("left", "D/x", "second");
    let report = pass(&mut lab);
    assert_eq!(left_alone(&report), [("Case", "name-clash"), ("d", "name-clash")]);
    assert_eq!(tree(&lab, "right"), "D/ D/x=second case=known");
    assert!(tree(&lab, "left").contains("Case=another") && tree(&lab, "left").contains("d/x=first"));
    // A change goes on going over, and where the first goes, the other comes.
    lab.write("left", "case", "changed");
    pass(&mut lab);
    assert!(
        tree(&lab, "right").ends_with("case=changed"),
        "{}",
        tree(&lab, "right")
    );
    lab.remove("left", "case");
    pass(&mut lab);
    assert_eq!(tree(&lab, "right"), "Case=another D/ D/x=second");
}

#[test]
fn s14_an_accent_as_one_letter_and_as_two_is_one_name_and_there_is_no_loop() {
    let Some((mut lab, _odd)) = lab() else { return };
    lab.write("left", SHORT, "same");
    lab.write("right", APART, "same");
    lab.write("left", "ne\u{301}", "mine");
    lab.write("right", "n\u{e9}", "theirs");
    let report = pass(&mut lab);
    assert_eq!(report.notices.len(), 1, "{report:#?}");
    // People's own names stay as they write them.
    let left = lab.tree("left");
    assert!(
        left.starts_with(SHORT) && left.matches("same").count() == 1,
        "{left}"
    );
    assert!(
        left.contains("n\u{e9}") && left.contains("=mine") && left.contains("=theirs"),
        "{left}"
    );
    assert_eq!(lab.tree("right").matches("same").count(), 1);
    // One that is apart on the side that could have either.
    lab.write("left", "a\u{30a}", "ring");
    let report = pass(&mut lab);
    assert_eq!((report.right.put, report.left.removed), (1, 0), "{report:#?}");
    pass(&mut lab);
    assert!(lab.tree("left").contains("a\u{30a}=ring"), "{}", lab.tree("left"));
    lab.write("left", SHORT, "changed");
    pass(&mut lab);
    assert!(lab.tree("right").contains("changed") && !lab.tree("right").contains("same"));
}

#[test]
fn s15_s16_a_name_that_a_side_refuses_is_left_and_never_deleted() {
    let Some((mut lab, _odd)) = lab() else { return };
    lab.write("left", "fine", "1");
    for odd in ["a:b", "dot.", "in:side/file", "d/b:c", "new\nline"] {
        lab.write("left", odd, odd);
    }
    let bytes = std::ffi::OsStr::from_bytes(b"no text \xff");
    fs::write(lab.at("left").join(bytes), "bytes").unwrap();
    let before = lab.tree("left");
    let report = pass(&mut lab);
    let left: Vec<_> = left_alone(&report)
        .iter()
        .map(|(path, why)| format!("{path}={why}"))
        .collect();
    assert_eq!(
        left,
        [
            "a:b=name",
            "d/b:c=name",
            "dot.=name",
            "in:side=name",
            "no text \u{fffd}=name"
        ]
    );
    assert_eq!(lab.tree("left"), before);
    assert_eq!(lab.tree("right"), "d/ fine=1 new\nline=new\nline");
    // Its folder goes there, and stays here.
    lab.remove("right", "d");
    lab.pass_with(|options| options.confirmed = true).unwrap();
    assert_eq!(lab.tree("left"), before);
}

#[test]
fn s15_what_is_renamed_to_a_name_that_is_refused_there_is_deleted_by_nobody() {
    let Some((mut lab, _odd)) = lab() else { return };
    for file in ["report", "d/one", "d/two", "other"] {
        lab.write("left", file, file);
    }
    pass(&mut lab);
    let before = lab.tree("right");
    fs::rename(lab.at("left/report"), lab.at("left/report: final")).unwrap();
    fs::rename(lab.at("left/d"), lab.at("left/d: 2026")).unwrap();
    let report = pass(&mut lab);
    assert_eq!(left_alone(&report).len(), 5, "{report:#?}");
    assert_eq!(lab.tree("right"), before);
    // What is deleted is deleted, and what was kept goes with what it was kept for.
    lab.remove("left", "other");
    lab.remove("left", "report: final");
    pass(&mut lab);
    assert_eq!(lab.tree("right"), "d/ d/one=d/one d/two=d/two");
    fs::rename(lab.at("left/d: 2026"), lab.at("left/e")).unwrap();
    pass(&mut lab);
    assert_eq!(lab.tree("right"), "e/ e/one=d/one e/two=d/two");
    assert_eq!(lab.tree("left"), lab.tree("right"));
}

#[test]
fn s15_what_was_renamed_so_gives_way_to_what_comes_in_its_place() {
    let Some((mut lab, _odd)) = lab() else { return };
    for file in ["report", "d/one", "z", "same-a", "same-b"] {
        lab.write("left", file, file);
    }
    for file in ["same-a", "same-b"] {
        lab.write("left", file, "the same");
    }
    pass(&mut lab);
    // A folder in the place of a file, a moved file in the place of a folder, and of two alike only the one that was renamed so.
    let rename = |lab: &Lab, from: &str, to: &str| {
        fs::rename(lab.at("left").join(from), lab.at("left").join(to)).unwrap();
    };
    rename(&lab, "report", "report: old");
    lab.write("left", "report/x", "new");
    rename(&lab, "d", "d: old");
    rename(&lab, "z", "d");
    rename(&lab, "same-a", "same: a");
    rename(&lab, "same-b", "same-c");
    pass(&mut lab);
    assert_eq!(
        lab.tree("right"),
        "d=z report/ report/x=new same-a=the same same-c=the same"
    );
    assert!(lab.kept("right").contains("report=report") && lab.kept("right").contains("d/one=d/one"));
}

#[test]
fn s15_what_cannot_be_looked_into_under_its_new_name_is_deleted_by_nobody() {
    let Some((mut lab, _odd)) = lab() else { return };
    if !may_mount() {
        return;
    }
    for file in ["d/in/one", "d/two", "other/three"] {
        lab.write("left", file, file);
    }
    pass(&mut lab);
    fs::rename(lab.at("left/d"), lab.at("left/d: 2026")).unwrap();
    lab.remove("left", "other");
    // What is mounted somewhere is not entered.
    let closed = lab.at("left/d: 2026/in");
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &closed, "tmpfs", none, None::<&std::ffi::CStr>).unwrap();
    let passed = lab.pass_with(|_| {});
    rustix::mount::unmount(&closed, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(passed.unwrap().is_in_step());
    assert_eq!(lab.tree("right"), "d/ d/in/ d/in/one=d/in/one d/two=d/two");
}

#[test]
fn s15_s16_what_a_stick_refuses_is_left() {
    let Some((mut lab, _exfat)) = exfat() else { return };
    let umlauts = "\u{e4}".repeat(200);
    for name in ["a:b", "what?", "dot.", "con", "\u{1f600}"] {
        lab.write("left", name, name);
    }
    fs::write(lab.at("left").join(OsStr::from_bytes(b"no text \xff")), "bytes").unwrap();
    // Letters are counted there, and bytes here.
    lab.write("right", &umlauts, "long");
    let before = lab.tree("left");
    let report = pass(&mut lab);
    let left: Vec<_> = left_alone(&report)
        .iter()
        .map(|(path, why)| format!("{path}={why}"))
        .collect();
    for name in ["a:b", "what?", "no text \u{fffd}", &umlauts] {
        assert!(left.contains(&format!("{name}=name")), "no {name} in {left:?}");
    }
    assert_eq!(lab.tree("left"), before);
    assert!(tree(&lab, "right").contains("=long") && tree(&lab, "right").contains("con=con"));
}

#[test]
fn s15_what_a_file_system_lost_by_its_name_when_all_was_moved_to_it_was_deleted_by_nobody() {
    let mut lab = Lab::paired(&[
        ("a:b", "1"),
        ("Case", "2"),
        ("case", "3"),
        ("d/x:y/z", "4"),
        ("plain", "5"),
    ]);
    fs::rename(lab.at("right"), lab.at("before")).unwrap();
    fs::create_dir(lab.at("right")).unwrap();
    let Some(_odd) = Odd::mount(&lab.at("right")) else {
        return;
    };
    copy(&lab.at("before"), &lab.at("right"));
    let before = lab.tree("left");
    let report = lab.pass_with(|options| options.confirmed = true).unwrap();
    assert_eq!(report.left.removed, 0, "{report:#?}");
    assert_eq!(lab.tree("left"), before, "{report:#?}");
    assert!(
        left_alone(&report).iter().any(|(_, why)| *why == "name"),
        "{report:#?}"
    );
}

/// What can be copied, with what is ours; what cannot is not there.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true if fs::create_dir(&to).is_ok() => copy(&entry.path(), &to),
            true => {}
            false if to.exists() => {}
            false => drop(fs::copy(entry.path(), to)),
        }
    }
}

#[test]
fn s29_s30_a_folder_that_cannot_be_listed_or_not_to_its_end_is_unknown() {
    let Some((mut lab, odd)) = lab() else { return };
    for file in ["closed/a", "closed/b", "half/a", "half/b", "half/c", "open/a"] {
        lab.write("left", file, file);
    }
    pass(&mut lab);
    odd.fail(true);
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!(
        left_alone(&report),
        [("closed", "unreadable"), ("half", "unreadable")]
    );
    lab.remove("left", "open");
    lab.write("left", "half/new", "new");
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!((report.left.removed, report.right.removed), (0, 1), "{report:#?}");
    odd.fail(false);
    pass(&mut lab);
    assert_eq!(
        lab.tree("right"),
        "closed/ closed/a=closed/a closed/b=closed/b half/ half/a=half/a half/b=half/b half/c=half/c half/new=new"
    );
}

/// Also where capitals are the same as small letters: there something is found by another spelling, too.
#[test]
fn s29_what_a_list_leaves_out_is_there_by_any_spelling() {
    let mut lab = Lab::new();
    let Some(odd) = Odd::mount(&lab.at("right")) else {
        return;
    };
    lab.pair().unwrap();
    for file in ["patchy/A", "patchy/b", "patchy/c"] {
        lab.write("left", file, file);
    }
    pass(&mut lab);
    odd.fail(true);
    lab.remove("right", "patchy/c");
    lab.write("right", "patchy/C", "patchy/c");
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!(left_alone(&report), [("patchy/A", "busy")]);
    assert_eq!((report.left.removed, report.right.removed), (0, 0), "{report:#?}");
    odd.fail(false);
    pass(&mut lab);
    assert_eq!(
        lab.tree("left"),
        "patchy/ patchy/A=patchy/A patchy/C=patchy/c patchy/b=patchy/b"
    );
}

#[test]
fn s29_what_a_list_leaves_out_is_gone_only_if_it_is_not_found_by_its_name() {
    let mut lab = Lab::new();
    let Some(disk) = Disk::mount(&lab.at("right")) else {
        return;
    };
    lab.pair().unwrap();
    for file in ["patchy/a", "patchy/b", "patchy/c", "patchy/d/e"] {
        lab.write("left", file, file);
    }
    pass(&mut lab);
    disk.is_patchy(true);
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!(left_alone(&report), [("patchy/a", "busy")]);
    assert_eq!((report.left.removed, report.right.removed), (0, 0), "{report:#?}");
    lab.remove("right", "patchy/a");
    lab.remove("right", "patchy/d/e");
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!(left_alone(&report), [("patchy/b", "busy")]);
    assert_eq!((report.left.removed, report.right.removed), (2, 0), "{report:#?}");
    disk.is_patchy(false);
    pass(&mut lab);
    assert_eq!(
        lab.tree("left"),
        "patchy/ patchy/b=patchy/b patchy/c=patchy/c patchy/d/"
    );
}
