//! The stable codes of all errors of this crate: a code is never renamed, and never means two things.

use std::io;

use serde::ser::Error as _;

use crate::ask::{AskError, Asked};
use crate::interrupt::InterruptError;
use crate::log::LogError;
use crate::output::OutputError;
use crate::page::PageError;
use crate::passphrase::PassphraseError;

fn system() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[test]
fn codes_are_stable() {
    let place = String::new;
    let asked = || Asked::Value(String::new());
    let json = serde_json::Error::custom("x");
    let twice = tracing_subscriber::util::SubscriberInitExt::try_init;
    // The first takes the process's only place, so the second must fail.
    let _ = twice(tracing_subscriber::registry());
    let taken = twice(tracing_subscriber::registry()).expect_err("taken");
    let listed = [
        OutputError::Write { source: system() }.code(),
        OutputError::Json { source: json }.code(),
        OutputError::Twice.code(),
        LogError::Open {
            path: "/x".into(),
            source: system(),
        }
        .code(),
        LogError::Twice { source: taken }.code(),
        InterruptError::new(system()).code(),
        AskError::NoTerminal {
            asked: asked(),
            source: system(),
        }
        .code(),
        AskError::Terminal {
            asked: asked(),
            source: system(),
        }
        .code(),
        AskError::Interrupted { asked: asked() }.code(),
        PageError::IsInput { path: "/x".into() }.code(),
        PageError::NotRegular { path: "/x".into() }.code(),
        PageError::Declined { path: "/x".into() }.code(),
        PageError::Write {
            path: "/x".into(),
            source: system(),
        }
        .code(),
        PassphraseError::NoTerminal { source: system() }.code(),
        PassphraseError::Terminal { source: system() }.code(),
        PassphraseError::Interrupted.code(),
        PassphraseError::Read {
            place: place(),
            source: system(),
        }
        .code(),
        PassphraseError::Empty { place: place() }.code(),
        PassphraseError::TooLong {
            place: place(),
            limit: 1,
        }
        .code(),
        PassphraseError::NotALine { place: place() }.code(),
        PassphraseError::Mismatch.code(),
    ];
    let expected = [
        "term.output",
        "term.json",
        "term.second-answer",
        "term.log-file",
        "term.log-twice",
        "term.signals",
        "term.no-terminal",
        "term.terminal-failed",
        "term.interrupted",
        "term.output-is-input",
        "term.output-not-regular",
        "term.output-declined",
        "term.output-file",
        "term.no-terminal",
        "term.terminal-failed",
        "term.interrupted",
        "term.passphrase-unreadable",
        "term.passphrase-empty",
        "term.passphrase-too-long",
        "term.passphrase-not-a-line",
        "term.passphrase-mismatch",
    ];
    assert_eq!(listed, expected);
}
