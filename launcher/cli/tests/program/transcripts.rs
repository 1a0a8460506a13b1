//! What the program prints and with which code it ends, when it is used wrongly, when the stick is not what it should be,
//! and when the computer is not good enough.

#![expect(clippy::disallowed_methods, reason = "prepares files for tests")]

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use gobag_bundle::medium::FileRef;
use gobag_format::{
    digest::Digest,
    limits::{HEADER_SLOT_LEN, HEADER_SLOT_STRIDE, HEADER_SLOTS},
};
use serde_json::json;

use crate::{
    program::Desk,
    stick::{Contents, Stick, flip},
};

fn plain_stick() -> Stick {
    Stick::new(&Contents::default())
}

#[test]
fn a_wrong_command_line_is_refused_with_its_usage() {
    let desk = Desk::new();
    desk.run(&[&"frobnicate"]).is(
        2,
        "",
        "error: unrecognized subcommand 'frobnicate'\n\nUsage: gobag [OPTIONS] <COMMAND>\n\nFor more information, try \
         '--help'.\n",
    );
    for args in [
        &[&"start" as &dyn AsRef<std::ffi::OsStr>, &"--headless", &"--vnc"][..],
        &[&"start", &"--reset-system", &"--throwaway"],
        &[&"start", &"--memory", &"much"],
        &[&"verify", &"--passphrase", &"never on a command line"],
        &[
            &"passwd",
            &"--passphrase-file",
            &"right",
            &"--passphrase-fd",
            &"3",
        ],
        &[],
    ] {
        let ran = desk.run(args);
        assert_eq!((ran.exit, &*ran.stdout), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("--help"), "{ran:?}");
    }
}

#[test]
fn a_folder_without_a_stick_is_refused() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    for command in ["start", "verify", "mount", "passwd", "status"] {
        desk.run(&[&command, &"--stick", &"empty"]).is(
            2,
            "",
            "error: there is no Gobag stick at empty\nhint: name the stick's own folder, the one with START-HERE.html in \
             it\n",
        );
    }
    let ran = desk.run(&[&"verify", &"--stick", &"empty", &"--json"]);
    assert_eq!(
        (ran.exit, ran.code().as_str(), &*ran.stderr),
        (2, "gobag.not-a-stick", "")
    );
    assert_eq!(ran.json()["error"]["exit"], 2);
}

#[test]
fn without_a_session_there_is_nothing_to_say_or_to_stop() {
    let desk = Desk::new();
    desk.run(&[&"status"]).is(0, "No workstation is running.\n", "");
    desk.run(&[&"status", &"--json"])
        .is(0, "{\n  \"sessions\": []\n}\n", "");
    desk.run(&[&"stop"])
        .is(1, "", "error: no workstation is running\n");
    let ran = desk.run(&[&"stop", &"--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (1, "gobag.not-running"));
}

#[test]
fn check_says_the_same_in_words_and_as_a_document() {
    let desk = Desk::new();
    let document = desk.run(&[&"check", &"--quick", &"--json"]);
    let mode = &document.json()["decision"]["mode"];
    assert_eq!(document.exit, if mode.is_null() { 4 } else { 0 });
    let findings = document.json()["decision"]["findings"].clone();
    let text = desk.run(&[&"check", &"--quick"]);
    assert_eq!(text.exit, document.exit);
    for finding in findings
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|mode| mode["findings"].as_array().unwrap())
    {
        let title = finding["title"].as_str().unwrap();
        let first = title.split(' ').next().unwrap();
        assert!(text.stdout.contains(first), "`{title}` is not in {}", text.stdout);
    }
    assert!(document.json()["facts"]["cores"].is_object());
}

#[test]
fn a_computer_that_is_not_good_enough_is_exit_4() {
    let desk = Desk::new();
    let impossible = json!({"min_memory_total_bytes": 1u64 << 50});
    fs::write(desk.path("impossible.json"), impossible.to_string()).unwrap();
    let check = desk.run(&[&"check", &"--quick", &"--requirements", &"impossible.json"]);
    assert_eq!(check.exit, 4, "{check:?}");
    for line in [
        "As a virtual machine: not possible",
        "As a container: not possible",
        "  FAIL Memory built in: this PC has too little memory; use another one",
        "This computer cannot run your workstation. What to do stands above; another PC is often the fastest help.",
    ] {
        assert!(
            check.stdout.lines().any(|said| said == line),
            "{line}: {}",
            check.stdout
        );
    }
    fs::write(desk.path("nonsense.json"), "{\"min_cores\": \"many\"}").unwrap();
    let nonsense = desk.run(&[&"check", &"--quick", &"--requirements", &"nonsense.json"]);
    assert_eq!((nonsense.exit, &*nonsense.stdout), (2, ""), "{nonsense:?}");
    assert!(
        nonsense
            .stderr
            .starts_with("error: cannot use the requirements in nonsense.json: "),
        "{nonsense:?}"
    );

    // The image's own requirements are in its signed manifest.
    let stick = Stick::new(&Contents {
        requirements: impossible,
        ..Contents::default()
    });
    let start = start(&desk, stick.path(), &[&"--json"]);
    assert_eq!(
        (start.exit, start.code().as_str()),
        (4, "gobag.host-unfit"),
        "{start:?}"
    );
    assert!(desk.is_tidy());
}

fn start(desk: &Desk, stick: &Path, more: &[&dyn AsRef<std::ffi::OsStr>]) -> crate::program::Ran {
    let right = desk.path("right");
    let args: [&dyn AsRef<std::ffi::OsStr>; 5] = [&"start", &"--stick", &stick, &"--passphrase-file", &right];
    desk.run(&[&args[..], more].concat())
}

#[test]
fn an_image_that_is_not_on_the_stick_is_named() {
    let (desk, stick) = (Desk::new(), plain_stick());
    start(&desk, stick.path(), &[&"--image", &"laboratory"]).is(
        2,
        "",
        "error: the stick has no image named `laboratory`\nhint: images on this stick: office\n",
    );
    assert!(desk.is_tidy());
}

#[test]
fn a_wrong_passphrase_is_exit_5_and_changes_nothing() {
    let (desk, stick) = (Desk::new(), plain_stick());
    let before = fs::read(stick.file(FileRef::Header(0))).unwrap();
    for command in ["start", "verify", "mount"] {
        desk.run(&[&command, &"--stick", &stick.path(), &"--passphrase-file", &"wrong"]).is(
            5,
            "",
            "error: wrong passphrase\nhint: check Caps Lock and the keyboard's language; trying again erases nothing\nhint: \
             if you forgot it, phone your IT: they can set a new one\n",
        );
    }
    let ran = desk.run(&[
        &"verify",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"wrong",
        &"--json",
    ]);
    assert_eq!((ran.exit, ran.code().as_str()), (5, "unlock.wrong-passphrase"));
    assert_eq!(fs::read(stick.file(FileRef::Header(0))).unwrap(), before);
    // Without a terminal nobody can be asked.
    let unasked = desk.run(&[&"verify", &"--stick", &stick.path()]);
    assert_eq!((unasked.exit, &*unasked.stdout), (2, ""), "{unasked:?}");
}

#[test]
fn a_new_passphrase_replaces_the_old_one() {
    let (desk, stick) = (Desk::new(), plain_stick());
    let changed = desk.run(&[
        &"passwd",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"right",
        &"--new-passphrase-file",
        &"new",
    ]);
    changed.is(
        0,
        "The passphrase is changed; from now on only the new one opens this stick.\n",
        "",
    );
    let verify = |passphrase: &str| {
        desk.run(&[
            &"verify",
            &"--stick",
            &stick.path(),
            &"--passphrase-file",
            &passphrase,
            &"--json",
            &"-q",
        ])
    };
    assert_eq!((verify("right").exit, verify("new").exit), (5, 0));
    let back = desk.run(&[
        &"passwd",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"new",
        &"--new-passphrase-file",
        &"right",
        &"--json",
    ]);
    assert_eq!(
        back.json(),
        json!({"bundle": stick.bundle.to_string(), "changed": true})
    );
    assert_eq!((verify("right").exit, verify("new").exit), (0, 5));
}

#[test]
fn verify_lists_damage_and_ends_with_3() {
    let (desk, stick) = (Desk::new(), plain_stick());
    let verify = |more: &[&dyn AsRef<std::ffi::OsStr>]| {
        let args: [&dyn AsRef<std::ffi::OsStr>; 6] = [
            &"verify",
            &"--stick",
            &stick.path(),
            &"--passphrase-file",
            &"right",
            &"-q",
        ];
        desk.run(&[&args[..], more].concat())
    };
    verify(&[]).is(
        0,
        "Read 2.0 MiB in 1 packs of 1 images, and 0 changed blocks.\nok   No damage was found.\n",
        "",
    );
    flip(&stick.pack(), 5_000);
    let damaged = verify(&[]);
    assert_eq!((damaged.exit, &*damaged.stderr), (3, ""));
    let lines: Vec<&str> = damaged.stdout.lines().collect();
    assert_eq!(
        (lines[0], lines[lines.len() - 1]),
        (
            "Read 2.0 MiB in 1 packs of 1 images, and 0 changed blocks.",
            "What is not named here is sound. Phone your IT: they can repair or replace the stick."
        )
    );
    assert!(
        lines[1..lines.len() - 1]
            .iter()
            .all(|line| line.starts_with("FAIL ")),
        "{damaged:?}"
    );
    let document = verify(&[&"--json"]);
    assert_eq!(document.exit, 3);
    assert!(!document.json()["findings"].as_array().unwrap().is_empty());

    // A manifest is needed before anything can be read at all.
    flip(&stick.file(FileRef::Manifest(stick.image)), 100);
    let refused = start(&desk, stick.path(), &[&"--json"]);
    assert_eq!(refused.exit, 6, "{refused:?}");
    assert_eq!(refused.code(), "manifest.not-the-recorded");
    assert!(desk.is_tidy());
}

#[test]
fn a_stick_of_a_later_version_is_not_damaged_but_refused() {
    let (desk, stick) = (Desk::new(), plain_stick());
    for number in 0..2 {
        let path = stick.file(FileRef::Header(number));
        let file = File::options().read(true).write(true).open(&path).unwrap();
        for slot in 0..HEADER_SLOTS as u64 {
            let at = slot * HEADER_SLOT_STRIDE;
            let mut bytes = vec![0; HEADER_SLOT_LEN];
            file.read_exact_at(&mut bytes, at).unwrap();
            bytes[8..10].copy_from_slice(&2u16.to_le_bytes());
            let (front, checksum) = bytes.split_at_mut(HEADER_SLOT_LEN - 32);
            checksum.copy_from_slice(&Digest::of(front).0);
            file.write_all_at(&bytes, at).unwrap();
        }
    }
    for command in ["start", "verify", "mount"] {
        let ran = desk.run(&[
            &command,
            &"--stick",
            &stick.path(),
            &"--passphrase-file",
            &"right",
        ]);
        assert_eq!((ran.exit, &*ran.stdout), (1, ""), "{ran:?}");
        assert!(
            ran.stderr.ends_with(
                "hint: use the program that lies on the stick itself; this one is older than the stick\n"
            ),
            "{ran:?}"
        );
    }
    let ran = desk.run(&[
        &"verify",
        &"--stick",
        &stick.path(),
        &"--passphrase-file",
        &"right",
        &"--json",
    ]);
    assert_eq!(ran.code(), "header.newer-format");
}

#[test]
fn a_stick_without_a_whole_header_is_damaged() {
    let (desk, stick) = (Desk::new(), plain_stick());
    for number in 0..2 {
        (0..HEADER_SLOTS as u64).for_each(|slot| {
            flip(
                &stick.file(FileRef::Header(number)),
                slot * HEADER_SLOT_STRIDE + 60,
            )
        });
    }
    let ran = start(&desk, stick.path(), &[&"--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "header.damaged"), "{ran:?}");
    assert!(!ran.json()["error"]["hints"].as_array().unwrap().is_empty());
}
