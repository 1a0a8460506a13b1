//! What is left out.

use std::fs;

use gobag_pair::Told;

use crate::lab::Lab;

const FILTER: &str = ".gobag-sync-ignore";

#[test]
fn s34_what_a_filter_leaves_out_is_left_alone_on_both_sides_and_united_when_it_comes_back() {
    let mut lab = Lab::paired(&[("keep", "1"), ("build/a", "2"), ("build/b", "3"), ("x.log", "4")]);
    lab.write("right", FILTER, "build/\n*.log\n");
    let report = lab.pass();
    assert_eq!(report.notices, [Told::Filter { left_alone: 3 }]);
    assert_eq!((report.left.removed, report.right.removed), (0, 0), "{report:#?}");
    let both = format!("{FILTER}=build/\n*.log\n build/ build/a=2 build/b=3 keep=1 x.log=4");
    assert_eq!((lab.tree("left"), lab.tree("right")), (both.clone(), both));
    // Nothing goes over, not even that something is deleted, and nothing is said of it any more.
    lab.remove("left", "build");
    lab.write("right", "build/a", "theirs");
    lab.write("left", "x.log", "mine");
    lab.write("left", "new.log", "5");
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step() && report.notices.is_empty(), "{report:#?}");
    assert_eq!((report.left, report.right), Default::default());
    assert!(lab.tree("right").contains("build/b=3") && !lab.tree("right").contains("new.log"));
    // As without a base: nothing is deleted, and what differs is there twice.
    lab.remove("left", FILTER);
    lab.remove("right", FILTER);
    let report = lab.pass();
    assert!(
        report.notices.contains(&Told::Filter { left_alone: 0 }),
        "{report:#?}"
    );
    assert_eq!((report.left.removed, report.right.removed), (0, 0), "{report:#?}");
    let tree = lab.tree("left");
    for there in ["build/a=theirs", "build/b=3", "new.log=5", "=mine", "x.log=4"] {
        assert!(tree.contains(there), "no {there} in {tree}");
    }
}

#[test]
fn s34_a_folder_stays_for_what_is_left_out_in_it() {
    let mut lab = Lab::paired(&[("d/e/a", "1"), ("d/b", "2"), ("z", "3")]);
    lab.write("right", "d/e/.DS_Store", "junk");
    lab.write("right", "d/~$b.docx", "junk");
    lab.write("right", "other/Thumbs.db", "junk");
    assert_eq!(lab.pass_with(|_| {}).unwrap().notices, []);
    assert_eq!(lab.tree("left"), "d/ d/b=2 d/e/ d/e/a=1 other/ z=3");
    lab.remove("left", "d");
    for _ in 0..2 {
        let report = lab.pass_with(|_| {}).unwrap();
        assert!(report.is_in_step(), "{report:#?}");
        let left = |path: &str| Told::Left {
            path: path.to_owned(),
            why: "filtered".to_owned(),
        };
        assert_eq!(report.notices, [left("d/e/.DS_Store"), left("d/~$b.docx")]);
    }
    assert_eq!(
        lab.tree("right"),
        "d/ d/e/ d/e/.DS_Store=junk d/~$b.docx=junk other/ other/Thumbs.db=junk z=3"
    );
    assert!(!lab.at("left/d").exists());
}

#[test]
fn s34_patterns_of_both_sides_and_of_the_pass_count_and_a_bad_line_is_said() {
    let mut lab = Lab::paired(&[("a.one", "1"), ("a.two", "2"), ("a.three", "3"), ("kind", "5")]);
    lab.write("left", FILTER, "*.one\n[z-a]\nkind/");
    lab.write("right", FILTER, "*.two");
    for name in ["a.one", "a.two", "a.three", "kind"] {
        lab.remove("left", name);
    }
    // What is no folder on either side is not meant by a pattern for folders; one that is, is, and is never covered.
    lab.write("left", "kind/in", "mine");
    lab.write("right", "kind", "changed");
    let report = lab
        .pass_with(|options| {
            options.patterns = vec!["*.three".to_owned()];
            options.confirmed = true;
        })
        .unwrap();
    let bad = report.notices.iter().find_map(|told| match told {
        Told::Pattern { from, line, .. } => Some((from.as_deref(), *line)),
        _ => None,
    });
    assert_eq!(bad, Some((Some("left"), 2)), "{report:#?}");
    assert_eq!((report.right.removed, report.left.removed), (0, 0), "{report:#?}");
    assert!(
        lab.tree("right")
            .contains("a.one=1 a.three=3 a.two=2 kind=changed"),
        "{}",
        lab.tree("right")
    );
    assert!(
        lab.tree("left").contains("kind/ kind/in=mine"),
        "{}",
        lab.tree("left")
    );
    assert!(
        report
            .notices
            .iter()
            .any(|told| matches!(told, Told::Left { path, why } if path == "kind" && why == "filtered"))
    );
}

#[test]
fn s34_a_filter_that_cannot_be_read_ends_the_pass() {
    let mut lab = Lab::paired(&[("secret", "1")]);
    lab.write("left", "private", "2");
    fs::create_dir(lab.at("right").join(FILTER)).unwrap();
    assert_eq!(lab.pass_with(|_| {}).unwrap_err().code(), "files.file");
    assert_eq!(lab.tree("right"), format!("{FILTER}/ secret=1"));
}
