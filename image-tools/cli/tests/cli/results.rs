//! Results that wait on a stick: taken off it, and counted as what its stick signed.

use gobag_bundle::{Ambient, Bundle, Secret, medium::FileRef};
use gobag_checklists::{HostFacts, ModeChoice, Requirements, decide};
use gobag_format::{
    envelope::{CHECK_RESULT, Envelope},
    ledger::KeptResult,
};
use serde_json::json;

use super::*;

const PSEUDONYM: &str = "00112233445566aa";
const LASTS_S: u64 = 60 * 86_400;

fn now_s() -> u64 {
    (Ambient::system().clock)()
}

/// A desk and a stick for anna, on which the result of one computer waits that was made in this second.
fn desk_with_a_result(made_s: u64) -> Option<Desk> {
    let desk = Desk::new()?;
    desk.disk("disk.raw", 1);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let stick = desk.stick("stick");
    let written = desk.write_sticks(&["stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
    let bundle = Bundle::open(
        &stick,
        &Secret::Passphrase(b"anna has a long one"),
        true,
        Ambient::system(),
    )
    .unwrap();
    let facts = HostFacts::default();
    let payload = json!({
        "format": 1, "bundle": bundle.id(), "made_s": made_s, "expires_s": made_s + LASTS_S, "pseudonym": PSEUDONYM,
        "decision": decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]), "facts": facts,
    });
    let key = bundle.ledger().unwrap().signing_key();
    let envelope = Envelope::sign(CHECK_RESULT, payload.to_string().as_bytes(), &key).to_json();
    let kept = KeptResult {
        made_s,
        expires_s: made_s + LASTS_S,
        about: PSEUDONYM.to_owned(),
        envelope,
    };
    bundle.change_ledger(|ledger| ledger.keep(kept)).unwrap();
    Some(desk)
}

fn waiting(desk: &Desk) -> usize {
    let report = desk.answer(&["results", "stick", "--output", "waiting"]);
    report["results"].as_array().unwrap().len()
}

#[test]
fn results_are_taken_off_a_stick_and_counted_by_its_signature() {
    let Some(desk) = desk_with_a_result(now_s()) else {
        return;
    };
    let taken = desk.answer(&["results", "stick", "--output", "taken", "--delete"]);
    let file = taken["results"][0]["file"].as_str().unwrap().to_owned();
    assert_eq!(taken["user"], "anna");
    assert_eq!(waiting(&desk), 0, "it was deleted");

    let count = |args: &[&str]| desk.run(&[&["coverage", "--json", "taken"], args].concat());
    let checked = count(&["--org", "acme", "--signed-only"]);
    assert_eq!(checked.exit, 0, "{}", checked.stderr);
    assert_eq!(
        checked.json()["results"][0]["signed_by"],
        json!({ "stick": "anna" })
    );
    let unchecked = count(&[]).json();
    assert_eq!(unchecked["results"][0]["signed_by"], "not-checked");

    let text = fs::read_to_string(desk.path(&file)).unwrap();
    let at = text.find("payload\":\"").unwrap() + 40;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    fs::write(
        desk.path(&file),
        format!("{}{other}{}", &text[..at], &text[at + 1..]),
    )
    .unwrap();
    let altered = count(&["--org", "acme"]);
    assert_eq!(altered.exit, 3, "{}", altered.stdout);
    assert_eq!(altered.json()["computers"], 0);
    assert!(altered.stdout.contains("signature"), "{}", altered.stdout);
}

#[test]
fn an_expired_result_is_listed_and_not_counted() {
    let Some(desk) = desk_with_a_result(0) else {
        return;
    };
    assert_eq!(waiting(&desk), 1);
    let ran = desk.run(&["coverage", "--json", "waiting", "--org", "acme"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.stdout.contains("it expired on 1970-03-02"), "{}", ran.stdout);
}

#[test]
fn a_stick_of_an_earlier_version_gets_a_key_with_its_next_update() {
    let Some(desk) = desk_with_a_result(now_s()) else {
        return;
    };
    let folder = desk.path("stick").join("GOBAG").join(FileRef::Ledger(0).path());
    fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    let none = desk.keyed(&["results", "stick", "--output", "none"]);
    assert_eq!((none.exit, none.code().as_str()), (1, "ledger.none"));
    let key =
        || desk.run(&["list", "--sticks", "--org", "acme", "--json"]).json()["sticks"][0]["key"].clone();
    let before = key();
    desk.answer(&["update", "--stick", "stick"]);
    assert_eq!(waiting(&desk), 0);
    assert!(key().is_string() && key() != before, "{:?}", key());
}
