//! Officers and leases as IT types them: keys, lists, and what images ask.

use gobag_format::{
    agree::AgreementPublic,
    crypto::Key,
    lease::{LeasePolicy, UnlockMode},
    officer::Officer,
    sign::SigningKey,
};
use serde_json::json;

use super::*;

/// The key that a server would sign leases with, in base64.
pub(super) fn server() -> String {
    SigningKey::from_seed(&Key::from_bytes([5; 32]))
        .verifying_key()
        .to_string()
}

impl Desk {
    /// Makes officers' keys, each in a file of the officer's name, all under anna's passphrase, and puts them on the list.
    pub(super) fn officers(&self, names: &[&str], needed: usize) -> Vec<Officer> {
        let made = names.iter().map(|name| {
            let made = self.run(&["officer", "new", name, name, "--new-passphrase-file", "anna"]);
            assert_eq!(made.exit, 0, "{}", made.stderr);
            let line = made.stdout.trim();
            self.answer(&[&["officer", "add"][..], &line.split(' ').collect::<Vec<_>>()].concat());
            Officer::parse(line).unwrap()
        });
        let officers = made.collect();
        self.answer(&["officer", "needed", &needed.to_string()]);
        officers
    }
}

#[test]
fn officers_are_listed_and_images_name_them() {
    let Some(desk) = Desk::new() else { return };
    let none = desk.run(&["officer", "list", "--org", "acme"]);
    assert!(
        none.stdout.starts_with("There are no officers"),
        "{}",
        none.stdout
    );
    let officers = desk.officers(&["ada", "ben", "cleo"], 2);
    let listed = desk.run(&["officer", "list", "--org", "acme"]);
    assert!(
        listed.stdout.ends_with("2 of 3 have to agree.\n"),
        "{}",
        listed.stdout
    );
    let twice = desk.run(&["officer", "new", "ada", "ada", "--new-passphrase-file", "anna"]);
    assert_eq!(
        (twice.exit, twice.stderr.contains("ada")),
        (1, true),
        "{}",
        twice.stderr
    );
    let again = desk.keyed(&["officer", "add", "gobag-officer-1", &server(), &server(), "ada"]);
    assert_eq!((again.exit, again.code().as_str()), (2, "org.officer-exists"));
    let cut = desk.keyed(&["officer", "add", "gobag-officer-1", &server()]);
    assert_eq!((cut.exit, cut.code().as_str()), (2, "officer.malformed"));

    desk.disk("disk.raw", 1);
    let lease = ["--lease-server", &server(), "--unlock", "leased"];
    desk.answer(&[&["build", "disk.raw", "--name", "office"][..], &lease].concat());
    let policy = LeasePolicy::of_policy(&desk.answer(&["inspect", "office"])["policy"])
        .unwrap()
        .unwrap();
    assert_eq!((policy.server.to_string(), policy.threshold), (server(), 2));
    assert_eq!(
        policy.officers,
        officers.iter().map(|officer| officer.key).collect::<Vec<_>>()
    );
    let code_keys: Vec<AgreementPublic> = officers.iter().map(|officer| officer.code_key).collect();
    assert_eq!(policy.code_keys, code_keys);
    assert_eq!(policy.unlock, UnlockMode::Leased);
}

#[test]
fn leases_are_not_dropped_by_forgetting_and_nonsense_is_refused() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 1);
    let build = |args: &[&str]| desk.keyed(&[&["build", "disk.raw", "--name", "office"], args].concat());
    let key = server();
    assert_eq!(build(&["--lease-server", "short"]).exit, 2);
    assert_eq!(build(&["--lease-server", &key, "--no-lease"]).exit, 2);
    assert_eq!(build(&["--unlock", "online"]).exit, 2, "shares come with leases");
    fs::write(
        desk.path("policy"),
        json!({ "lease": { "server": key, "threshold": 1, "officers": [key, key] } }).to_string(),
    )
    .unwrap();
    assert_eq!(build(&["--policy", "policy"]).code(), "build.policy");
    fs::write(
        desk.path("policy"),
        json!({ "lease": { "server": key } }).to_string(),
    )
    .unwrap();
    assert_eq!(
        build(&["--policy", "policy", "--lease-server", &key]).code(),
        "build.policy"
    );
    let lone = build(&["--lease-server", &key]);
    assert!(
        lone.exit == 0 && lone.stderr.contains("there are no officers"),
        "{}",
        lone.stderr
    );
    let forgotten = build(&[]);
    assert_eq!(
        (forgotten.exit, forgotten.code().as_str()),
        (2, "build.lease-dropped")
    );
    assert_eq!(build(&["--policy", "policy"]).exit, 0);
    assert_eq!(build(&["--no-lease"]).exit, 0);
    assert_eq!(build(&[]).exit, 0);
    assert!(desk.answer(&["inspect", "office"])["policy"]["lease"].is_null());
}
