//! Earlier versions: found, put back, and let go.

use std::fs;

use jiff::Timestamp;

use crate::desk::Desk;

#[test]
fn a_file_as_it_was_at_a_time() {
    let desk = Desk::paired(&[("a", "first")]);
    let mut moments = vec![Timestamp::now()];
    for text in ["second", "third"] {
        desk.write("office/a", text);
        desk.is("sync mine office", 0, &[]);
        moments.push(Timestamp::now());
    }
    let [before, between, after] = moments[..] else {
        panic!()
    };
    desk.is(
        &format!("restore mine a@{after}"),
        0,
        &["Nothing was put in the place of a since then"],
    );
    desk.is(
        &format!("restore mine a@{between}"),
        0,
        &["ok   a is as it was before "],
    );
    assert_eq!(desk.read("mine/a"), "second");
    desk.is(&format!("restore mine a@{before}"), 0, &[]);
    assert_eq!(desk.read("mine/a"), "first");
    // It was written later than that.
    desk.is(
        "restore mine a@2001-01-01T00:00",
        1,
        &["was changed since then", "--version 20"],
    );
    // Changed here, so that nothing of it was kept here.
    desk.write("mine/b", "1");
    let then = Timestamp::now();
    desk.is("sync mine office", 0, &[]);
    desk.write("mine/b", "2");
    desk.is("sync mine office", 0, &[]);
    desk.is(
        &format!("restore mine b@{then}"),
        1,
        &["was changed since then", "in the other folder, too"],
    );
    desk.write("mine/d/f", "1");
    desk.is("restore mine d@2001-01-01", 1, &["`d` is a folder"]);
    desk.are(&["restore", "mine", "@2001-01-01"], 1, &["is a folder"]);
    desk.is("restore mine nothing@2001-01-01", 1, &["no such version"]);
    desk.is("restore mine a@2001-01-01 --version x", 2, &["two versions"]);
    // A file may be called so.
    desk.write("mine/b@2001-01-01", "called so");
    desk.is("sync mine office", 0, &[]);
    desk.remove("office/b@2001-01-01");
    desk.is("sync mine office", 0, &[]);
    desk.is("restore mine b@2001-01-01", 0, &[]);
    assert_eq!(desk.read("mine/b@2001-01-01"), "called so");
    // Also one of which nothing is kept, beside one that is called like its beginning.
    desk.write("mine/c", "now");
    desk.write("mine/c@2001-01-01", "called so");
    desk.write("mine/.gobag-sync/versions/2026-11-20T071500.000Z/c", "earlier");
    desk.is("restore mine c@2001-01-01", 1, &["no such version"]);
    assert_eq!(desk.read("mine/c"), "now");
}

#[test]
fn times_are_those_of_the_clock_on_the_wall() {
    let desk = Desk::paired(&[]);
    let kept = "mine/.gobag-sync/versions/2026-11-20T071500.000Z/a";
    desk.write(kept, "then");
    let written: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let file = fs::File::options().write(true).open(desk.at(kept)).unwrap();
    file.set_modified(written.into()).unwrap();
    let (zone, restore) = ("IST-5:30", |time: &str| format!("a@2026-11-20T{time}"));
    let (code, text) = desk.run_at(zone, &["versions", "mine", "--all"]);
    let (head, line) = text.split_once('\n').unwrap();
    assert_eq!((code, line), (0, "2026-11-20 12:45:00        4 B  a\n"), "{head}");
    let (code, text) = desk.run_at(zone, &["restore", "mine", &restore("12:46")]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = desk.run_at(zone, &["restore", "mine", &restore("12:44")]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(desk.read("mine/a"), "then");
}

#[test]
fn a_deleted_file_is_found_without_its_name() {
    let desk = Desk::paired(&[
        ("letters/march.odt", "1"),
        ("letters/april.odt", "22"),
        ("plan", "3"),
        ("z", "4"),
    ]);
    desk.write("office/plan", "changed");
    desk.is("sync mine office", 0, &[]);
    desk.is("versions mine", 0, &["Nothing was deleted here lately"]);
    desk.remove("office/letters/april.odt");
    desk.is("sync mine office", 0, &[]);
    let paths = |words: &str| -> Vec<String> {
        let listed = desk.json(words, 0);
        let path = |line: &serde_json::Value| line["path"].as_str().unwrap().to_owned();
        listed["versions"].as_array().unwrap().iter().map(path).collect()
    };
    assert_eq!(paths("versions mine"), ["letters/april.odt"]);
    assert_eq!(paths("versions mine letters"), ["letters/april.odt"]);
    assert_eq!(paths("versions mine --all"), ["letters/april.odt", "plan"]);
    assert_eq!(paths("versions mine plan"), ["plan"]);
    desk.is("versions mine", 0, &["  letters/april.odt\n"]);
    // Long ago.
    desk.write("mine/.gobag-sync/versions/2001-01-01T000000.000Z/old", "5");
    assert_eq!(paths("versions mine"), ["letters/april.odt"]);
    assert_eq!(paths("versions mine --all"), ["letters/april.odt", "plan", "old"]);
    desk.is("restore mine letters/april.odt", 0, &[]);
    assert_eq!(desk.read("mine/letters/april.odt"), "22");
}

#[test]
fn what_nobody_needs_any_more_is_let_go_when_somebody_says_so() {
    let desk = Desk::paired(&[("a", "now")]);
    let kept = |run: &str, path: &str| format!("mine/.gobag-sync/versions/{run}/{path}");
    let old = [
        kept("2001-01-01T000000.000Z", "a"),
        kept("2001-01-01T000000.000Z", "in/deep/gone"),
        kept("2001-02-01T000000.000Z-1", "a"),
    ];
    let stay = [kept("run 1", "a"), kept("what", "b")];
    for path in old.iter().chain(&stay) {
        desk.write(path, "old");
    }
    desk.is(
        "versions prune mine --dry-run",
        0,
        &["3 earlier versions (9 B) would be let go; 2 stay"],
    );
    desk.is(
        "versions prune mine --keep-versions all",
        0,
        &["ok   0 earlier", "; 5 stay"],
    );
    desk.is("versions prune mine --keep-versions 1000y:1w", 2, &["no rules"]);
    desk.is(
        "versions prune mine --dry-run --keep-deleted 90y",
        0,
        &["2 earlier versions"],
    );
    // Nobody can be asked.
    let (code, text) = desk.run(&["versions", "prune", "mine"]);
    assert!(
        code != 0 && old.iter().all(|path| desk.at(path).exists()),
        "{text}"
    );
    desk.is(
        "versions prune mine --yes",
        0,
        &["3 earlier versions (9 B) let go"],
    );
    assert!(old.iter().all(|path| !desk.at(path).exists()));
    assert!(stay.iter().all(|path| desk.at(path).exists()));
    let mut runs: Vec<String> = fs::read_dir(desk.at("mine/.gobag-sync/versions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    runs.sort();
    assert_eq!(runs, ["run 1", "what"], "folders that are empty go with them");
    // What a wrong clock made is in nobody's way.
    desk.write(&kept("2001-01-01T000000.000Z", "a"), "old");
    desk.write(&kept("2199-01-01T000000.000Z", "a"), "of the future");
    desk.is(
        "versions prune mine --yes",
        0,
        &["ok   1 earlier versions", "1 are later than the clock"],
    );
    assert!(!desk.at(&kept("2001-01-01T000000.000Z", "a")).exists());
    assert!(desk.at(&kept("2199-01-01T000000.000Z", "a")).exists());
}
