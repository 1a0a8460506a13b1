//! A member's folder on a file system with its own mind about names, and a workspace that has names of any kind.

use std::fs;

use gobag_pair::{Report, Told};

use crate::{lab::Lab, odd::Odd, office::Office};

/// The left folder is on it, the right one is another member's.
fn lab(files: &[(&str, &str)]) -> Option<(Lab, Odd)> {
    let mut lab = Lab::members_of(Office::new());
    let odd = Odd::mount(&lab.at("left"))?;
    for (path, text) in files {
        lab.write("right", path, text);
    }
    pass(&mut lab);
    Some((lab, odd))
}

/// A pass that does all that can be done, and a second one that does nothing more.
fn pass(lab: &mut Lab) -> Report {
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{report:#?}");
    let again = lab.pass_with(|_| {}).unwrap();
    assert_eq!((again.left, again.right), Default::default(), "{again:#?}");
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
fn s12_another_case_is_one_rename() {
    let Some((mut lab, _odd)) = lab(&[("report", "1"), ("Folder/a", "2"), ("z", "3")]) else {
        return;
    };
    for (side, from, to) in [
        ("left", "report", "REPORT"),
        ("right", "REPORT", "Report"),
        ("right", "Folder", "FOLDER"),
        ("left", "FOLDER", "folder"),
    ] {
        fs::rename(lab.at(side).join(from), lab.at(side).join("between")).unwrap();
        fs::rename(lab.at(side).join("between"), lab.at(side).join(to)).unwrap();
        let report = pass(&mut lab);
        let done = report.left.removed + report.right.removed + report.left.put + report.right.put;
        assert_eq!((done, report.notices.len()), (0, 0), "{from}: {report:#?}");
    }
    assert_eq!(lab.tree("right"), "Report=1 folder/ folder/a=2 z=3");
    assert_eq!(lab.tree("left"), lab.tree("right"));
}

#[test]
fn s13_of_two_names_that_are_one_here_one_is_kept_the_same() {
    let Some((mut lab, _odd)) = lab(&[("case", "known")]) else {
        return;
    };
    lab.write("right", "Case", "another");
    let report = pass(&mut lab);
    assert_eq!(left_alone(&report), [("Case", "name-clash")]);
    assert_eq!(lab.tree("left"), "case=known");
    lab.write("right", "case", "changed");
    pass(&mut lab);
    assert_eq!(lab.tree("left"), "case=changed");
    lab.remove("right", "case");
    pass(&mut lab);
    assert_eq!(lab.tree("left"), "Case=another");
    assert_eq!(lab.tree("right"), "Case=another");
}

#[test]
fn s14_an_accent_as_one_letter_and_as_two_is_one_file() {
    let (short, apart) = ("caf\u{e9}", "cafe\u{301}");
    let Some((mut lab, _odd)) = lab(&[(short, "1"), ("z", "2")]) else {
        return;
    };
    // Each has it as it is written there.
    assert_eq!(lab.tree("left"), format!("{apart}=1 z=2"));
    assert_eq!(lab.tree("right"), format!("{short}=1 z=2"));
    lab.write("left", apart, "changed here");
    pass(&mut lab);
    assert_eq!(lab.tree("right"), format!("{short}=changed here z=2"));
    lab.remove("left", apart);
    pass(&mut lab);
    assert_eq!(lab.tree("right"), "z=2");
}

#[test]
fn s15_s16_a_name_that_is_refused_here_is_left_and_never_deleted() {
    let files = [("a:b", "1"), ("d/b:c", "2"), ("dot.", "3"), ("fine", "4")];
    let Some((mut lab, _odd)) = lab(&files) else {
        return;
    };
    let before = lab.tree("right");
    let report = pass(&mut lab);
    assert_eq!(
        left_alone(&report),
        [("a:b", "name"), ("d/b:c", "name"), ("dot.", "name")]
    );
    assert_eq!(lab.tree("left"), "d/ fine=4");
    lab.write("right", "a:b", "changed");
    lab.remove("left", "fine");
    pass(&mut lab);
    assert_eq!(
        lab.tree("right"),
        before.replace("a:b=1", "a:b=changed").replace(" fine=4", "")
    );
}

#[test]
fn s15_what_is_renamed_there_to_a_name_that_is_refused_here_stays() {
    let Some((mut lab, _odd)) = lab(&[("report", "1"), ("d/one", "2"), ("d/two", "3"), ("z", "4")]) else {
        return;
    };
    let before = lab.tree("left");
    fs::rename(lab.at("right/report"), lab.at("right/report: final")).unwrap();
    fs::rename(lab.at("right/d"), lab.at("right/d: 2026")).unwrap();
    pass(&mut lab);
    assert_eq!(lab.tree("left"), before);
    lab.remove("right", "report: final");
    fs::rename(lab.at("right/d: 2026"), lab.at("right/e")).unwrap();
    pass(&mut lab);
    assert_eq!(lab.tree("left"), "e/ e/one=2 e/two=3 z=4");
    assert_eq!(lab.tree("left"), lab.tree("right"));
}

#[test]
fn s29_s30_a_folder_that_cannot_be_listed_or_not_to_its_end_is_unknown() {
    let files = ["closed/a", "closed/b", "half/a", "half/b", "half/c", "open/a"].map(|file| (file, file));
    let Some((mut lab, odd)) = lab(&files) else {
        return;
    };
    let before = lab.tree("right");
    odd.fail(true);
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!(
        left_alone(&report),
        [("closed", "unreadable"), ("half", "unreadable")]
    );
    lab.remove("left", "open");
    lab.write("right", "half/new", "new");
    let report = lab.pass_with(|_| {}).unwrap();
    assert_eq!((report.left.removed, report.right.removed), (0, 1), "{report:#?}");
    odd.fail(false);
    pass(&mut lab);
    let after = before.replace(" open/ open/a=open/a", "") + " half/new=new";
    let sorted = |tree: &str| {
        let mut words: Vec<String> = tree.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(sorted(&lab.tree("right")), sorted(&after));
    assert_eq!(lab.tree("left"), lab.tree("right"));
}
