//! The line editor as a table, and the reader on a real pseudo-terminal.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;
use crate::interrupt::{Interrupt, Signal};

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn keys_edit_the_line() {
    for (keys, line, last) in [
        ("secret\n", "secret", Step::Done),
        ("secret\r", "secret", Step::Done),
        ("\n", "", Step::Done),
        ("ab\u{7f}c\n", "ac", Step::Done),
        ("ä\u{7f}b\n", "b", Step::Done),
        ("漢字\u{8}\n", "漢", Step::Done),
        ("\u{7f}\u{7f}x\n", "x", Step::Done),
        ("wrong\u{15}right\n", "right", Step::Done),
        ("a\u{3}", "a", Step::Interrupted),
        ("\u{4}", "", Step::EndOfInput),
        ("a\u{4}\n", "a", Step::Done),
        ("a\u{1b}b\n", "ab", Step::Done),
        ("12345678", "12345678", Step::Added),
        ("123456789", "12345678", Step::TooLong),
    ] {
        let mut editor = LineEditor::new(8);
        let mut step = Step::Ignored;
        for byte in keys.bytes() {
            step = editor.feed(byte);
        }
        assert_eq!((&**editor.line, step), (line.as_bytes(), last), "{keys:?}");
        assert!(editor.line.capacity() >= 8, "the buffer never moved");
    }
}

/// Both ends of a pseudo-terminal: the person's and the program's.
fn pty() -> (OwnedFd, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&person).expect("granted");
    unlockpt(&person).expect("unlocked");
    let name = ptsname(&person, Vec::new()).expect("has a name");
    let program = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("text"))
        .expect("opened");
    (person, program.into())
}

type Told = Result<String, String>;

/// Asks on the program's end in another thread; gives back the person's end, the program's end and the outcome.
fn ask(echo: Echo, interrupt: Option<Interrupt>) -> (File, OwnedFd, mpsc::Receiver<Told>) {
    let (person, program) = pty();
    let asker = program.try_clone().expect("cloned");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let interrupt = interrupt.as_ref().map(AsFd::as_fd);
        let line = read_line(asker.as_fd(), "Passphrase: ", echo, 16, interrupt);
        let told = match line {
            Ok(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) => Err(error.to_string()),
        };
        // The test may have failed and gone.
        let _ = sender.send(told);
    });
    let mut person = File::from(person);
    assert_eq!(read_until(&mut person, "Passphrase: "), "Passphrase: ");
    (person, program, receiver)
}

/// Reads until the terminal has shown `end`; the poll is the deadline.
fn read_until(person: &mut File, end: &str) -> String {
    let mut shown = String::new();
    while !shown.ends_with(end) {
        let timeout = rustix::event::Timespec::try_from(DEADLINE).expect("fits");
        let mut fds = [PollFd::new(person, PollFlags::IN)];
        assert_ne!(
            poll(&mut fds, Some(&timeout)),
            Ok(0),
            "waited for {end:?} after {shown:?}"
        );
        let mut byte = [0];
        person.read_exact(&mut byte).expect("reads");
        shown.push(char::from(byte[0]));
    }
    shown
}

fn type_keys(person: &File, keys: &str) {
    write_all(person.as_fd(), keys.as_bytes()).expect("typed");
}

fn echoes(terminal: &OwnedFd) -> bool {
    let modes = tcgetattr(terminal).expect("asked").local_modes;
    modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
}

#[test]
fn a_hidden_line_is_not_shown_and_the_terminal_is_restored() {
    let (mut person, program, told) = ask(Echo::Hidden, None);
    assert!(!echoes(&program), "echo is off while asking");
    type_keys(&person, "sesame\r");
    assert_eq!(told.recv_timeout(DEADLINE), Ok(Ok("sesame".to_owned())));
    assert_eq!(read_until(&mut person, "\n"), "\r\n", "nothing of it was shown");
    assert!(echoes(&program), "echo is back");
}

#[test]
fn a_visible_line_is_shown() {
    let (mut person, _program, told) = ask(Echo::Visible, None);
    type_keys(&person, "yx\u{7f}es\r");
    assert_eq!(told.recv_timeout(DEADLINE), Ok(Ok("yes".to_owned())));
    assert_eq!(read_until(&mut person, "\n"), "yx\u{8} \u{8}es\r\n");
}

#[test]
fn ctrl_c_ends_the_question_and_restores_the_terminal() {
    let (person, program, told) = ask(Echo::Hidden, None);
    type_keys(&person, "half\u{3}");
    assert_eq!(told.recv_timeout(DEADLINE), Ok(Err("interrupted".to_owned())));
    assert!(echoes(&program));
}

#[test]
fn a_signal_ends_the_question_and_restores_the_terminal() {
    let interrupt = Interrupt::unconnected().expect("made");
    let (_person, program, told) = ask(Echo::Hidden, Some(interrupt.clone()));
    interrupt.raise(Signal::Terminate);
    assert_eq!(told.recv_timeout(DEADLINE), Ok(Err("interrupted".to_owned())));
    assert!(echoes(&program));
}

#[test]
fn a_closed_terminal_ends_the_question() {
    let (person, _program, told) = ask(Echo::Hidden, None);
    drop(person);
    assert_eq!(
        told.recv_timeout(DEADLINE),
        Ok(Err("the terminal was closed".to_owned()))
    );
}

#[test]
fn a_line_without_end_is_refused() {
    let (person, program, told) = ask(Echo::Hidden, None);
    type_keys(&person, &"x".repeat(17));
    assert_eq!(
        told.recv_timeout(DEADLINE),
        Ok(Err("more than 16 bytes".to_owned()))
    );
    assert!(echoes(&program));
}
