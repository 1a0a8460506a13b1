//! A computer that does not do: refused by name, let in by IT's waiver, and looked at again when something was put right.

#![expect(
    clippy::disallowed_methods,
    reason = "puts files in place, and starts a program that is found"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
};

use gobag_format::{
    crypto::Key,
    ids::BundleId,
    sign::SigningKey,
    waiver::{Waiver, WaiverLetter},
};
use serde_json::{Value, json};

use crate::{
    program::{Desk, Ran},
    screen::Screen,
    stick::{Contents, PASSPHRASE, Stick},
};

/// A rule that no computer meets, because no program knows it: only a policy and a waiver decide.
const NEWER: &str = "gpu.trusted";

/// A stick whose image requires that rule, and a processor that no computer has: nothing is ever started.
fn stick() -> Stick {
    Stick::new(&Contents {
        requirements: json!({
            "on_unknown": "fail",
            "architecture": "s390x",
            "policy": { "rules": { NEWER: { "vm": "require", "container": "require" } } },
        }),
        ..Contents::default()
    })
}

fn letter(stick: &Stick, until: &str, bundle: Option<BundleId>, key: &SigningKey) -> String {
    let letter = WaiverLetter {
        org: stick.secrets.org,
        bundle,
        waiver: Waiver {
            rule: NEWER.to_owned(),
            until: until.parse().unwrap(),
            reason: "no such card is needed".to_owned(),
        },
    };
    letter.sign(key).unwrap()
}

fn start(desk: &Desk, stick: &Stick, waiver: Option<&str>) -> Ran {
    let file: PathBuf = desk.path("waiver");
    let path = stick.path();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
        &"start",
        &"--json",
        &"--stick",
        &path,
        &"--passphrase-file",
        &"right",
    ];
    if let Some(text) = waiver {
        fs::write(&file, text).unwrap();
        args.extend([&"--waiver" as &dyn AsRef<std::ffi::OsStr>, &file]);
    }
    desk.run(&args)
}

/// Which rules are named as obstacles of the virtual machine.
fn names(ran: &Ran, rule: &str) -> bool {
    let hints = ran.json()["error"]["hints"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    hints
        .iter()
        .filter_map(Value::as_str)
        .any(|hint| hint.contains(rule))
}

#[test]
fn a_rule_stops_the_start_until_it_waives_it() {
    let (desk, stick) = (Desk::new(), stick());
    let key = stick.secrets.signing_key();
    let refused = start(&desk, &stick, None);
    assert_eq!((refused.exit, &*refused.code()), (4, "gobag.host-unfit"));
    assert!(
        names(&refused, NEWER) && names(&refused, "cpu.architecture"),
        "{refused:?}"
    );

    for bundle in [Some(stick.bundle), None] {
        let waived = start(&desk, &stick, Some(&letter(&stick, "2099-12-31", bundle, &key)));
        assert_eq!(waived.exit, 4, "the processor is still another one");
        assert!(!names(&waived, NEWER), "{waived:?}");
        assert!(names(&waived, "cpu.architecture"), "{waived:?}");
    }
    let over = start(&desk, &stick, Some(&letter(&stick, "2020-01-01", None, &key)));
    assert!(names(&over, NEWER), "its day is over: {over:?}");
    assert!(
        over.stderr.contains("ended with 2020-01-01 and does not count") && !over.stderr.contains("lets `"),
        "{over:?}"
    );
    assert!(desk.is_tidy());
}

#[test]
fn a_waiver_that_is_not_its_ends_the_start() {
    let (desk, stick) = (Desk::new(), stick());
    let key = stick.secrets.signing_key();
    let forger = SigningKey::from_seed(&Key::from_bytes([9; 32]));
    let other = BundleId([9; 16]);
    let good = letter(&stick, "2099-12-31", None, &key);
    for (text, exit, code) in [
        (
            letter(&stick, "2099-12-31", None, &forger),
            1,
            "waiver.bad-signature",
        ),
        (
            letter(&stick, "2099-12-31", Some(other), &key),
            1,
            "waiver.other-bundle",
        ),
        (good.replace("2099", "2199"), 1, "waiver.bad-signature"),
        (good.replace("waiver 1", "waiver 2"), 1, "waiver.newer-format"),
        (good[..40].to_owned(), 1, "waiver.malformed"),
    ] {
        let ran = start(&desk, &stick, Some(&text));
        assert_eq!((ran.exit, &*ran.code()), (exit, code), "{text}");
    }
    let path = stick.path();
    let missing = desk.run(&[
        &"start",
        &"--json",
        &"--stick",
        &path,
        &"--passphrase-file",
        &"right",
        &"--waiver",
        &"nowhere",
    ]);
    assert_eq!((missing.exit, &*missing.code()), (2, "gobag.waiver-file"));
    assert!(desk.is_tidy());
}

/// A program that lets others watch, as far as its name goes; ended when dropped.
struct Watcher(Child);

impl Watcher {
    fn start(desk: &Desk) -> Self {
        let program = desk.path("anydesk");
        fs::copy("/bin/sleep", &program).unwrap();
        Self(Command::new(program).arg("600").spawn().unwrap())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_puts_it_right_is_looked_at_again_and_types_no_passphrase() {
    let desk = Desk::new();
    let rule = json!({ "remote-control.none": { "vm": "require" } });
    let stick = Stick::new(&Contents {
        requirements: json!({ "architecture": "s390x", "policy": { "rules": rule } }),
        ..Contents::default()
    });
    let watcher = Watcher::start(&desk);
    let path = stick.path();
    let mut screen = Screen::start(&desk, &[&"start", &"--mode", &"vm", &"--stick", &path]);
    screen.wait_for("assphrase");
    screen.type_line(PASSPHRASE);
    let refused = screen.wait_for("[y/N]");
    assert!(
        refused.contains("AnyDesk") && !refused.contains("u{1b}"),
        "{refused}"
    );
    drop(watcher);
    screen.type_line("y");
    let again = screen.wait_for("[y/N]");
    assert!(
        !again.contains("AnyDesk") && !again.contains("assphrase:"),
        "{again}"
    );
    assert!(again.contains("s390x"), "one reason is left: {again}");
    screen.type_line("n");
    screen.wait_for("nothing was started");
    assert_eq!(screen.finish(), Some(4));
    assert!(desk.is_tidy());
}
