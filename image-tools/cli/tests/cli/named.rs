//! Files that people name: a pipe in place of one is refused at once. Every one of these tests would hang, were it waited for.

use std::{fs, path::Path};

use rustix::fs::{CWD, Mode, mkfifoat};

use super::{Desk, Ran};

fn pipe(path: &Path) {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}

fn assert_refused(ran: &Ran, args: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.exit, 2, "{args:?}: {said}");
    assert!(
        said.contains("it is not a regular file, but a named pipe"),
        "{args:?}: {said}"
    );
    assert!(
        said.contains("save what comes out of it in a file"),
        "{args:?}: {said}"
    );
}

#[test]
fn pipes_in_place_of_files_are_refused_at_once() {
    let Some(desk) = Desk::new() else { return };
    pipe(&desk.path("pipe"));
    fs::create_dir_all(desk.path("texts/fr")).unwrap();
    pipe(&desk.path("texts/fr/list.ftl"));
    for folder in ["answers", "prices", "plan"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    pipe(&desk.path("answers/answers.toml"));
    pipe(&desk.path("prices/prices.toml"));
    for args in [
        &["checklist", "--requirements", "pipe"][..],
        &["checklist", "--texts", "texts"],
        &["coverage", "it", "--requirements", "pipe"],
        &["plan", "answers"],
        &["plan", "prices"],
        &["plan", "plan", "--answers", "pipe"],
        &["plan", "plan", "--questions", "pipe"],
        &["plan", "plan", "--prices", "pipe"],
    ] {
        assert_refused(&desk.run(args), args);
    }
    for args in [
        &["build", "it", "--name", "office", "--requirements", "pipe"][..],
        &["build", "it", "--name", "office", "--policy", "pipe"],
        &["escrow", "open", ".", "--identity", "pipe"],
    ] {
        assert_refused(&desk.keyed(args), args);
    }
    // Of an image there are other words, for it may be a disk.
    for kind in [
        &[][..],
        &["--kind", "rootfs-tar"],
        &["--kind", "qcow2"],
        &["--kind", "docker-archive"],
    ] {
        let ran = desk.keyed(&[&["build", "pipe", "--name", "office"][..], kind].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("neither a regular file nor a block device"),
            "{kind:?}: {said}"
        );
    }
}

#[test]
fn a_pipe_among_results_is_listed_and_not_counted() {
    let Some(desk) = Desk::new() else { return };
    pipe(&desk.path("pipe.json"));
    let ran = desk.run(&["coverage", "pipe.json", "--json"]);
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    let what = ran.json()["findings"][0]["what"].clone();
    assert_eq!(what, "it is not a regular file, but a named pipe");
}

#[test]
fn an_organisation_s_file_that_is_a_pipe_is_refused() {
    let Some(desk) = Desk::new() else { return };
    fs::remove_file(desk.path("acme/signing.age")).unwrap();
    pipe(&desk.path("acme/signing.age"));
    let args = [
        "waive",
        "antivirus.active",
        "--until",
        "2099-01-01",
        "--reason",
        "x",
        "--all-sticks",
    ];
    assert_refused(&desk.keyed(&args), &args);
}
