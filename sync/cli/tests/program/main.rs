//! The program as a person uses it: what it says and how it ends.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the test is the user, at a shell")]

mod company;
mod deciding;
mod desk;
mod earlier;
mod elsewhere;
mod watching;

use std::fs;

use crate::desk::Desk;

#[test]
fn from_two_folders_to_a_version_of_last_week() {
    let desk = Desk::new();
    desk.write("mine/letter", "first");
    desk.is(
        "sync mine office",
        1,
        &["not paired", "hint: ", "gobag-sync pair"],
    );
    desk.is("pair mine office", 0, &["mine and office are a pair"]);
    desk.is(
        "sync mine office --dry-run",
        3,
        &["In the other folder would be 1 put", "Nothing was done."],
    );
    assert!(!desk.at("office/letter").exists());
    desk.is(
        "sync mine office",
        0,
        &["In the other folder 1 put", "ok   Both folders are the same."],
    );
    desk.write("office/letter", "second");
    desk.is("sync mine office", 0, &["In your folder 1 put"]);
    desk.write("office/letter", "theirs");
    desk.write("mine/letter", "ours");
    desk.is(
        "sync mine office",
        3,
        &["warn letter was changed in both folders. The one of your folder is now letter (conflict "],
    );
    assert_eq!(desk.read("mine/letter"), "theirs");
    let listed = desk.json("versions mine letter", 0);
    assert_eq!(listed["versions"].as_array().unwrap().len(), 1, "{listed}");
    desk.is("restore mine letter", 0, &["ok   letter is as it was before "]);
    assert_eq!(desk.read("mine/letter"), "first");
    desk.is("sync mine office", 0, &[]);
    assert_eq!(desk.read("office/letter"), "first");
    desk.is("restore mine other", 1, &["no such version"]);
    desk.is("versions mine ../office/letter", 2, &["no name of a file"]);
    desk.is("versions office nothing", 0, &["No earlier version"]);
}

#[test]
fn what_takes_everything_away_waits_and_a_missing_drive_is_not_empty() {
    let desk = Desk::new();
    for name in ["a", "b"] {
        desk.write(&format!("mine/{name}"), name);
    }
    desk.is("pair mine office", 0, &[]);
    desk.is("sync mine office", 0, &[]);
    for name in ["a", "b"] {
        fs::remove_file(desk.at("mine").join(name)).unwrap();
    }
    desk.is(
        "sync mine office",
        1,
        &[
            "FAIL Nothing of what was in your folder is left there",
            "Nothing was done",
            "--confirm",
        ],
    );
    assert!(desk.at("office/a").exists());
    desk.is(
        "sync mine office --confirm",
        0,
        &["2 deleted and kept as versions"],
    );
    fs::rename(desk.at("office"), desk.at("away")).unwrap();
    desk.is("sync mine office", 1, &["cannot use folder office", "plugged in"]);
    fs::create_dir(desk.at("office")).unwrap();
    desk.is(
        "sync mine office",
        1,
        &["office is not the folder it was", "--again"],
    );
    desk.is("pair mine office --again", 0, &[]);
    desk.is("sync mine office", 0, &[]);
    fs::remove_file(desk.at("mine/.gobag-sync/root")).unwrap();
    desk.is(
        "sync mine office",
        1,
        &["mine is not the folder it was", "--again"],
    );
    desk.is("pair mine office --again", 0, &[]);
    desk.is("sync mine office", 0, &[]);
    desk.is("pair mine mine", 2, &["in each other"]);
    assert!(desk.at("mine/.gobag-sync").exists());
}
