//! Results that the company can believe: signed with the stick's key, kept on the stick, by `gobag check --sign` and by each start.

use gobag_bundle::{Ambient, Bundle, Secret};
use gobag_format::envelope::{CHECK_RESULT, Envelope};
use serde_json::{Value, json};

use crate::{
    program::Desk,
    stick::{Contents, PASSPHRASE, Stick},
};

/// What waits on a stick, verified.
fn waiting(stick: &Stick) -> Vec<Value> {
    let secret = Secret::Passphrase(PASSPHRASE.as_bytes());
    let bundle = Bundle::open(stick.path(), &secret, false, Ambient::system()).unwrap();
    let ledger = bundle.ledger().unwrap();
    let key = ledger.signing_key().verifying_key();
    let results = ledger.results().iter();
    results
        .map(|kept| {
            let envelope = Envelope::parse(kept.envelope.as_bytes()).unwrap();
            let (payload, _) = envelope.verify(CHECK_RESULT, [&key]).unwrap();
            let document: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(document["expires_s"], kept.expires_s);
            document
        })
        .collect()
}

fn check(desk: &Desk, stick: &Stick, passphrase: &str) -> crate::program::Ran {
    let path = stick.path();
    desk.run(&[
        &"check",
        &"--sign",
        &"--quick",
        &"--json",
        &"--stick",
        &path,
        &"--passphrase-file",
        &passphrase,
    ])
}

#[test]
fn a_signed_check_is_the_answer_and_stays_on_the_stick() {
    let desk = Desk::new();
    let stick = Stick::new(&Contents {
        requirements: json!({ "min_cores": 1 }),
        ..Contents::default()
    });
    assert!(waiting(&stick).is_empty());
    let first = check(&desk, &stick, "right");
    assert!(first.exit == 0 || first.exit == 4, "{first:?}");
    let kept = waiting(&stick);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["bundle"], stick.bundle.to_string());
    assert_eq!(kept[0]["requirements"]["by"], "signed");
    assert_eq!(
        kept[0]["expires_s"].as_u64().unwrap() - kept[0]["made_s"].as_u64().unwrap(),
        90 * 86_400
    );
    let answered = Envelope::parse(first.stdout.as_bytes()).unwrap();
    let payload = answered.unverified(CHECK_RESULT).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), kept[0]);
    // Where the stick lies bears a name that somebody gave; what is said of the computer does not.
    let named = stick.path().file_name().unwrap().to_str().unwrap();
    let said = format!("{}{}", kept[0]["facts"], kept[0]["decision"]);
    assert!(!said.contains(named), "{named}: {said}");
    // The same computer takes one place.
    check(&desk, &stick, "right");
    assert_eq!(waiting(&stick).len(), 1);
    let wrong = check(&desk, &stick, "wrong");
    assert_eq!((wrong.exit, &*wrong.code()), (5, "unlock.wrong-passphrase"));
}

#[test]
fn a_start_that_is_refused_leaves_word_of_why() {
    let desk = Desk::new();
    let stick = Stick::new(&Contents {
        requirements: json!({ "architecture": "s390x" }),
        ..Contents::default()
    });
    let path = stick.path();
    let start = |extra: &str| {
        let args: [&dyn AsRef<std::ffi::OsStr>; 7] = [
            &"start",
            &"--json",
            &"--stick",
            &path,
            &"--passphrase-file",
            &"right",
            &extra,
        ];
        desk.run(&args).exit
    };
    assert_eq!(start("--throwaway"), 4);
    assert!(waiting(&stick).is_empty(), "nothing of such a run is kept");
    assert_eq!(start("--headless"), 4);
    let kept = waiting(&stick);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["decision"]["mode"], Value::Null);
    assert!(kept[0].to_string().contains("cpu.architecture"));
}
