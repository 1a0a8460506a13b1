//! The console against a real shell over a socket pair, and against silence.

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A shell whose ends are pipes, playing the guest: it has no echo and prints the prompt once.
fn shell() -> (Console, std::process::Child) {
    let mut child = crate::sh::Cmd::new("sh")
        .args(["-c", "stty() { :; }; dmesg() { :; }; printf 'booting\\nroot@vm:~# '; while read -r line; do eval \"$line\"; done"])
        .quiet()
        .spawn(
            std::process::Stdio::piped(),
            std::process::Stdio::piped(),
            std::process::Stdio::null(),
        )
        .unwrap();
    let (reader, writer) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    (Console::new(reader, writer), child)
}

#[test]
fn commands_return_their_output_and_status() {
    let (mut console, mut child) = shell();
    console.wait_for_shell(LIMIT).unwrap();
    assert_eq!(console.must("echo one; echo two", LIMIT).unwrap(), "one\ntwo");
    assert_eq!(
        console.run("echo gone; (exit 7)", LIMIT).unwrap(),
        Ran {
            status: 7,
            output: "gone".into()
        }
    );
    assert_eq!(console.must("false", LIMIT).unwrap_err().code(), "console.failed");
    assert!(console.transcript().starts_with("booting"));
    drop(console);
    child.wait().unwrap();
}

#[test]
fn output_that_looks_like_an_older_marker_is_only_output() {
    let (mut console, mut child) = shell();
    console.wait_for_shell(LIMIT).unwrap();
    assert_eq!(console.must("echo '<ended-1:9>'", LIMIT).unwrap(), "<ended-1:9>");
    drop(console);
    child.wait().unwrap();
}

#[test]
fn silence_ends_at_the_deadline_and_a_closed_console_at_once() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut console = Console::over(near).unwrap();
    let error = console.wait_for("login:", Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.code(), "console.deadline");
    (&far).write_all("kernel says caf\u{e9}".as_bytes()).unwrap();
    drop(far);
    let error = console.wait_for("login:", LIMIT).unwrap_err();
    assert_eq!(error.code(), "console.closed");
    assert!(error.to_string().contains("kernel says caf\u{e9}"), "{error}");
}

#[test]
fn a_character_cut_in_two_pieces_arrives_whole() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut console = Console::over(near).unwrap();
    console.take(&[b'x', 0xc3]);
    console.take(&[0xa9, 0xff, b'y']);
    assert_eq!(console.transcript(), "x\u{e9}\u{fffd}y");
    drop(far);
}
