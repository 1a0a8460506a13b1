//! An extension over the telephone, as the person with the stick has it: a question, officers' codes, and what is noted of them.

use gobag_bundle::{Ambient, Bundle, Secret};
use gobag_format::{
    agree::AgreementPublic,
    lease::phone::{CodeKey, Question, Whose},
    officer::OfficerSecrets,
};
use serde_json::{Value, json};

use crate::{
    program::{Desk, Ran},
    stick::{Contents, PASSPHRASE, Stick},
};

/// A stick that two of these three can extend.
fn stick() -> (Stick, [OfficerSecrets; 3]) {
    let random = Ambient::system().random;
    let officers = ["Ada", "Ben", "Cleo"].map(|name| OfficerSecrets::generate(name, &*random).unwrap());
    let public = officers.each_ref().map(OfficerSecrets::public);
    let lease = json!({
        "server": public[0].key, "threshold": 2,
        "officers": public.each_ref().map(|officer| officer.key),
        "code_keys": public.each_ref().map(|officer| officer.code_key),
    });
    let stick = Stick::new(&Contents {
        policy: json!({ "lease": lease }),
        ..Contents::default()
    });
    (stick, officers)
}

fn opened(stick: &Stick) -> Bundle {
    let secret = Secret::Passphrase(PASSPHRASE.as_bytes());
    Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap()
}

fn extend(desk: &Desk, stick: &Stick, codes: &[&str]) -> Ran {
    let mut args = vec![
        "lease",
        "codes",
        "--json",
        "--passphrase-file",
        "right",
        "--stick",
        stick.path().to_str().unwrap(),
    ];
    codes.iter().for_each(|code| args.extend(["--code", code]));
    let args: Vec<&dyn AsRef<std::ffi::OsStr>> = args.iter().map(|arg| arg as _).collect();
    desk.run(&args)
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn two_officers_codes_extend_a_lease_and_count_for_one_question() {
    let (desk, (stick, officers)) = (Desk::new(), stick());
    let key: AgreementPublic = opened(&stick).ledger().unwrap().public_keys().codes;
    let whose = Whose {
        org: stick.secrets.org,
        bundle: stick.bundle,
    };
    let ask = || {
        let ran = extend(&desk, &stick, &[]);
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        Question::parse(json_of(&ran)["question"].as_str().unwrap(), stick.bundle).unwrap()
    };
    let question = ask();
    let codes = officers.each_ref().map(|officer| {
        let key = CodeKey::of_officer(&officer.code_key(), &key).unwrap();
        key.code(whose, &question, 14).unwrap()
    });
    // The first officer, twice, and on another day's run: one.
    for _ in 0..2 {
        let ran = extend(&desk, &stick, &[&codes[0]]);
        assert_eq!(
            (ran.exit, &json_of(&ran)["officers"]),
            (0, &json!(1)),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(ask(), question, "it stands");
    let mistyped = extend(&desk, &stick, &[&codes[1][1..]]);
    assert_eq!(json_of(&mistyped)["error"]["code"], "phone.mistyped");
    let ran = extend(&desk, &stick, &[&codes[2].to_lowercase()]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(json_of(&ran)["until_s"], question.until_s(14));
    assert_eq!(
        opened(&stick).ledger().unwrap().phone.until_s,
        question.until_s(14)
    );
    // Used up.
    assert_ne!(ask(), question);
    let again = extend(&desk, &stick, &[&codes[0], &codes[2]]);
    assert_eq!(json_of(&again)["error"]["code"], "phone.mistyped");
}

#[test]
fn ten_wrong_codes_give_the_question_up_also_when_the_program_is_started_anew_for_each() {
    let (desk, (stick, _)) = (Desk::new(), stick());
    let ran = extend(&desk, &stick, &[]);
    let question = Question::parse(json_of(&ran)["question"].as_str().unwrap(), stick.bundle).unwrap();
    let whose = Whose {
        org: stick.secrets.org,
        bundle: stick.bundle,
    };
    let stranger = OfficerSecrets::generate("Eve", &*Ambient::system().random).unwrap();
    let key = opened(&stick).ledger().unwrap().public_keys().codes;
    let wrong = CodeKey::of_officer(&stranger.code_key(), &key).unwrap();
    let wrong = wrong.code(whose, &question, 14).unwrap();
    let codes: Vec<String> = (0..10)
        .map(|_| {
            json_of(&extend(&desk, &stick, &[&wrong]))["error"]["code"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(codes[..9], vec!["phone.wrong-code"; 9]);
    assert_eq!(codes[9], "phone.too-many-wrong");
    let next = json_of(&extend(&desk, &stick, &[]))["question"].clone();
    assert_ne!(next, question.text(stick.bundle));
}

#[test]
fn a_stick_without_officers_says_so() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let ran = extend(&desk, &stick, &[]);
    assert_eq!(
        (ran.exit, json_of(&ran)["error"]["code"].as_str()),
        (1, Some("phone.no-codes"))
    );
}
