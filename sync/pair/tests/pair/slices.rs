//! First copies that are made a slice at a time.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use gobag_format::{Monitor, Silent};

use crate::{
    dice::{Dice, long},
    lab::{Lab, list},
};

/// So that the order of paths is not that of their bytes.
const NAMES: &[&str] = &["a", "a b", "a.b", "b", "c"];

/// Puts a few things at random into both folders, of which many have the same names.
fn fill(lab: &Lab, seed: u64) {
    let mut dice = Dice(seed);
    let mut one_of = |words: &[&'static str]| words[dice.below(words.len() as u64) as usize];
    for side in ["left", "right"] {
        for _ in 0..12 {
            let mut at = lab.at(side).join(one_of(NAMES));
            while one_of(&["deeper", "here"]) == "deeper" {
                at.push(one_of(NAMES));
            }
            // Something may be in the way: then there is less.
            match one_of(&["folder", "link", "file", "file"]) {
                "folder" => drop(fs::create_dir_all(&at)),
                "link" => drop(symlink(one_of(&["x", "y"]), &at)),
                _ => {
                    let _ = fs::create_dir_all(at.parent().unwrap());
                    if !at.is_symlink() {
                        drop(fs::write(&at, one_of(&["one", "two", "three"])));
                    }
                }
            }
        }
    }
}

/// `GOBAG_LONG=n` tries so many worlds.
#[test]
fn two_full_folders_become_the_same_in_slices_as_they_do_at_once() {
    for seed in 1..=long(6) {
        let become_in = |slice: usize| {
            let mut lab = Lab::new();
            lab.pair().unwrap();
            fill(&lab, seed);
            let before = [list(&lab.at("left")), list(&lab.at("right"))];
            let report = lab.pass_with(|options| options.slice = slice).unwrap();
            assert!(report.is_in_step(), "seed {seed}, {slice}: {report:#?}");
            assert_eq!(
                lab.tree("left"),
                lab.tree("right"),
                "seed {seed}, {slice}: {before:#?}"
            );
            let again = lab.pass_with(|_| {}).unwrap();
            assert_eq!(
                (again.left, again.right),
                Default::default(),
                "seed {seed}, {slice}: {again:#?}"
            );
            (lab.tree("left"), report.notices.len())
        };
        let at_once = become_in(usize::MAX);
        for slice in [1, 4] {
            assert_eq!(become_in(slice), at_once, "seed {seed}, {slice}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_keeps_nobody_from_the_rest() {
    let mut lab = Lab::new();
    lab.pair().unwrap();
    for number in 0..6 {
        lab.write("left", &format!("d/e/{number}"), "in it");
    }
    lab.write("left", "z", "last");
    let fifo = rustix::fs::FileType::Fifo;
    let at = lab.at("right/d");
    rustix::fs::mknodat(rustix::fs::CWD, &at, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let report = lab.pass_with(|options| options.slice = 2).unwrap();
    assert!(report.is_in_step() && report.notices.len() == 1, "{report:#?}");
    assert_eq!(fs::read_to_string(lab.at("right/z")).unwrap(), "last");
}

#[test]
fn one_that_fails_to_be_made_keeps_nobody_from_the_rest() {
    let mut lab = Lab::new();
    lab.pair().unwrap();
    for number in 0..6 {
        lab.write("left", &format!("d/e/{number}"), "in it");
    }
    lab.write("left", "z", "last");
    fs::create_dir(lab.at("right/d")).unwrap();
    let closed = |how: &str| {
        let changed = Command::new("chattr").arg(how).arg(lab.at("right/d")).status();
        changed.is_ok_and(|status| status.success())
    };
    if !closed("+i") {
        println!("skipped: no folder can be made immutable here");
        return;
    }
    let mut options = Lab::new().options();
    options.slice = 2;
    let passed = lab.pair().unwrap().pass(&options, &Silent);
    assert!(closed("-i"));
    let report = passed.unwrap();
    assert_eq!(report.failures[0].path, "d/e", "{report:#?}");
    assert_eq!(fs::read_to_string(lab.at("right/z")).unwrap(), "last");
    lab.pass();
}

/// Ends a pass when so many files were read.
struct EndsAfter(AtomicU64, u64);

impl Monitor for EndsAfter {
    fn phase(&self, _: &str, _: Option<u64>) {}

    fn advance(&self, _: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= self.1
    }
}

#[test]
fn a_first_copy_that_is_ended_in_a_slice_goes_on_from_there_and_deletes_nothing_unseen() {
    for (end, slice) in [(1, 2), (7, 2), (15, 1), (15, 2), (30, 1), (30, 3), (60, 2)] {
        let mut lab = Lab::new();
        lab.pair().unwrap();
        for number in 0..20 {
            lab.write("left", &format!("d{}/f{number}", number % 3), "text");
        }
        let mut options = lab.options();
        options.slice = slice;
        let ends = EndsAfter(AtomicU64::new(0), end);
        let ended = lab.pair().unwrap().pass(&options, &ends);
        let is_ended = !ended.is_ok_and(|report| report.is_in_step());
        assert!(is_ended || end > 30, "{end}");
        // What both have by now is deleted on one side, and something is new before and after the slice.
        let both: Vec<_> = list(&lab.at("right")).into_keys().collect();
        let gone = both.iter().rfind(|path| path.contains('/'));
        if let Some(gone) = gone {
            lab.remove("left", gone);
        }
        lab.write("left", "a", "first");
        lab.write("right", "z", "last");
        lab.pass();
        let tree = lab.tree("right");
        assert!(
            gone.is_none_or(|gone| !tree.contains(&format!("{gone}="))),
            "{end}: {tree}"
        );
        assert!(tree.contains("a=first") && tree.contains("z=last"));
        let files = list(&lab.at("right"))
            .into_keys()
            .filter(|path| path.contains("/f"));
        assert_eq!(files.count(), 20 - usize::from(gone.is_some()), "{end}: {tree}");
    }
}
