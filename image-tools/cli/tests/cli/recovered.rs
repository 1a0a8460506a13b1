//! A lost stick's volumes back from a real server: to the newest moment, to a name, to a time; and what is refused.

use serde_json::json;

use super::{
    site::{AtWork, Fleet, content, open},
    *,
};

/// A fleet and a stick that sent three states, half an hour apart: the second has a name. Returns the home volume of each.
fn three_states() -> Option<(Fleet, String, [Vec<u8>; 3])> {
    let fleet = Fleet::new()?;
    let mut work = AtWork::new(&fleet, &fleet.stick("anna"));
    let first = work.work(1, None);
    fleet.site.clock.advance(1800);
    let second = work.work(2, Some("before the update"));
    fleet.site.clock.advance(1800);
    let third = work.work(3, None);
    let number = work.bundle.to_string();
    assert!(first != second && second != third);
    Some((fleet, number, [first, second, third]))
}

impl Fleet {
    /// Brings the home volume back into a file; returns it and what was said.
    fn disk(&self, number: &str, file: &str, when: &[&str]) -> (Vec<u8>, Value) {
        let ran = self.recover(&[&["disk", number, "--output", file], when].concat());
        assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
        (fs::read(self.desk.path(file)).unwrap(), ran.json())
    }
}

#[test]
fn the_time_of_a_clock_in_doubt_is_shown_as_that() {
    let Some(fleet) = Fleet::new() else { return };
    let mut work = AtWork::new(&fleet, &fleet.stick("anna"));
    work.work(1, None);
    fleet.site.clock.advance(2 * 86_400);
    work.work(2, None);
    let number = work.bundle.to_string();
    let listed = fleet.recover(&["points", &number]).json();
    let doubts = [0, 1].map(|nth| listed["points"][nth]["time_doubtful"].clone());
    assert_eq!(doubts, [json!(true), json!(false)], "{listed}");
    let ran = fleet.recover(&["disk", &number, "--output", "home.raw"]);
    assert!(
        ran.exit == 0 && ran.stderr.contains("clock was in doubt"),
        "{}",
        ran.stderr
    );
}

#[test]
fn each_moment_comes_back_as_it_was() {
    let Some((fleet, number, [first, second, third])) = three_states() else {
        return;
    };
    let listed = fleet.recover(&["points", &number]).json();
    let points = listed["points"].as_array().unwrap();
    let generations: Vec<_> = points
        .iter()
        .map(|point| point["generation"].as_u64().unwrap())
        .collect();
    assert_eq!(generations, [3, 2, 1], "{listed}");
    assert_eq!(
        points[1]["bookmarks"],
        json!([{"kind": "user", "name": "before the update"}])
    );
    let named = fleet
        .recover(&["points", &number, "--bookmarks", "--limit", "5"])
        .json();
    assert_eq!(named["points"].as_array().unwrap().len(), 1);

    let (latest, said) = fleet.disk(&number, "latest.raw", &[]);
    assert!(latest == third && said["generation"] == json!(3));
    assert_eq!(said["size_bytes"], json!(third.len()));
    let (by_name, said) = fleet.disk(&number, "named.raw", &["--bookmark", "before the update"]);
    assert!(by_name == second && said["generation"] == json!(2));
    let (newest_name, _) = fleet.disk(&number, "any-name.raw", &["--bookmark"]);
    assert!(newest_name == second);
    // At the very second of a point it counts, and until the next one.
    let at = |nth: usize| points[nth]["time_utc"].as_str().unwrap().to_owned();
    let (at_first, said) = fleet.disk(&number, "first.raw", &["--at", &at(2)]);
    assert!(at_first == first && said["time_utc"] == points[2]["time_utc"]);
    let (at_second, _) = fleet.disk(&number, "second.raw", &["--at", &at(1)]);
    assert!(at_second == second);
    let (named_before, _) = fleet.disk(
        &number,
        "before.raw",
        &["--bookmark", "before the update", "--at", &at(0)],
    );
    assert!(named_before == second);
    // The system as it was lies over the image's own.
    let system = fleet.recover(&["disk", &number, "--volume", "office", "--output", "system.raw"]);
    assert_eq!(system.exit, 0, "{}{}", system.stdout, system.stderr);
    let golden = fs::read(fleet.desk.path("disk.raw")).unwrap();
    let system = fs::read(fleet.desk.path("system.raw")).unwrap();
    assert!(system[..golden.len()] == golden[..]);
}

#[test]
fn a_new_stick_takes_the_lost_one_s_place_also_of_a_revoked_one() {
    let Some((fleet, number, [_, second, _])) = three_states() else {
        return;
    };
    let place = fleet.stick("ben");
    let revoke = ["company", "revoke", &number, "--reason", "lost", "--yes"];
    assert_eq!(fleet.ask("operator", &revoke).exit, 0);
    let onto = ["stick", &number, "ben-stick", "--bookmark", "before the update"];
    let ran = fleet.recover(&[&onto[..], &["--yes"]].concat());
    assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
    let said = ran.json();
    assert_eq!(
        (&said["lost"], &said["user"], &said["generation"]),
        (&json!(number), &json!("ben"), &json!(2))
    );
    assert!(content(&open(&place, false)) == second);
    let same = fleet.recover(&["stick", &number, "anna-stick", "--yes"]);
    assert_eq!((same.exit, same.code().as_str()), (2, "recover.same-stick"));
}

#[test]
fn what_cannot_be_recovered_is_refused_and_writes_nothing() {
    let Some((fleet, number, _)) = three_states() else {
        return;
    };
    let disk = |words: &[&str]| fleet.recover(&[&["disk"], words, &["--output", "new.raw"]].concat());
    let early = disk(&[&number, "--at", "2001-01-01T00:00Z"]);
    let other_name = disk(&[&number, "--bookmark", "after the update"]);
    let no_volume = disk(&[&number, "--volume", "attic"]);
    let typed = disk(&["seven"]);
    let no_time = disk(&[&number, "--at", "yesterday"]);
    for (ran, code) in [
        (early, "recover.no-point"),
        (other_name, "recover.no-point"),
        (no_volume, "recover.volume"),
        (typed, "recover.number"),
        (no_time, "recover.time"),
    ] {
        assert_eq!((ran.exit, ran.code().as_str()), (2, code), "{}", ran.stdout);
    }
    fs::write(fleet.desk.path("there.raw"), "mine").unwrap();
    let there = fleet.recover(&["disk", &number, "--output", "there.raw"]);
    assert_eq!((there.exit, there.code().as_str()), (2, "recover.output"));
    assert_eq!(fs::read(fleet.desk.path("there.raw")).unwrap(), b"mine");
    // Somebody who may only look, or has another passphrase, gets nothing.
    let keys = ["--org", "acme", "--passphrase-file", "it"];
    let viewer = fleet.ask("viewer", &[&["recover", "points", &number], &keys[..]].concat());
    assert_ne!(viewer.exit, 0, "{}", viewer.stdout);
    let keys = ["--org", "acme", "--passphrase-file", "wrong"];
    let wrong = fleet.ask("operator", &[&["recover", "points", &number], &keys[..]].concat());
    assert_eq!((wrong.exit, wrong.code().as_str()), (5, "org.sealed"));
    // A stick that was enrolled and never sent anything.
    let ben = AtWork::new(&fleet, &fleet.stick("ben")).bundle.to_string();
    let nothing = fleet.recover(&["points", &ben]);
    assert_eq!((nothing.exit, nothing.code().as_str()), (1, "recover.nothing"));
    assert!(!fleet.desk.path("new.raw").exists());
}

/// Where the kernel's FUSE is for us.
fn has_fuse() -> bool {
    let opened = File::options().read(true).write(true).open("/dev/fuse");
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        opened.is_ok() || !required.split(',').any(|word| word == "fuse"),
        "FUSE is missing"
    );
    if opened.is_err() {
        eprintln!("skipped: no /dev/fuse here");
    }
    opened.is_ok()
}

#[test]
fn a_lost_stick_s_disks_can_be_read_at_once() {
    if !has_fuse() {
        return;
    }
    let Some((fleet, number, [first, ..])) = three_states() else {
        return;
    };
    let points = fleet.recover(&["points", &number]).json();
    let at = points["points"][2]["time_utc"].as_str().unwrap().to_owned();
    fs::create_dir(fleet.desk.path("shown")).unwrap();
    let address = fleet.site.address();
    let mut child = fleet
        .desk
        .command(&[
            "recover", "mount", &number, "shown", "--at", &at, "--server", &address,
        ])
        .args(["--ca", "ca.pem", "--token-file", "operator", "--org", "acme"])
        .args(["--passphrase-file", "it"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_open = lines.by_ref().any(|line| {
        said.push(line.unwrap());
        said.last().unwrap().contains("Ctrl-C closes")
    });
    assert!(is_open, "{said:?}");
    let shown = fs::read(fleet.desk.path("shown/home.raw")).unwrap();
    assert!(shown == first);
    let writing = File::options()
        .write(true)
        .open(fleet.desk.path("shown/home.raw"));
    assert!(writing.is_err(), "what was then is not changed");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_dir(fleet.desk.path("shown")).unwrap().count(), 0);
}
