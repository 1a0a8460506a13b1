//! The shipped questions, questions of a company's own, and every mistake in them.

use proptest::prelude::*;

use super::*;
use crate::plan::testing;

fn shipped() -> QuestionSet {
    QuestionSet::shipped().expect("reads")
}

#[test]
fn the_shipped_questions_are_read_and_ask_in_words() {
    let set = shipped();
    let titles: Vec<_> = set.areas().iter().map(|area| area.title.as_str()).collect();
    assert_eq!(titles, ["Business", "Technical", "Security risks"]);
    for question in set.iter() {
        assert!(question.text.ends_with('?'), "{}", question.id);
        assert!(question.help.ends_with('.'), "{}", question.id);
    }
}

/// Every question of the paper that this product follows, by the question of ours that asks it.
#[test]
fn all_that_the_paper_asks_is_asked() {
    for id in [
        "plan-exists",
        "applications",
        "remote-access",
        "may-install",
        "image-size",
        "application-memory",
        "data-access",
        "remote-kind",
        "survey",
        "sensitive-data",
    ] {
        assert!(shipped().get(id).is_some(), "{id}");
    }
}

#[test]
fn only_what_applies_is_asked() {
    let set = shipped();
    let open = |changed: &[(&str, Answer)]| -> Vec<String> {
        let answers = testing::answers(changed);
        set.open(&answers)
            .into_iter()
            .map(|question| question.id.clone())
            .collect()
    };
    let without = open(&[]);
    assert!(!without.contains(&"remote-kind".to_owned()) && !without.contains(&"guest-licence".to_owned()));
    let with = open(&[("remote-access", Answer::YesNo(true))]);
    assert!(with.contains(&"remote-kind".to_owned()) && !with.contains(&"vpn-driver".to_owned()));
    let with = open(&[
        ("remote-access", Answer::YesNo(true)),
        ("remote-kind", testing::choice("ssl-client")),
    ]);
    // The default of `vpn-driver` makes `vpn-way` apply already.
    assert!(with.contains(&"vpn-driver".to_owned()) && with.contains(&"vpn-way".to_owned()));
    // An answer to a question that does not apply counts for nothing, and so opens nothing.
    let stale = open(&[("remote-kind", testing::choice("ipsec"))]);
    assert!(!stale.contains(&"vpn-driver".to_owned()));
}

#[test]
fn missing_is_what_has_neither_answer_nor_default() {
    let set = shipped();
    assert_eq!(set.missing(&testing::answers(&[])), Vec::<&Question>::new());
    let missing: Vec<_> = set
        .missing(&Answers::default())
        .iter()
        .map(|question| question.id.as_str())
        .collect();
    let expected = [
        "plan-exists",
        "people",
        "applications",
        "data-access",
        "remote-access",
        "may-install",
        "offline",
        "host-systems",
        "sensitive-data",
    ];
    assert_eq!(missing, expected);
}

#[test]
fn assumptions_are_told_from_answers() {
    let resolved = shipped().resolve(&testing::answers(&[]));
    assert!(resolved.is_given("people") && !resolved.is_given("cores"));
    assert_eq!(resolved.get("cores"), Some(&Answer::Number(2)));
    assert_eq!(resolved.get("teams"), None);
}

const HEAD: &str = "format = 1\narea = \"risks\"\ntitle = \"R\"\n";

fn own(text: &str) -> Result<QuestionSet, crate::plan::PlanFileError> {
    shipped().with("own.toml", &format!("{HEAD}{text}"))
}

#[test]
fn a_file_replaces_its_area_and_a_new_area_comes_last() {
    let question = "[[question]]\nid = \"dogs\"\nkind = \"yes-no\"\ntext = \"Dogs?\"\nhelp = \"Fun.\"\n";
    let set = own(question).expect("reads");
    assert_eq!(set.areas().len(), 3);
    assert_eq!(set.areas()[2].questions.len(), 1);
    assert!(set.get("dogs").is_some() && set.get("antivirus").is_none());
    let text = format!("format = 1\narea = \"pets\"\ntitle = \"Pets\"\n{question}");
    let set = shipped().with("own.toml", &text).expect("reads");
    assert_eq!(set.areas().last().map(|area| area.id.as_str()), Some("pets"));
    assert!(set.get("antivirus").is_some());
}

#[test]
fn mistakes_are_told_with_their_line() {
    let q = "[[question]]\nid = \"x\"\ntext = \"X?\"\nhelp = \"X.\"\n";
    for (text, code, part) in [
        ("", "plan.missing", "line 1: `[[question]]`"),
        ("[[question]]\nid = \"x\"", "plan.missing", "line 4: `text`"),
        (
            &format!("{q}kind = \"maybe\""),
            "plan.wrong-value",
            "line 8: `kind`",
        ),
        (
            &format!("{q}kind = \"yes-no\"\nwhy = 3"),
            "plan.unknown-field",
            "line 9: nothing is called `why`",
        ),
        (
            &format!("{q}kind = \"yes-no\"\ndefault = 3"),
            "plan.wrong-value",
            "line 9: `default` must be true or false",
        ),
        (&format!("{q}kind = \"choice\""), "plan.missing", "`options`"),
        (
            &format!(
                "{q}kind = \"choice\"\noptions = [{{ id = \"a\", text = \"A\" }},\n{{ id = \"a\", text = \"B\" }}]"
            ),
            "plan.repeated",
            "line 10",
        ),
        (
            &format!("{q}kind = \"number\"\nunit = \"x\"\nmin = 5\nmax = 4"),
            "plan.wrong-value",
            "line 11: `max`",
        ),
        (
            &format!("{q}kind = \"size\"\nmax = \"8\""),
            "plan.wrong-value",
            "line 9: `max`",
        ),
        (
            &format!("{q}kind = \"yes-no\"\nwhen = [{{ question = \"nobody\", is = true }}]"),
            "plan.condition",
            "`x` depends on `nobody`",
        ),
        (
            &format!("{q}kind = \"yes-no\"\nwhen = [{{ question = \"offline\", is = \"yes\" }}]"),
            "plan.condition",
            "never has that answer",
        ),
        (&q.replace("\"x\"", "\"X Y\""), "plan.wrong-value", "line 5: `id`"),
        (
            &q.replace("\"x\"", "\"format\""),
            "plan.wrong-value",
            "line 5: `id`",
        ),
        (
            &format!("{}kind = \"yes-no\"", q.replace("\"x\"", "\"people\"")),
            "plan.repeated",
            "another question `people`",
        ),
        (
            &format!("{}kind = \"yes-no\"", q.replace("\"x\"", "\"firewall\"")),
            "plan.contract",
            "`firewall`, which must be of kind choice",
        ),
        (
            &format!("{}kind = \"text\"\n{q}kind = \"text\"", q),
            "plan.repeated",
            "line 9",
        ),
        ("[[question]]\nid = \"\u{1b}[2J\"", "plan.syntax", "line 5"),
        ("question = 3", "plan.wrong-value", "line 4: `question`"),
    ] {
        let error = own(text).expect_err("refused");
        assert_eq!(error.code(), code, "{error}\n{text}");
        assert!(error.to_string().starts_with("own.toml, line "), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let technical = "format = 1\narea = \"business\"\ntitle = \"B\"\n[[question]]\nid = \"x\"\nkind = \"text\"\ntext = \"X?\"\nhelp = \"X.\"\n";
    // Nothing of the other areas depends on business.
    assert!(shipped().with("own.toml", technical).is_ok());
    let taken =
        own("[[question]]\nid = \"y\"\nkind = \"yes-no\"\ntext = \"Y?\"\nhelp = \"Y.\"\n").expect("reads");
    let asks = "format = 1\narea = \"late\"\ntitle = \"L\"\n[[question]]\nid = \"z\"\nkind = \"text\"\ntext = \"Z?\"\nhelp = \"Z.\"\nwhen = [{ question = \"y\", is = true }]\n";
    let late = taken.with("late.toml", asks).expect("reads");
    let error = late.with(
        "own.toml",
        &format!(
            "{HEAD}{}",
            "[[question]]\nid = \"w\"\nkind = \"text\"\ntext = \"W?\"\nhelp = \"W.\"\n"
        ),
    );
    assert_eq!(error.expect_err("refused").code(), "plan.condition");
}

proptest! {
    #[test]
    fn no_file_breaks_the_reader(text in "(?s).{0,200}") {
        let _ = QuestionSet::default().with("x", &text);
        let _ = own(&text);
    }

    /// Also files that are nearly right.
    #[test]
    fn no_damaged_file_breaks_the_reader(at in 0_usize..1 << 15, with in "[\\[\\]{}=\"\n a0]{0,3}") {
        for (file, text) in crate::plan::shipped::QUESTIONS {
            let mut damaged = text.to_owned();
            let mut at = at % damaged.len();
            while !damaged.is_char_boundary(at) {
                at -= 1;
            }
            damaged.insert_str(at, &with);
            let _ = QuestionSet::default().with(file, &damaged);
        }
    }
}
