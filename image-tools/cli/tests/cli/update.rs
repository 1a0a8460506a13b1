//! Sticks get a newer version of their image.

use std::sync::Arc;

use gobag_bundle::{Ambient, Bundle, Secret, Session, SessionOptions, VolumePurpose};
use rustix::fs::{FlockOperation, flock};

use super::*;

/// A desk with version 1 on a stick for anna, and version 2 in the repository: one MiB of four is another.
fn desk_with_a_stick() -> Option<(Desk, PathBuf)> {
    let desk = Desk::new()?;
    desk.disk("disk.raw", 4);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let stick = desk.stick("stick");
    let written = desk.write_sticks(&["stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
    change(&desk, 50 * MIB);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    Some((desk, stick))
}

fn change(desk: &Desk, offset: u64) {
    let file = File::options().write(true).open(desk.path("disk.raw")).unwrap();
    let mut noise = vec![0; MIB as usize];
    let mut state = offset | 1;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    file.write_all_at(&noise, offset).unwrap();
}

fn image_of(desk: &Desk) -> String {
    let opened = desk.answer(&["escrow", "open", "stick"]);
    opened["images"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_stick_gets_the_newest_version_and_only_what_it_lacks() {
    let Some((desk, stick)) = desk_with_a_stick() else {
        return;
    };
    let before = files_below(&stick);
    let update = ["update", "--stick", "stick"];
    let planned = desk.answer(&[&update[..], &["--dry-run"]].concat());
    let plan = planned["sticks"][0]["plan"].clone();
    assert_eq!(
        (&plan["images"][0]["from"], &plan["images"][0]["to"]),
        (&1.into(), &2.into())
    );
    // Nobody is there to be asked.
    let unasked = desk.keyed(&update);
    assert_eq!((unasked.exit, unasked.code().as_str()), (2, "term.no-terminal"));
    assert!(
        unasked.stdout.contains("changes to its system given up"),
        "{}",
        unasked.stdout
    );
    assert_eq!(files_below(&stick), before);

    let done = desk.answer(&[&update[..], &["--yes"]].concat())["sticks"][0]["done"].clone();
    assert_eq!(done["written_bytes"], plan["missing_bytes"]);
    let (written, kept) = (done["written_bytes"].as_u64(), done["kept_bytes"].as_u64());
    assert!(written < Some(3 * MIB) && kept > Some(3 * MIB), "{done}");
    assert_eq!(image_of(&desk), "office@2");
    let listed = desk.run(&["list", "--org", "acme", "--sticks"]).stdout;
    assert!(listed.lines().any(|line| line.ends_with("office  2")), "{listed}");
    assert!(stick.join("START-HERE.html").is_file() && stick.join("linux/gobag").is_file());

    // The second time nobody is asked, for nothing changes.
    let again = desk.run(&[
        "update",
        "--stick",
        "stick",
        "--org",
        "acme",
        "--passphrase-file",
        "it",
        "--quiet",
    ]);
    assert_eq!(again.exit, 0, "{}", again.stderr);
    assert!(again.stdout.contains("newest already"), "{}", again.stdout);
}

/// What a guest does on anna's stick.
fn in_a_guest(stick: &Path, purpose: VolumePurpose, offset: u64, data: &[u8]) {
    let secret = Secret::Passphrase(b"anna has a long one");
    let bundle = Bundle::open(stick, &secret, true, Ambient::system()).unwrap();
    let mut session = Session::open(Arc::new(bundle), &SessionOptions::default()).unwrap();
    let volumes = session.volumes();
    let found = volumes.iter().find(|volume| volume.purpose == purpose).unwrap();
    found.volume.write_at(offset, data).unwrap();
    found.volume.flush().unwrap();
    session.close().unwrap();
}

#[test]
fn users_files_on_a_system_whose_home_was_never_mounted_are_not_given_up_by_a_mere_yes() {
    let Some((desk, stick)) = desk_with_a_stick() else {
        return;
    };
    in_a_guest(
        &stick,
        VolumePurpose::System,
        40 * MIB,
        b"a letter in /home of the disk itself",
    );
    let update = ["update", "--stick", "stick"];
    let planned = desk.answer(&[&update[..], &["--dry-run"]].concat());
    assert_eq!(planned["sticks"][0]["plan"]["home_unused"], true, "{planned}");
    let refused = desk.keyed(&[&update[..], &["--yes"]].concat());
    assert_eq!(
        (refused.exit, refused.code().as_str()),
        (2, "update.home-unused"),
        "{}",
        refused.stdout
    );
    assert!(
        refused.stdout.contains("--give-up-system-changes"),
        "{}",
        refused.stdout
    );
    assert_eq!(image_of(&desk), "office@1");
    // Who asks for it is asked once more, in plain words.
    let asked = desk.keyed(&[&update[..], &["--give-up-system-changes"]].concat());
    assert_eq!(asked.code(), "term.no-terminal");
    assert!(
        asked.stdout.contains("ITS HOME VOLUME WAS NEVER USED") && asked.stdout.contains("is gone for good"),
        "{}",
        asked.stdout
    );
    assert_eq!(image_of(&desk), "office@1");
    let given_up = [&update[..], &["--yes", "--give-up-system-changes"]].concat();
    desk.answer(&given_up);
    assert_eq!(image_of(&desk), "office@2");

    // A guest that mounted its home volume once, as ext4 counts it, keeps its users' files there.
    in_a_guest(&stick, VolumePurpose::System, 40 * MIB, b"a setting");
    in_a_guest(&stick, VolumePurpose::Home, 1024 + 0x34, &[1, 0]);
    change(&desk, 52 * MIB);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let planned = desk.answer(&[&update[..], &["--dry-run"]].concat());
    assert_eq!(planned["sticks"][0]["plan"]["home_unused"], false, "{planned}");
    assert_ne!(planned["sticks"][0]["plan"]["given_up_bytes"], 0, "{planned}");
    desk.answer(&[&update[..], &["--yes"]].concat());
    assert_eq!(image_of(&desk), "office@3");
}

#[test]
fn the_start_page_says_what_the_new_version_leaves_on_computers() {
    let Some((desk, stick)) = desk_with_a_stick() else {
        return;
    };
    let page = || fs::read_to_string(stick.join("START-HERE.html")).unwrap();
    let update = ["update", "--stick", "stick", "--yes"];
    let first = page();
    assert!(first.contains("nothing stays on it. "), "{first}");
    change(&desk, 51 * MIB);
    let build = ["build", "disk.raw", "--name", "office", "--remember-on-host"];
    desk.answer(&[&build[..], &["token"]].concat());
    desk.answer(&update);
    let second = page();
    assert!(
        second.contains("nothing stays on it but a few sealed bytes"),
        "{second}"
    );
    assert_eq!(
        second.matches("workstation of anna at Acme").count(),
        1,
        "{second}"
    );
    // Also one that an interrupted run left out.
    fs::remove_file(stick.join("START-HERE.html")).unwrap();
    desk.answer(&update);
    assert_eq!(page(), second);
    desk.answer(&[&build[..], &["off"]].concat());
    desk.answer(&update);
    assert_eq!(page(), first);
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_exit_code() {
    let Some((desk, stick)) = desk_with_a_stick() else {
        return;
    };
    let refused = |args: &[&str]| {
        let ran = desk.keyed(&[&["update", "--yes"], args].concat());
        (ran.exit, ran.code())
    };
    let code = |exit, code: &str| (exit, code.to_owned());
    assert_eq!(
        refused(&["--stick", "stick", "--user-passphrase-file", "wrong"]),
        code(5, "unlock.wrong-passphrase")
    );
    assert_eq!(refused(&["--stick", "acme"]), code(1, "bundle.not-found"));
    assert_eq!(
        refused(&["--stick", "stick", "--image", "cellar"]),
        code(2, "repository.no-such-image")
    );
    desk.answer(&["build", "disk.raw", "--name", "cellar"]);
    assert_eq!(
        refused(&["--stick", "stick", "--image", "cellar"]),
        code(2, "update.no-such-image")
    );
    {
        let held = File::open(stick.join("GOBAG/A/HEADER.GBH")).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(refused(&["--stick", "stick"]), code(7, "bundle.busy"));
    }
    // With its user's passphrase, and one stick of two that fails.
    let both = [
        "--stick",
        "stick",
        "--stick",
        "acme",
        "--user-passphrase-file",
        "anna",
    ];
    let ran = desk.keyed(&[&["update", "--yes"], &both[..]].concat());
    assert_eq!(ran.exit, 1, "{}", ran.stdout);
    let sticks = ran.json()["sticks"].clone();
    assert_eq!(sticks[0]["error"], Value::Null, "{sticks}");
    assert_eq!(sticks[1]["error"]["code"], "bundle.not-found", "{sticks}");
    assert_eq!(image_of(&desk), "office@2");
    assert_eq!(
        refused(&["--stick", "stick", "--image", "office@1"]),
        code(2, "update.older")
    );
}

#[test]
fn ctrl_c_and_kill_leave_the_old_version_and_the_next_run_goes_on() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 4);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let stick = desk.stick("stick");
    let written = desk.write_sticks(&["stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(written.exit, 0, "{}", written.stdout);
    fs::remove_file(desk.path("disk.raw")).unwrap();
    desk.disk("disk.raw", 160);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let start = || {
        let args = [
            "update",
            "--stick",
            "stick",
            "--org",
            "acme",
            "--passphrase-file",
            "it",
            "--yes",
        ];
        let mut command = desk.command(&args);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut child = start();
    let said = interrupt_at(&mut child, "writing");
    // A quick machine may be done before the key is pressed; then there is nothing to see here.
    let stopped = child.wait().unwrap().code() == Some(130);
    if !stopped {
        eprintln!("skipped: done before Ctrl-C");
    }
    assert!(!stopped || said.contains("the stick works as before"), "{said}");
    assert_eq!(image_of(&desk), if stopped { "office@1" } else { "office@2" });
    let mut child = start();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("writing") && errors.read_line(&mut said).unwrap() > 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let last = desk.answer(&["update", "--stick", "stick", "--yes"]);
    assert_eq!(last["sticks"][0]["error"], Value::Null, "{last}");
    let packs = files_below(&stick.join("GOBAG/PACKS")).len();
    let inspected = desk.answer(&["inspect", "office"]);
    assert_eq!(
        inspected["packs"], packs,
        "packs of version 2 and no others: {inspected}"
    );
    assert_eq!(image_of(&desk), "office@2");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => assert!(fs::copy(entry.path(), to).is_ok()),
        }
    }
}

/// Case L11, as far as it exists here: whoever can write to IT's repository, and has none of IT's keys, gets nothing onto a stick.
#[test]
fn what_it_did_not_sign_as_this_version_of_this_image_reaches_no_stick() {
    let Some((desk, stick)) = desk_with_a_stick() else {
        return;
    };
    let rival = ["--org", "rival", "--passphrase-file", "it", "--json", "--quiet"];
    let init = [
        "init",
        "rival",
        "--name",
        "R",
        "--contact",
        "1",
        "--new-passphrase-file",
        "it",
    ];
    assert_eq!(desk.run(&init).exit, 0);
    let build = [&["build", "disk.raw", "--name", "office"][..], &rival].concat();
    assert_eq!(desk.run(&build).exit, 0);
    let (images, kept) = (desk.path("acme/repository/images/office"), desk.path("kept"));
    copy_folder(&images, &kept);
    let file = |version: u32, name: &str| images.join(version.to_string()).join(name);
    type Attack<'a> = (i32, &'a str, &'a dyn Fn());
    let attacks: [Attack<'_>; 6] = [
        (6, "manifest.sealed", &|| {
            copy_folder(&desk.path("rival/repository/images/office/1"), &images.join("3"));
        }),
        (6, "manifest.rolled-back", &|| {
            copy_folder(&images.join("1"), &images.join("3"));
        }),
        (6, "manifest.other-image", &|| {
            let _ = fs::copy(file(1, "manifest.gbm"), file(2, "manifest.gbm")).unwrap();
        }),
        (6, "update.source-damaged", &|| {
            let _ = fs::copy(file(1, "0.gbx"), file(2, "0.gbx")).unwrap();
        }),
        (1, "repository.foreign-file", &|| {
            let endless = File::options().write(true).open(file(2, "manifest.gbm")).unwrap();
            endless.set_len(1 << 40).unwrap();
        }),
        (6, "manifest.sealed", &|| flip(&file(2, "manifest.gbm"), 100)),
    ];
    let before = files_below(&stick);
    for (nth, (exit, code, attack)) in attacks.into_iter().enumerate() {
        attack();
        let ran = desk.keyed(&["update", "--yes", "--stick", "stick"]);
        assert_eq!((ran.exit, ran.code().as_str()), (exit, code), "{nth}");
        fs::remove_dir_all(&images).unwrap();
        copy_folder(&kept, &images);
        assert_eq!(
            (image_of(&desk), files_below(&stick)),
            ("office@1".to_owned(), before.clone()),
            "{nth}"
        );
    }
    let ran = desk.keyed(&["update", "--yes", "--stick", "stick"]);
    assert_eq!((ran.exit, image_of(&desk).as_str()), (0, "office@2"));
}
