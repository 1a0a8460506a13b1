//! The runner, with the shell as the tool.

use std::{cell::Cell, os::fd::AsFd};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn shell<'a>(script: &str) -> Run<'a> {
    Run::new(Path::new("/bin/sh")).args(["-c", script]).deadline(LONG)
}

#[test]
fn output_error_and_status_come_back() {
    let output = shell("echo out; echo err >&2; exit 3").run().unwrap();
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_bad_status_is_an_error_that_quotes_the_tool() {
    let error = shell("echo no such luck >&2; exit 3").success().unwrap_err();
    assert_eq!(error.code(), "engine.tool-failed");
    assert!(error.to_string().contains("no such luck"), "{error}");
}

#[test]
fn the_environment_is_empty_but_for_locale_and_path() {
    let output = Run::new(Path::new("/usr/bin/env")).env("ONE", "1").run().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let path = format!("PATH={}", crate::tools::SYSTEM_PATH);
    assert_eq!(lines, ["LC_ALL=C", "ONE=1", path.as_str()]);
}

#[test]
fn megabytes_go_in_and_out_at_the_same_time() {
    let bytes: Vec<u8> = (0..5_000_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let output = Run::new(Path::new("/bin/cat"))
        .input(&mut &bytes[..])
        .deadline(LONG)
        .run();
    assert!(output.unwrap().stdout == bytes);
}

#[test]
fn a_tool_that_stops_reading_is_judged_by_its_status() {
    let bytes = vec![b'x'; 5_000_000];
    let output = shell("head -c 1; exec <&-; exit 0")
        .input(&mut &bytes[..])
        .success();
    assert_eq!(output.unwrap().stdout, b"x");
}

#[test]
fn the_deadline_kills_the_whole_group() {
    // The grandchild holds a pipe of ours open: when it dies, the read ends.
    let (reader, writer) = std::io::pipe().unwrap();
    let script = format!(
        "sleep 600 >&{0} & sleep 600",
        std::os::fd::AsRawFd::as_raw_fd(&writer)
    );
    let started = Instant::now();
    let error = Run::new(Path::new("/bin/sh"))
        .args(["-c", &script])
        .keep_fd(writer.as_fd())
        .deadline(Duration::from_millis(300))
        .run()
        .unwrap_err();
    assert_eq!(error.code(), "engine.tool-deadline");
    drop(writer);
    let mut rest = Vec::new();
    (&reader).read_to_end(&mut rest).unwrap();
    assert!(started.elapsed() < LONG);
}

#[test]
fn cancelling_kills_it() {
    let asked = Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let error = shell("sleep 600").cancel(&cancel).run().unwrap_err();
    assert_eq!(error.code(), "engine.tool-cancelled");
}

#[test]
fn endless_output_is_cut_off() {
    let error = shell("yes").run().unwrap_err();
    assert_eq!(error.code(), "engine.tool-output-too-long");
}

#[test]
fn endless_error_output_is_dropped_not_kept() {
    let output = shell("yes | head -c 3000000 >&2").success().unwrap();
    assert_eq!(output.stderr.len(), TOOL_STDERR_BYTES);
}

#[test]
fn output_can_be_streamed_without_limit() {
    let mut total = 0;
    let mut sink = |piece: &[u8]| total += piece.len();
    let bytes = TOOL_STDOUT_BYTES + 1;
    let script = format!("yes | head -c {bytes}");
    shell(&script).on_stdout(&mut sink).success().unwrap();
    assert_eq!(total, bytes);
}

#[test]
fn a_reader_that_fails_is_the_callers_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the layer is damaged"))
        }
    }
    let error = Run::new(Path::new("/bin/cat"))
        .input(&mut Broken)
        .run()
        .unwrap_err();
    assert_eq!(error.code(), "engine.tool-input");
}

#[test]
fn a_grandchild_that_keeps_the_pipes_open_does_not_hold_us_up() {
    let started = Instant::now();
    let output = shell("echo done; sleep 30 & exit 0").success().unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_missing_program_cannot_start() {
    let error = capture(Path::new("/no/such/program"), &[], LONG).unwrap_err();
    assert_eq!(error.code(), "engine.tool-start");
}
