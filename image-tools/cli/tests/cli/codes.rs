//! Codes for the telephone: a stick asks, officers' programs answer, the stick takes it.

use gobag_bundle::{Ambient, Bundle, Secret};
use gobag_format::lease::{
    LeasePolicy,
    phone::{Answered, Whose},
};

use super::{officers::server, *};

#[test]
fn two_officers_answer_a_sticks_question_by_the_list_that_they_keep() {
    let Some(desk) = Desk::new() else { return };
    desk.officers(&["ada", "ben", "cleo"], 2);
    desk.disk("disk.raw", 1);
    desk.answer(&[
        "build",
        "disk.raw",
        "--name",
        "office",
        "--lease-server",
        &server(),
    ]);
    let stick = desk.stick("stick");
    let written = desk.write_sticks(&["stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
    let list = desk.run(&["list", "--sticks", "--org", "acme", "--json"]);
    fs::write(desk.path("sticks"), &list.stdout).unwrap();

    let ambient = Ambient::system();
    let secret = Secret::Passphrase(b"anna has a long one");
    let bundle = Bundle::open(&stick, &secret, true, ambient.clone()).unwrap();
    let policy = LeasePolicy::of_policy(&bundle.first_policy().unwrap())
        .unwrap()
        .unwrap();
    let (now_s, number) = ((ambient.clock)(), bundle.id().to_string());
    let whose = Whose {
        org: bundle.record().org,
        bundle: bundle.id(),
    };
    let mut question = None;
    bundle
        .change_ledger(|ledger| question = ledger.phone.ask(&policy, now_s, &*ambient.random).ok())
        .unwrap();
    let question = question.unwrap().text(bundle.id());
    let code = |officer: &str, more: &[&str]| {
        let args = [
            "extend",
            "code",
            &number,
            &question,
            "--officer",
            officer,
            "--passphrase-file",
            "anna",
            "--json",
        ];
        desk.run(&[&args[..], more].concat())
    };
    let mut answers = Vec::new();
    for (officer, place) in [("ada", ["--sticks", "sticks"]), ("cleo", ["--org", "acme"])] {
        let ran = code(officer, &[&["--days", "14"][..], &place].concat());
        assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
        let code = ran.json()["code"].as_str().unwrap().to_owned();
        let mut answered = None;
        bundle
            .change_ledger(|ledger| {
                let key = ledger.code_key();
                answered = Some(ledger.phone.answer(&code, &key, &policy, whose, now_s));
            })
            .unwrap();
        answers.push(answered.unwrap());
    }
    assert_eq!(
        answers[0],
        Ok(Answered::More {
            officers: 1,
            needed: 2
        })
    );
    assert!(matches!(answers[1], Ok(Answered::Extended { .. })), "{answers:?}");

    let refused = |ran: Ran| (ran.exit, ran.code());
    assert_eq!(code("ada", &["--days", "93", "--org", "acme"]).exit, 2);
    let other = desk.run(&[
        "extend",
        "code",
        &"3".repeat(32),
        &question,
        "--days",
        "1",
        "--officer",
        "ada",
        "--json",
    ]);
    assert_eq!(refused(other), (2, "phone.mistyped".to_owned()));
    assert_eq!(
        refused(code("ada", &["--days", "1", "--sticks", "it"])),
        (2, "phone.list".to_owned())
    );
    fs::write(desk.path("sticks"), list.stdout.replace(&number, &"4".repeat(32))).unwrap();
    let unknown = code("ada", &["--days", "1", "--sticks", "sticks"]);
    assert_eq!(refused(unknown), (2, "phone.no-such-stick".to_owned()));
    assert_eq!(
        code("it", &["--days", "1", "--org", "acme"]).code(),
        "org.malformed"
    );
}
