//! A computer that remembers a stick, because IT asks for it: an earlier copy is refused, and let in with IT's token.

#![expect(clippy::disallowed_methods, reason = "puts copies of sticks back")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_bundle::{Ambient, Bundle, Secret, Session, SessionError, SessionOptions, store::StoreError};
use gobag_format::{
    crypto::Key,
    keyslot::KdfCost,
    sign::SigningKey,
    token::{RestoreRequest, RestoreToken},
};
use serde_json::json;

use crate::{
    program::{Desk, Ran, Running},
    stick::{Contents, PASSPHRASE, Stick},
};

/// A processor that no computer here has: the program opens the stick and then starts nothing.
const OTHER: &str = "s390x";

fn stick(rule: &str) -> Stick {
    Stick::new(&Contents {
        policy: json!({ "remember_on_host": rule }),
        requirements: json!({ "architecture": OTHER }),
        ..Contents::default()
    })
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What changes on a stick: its headers, log and checkpoints.
fn copy(stick: &Stick) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = ["A", "B", "LOG", "CKPT"].map(|name| stick.path().join("GOBAG").join(name));
    let files = folders.iter().flat_map(|folder| self::folders(folder));
    files
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect()
}

fn put_back(copy: &BTreeMap<PathBuf, Vec<u8>>) {
    copy.iter()
        .for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
}

/// Work on another computer, which nobody here hears of.
fn work_elsewhere(stick: &Stick, byte: u8) {
    let secret = Secret::Passphrase(PASSPHRASE.as_bytes());
    let bundle = Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap();
    let mut session = Session::open(Arc::new(bundle), &SessionOptions::default()).unwrap();
    let home = session
        .volumes()
        .iter()
        .find(|volume| volume.name == "home")
        .unwrap();
    home.volume.write_at(0, &[byte; 4096]).unwrap();
    session.close().unwrap();
}

/// Pulled out here, given another passphrase elsewhere, and back: what this session knows of the header would undo that.
#[test]
fn a_stick_with_a_new_passphrase_from_elsewhere_is_another_one_to_a_session() {
    let stick = Stick::new(&Contents::default());
    let opened = |passphrase: &str| {
        let secret = Secret::Passphrase(passphrase.as_bytes());
        Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap()
    };
    let before = copy(&stick);
    let cost = KdfCost {
        memory_kib: 64 << 10,
        passes: 1,
        lanes: 2,
    };
    opened(PASSPHRASE)
        .set_passphrase(b"battery staple", cost)
        .unwrap();
    let elsewhere = copy(&stick);
    put_back(&before);
    let session = Session::open(Arc::new(opened(PASSPHRASE)), &SessionOptions::default()).unwrap();
    session.reattach(stick.path()).unwrap();
    put_back(&elsewhere);
    let refused = session.reattach(stick.path()).unwrap_err();
    assert!(
        matches!(refused, SessionError::Store(StoreError::OtherState)),
        "{refused:?}"
    );
    drop(session);
    opened("battery staple");
}

/// A session that has begun here.
fn begun(desk: &Desk, stick: &Stick) -> Running {
    let mut running = desk.start(&[
        &"mount",
        &"--door",
        &"nbd",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"right",
    ]);
    running.words.wait_for("The disks are open");
    running
}

/// A session here from beginning to end; what was said.
fn session(desk: &Desk, stick: &Stick) -> Vec<String> {
    let mut running = begun(desk, stick);
    assert_eq!(desk.run(&[&"stop"]).exit, 0);
    assert_eq!(running.finish(), Some(0));
    running.words.all().to_vec()
}

fn start(desk: &Desk, stick: &Stick, more: &[&dyn AsRef<std::ffi::OsStr>]) -> Ran {
    let path = stick.path();
    let command: [&dyn AsRef<std::ffi::OsStr>; 6] = [
        &"--json",
        &"start",
        &"--stick",
        &path,
        &"--passphrase-file",
        &"right",
    ];
    desk.run(&[&command, more].concat())
}

/// The code for IT in a refusal.
fn told(ran: &Ran) -> String {
    let json = ran.json();
    let hints = json["error"]["hints"].as_array().unwrap();
    let hints = hints.iter().map(|hint| hint.as_str().unwrap());
    let (_, code) = hints
        .filter_map(|hint| hint.split_once("read them this: "))
        .next()
        .unwrap_or_else(|| panic!("{json}"));
    code.to_owned()
}

fn token(stick: &Stick, code: &str, number: u64, key: &SigningKey) -> String {
    let request = RestoreRequest::parse(code, stick.bundle).unwrap();
    RestoreToken {
        org: stick.secrets.org,
        bundle: stick.bundle,
        request,
        number,
    }
    .sign(key)
}

/// Remembers the stick at a later moment than that of the copy, which is then put back.
fn put_back_after_work(desk: &Desk, stick: &Stick) -> BTreeMap<PathBuf, Vec<u8>> {
    session(desk, stick);
    let earlier = copy(stick);
    work_elsewhere(stick, 1);
    session(desk, stick);
    put_back(&earlier);
    earlier
}

#[test]
fn an_earlier_copy_is_refused_and_let_in_once_with_its_token() {
    let (desk, stick) = (Desk::new(), stick("token"));
    let earlier = put_back_after_work(&desk, &stick);
    let path = stick.path();
    let passphrase: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"--stick", &path, &"--passphrase-file", &"right"];
    for more in [
        &[][..],
        &[&"--accept-earlier-state" as &dyn AsRef<std::ffi::OsStr>],
    ] {
        let ran = start(&desk, &stick, more);
        assert_eq!((ran.exit, &*ran.code()), (6, "memory.earlier-state"), "{ran:?}");
    }
    for command in ["mount", "passwd"] {
        let new: &[&dyn AsRef<std::ffi::OsStr>] = match command {
            "passwd" => &[&"--new-passphrase-file", &"new"],
            _ => &[],
        };
        let ran = desk.run(&[&[&"--json" as &dyn AsRef<_>, &command], &passphrase[..], new].concat());
        assert_eq!(
            (ran.exit, &*ran.code()),
            (6, "memory.earlier-state"),
            "{command} {ran:?}"
        );
    }
    let ran = desk.run(&[&[&"verify" as &dyn AsRef<_>], &passphrase[..]].concat());
    assert!(
        ran.exit == 3 && ran.stdout.contains("(memory.earlier-state)"),
        "{ran:?}"
    );
    assert!(copy(&stick) == earlier, "a refused stick was changed");

    let code = told(&start(&desk, &stick, &[]));
    let (ours, forger) = (
        stick.secrets.signing_key(),
        SigningKey::from_seed(&Key::from_bytes([1; 32])),
    );
    let with = |text: &str| {
        fs::write(desk.path("token"), text).unwrap();
        start(&desk, &stick, &[&"--restore-token", &"token"])
    };
    for (text, expected) in [
        (token(&stick, &code, 7, &forger), "token.bad-signature"),
        ("please".to_owned(), "token.malformed"),
        ("x".repeat(1 << 20), "token.too-large"),
    ] {
        let ran = with(&text);
        assert_eq!((ran.exit, &*ran.code()), (1, expected), "{ran:?}");
    }
    let ran = start(&desk, &stick, &[&"--restore-token", &"nowhere"]);
    assert_eq!((ran.exit, &*ran.code()), (2, "gobag.token-file"), "{ran:?}");

    let right = token(&stick, &code, 7, &ours);
    let ran = with(&right);
    // Let in; that this computer is too small for the image is another matter.
    assert_eq!((ran.exit, &*ran.code()), (4, "gobag.host-unfit"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("the earlier state of the stick that your IT agreed to"),
        "{ran:?}"
    );
    let said = session(&desk, &stick).join("\n");
    assert!(!said.contains("warn"), "{said}");
    assert_eq!(stick.home()[0], 0, "the earlier state is another one");

    work_elsewhere(&stick, 2);
    session(&desk, &stick);
    put_back(&earlier);
    let ran = with(&right);
    assert_eq!((ran.exit, &*ran.code()), (1, "token.used"), "{ran:?}");
}

#[test]
fn what_a_frightened_person_reads() {
    let (desk, stick) = (Desk::new(), stick("ask"));
    put_back_after_work(&desk, &stick);
    let code = told(&start(&desk, &stick, &[]));
    let ran = desk.run(&[
        &"start",
        &"-q",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"right",
    ]);
    let words = format!(
        "error: the stick is in an earlier state than when it was last seen here (change 0, header 1; seen were change 1, header 1)\n\
         hint: nothing was changed, and what is on the stick is still there: an earlier copy of it was put back, or it lost what it had saved\n\
         hint: phone your IT, at the number you know (START-HERE.html on the stick has one, too), and read them this: {code}\n\
         hint: if they agree, they send you a restore token; then `gobag start --restore-token FILE`\n\
         hint: or go on without them, with `gobag start --accept-earlier-state`; what came after the earlier state is gone\n"
    );
    ran.is(6, "", &words);
    // Where IT leaves it to the user, the user may.
    let ran = start(&desk, &stick, &[&"--accept-earlier-state"]);
    assert_eq!((ran.exit, &*ran.code()), (4, "gobag.host-unfit"), "{ran:?}");
    assert!(ran.stderr.contains("what came after it is gone"), "{ran:?}");
    session(&desk, &stick);
}

#[test]
fn the_computer_keeps_256_private_bytes_and_says_so() {
    let (desk, stick) = (Desk::new(), stick("token"));
    let said = session(&desk, &stick).join("\n");
    let memory = desk.path("state/gobag/memory");
    assert!(
        said.contains("As your IT chose, this computer remembers"),
        "{said}"
    );
    assert!(said.contains(memory.to_str().unwrap()), "{said}");
    let files = folders(&memory);
    assert_eq!(files.len(), 1, "{files:?}");
    let meta = fs::metadata(&files[0]).unwrap();
    assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (256, 0o600));
    let name = files[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(!name.contains(&stick.bundle.to_string()[..8]), "{name}");
    let ran = desk.run(&[&"check", &"--quick"]);
    assert!(
        ran.stderr.contains("remembers the last state of 1 stick(s) in"),
        "{ran:?}"
    );
    let ran = desk.run(&[&"--json", &"check", &"--quick"]);
    assert_eq!(ran.json()["memory"]["sticks"], 1);
    // A memory that is damaged is said to be, and in nobody's way.
    fs::write(&files[0], [7; 256]).unwrap();
    let said = session(&desk, &stick).join("\n");
    assert!(
        said.contains("warn what is remembered of the stick cannot be used (not a memory of a stick)"),
        "{said}"
    );
    let said = session(&desk, &stick).join("\n");
    assert!(!said.contains("warn"), "{said}");
}

#[test]
fn nothing_is_said_to_stay_where_nothing_does() {
    let (desk, stick) = (Desk::new(), stick("token"));
    let verify = || {
        desk.run(&[
            &"verify",
            &"--stick",
            &stick.path(),
            &"--passphrase-file",
            &"right",
        ])
    };
    let verified = verify();
    assert_eq!(verified.exit, 0, "{verified:?}");
    let thrown_away = start(&desk, &stick, &[&"--throwaway"]);
    assert_eq!(thrown_away.code(), "gobag.host-unfit", "{thrown_away:?}");
    let refused = start(&desk, &stick, &[&"--restore-token", &"nowhere"]);
    assert_eq!(refused.code(), "gobag.token-file", "{refused:?}");
    for ran in [verified, thrown_away, refused] {
        assert!(!ran.stderr.contains("this computer remembers"), "{ran:?}");
    }
    assert!(!desk.path("state").exists());
    session(&desk, &stick);
    let verified = verify();
    assert!(
        verified.stderr.contains("this computer remembers"),
        "{verified:?}"
    );
}

#[test]
fn without_it_s_word_nothing_stays() {
    let (desk, stick) = (Desk::new(), stick("off"));
    let said = session(&desk, &stick).join("\n");
    assert!(!said.contains("remember"), "{said}");
    assert!(!desk.path("state").exists());
    let ran = desk.run(&[&"--json", &"check", &"--quick"]);
    assert!(ran.json().get("memory").is_none(), "{ran:?}");
}

#[test]
fn a_killed_launcher_s_memory_refuses_nobody() {
    let (desk, stick) = (Desk::new(), stick("token"));
    for round in 0..3 {
        work_elsewhere(&stick, round);
        begun(&desk, &stick).kill();
    }
    let said = session(&desk, &stick).join("\n");
    assert!(!said.contains("warn"), "{said}");
}
