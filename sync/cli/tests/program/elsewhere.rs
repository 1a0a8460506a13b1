//! Two computers and a workspace that is at no server.

#[path = "../../../stores/tests/stores/endpoints.rs"]
#[expect(dead_code, reason = "the other places are tested where passes are")]
mod places;

use std::{fs, os::unix::fs::PermissionsExt as _};

use places::Endpoint;
use rustix::process::Signal;

use crate::desk::Desk;

fn mode(desk: &Desk, path: &str) -> u32 {
    fs::metadata(desk.at(path)).unwrap().permissions().mode() & 0o777
}

/// Ada has made the workspace `sales` on a share, and put a file there; Bob has joined it.
fn on_a_share() -> Desk {
    let desk = Desk::new();
    for folder in ["share", "bob"] {
        fs::create_dir(desk.at(folder)).unwrap();
    }
    desk.write("ada/letter", "first");
    let share = desk.at("share");
    desk.is(
        &format!(
            "workspace make sales --at {} --letter sales.letter --state 1",
            share.display()
        ),
        0,
        &["Only one member writes", "gobag-sync join LETTER"],
    );
    desk.is(
        "pair ada workspace:sales --state 1",
        0,
        &["are a pair", "will be the first who has something"],
    );
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put"]);
    desk.is("join sales.letter --state 2", 0, &["has the key of `sales`"]);
    desk.is(
        "pair bob workspace:sales --state 2",
        0,
        &["warn Only one member writes", "take-over sales"],
    );
    desk.is("sync bob workspace:sales --state 2", 0, &["In your folder 1 put"]);
    desk
}

#[test]
fn without_a_server_one_writes_the_others_read_and_it_can_be_taken_over() {
    let desk = on_a_share();
    assert_eq!(
        (mode(&desk, "sales.letter"), mode(&desk, "1/member.json")),
        (0o600, 0o600)
    );
    let share = desk.at("share").display().to_string();
    desk.is(
        &format!("workspace make more --at {share} --letter sales.letter --state 1"),
        1,
        &["cannot write the letter"],
    );
    desk.is(
        &format!("workspace make more --at {share} --letter more.letter --state 1"),
        1,
        &["another workspace is kept at"],
    );
    assert!(!desk.at("more.letter").exists());
    desk.write("bob/mine", "of Bob");
    desk.is(
        "sync bob workspace:sales --state 2",
        1,
        &[
            "(user ",
            "is the one who writes there, and only one may",
            "workspace take-over",
        ],
    );
    desk.is("workspace take-over sales --state 2", 0, &["the one who writes"]);
    desk.is("sync bob workspace:sales --state 2", 0, &["1 put"]);
    desk.is("sync ada workspace:sales --state 1", 0, &["In your folder 1 put"]);
    desk.write("ada/late", "of Ada");
    desk.is("sync ada workspace:sales --state 1", 1, &["only one may"]);
    assert_eq!(desk.read("ada/late"), "of Ada");
}

#[test]
fn a_share_that_is_not_mounted_deletes_nothing_and_may_be_elsewhere() {
    let desk = on_a_share();
    fs::rename(desk.at("share"), desk.at("moved")).unwrap();
    desk.is(
        "sync ada workspace:sales --state 1",
        1,
        &["there is no workspace at", "mounted"],
    );
    // As empty as where one is mounted.
    fs::create_dir(desk.at("share")).unwrap();
    desk.is(
        "sync ada workspace:sales --state 1",
        1,
        &["there is no workspace at"],
    );
    assert!(fs::read_dir(desk.at("share")).unwrap().next().is_none());
    desk.write("ada/letter", "second");
    let moved = desk.at("moved").display().to_string();
    desk.is(&format!("join sales.letter --state 1 --at {moved}"), 0, &[]);
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put"]);
}

#[test]
fn who_watches_a_share_looks_every_so_often() {
    let desk = on_a_share();
    let mut watch = desk.start("sync bob workspace:sales --state 2 --watch --every 1s");
    watch.says("kept so");
    desk.write("ada/new", "of Ada");
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put"]);
    watch.says("In your folder 1 put");
    assert_eq!(desk.read("bob/new"), "of Ada");
    let (code, heard) = watch.end(Signal::INT);
    assert_eq!(code, Some(0), "{heard:?}");
}

#[test]
fn credentials_are_for_their_owner_alone_and_go_nowhere_in_the_clear() {
    let desk = Desk::new();
    desk.write("credentials", "name = ada\nsecret = nobody-knows\n");
    fs::set_permissions(desk.at("credentials"), fs::Permissions::from_mode(0o644)).unwrap();
    let make =
        "workspace make sales --at webdav://files.example/dav --letter l --credentials credentials --state 1";
    desk.is(make, 1, &["others can read the credentials", "chmod 600"]);
    fs::set_permissions(desk.at("credentials"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.is(make, 1, &["without TLS", "webdavs://"]);
    assert!(!desk.at("l").exists());
    desk.is(
        "workspace make sales --at sftp://-oProxyCommand=x/srv --letter l --state 1",
        2,
        &["begins with a letter or digit"],
    );
}

/// The place of an endpoint, and the words that name its credentials.
fn words(desk: &Desk, endpoint: &Endpoint) -> [String; 2] {
    let [name, secret] = endpoint.credentials.unwrap();
    desk.write("credentials", &format!("name = {name}\nsecret = {secret}\n"));
    fs::set_permissions(desk.at("credentials"), fs::Permissions::from_mode(0o600)).unwrap();
    let place = format!("{}/sales{}", endpoint.place, endpoint.query);
    [place, "--credentials credentials".to_owned()]
}

#[test]
fn in_a_bucket_that_was_tried_all_members_write() {
    let desk = Desk::new();
    let Some(moto) = Endpoint::moto() else {
        return;
    };
    let [place, credentials] = words(&desk, &moto);
    desk.is(
        &format!("workspace make sales --at {place} --letter sales.letter {credentials} --state 1"),
        0,
        &["all members may write there, also at once"],
    );
    assert!(!desk.read("sales.letter").contains("credentials"));
    desk.is(&format!("join sales.letter {credentials} --state 2"), 0, &[]);
    for (number, name) in [(1, "ada"), (2, "bob")] {
        desk.write(&format!("{name}/{name}"), "mine");
        desk.is(
            &format!("pair {name} workspace:sales --state {number}"),
            0,
            &["all members may write"],
        );
        desk.is(
            &format!("sync {name} workspace:sales --state {number}"),
            0,
            &["1 put"],
        );
    }
    assert!(
        desk.read("2/member.json").contains("is refused"),
        "how it was proved is remembered"
    );
    desk.is("sync ada workspace:sales --state 1", 0, &["In your folder 1 put"]);
    desk.is(
        "workspace take-over sales --state 1",
        2,
        &["all members may write"],
    );
}

#[test]
fn s40_a_bucket_that_ignores_conditions_is_refused_or_takes_one_writer() {
    let desk = Desk::new();
    let Some(rclone) = Endpoint::rclone_s3() else {
        return;
    };
    let [place, credentials] = words(&desk, &rclone);
    let make = format!("workspace make sales --at {place} --letter sales.letter {credentials} --state 1");
    desk.is(&make, 1, &["ignores `If-None-Match: *`", "--single-writer"]);
    assert!(!desk.at("sales.letter").exists());
    desk.is(&format!("{make} --single-writer"), 0, &["Only one member writes"]);
}
