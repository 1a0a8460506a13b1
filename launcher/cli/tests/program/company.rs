//! A stick and its company's server, a real one: enrolment, leases, results that wait, and what becomes of a stick that was cut off.

#![expect(
    clippy::disallowed_methods,
    reason = "writes letters; asks a running program again and again"
)]

use std::{fs, path::PathBuf, thread, time::Instant};

use gobag_bundle::{Ambient, Bundle, OpenError, Secret};
use gobag_format::{
    crypto::Key,
    ids::{OrgId, RenewalId},
    lease::{Extension, Lease, Span},
    ledger::{Company, LedgerRecord},
    sign::{SigningKey, VerifyingKey},
};
use gobag_protocol::letter::EnrolmentLetter;
use gobag_server::testing::Site;
use serde_json::{Value, json};

use crate::{
    line::Line,
    program::{Desk, PATIENCE, Ran, Running},
    stick::{Contents, PASSPHRASE, Stick},
};

pub(crate) const DAY_S: u64 = 86_400;

pub(crate) fn now_s() -> u64 {
    (Ambient::system().clock)()
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([number; 32]))
}

/// A stick whose image asks for leases of this server; officers are the keys 1 to 3, and two have to sign.
fn stick(server: VerifyingKey) -> Stick {
    stick_that_sends(server, json!(null))
}

/// The same with IT's rules for what it sends.
fn stick_that_sends(server: VerifyingKey, replication: Value) -> Stick {
    let officers = [1, 2, 3].map(|number| key(number).verifying_key());
    let lease = json!({ "server": server, "officers": officers, "threshold": 2 });
    Stick::new(&Contents {
        policy: json!({ "lease": lease, "replication": replication }),
        ..Contents::default()
    })
}

pub(crate) fn open(stick: &Stick) -> Bundle {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let secret = Secret::Passphrase(PASSPHRASE.as_bytes());
        match Bundle::open(stick.path(), &secret, true, Ambient::system()) {
            Err(OpenError::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

pub(crate) fn ledger(stick: &Stick) -> LedgerRecord {
    open(stick).ledger().unwrap()
}

pub(crate) fn change(stick: &Stick, change: impl FnOnce(&mut LedgerRecord)) {
    open(stick).change_ledger(change).unwrap();
}

pub(crate) fn letter(desk: &Desk, site: &Site, stick: &Stick) -> PathBuf {
    letter_naming(vec![site.address()], desk, site, stick)
}

/// One that names these addresses of the server.
fn letter_naming(addresses: Vec<String>, desk: &Desk, site: &Site, stick: &Stick) -> PathBuf {
    let token = site.token("acme", stick.bundle);
    let letter = EnrolmentLetter::new(addresses, site.ca(), token, stick.bundle, now_s() + 900);
    let path = desk.path("letter.json");
    fs::write(&path, letter.to_json()).unwrap();
    path
}

/// Runs a command on the stick that asks for its passphrase.
pub(crate) fn run(desk: &Desk, stick: &Stick, words: &[&str]) -> Ran {
    let path = stick.path();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(|word| word as _).collect();
    args.extend([
        &"--json" as &dyn AsRef<std::ffi::OsStr>,
        &"--stick",
        &path,
        &"--passphrase-file",
        &"right",
    ]);
    desk.run(&args)
}

pub(crate) fn enrol(desk: &Desk, site: &Site, stick: &Stick) -> Ran {
    let letter = letter(desk, site, stick);
    run(desk, stick, &["enrol", letter.to_str().unwrap()])
}

/// The stick's disks, open.
pub(crate) fn mount(desk: &Desk, stick: &Stick) -> Running {
    mount_with(desk, stick, &[])
}

/// The same with more words.
fn mount_with(desk: &Desk, stick: &Stick, words: &[&str]) -> Running {
    let path = stick.path();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
        &"mount",
        &"--door",
        &"nbd",
        &"--stick",
        &path,
        &"--passphrase-file",
        &"right",
    ];
    args.extend(words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    let mut running = desk.start(&args);
    running.words.wait_for("The disks are open");
    running
}

/// How a mount ends that is refused.
pub(crate) fn refused(desk: &Desk, stick: &Stick) -> (i32, String) {
    let ran = run(desk, stick, &["mount", "--door", "nbd"]);
    (ran.exit, ran.code())
}

pub(crate) fn stop(desk: &Desk, mut running: Running) {
    assert_eq!(desk.run(&[&"stop"]).exit, 0);
    assert_eq!(running.finish(), Some(0));
}

/// Waits until the running session says this of the company.
pub(crate) fn wait_for_company(desk: &Desk, contact: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = desk.run(&[&"status", &"--json"]).json();
        let company = &said["sessions"][0]["company"];
        if company["contact"] == contact {
            return company.clone();
        }
        assert!(Instant::now() < deadline, "{said}");
    }
}

/// A lease of server key 9 that was issued so many days ago, counts for 30, and warns for the last 14; of a company that is gone.
fn hold_lease(stick: &Stick, org: OrgId, issued_days_ago: u64) {
    let span = Span {
        issued_s: now_s() - issued_days_ago * DAY_S,
        renew_after_s: DAY_S,
        warn_before_s: 14 * DAY_S,
        lasts_s: 30 * DAY_S,
    };
    let lease = Lease::new(org, stick.bundle, "paris", 1, span).sign(&key(9));
    change(stick, |ledger| {
        ledger.lease = Some(lease.to_json());
        ledger.high_water_s = span.issued_s;
    });
}

#[test]
fn a_stick_that_needs_a_lease_enrols_by_letter_and_opens() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    assert_eq!(refused(&desk, &stick), (5, "lease.none".to_owned()));
    let before = run(&desk, &stick, &["lease"]);
    assert_eq!((before.exit, &before.json()["code"]), (3, &json!("lease.none")));

    let enrolled = enrol(&desk, &site, &stick);
    assert_eq!(enrolled.exit, 0, "{enrolled:?}");
    let answer = enrolled.json();
    assert_eq!(
        (&answer["tenant"], &answer["server"]),
        (&json!("acme"), &json!(site.address()))
    );
    let until_s = answer["lease_until_s"].as_u64().unwrap();
    assert!(until_s > now_s() + 29 * DAY_S, "{answer}");
    let secrets = fs::read_to_string(desk.path("letter.json")).unwrap();
    let token = serde_json::from_str::<Value>(&secrets).unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!format!("{enrolled:?}").contains(&token));

    let lease = run(&desk, &stick, &["lease"]).json();
    assert_eq!(
        (&lease["may_start"], &lease["until_s"]),
        (&json!(true), &json!(until_s))
    );
    let running = mount(&desk, &stick);
    let company = wait_for_company(&desk, "reached");
    assert_eq!(company["lease_until_s"], until_s);
    stop(&desk, running);
    // The same letter does for the same stick, and for no other.
    let letter = desk.path("letter.json");
    assert_eq!(run(&desk, &stick, &["enrol", letter.to_str().unwrap()]).exit, 0);
    let other = self::stick(site.lease_key("acme"));
    let ran = run(&desk, &other, &["enrol", letter.to_str().unwrap()]);
    assert_eq!((ran.exit, &*ran.code()), (1, "letter.other-stick"));
    site.clock.advance(16 * 60);
    let ran = run(&desk, &stick, &["enrol", letter.to_str().unwrap()]);
    assert_eq!((ran.exit, &*ran.code()), (8, "enrol.token"));
}

#[test]
fn a_server_of_another_company_gets_nothing() {
    let (desk, site, other) = (Desk::new(), Site::start(), Site::start());
    let stick = stick(site.lease_key("acme"));
    let token = site.token("acme", stick.bundle);
    let letter = EnrolmentLetter::new(
        vec![site.address()],
        other.ca(),
        token,
        stick.bundle,
        now_s() + 900,
    );
    let path = desk.path("letter.json");
    fs::write(&path, letter.to_json()).unwrap();
    let ran = run(&desk, &stick, &["enrol", path.to_str().unwrap()]);
    assert_eq!((ran.exit, &*ran.code()), (1, "client.other-server"));
    assert!(ledger(&stick).company.is_none());
}

#[test]
fn what_waits_goes_to_the_company_and_off_the_stick() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    run(&desk, &stick, &["check", "--sign", "--quick"]);
    assert_eq!(ledger(&stick).results().len(), 1);
    enrol(&desk, &site, &stick);
    let running = mount(&desk, &stick);
    wait_for_company(&desk, "reached");
    stop(&desk, running);
    assert!(ledger(&stick).results().is_empty());
}

/// Case L7, and a stick that has no lease any more but is online.
#[test]
fn an_answer_that_was_lost_is_given_again_and_nobody_is_suspected() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    enrol(&desk, &site, &stick);
    change(&stick, |ledger| {
        ledger.lease = None;
        ledger.renewal.as_mut().unwrap().request = Some(RenewalId([7; 16]));
    });
    // The server answers, and the power fails before the stick has noted it; twice.
    let before = ledger(&stick);
    for _ in 0..2 {
        change(&stick, |ledger| *ledger = before.clone());
        let running = mount(&desk, &stick);
        stop(&desk, running);
        let after = ledger(&stick);
        assert!(after.lease.is_some() && after.renewal.as_ref().unwrap().request.is_none());
    }
    // With another number it would be another copy: case L6.
    change(&stick, |ledger| {
        *ledger = before.clone();
        ledger.renewal.as_mut().unwrap().request = Some(RenewalId([8; 16]));
    });
    assert_eq!(refused(&desk, &stick), (5, "lease.none".to_owned()));
}

/// Case L8.
#[test]
fn a_server_that_is_down_for_twenty_days_keeps_nobody_from_working() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = stick(key(9).verifying_key());
    let org = stick.secrets.org;
    // The company that is gone is not this one; it is not to be reached either way.
    change(&stick, |ledger| {
        ledger.company = Some(Company {
            servers: vec![site.address()],
            ca: site.ca().to_owned(),
            tenant: "acme".to_owned(),
            certificate: String::new(),
            certificate_ends_s: u64::MAX,
            later: serde_json::Map::new(),
        });
    });
    site.kill();
    hold_lease(&stick, org, 20);
    let mut running = mount(&desk, &stick);
    assert!(
        running
            .words
            .all()
            .iter()
            .any(|line| line.contains("can be started until")),
        "{:?}",
        running.words.all()
    );
    wait_for_company(&desk, "offline");
    stop(&desk, running);
    hold_lease(&stick, org, 31);
    assert_eq!(refused(&desk, &stick), (5, "lease.ended".to_owned()));
    // A clock that is wrong erases nothing.
    change(&stick, |ledger| ledger.high_water_s = now_s() + DAY_S + 3600);
    assert_eq!(refused(&desk, &stick), (5, "lease.clock-behind".to_owned()));
    hold_lease(&stick, org, 1);
    running = mount(&desk, &stick);
    stop(&desk, running);
}

/// A letter is signed by nobody: the image says whose server it may lead to.
#[test]
fn a_letter_that_leads_to_another_company_changes_nothing() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(key(9).verifying_key());
    hold_lease(&stick, stick.secrets.org, 1);
    let before = open(&stick).ledger().unwrap();
    let ran = enrol(&desk, &site, &stick);
    assert_eq!((ran.exit, &*ran.code()), (1, "letter.other-company"));
    let after = open(&stick).ledger().unwrap();
    assert_eq!((after.company, after.lease), (before.company, before.lease));
    assert_eq!(after.high_water_s, before.high_water_s);
    stop(&desk, mount(&desk, &stick));
}

/// The company's clock was years ahead when it gave a lease; now it is right, and gives another.
#[test]
fn a_stick_is_not_locked_out_by_a_clock_of_the_company_that_was_wrong() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    assert_eq!(enrol(&desk, &site, &stick).exit, 0);
    change(&stick, |ledger| ledger.high_water_s = now_s() + 1000 * DAY_S);
    let running = mount(&desk, &stick);
    assert!(open_ledger(&desk, &stick, running).high_water_s < now_s() + DAY_S);
}

/// The ledger after the session has ended.
fn open_ledger(desk: &Desk, stick: &Stick, running: Running) -> LedgerRecord {
    stop(desk, running);
    open(stick).ledger().unwrap()
}

#[test]
fn enough_officers_let_it_start_when_the_company_is_gone() {
    let desk = Desk::new();
    let stick = stick(key(9).verifying_key());
    let org = stick.secrets.org;
    hold_lease(&stick, org, 40);
    assert_eq!(refused(&desk, &stick), (5, "lease.ended".to_owned()));
    let extend = |group: &str, officers: &[u8]| {
        let extension = Extension::for_group(org, group, now_s(), now_s() + 7 * DAY_S);
        let mut envelope = extension.sign(&key(officers[0]));
        for officer in &officers[1..] {
            envelope.sign_too(&key(*officer)).unwrap();
        }
        let path = desk.path("extension.json");
        fs::write(&path, envelope.to_json()).unwrap();
        run(&desk, &stick, &["lease", "extend", path.to_str().unwrap()])
    };
    let ran = extend("rome", &[1, 2]);
    assert_eq!((ran.exit, &*ran.code()), (1, "lease.other-stick"));
    let ran = extend("paris", &[7]);
    assert_eq!((ran.exit, &*ran.code()), (1, "envelope.bad-signature"));
    let ran = extend("paris", &[1, 1]);
    assert_eq!((ran.exit, &ran.json()["code"]), (3, &json!("lease.ended")));
    let ran = extend("paris", &[2, 3]);
    assert_eq!(
        (ran.exit, &ran.json()["is_extended"]),
        (0, &json!(true)),
        "{ran:?}"
    );
    let running = mount(&desk, &stick);
    assert!(
        running
            .words
            .all()
            .iter()
            .any(|line| line.contains("emergency letter"))
    );
    stop(&desk, running);
}

/// Case L9: it works until it hears of it; then it is erased, and the company knows.
#[test]
fn a_stick_that_was_cut_off_while_offline_is_erased_on_contact() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    enrol(&desk, &site, &stick);
    site.kill();
    site.set_revoked("acme", stick.bundle, true);
    let running = mount(&desk, &stick);
    wait_for_company(&desk, "offline");
    stop(&desk, running);
    site.start_again();
    let mut running = mount(&desk, &stick);
    running.words.wait_for("your company cut this stick off");
    assert_eq!(running.finish(), Some(5));
    assert!(site.is_erased("acme", stick.bundle));
    assert_eq!(refused(&desk, &stick).1, "header.cut-off");
    assert!(desk.is_tidy());
}

#[test]
fn an_erasure_that_was_cut_goes_on_without_the_company() {
    let desk = Desk::new();
    let stick = Stick::new(&Contents::default());
    change(&stick, |ledger| ledger.revoked = true);
    assert_eq!(refused(&desk, &stick), (5, "lease.revoked".to_owned()));
    assert_eq!(refused(&desk, &stick).1, "header.cut-off");
}

#[test]
fn a_stick_that_was_taken_back_before_it_erased_itself_asks_first() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    enrol(&desk, &site, &stick);
    change(&stick, |ledger| ledger.revoked = true);
    let running = mount(&desk, &stick);
    stop(&desk, running);
    assert!(!ledger(&stick).revoked);
    // Whom it cannot ask does not keep it from being erased.
    change(&stick, |ledger| ledger.revoked = true);
    site.kill();
    assert_eq!(refused(&desk, &stick), (5, "lease.revoked".to_owned()));
    assert_eq!(refused(&desk, &stick).1, "header.cut-off");
}

/// Waits until the running session says this of its replica.
fn wait_for_replica(desk: &Desk, field: &str, value: &Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = desk.run(&[&"status", &"--json"]).json();
        let replica = &said["sessions"][0]["company"]["replica"];
        if replica[field] == *value {
            return replica.clone();
        }
        assert!(Instant::now() < deadline, "{said}");
    }
}

#[test]
fn a_name_for_a_moment_says_that_no_agent_was_there() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    assert_eq!(enrol(&desk, &site, &stick).exit, 0);
    let running = mount(&desk, &stick);
    wait_for_replica(&desk, "phase", &json!("in-step"));
    let marked = desk.run(&[&"mark", &"before the update", &"--json"]);
    assert_eq!(marked.exit, 0, "{marked:?}");
    let marked = marked.json();
    assert_eq!(
        (&marked["name"], &marked["kind"]),
        (&json!("before the update"), &json!("user"))
    );
    let replica = wait_for_replica(&desk, "marks", &json!(1));
    assert_eq!(replica["last_mark"]["generation"], marked["generation"]);
    stop(&desk, running);
}

#[test]
fn a_server_that_goes_away_while_one_works_is_followed_to_its_other_address() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick(site.lease_key("acme"));
    let line = Line::to(&site.address());
    let letter = letter_naming(vec![line.address.clone(), site.address()], &desk, &site, &stick);
    assert_eq!(run(&desk, &stick, &["enrol", letter.to_str().unwrap()]).exit, 0);
    let running = mount(&desk, &stick);
    wait_for_replica(&desk, "phase", &json!("in-step"));
    line.cut();
    let marked = desk.run(&[&"mark", &"after the flood", &"--json"]);
    assert_eq!(marked.exit, 0, "{marked:?}");
    wait_for_replica(&desk, "marks", &json!(1));
    stop(&desk, running);
}

#[test]
fn nothing_is_sent_where_the_person_or_it_says_so() {
    let (desk, site) = (Desk::new(), Site::start());
    let nights = json!({"upload_limits": [{"from": "00:00", "to": "24:00", "bytes_per_s": 0}]});
    for (replication, words, why, said) in [
        (
            json!(null),
            &["--upload-limit", "0"][..],
            "person",
            "As you asked",
        ),
        (nights.clone(), &[][..], "schedule", "By your IT's rule"),
        // What IT says is not the person's to lift.
        (
            nights,
            &["--upload-limit", "none"],
            "schedule",
            "By your IT's rule",
        ),
    ] {
        let stick = stick_that_sends(site.lease_key("acme"), replication);
        assert_eq!(enrol(&desk, &site, &stick).exit, 0);
        let mut running = mount_with(&desk, &stick, words);
        running.words.wait_for(said);
        let replica = wait_for_replica(&desk, "paused", &json!(why));
        assert_eq!(replica["generation"], json!(null), "{replica}");
        let status = desk.run(&[&"status"]).stdout;
        assert!(status.contains("waits: "), "{status}");
        stop(&desk, running);
    }
}

#[test]
fn a_policy_that_cannot_be_used_keeps_nobody_from_working() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = stick_that_sends(site.lease_key("acme"), json!({"upload_bytes_per_s": "fast"}));
    assert_eq!(enrol(&desk, &site, &stick).exit, 0);
    let mut running = mount(&desk, &stick);
    running.words.wait_for("policy for replication cannot be used");
    wait_for_replica(&desk, "phase", &json!("in-step"));
    stop(&desk, running);
    let wrong = run(&desk, &stick, &["mount", "--upload-limit", "fast"]);
    assert_eq!(wrong.exit, 2, "{wrong:?}");
}
