//! Against the computer that runs the tests. P31, P33 and P34 of the parsing cases are about this place.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::*;

fn program(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&path)
        .expect("made");
    file.write_all(text.as_bytes()).expect("written");
    path.to_string_lossy().into_owned()
}

fn obstacle_of(capture: &Capture) -> Obstacle {
    match capture {
        Capture::Failed { obstacle, .. } => *obstacle,
        Capture::Bytes(bytes) => panic!("{}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn files_lists_and_links_are_read_and_what_is_missing_is_missing() {
    let host = Live::default();
    assert!(
        host.file("/proc/version")
            .text()
            .is_ok_and(|text| text.starts_with("Linux"))
    );
    assert!(
        host.list("/proc/self")
            .text()
            .is_ok_and(|text| text.contains("\nstatus\n"))
    );
    assert!(
        host.link("/proc/self/cwd")
            .text()
            .is_ok_and(|text| text.starts_with('/'))
    );
    for capture in [
        host.file("/nowhere/x"),
        host.list("/nowhere"),
        host.link("/nowhere/x"),
        host.program("/nowhere/x", &[]),
    ] {
        assert_eq!(obstacle_of(&capture), Obstacle::Missing, "{capture:?}");
    }
}

#[test]
fn a_home_is_where_we_are_told_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path(), "settings", "x=1\n");
    let host = Live {
        home: Some(folder.path().to_owned()),
    };
    assert_eq!(host.file("~/settings").text().as_deref(), Ok("x=1\n"));
    assert_eq!(
        obstacle_of(&Live::default().file("~/settings")),
        Obstacle::NotWorking
    );
}

/// P31.
#[test]
fn p31_a_program_that_hangs_is_killed_and_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let hanging = program(
        folder.path(),
        "tool",
        "#!/bin/sh\necho Status: On\nexec sleep 1000\n",
    );
    assert_eq!(
        obstacle_of(&Live::default().program(&hanging, &[])),
        Obstacle::TimedOut
    );
}

/// P33.
#[test]
fn p33_ten_mebibytes_of_output_are_refused_whatever_they_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let flood = "#!/bin/sh\necho Status: On\nhead -c 10485760 /dev/zero | tr '\\0' x\n";
    let capture = Live::default().program(&program(folder.path(), "flood", flood), &[]);
    assert_eq!(obstacle_of(&capture), Obstacle::NotWorking);
    assert!(
        capture
            .text()
            .expect_err("refused")
            .contains("more than 1048576 bytes")
    );
    assert_eq!(
        obstacle_of(&Live::default().file("/dev/zero")),
        Obstacle::NotWorking
    );
}

/// P34: nothing is searched, so a program of the same name on the search path is never started.
#[test]
fn p34_a_name_without_a_path_is_never_started() {
    let capture = Live::default().program("sh", &["-c", "echo enabled."]);
    assert_eq!(capture.text(), Err("sh is no absolute path".to_owned()));
    let spoken = Live::default().program("/bin/sh", &["-c", "echo $PATH; echo $LC_ALL"]);
    let expected = format!("{}\nC\n", gobag_engine::tools::SYSTEM_PATH);
    assert_eq!(spoken.text(), Ok(expected));
}

#[test]
fn a_program_that_fails_gives_nothing_but_its_reason() {
    let capture = Live::default().program("/bin/sh", &["-c", "echo On; echo broken >&2; exit 3"]);
    assert!(
        capture.text().expect_err("failed").contains("broken"),
        "{capture:?}"
    );
}
