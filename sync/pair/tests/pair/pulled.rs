//! The left folder's stick is pulled out in the middle of a pass, and what its cache had is lost in part and in no order. As soon as it is there again the next pass goes on.

use std::{collections::BTreeSet, fs, os::fd::AsFd as _, path::Path};

use gobag_files::{Changes, Root, RootId};
use gobag_reconcile::{Content, File, RelPath};

use crate::{
    dice::{Dice, long},
    lab::{Lab, list},
    medium::{Kind, Medium},
    office::Office,
    sim::{act, kept, seen},
};

#[test]
fn s48_what_was_flushed_survives_a_stick_that_loses_its_cache() {
    pull(Lab::new(), Kind::Ext4, 12);
}

#[test]
fn s48_the_same_with_a_workspace() {
    pull(Lab::members_of(Office::new()), Kind::Ext4, 8);
}

/// The same with a file system whose driver is a program, which the system does not ask to flush all of it.
#[test]
fn s48_the_same_with_exfat_by_a_program() {
    pull(Lab::new(), Kind::Exfat, 12);
}

/// What is flushed before it comes into its place is there, also where a program serves the file system, which hears of `fsync` alone.
#[test]
fn s48_what_is_made_and_flushed_is_durable() {
    for kind in [Kind::Ext4, Kind::Exfat] {
        let lab = Lab::new();
        fs::create_dir(lab.at("port")).unwrap();
        let Some(mut medium) = Medium::make(&lab.at("port"), &lab.at("left"), kind) else {
            return;
        };
        let text = "made and flushed ".repeat(1000);
        let root = Root::open(&lab.at("left"), RootId([1; 16]), None).unwrap();
        let changes = Changes::begin(&root, "run", "me").unwrap();
        let file = File {
            content: Content(*blake3::hash(text.as_bytes()).as_bytes()),
            len: text.len() as u64,
            executable: false,
        };
        let path = RelPath::new(b"f").unwrap();
        let staged = changes.stage(&path, &file, (7, 7), 0o644, &mut text.as_bytes(), false);
        let ready = changes.flush(vec![staged.unwrap()]).unwrap();
        medium.pull_after(0);
        drop((ready, changes));
        drop(root);
        medium.come_back(&mut Dice(1));
        assert!(kept(&lab.at("left"), true).contains_key(&text), "{kind:?}");
    }
}

fn pull(mut lab: Lab, kind: Kind, rounds: u64) {
    fs::create_dir(lab.at("port")).unwrap();
    let Some(mut medium) = Medium::make(&lab.at("port"), &lab.at("left"), kind) else {
        return;
    };
    match lab.is_shared() {
        true => lab.right_pass().unwrap(),
        false => drop(lab.pair().unwrap()),
    }
    let rounds = long(rounds);
    let mut dice = Dice(rounds);
    let (mut texts, mut whole, mut pulled, mut lost) = (0, 200, 0, 0);
    // What the cache has at a moment is the kernel's matter: as many as it takes until some was lost, within reason.
    let is_enough = |done: u64, pulled: u64, lost: usize| {
        done >= rounds && pulled * 4 > rounds && lost as u64 > rounds / 2
    };
    let mut round = 0;
    while !is_enough(round, pulled, lost) {
        assert!(round < rounds * 4, "{pulled} {lost}");
        let mut work = |lab: &Lab, side: &str, dice: &mut Dice, times: u64| {
            for _ in 0..times {
                texts += 1;
                let text = format!("text {texts} {}", "x".repeat(dice.below(9000) as usize));
                act(&lab.at(side), dice, &text);
            }
        };
        let times = dice.below(6);
        work(&lab, "left", &mut dice, times);
        let flushed = fs::File::open(lab.at("left")).unwrap();
        rustix::fs::syncfs(flushed.as_fd()).unwrap();
        // Of which a program that serves a file system hears.
        rustix::fs::fsync(flushed.as_fd()).unwrap();
        drop(flushed);
        let before: BTreeSet<String> = seen(&lab.at("left")).into_keys().collect();
        let before_kept = kept(&lab.at("left"), true);
        // What is not flushed may be there or not; what was taken away may be back.
        let times = dice.below(3);
        work(&lab, "left", &mut dice, times);
        let times = dice.below(6);
        work(&lab, "right", &mut dice, times);
        if kind == Kind::Exfat {
            // It has no place for them.
            remove_links(&lab.at("right"));
        }
        let mut shown = before;
        let left = seen(&lab.at("left"));
        shown.retain(|text| left.contains_key(text));
        shown.extend(seen(&lab.at("right")).into_keys());
        let mut owed = shown.clone();
        owed.extend(before_kept.into_keys());
        owed.extend(kept(&lab.at("right"), true).into_keys());

        medium.writes();
        medium.pull_after(dice.below(whole * 5 / 4));
        let passed = lab.pass_with(|options| options.confirmed = true);
        pulled += u64::from(passed.is_err());
        if passed.is_ok() {
            whole = medium.writes().max(20);
        }
        lost += medium.come_back(&mut dice);
        check(&lab, &owed, round);
        let report = lab.pass_with(|options| options.confirmed = true).unwrap();
        assert!(
            report.is_in_step() && !report.base_lost,
            "round {round}: {report:#?}"
        );
        let [left, right] = ["left", "right"].map(|side| {
            let mut found = list(&lab.at(side));
            // exFAT does not know who may run a file.
            found
                .values_mut()
                .for_each(|what| *what = what.replacen('*', "=", 1));
            found.remove("lost+found");
            found
        });
        assert!(
            left == right,
            "round {round}: {:?} {:?}",
            left.keys(),
            right.keys()
        );
        check(&lab, &owed, round);
        let again = lab.pass_with(|options| options.confirmed = true).unwrap();
        assert_eq!((again.left, again.right), Default::default(), "round {round}");
        round += 1;
    }
    println!("{kind:?}: {pulled} of {round} passes were cut off; {lost} writes were in the cache");
}

fn remove_links(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            fs::remove_file(path).unwrap();
        } else if path.is_dir() {
            remove_links(&path);
        }
    }
}

/// Whatever is owed is somewhere.
fn check(lab: &Lab, owed: &BTreeSet<String>, round: u64) {
    let mut found = BTreeSet::new();
    for side in ["left", "right"] {
        found.extend(seen(&lab.at(side)).into_keys());
        found.extend(kept(&lab.at(side), true).into_keys());
    }
    let lost: Vec<&str> = owed
        .difference(&found)
        .map(|text| &text[..text.len().min(20)])
        .collect();
    assert!(lost.is_empty(), "round {round}: {lost:?}");
}
