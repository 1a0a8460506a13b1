//! Passes in a process of their own that is killed at any moment, while people work on both sides in between: no content goes by a pass.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gobag_pair::Pair;

use crate::{
    dice::{Dice, long},
    lab::{Lab, list},
    office::workspace_of,
};

/// Where the child finds the folders.
const FOLDERS: &str = "GOBAG_PAIR_KILLED";
/// A pass that was not killed leaves this beside them.
const RAN: &str = "ran";

/// The pass that is killed.
#[test]
#[ignore = "a part of the next one"]
fn child() {
    let folders = std::env::var(FOLDERS).unwrap();
    let folders = Path::new(&folders);
    let (left, member) = (folders.join("left"), folders.join("left.member"));
    let mut pair = match member.exists() {
        true => Pair::open(&left, workspace_of(&member, &left)).unwrap(),
        false => Pair::open(&left, &folders.join("right")).unwrap(),
    };
    let mut options = Lab::new().options();
    options.run = std::process::id().to_string();
    options.confirmed = true;
    pair.pass(&options, &gobag_format::Silent).unwrap();
    std::fs::write(folders.join(RAN), "").unwrap();
}

#[test]
fn s46_s47_killed_anywhere_nothing_is_lost_and_nobody_has_to_help() {
    kill(Lab::paired(&[("a", "first")]), 60);
}

/// The other member's passes are whole; each may find what a killed one has left.
#[test]
fn s46_s47_the_same_with_a_workspace() {
    kill(Lab::shared(&[("a", "first")]), 40);
}

fn kill(mut lab: Lab, kills: u64) {
    let kills = long(kills);
    let mut dice = Dice(kills);
    let (mut killed, mut round, mut whole) = (0, 0, Duration::from_millis(30));
    while killed < kills {
        round += 1;
        for _ in 0..dice.below(12) {
            act(&lab, &mut dice, round);
        }
        let before = contents(&lab, false);
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "killed::child"])
            .env(FOLDERS, lab.at(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = whole.mul_f64(dice.below(1200) as f64 / 1000.0);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > until {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            std::hint::spin_loop();
        };
        match status.code() {
            Some(code) => assert_eq!(code, 0, "round {round}"),
            None => killed += 1,
        }
        // Else all would be killed before they did anything, and each would find more to do than the last.
        whole = match status.success() {
            true => begun.elapsed(),
            false => whole.mul_f64(1.1),
        };
        if lab.is_shared() && dice.below(3) == 0 {
            lab.right_pass().unwrap();
        }
        let after = contents(&lab, true);
        let lost: Vec<_> = before.difference(&after).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    println!("{killed} of {round} passes were killed");
    let ran = lab.at(RAN).exists();
    assert!(
        ran && round - killed >= kills / 40,
        "hardly a pass came to its end"
    );
    let report = lab.pass_with(|options| options.confirmed = true).unwrap();
    assert!(report.is_in_step(), "{report:?}");
    assert_eq!(lab.tree("left"), lab.tree("right"));
}

/// Somebody does something on a side; what is written was never there before.
fn act(lab: &Lab, dice: &mut Dice, round: u64) {
    let side = if dice.below(2) == 0 { "left" } else { "right" };
    let name = |dice: &mut Dice| match dice.below(3) {
        0 => format!("{}", dice.below(6)),
        _ => format!("d{}/{}", dice.below(3), dice.below(6)),
    };
    let (one, other) = (name(dice), name(dice));
    let at = |path: &str| lab.at(side).join(path);
    let text = format!(
        "{round} {} {}",
        dice.below(u64::MAX),
        "x".repeat(dice.below(3000) as usize)
    );
    match dice.below(8) {
        0..=3 => {
            drop(fs::create_dir_all(at(&one).parent().unwrap()).and_then(|()| fs::write(at(&one), text)))
        }
        4 => drop(fs::remove_file(at(&one))),
        5 if !at(&other).exists() => drop(fs::rename(at(&one), at(&other))),
        6 if !at("moved").exists() => drop(fs::rename(at("d1"), at("moved"))),
        // A file in place of a folder whose files go with it, by the user's own hand; and back.
        7 => {
            let _ = fs::remove_dir_all(at("d2"));
            let _ = fs::write(at("d2"), text);
        }
        _ => drop(fs::remove_file(at("d2"))),
    }
}

/// Everything that is written in files of both sides; with what is ours, whole.
fn contents(lab: &Lab, with_ours: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for side in ["left", "right"] {
        found.extend(list(&lab.at(side)).into_values());
        if with_ours {
            for ours in ["versions", "stage"] {
                found.extend(list(&lab.at(side).join(".gobag-sync").join(ours)).into_values());
            }
        }
    }
    found.into_iter().filter(|what| what.starts_with('=')).collect()
}
