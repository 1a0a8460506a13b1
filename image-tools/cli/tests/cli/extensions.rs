//! Extensions as officers make them: files that go from one to the next, judged in the end as a stick does.

use gobag_format::{
    envelope::Envelope,
    ids::{BundleId, OrgId},
    lease::{Held, Lease, LeaseError, LeasePolicy, Span, Standing, Stick, judge},
    sign::SigningKey,
};

use super::{officers::server, *};

const BUNDLE: BundleId = BundleId([2; 16]);
const DAY_S: u64 = 86_400;

impl Desk {
    fn save(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// `extend request`, saved as `letter`.
    fn request(&self, args: &[&str]) {
        let made = self.run(&[&["extend", "request", "--org", "acme"], args].concat());
        assert_eq!(made.exit, 0, "{}", made.stderr);
        self.save("letter", &made.stdout);
    }

    /// `extend sign` by an officer, saved under their name.
    fn sign(&self, from: &str, officer: &str) -> Ran {
        let ran = self.run(&[
            "extend",
            "sign",
            from,
            "--officer",
            officer,
            "--passphrase-file",
            "anna",
        ]);
        self.save(&format!("{officer}-signed"), &ran.stdout);
        ran
    }

    fn join(&self, files: &[&str]) -> Ran {
        self.run(&[&["extend", "join", "--org", "acme", "--json"], files].concat())
    }

    /// What a stick of this group, whose lease ended yesterday, says to a letter.
    fn judged(
        &self,
        policy: &LeasePolicy,
        group: &str,
        letter: &str,
        revoked: bool,
    ) -> Result<Standing, LeaseError> {
        let org: OrgId = serde_json::from_value(
            serde_json::from_slice::<Value>(&fs::read(self.path("acme/org.json")).unwrap()).unwrap()["id"]
                .clone(),
        )
        .unwrap();
        let now_s = (gobag_bundle::Ambient::system().clock)();
        let span = Span {
            issued_s: now_s - 31 * DAY_S,
            renew_after_s: DAY_S,
            warn_before_s: 7 * DAY_S,
            lasts_s: 30 * DAY_S,
        };
        let server = SigningKey::from_seed(&gobag_format::crypto::Key::from_bytes([5; 32]));
        let held = Held {
            lease: Some(Lease::new(org, BUNDLE, group, 1, span).sign(&server)),
            extensions: vec![Envelope::parse(letter.trim().as_bytes()).unwrap()],
            revoked,
            ..Held::default()
        };
        let stick = Stick {
            org,
            bundle: BUNDLE,
            image: "office",
            version: 1,
        };
        judge(policy, &held, stick, now_s)
    }
}

/// A day in ten days, and the end of it.
fn in_ten_days() -> (String, u64) {
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = day.saturating_add(jiff::Span::new().days(10));
    let end = day.tomorrow().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    (day.to_string(), end.timestamp().as_second() as u64)
}

fn policy(desk: &Desk) -> LeasePolicy {
    desk.disk("disk.raw", 1);
    desk.answer(&[
        "build",
        "disk.raw",
        "--name",
        "office",
        "--lease-server",
        &server(),
    ]);
    LeasePolicy::of_policy(&desk.answer(&["inspect", "office"])["policy"])
        .unwrap()
        .unwrap()
}

#[test]
fn l4_enough_officers_each_on_their_own_extend_and_fewer_do_not() {
    let Some(desk) = Desk::new() else { return };
    desk.officers(&["ada", "ben", "cleo"], 2);
    let policy = policy(&desk);
    let (day, end_s) = in_ten_days();
    desk.request(&["--group", "sales", "--until", &day]);
    let signed = desk.sign("letter", "ada");
    assert!(
        signed.exit == 0
            && signed
                .stderr
                .contains("All sticks of group sales may be started before"),
        "{}",
        signed.stderr
    );
    // The same officer twice, in one letter and in two, is one.
    let again = desk.sign("ada-signed", "ada");
    assert!(again.stderr.contains("once is enough"), "{}", again.stderr);
    let few = desk.join(&["ada-signed", "letter"]);
    assert_eq!((few.exit, few.code().as_str()), (1, "extension.too-few"));
    assert!(
        few.stdout
            .contains("1 of 2 officers that are needed signed it (ada)"),
        "{}",
        few.stdout
    );
    let letter = fs::read_to_string(desk.path("ada-signed")).unwrap();
    let refused = desk.judged(&policy, "sales", &letter, false);
    assert!(
        matches!(
            refused,
            Err(LeaseError::Ended {
                officers: 1,
                needed: 2,
                ..
            })
        ),
        "{refused:?}"
    );
    // A stranger's key is nobody's.
    desk.run(&["officer", "new", "eve", "eve", "--new-passphrase-file", "anna"]);
    assert_eq!(desk.sign("letter", "eve").exit, 0);
    assert_eq!(
        desk.join(&["ada-signed", "eve-signed"]).code(),
        "extension.too-few"
    );

    assert_eq!(desk.sign("letter", "cleo").exit, 0);
    let joined = desk.join(&["letter", "ada-signed", "eve-signed", "cleo-signed"]);
    assert_eq!(joined.exit, 0, "{}", joined.stdout);
    let report = joined.json();
    assert_eq!(report["signed_by"], serde_json::json!(["ada", "cleo"]));
    let letter = report["letter"].as_str().unwrap();
    let standing = desk.judged(&policy, "sales", letter, false).unwrap();
    assert!(standing.extended);
    assert_eq!(standing.until_s, end_s);
    // L5: other sticks, and one that was cut off.
    assert_eq!(
        desk.judged(&policy, "finance", letter, false).unwrap_err().code(),
        "lease.ended"
    );
    assert_eq!(
        desk.judged(&policy, "sales", letter, true).unwrap_err().code(),
        "lease.revoked"
    );
}

#[test]
fn l5_a_letter_for_one_stick_is_for_no_other_and_other_words_are_not_joined() {
    let Some(desk) = Desk::new() else { return };
    desk.officers(&["ada"], 1);
    let policy = policy(&desk);
    let (day, _) = in_ten_days();
    desk.request(&["--stick", &BundleId([3; 16]).to_string(), "--until", &day]);
    desk.sign("letter", "ada");
    let other = fs::read_to_string(desk.path("ada-signed")).unwrap();
    assert_eq!(
        desk.judged(&policy, "sales", &other, false).unwrap_err().code(),
        "lease.ended"
    );
    fs::rename(desk.path("ada-signed"), desk.path("other")).unwrap();
    desk.request(&["--stick", &BUNDLE.to_string().to_uppercase(), "--until", &day]);
    desk.sign("letter", "ada");
    let mixed = desk.join(&["ada-signed", "other"]);
    assert_eq!((mixed.exit, mixed.code().as_str()), (2, "envelope.other-words"));
    let joined = desk.join(&["ada-signed"]).json();
    assert!(
        desk.judged(&policy, "sales", joined["letter"].as_str().unwrap(), false)
            .is_ok()
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let Some(desk) = Desk::new() else { return };
    let code = |args: &[&str]| {
        let ran = desk.run(&[&["extend"], args, &["--json"]].concat());
        assert_eq!(ran.exit, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.code()
    };
    let request = |args: &[&str]| code(&[&["request", "--org", "acme"], args].concat());
    assert_eq!(
        request(&["--group", "sales", "--until", "2001-01-01"]),
        "extension.day"
    );
    assert_eq!(
        request(&["--group", "sales", "--until", "2999-01-01"]),
        "extension.day"
    );
    assert_eq!(
        request(&["--stick", "12", "--until", "2999-01-01"]),
        "extension.bundle"
    );
    assert_eq!(code(&["join", "--org", "acme", "it"]), "envelope.malformed");
    assert_eq!(code(&["join", "--org", "acme", "missing"]), "extension.read");
}
