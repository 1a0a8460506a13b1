//! Languages are complete, agree, and can be added; bad files cost no more than themselves.

use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use proptest::prelude::*;

use super::*;
use crate::requirements::Mode;

/// The arguments of every message of a language, taken from its syntax.
fn messages(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    for (_, name, text) in FILES.iter().filter(|(known, ..)| *known == language) {
        let parsed =
            fluent_syntax::parser::parse(*text).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
        for entry in parsed.body {
            let Entry::Message(message) = entry else { continue };
            let mut arguments = BTreeSet::new();
            let pattern = message.value.expect("a message with words");
            collect(&pattern, &mut arguments);
            let before = messages.insert(message.id.name.to_owned(), arguments);
            assert!(before.is_none(), "{} twice in {name}", message.id.name);
        }
    }
    messages
}

fn collect(pattern: &Pattern<&str>, into: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else {
            continue;
        };
        match expression {
            Expression::Inline(inline) => collect_inline(inline, into),
            Expression::Select { selector, variants } => {
                collect_inline(selector, into);
                variants.iter().for_each(|variant| collect(&variant.value, into));
            }
        }
    }
}

fn collect_inline(inline: &InlineExpression<&str>, into: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            into.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => match expression.as_ref() {
            Expression::Inline(inner) => collect_inline(inner, into),
            Expression::Select { selector, variants } => {
                collect_inline(selector, into);
                variants.iter().for_each(|variant| collect(&variant.value, into));
            }
        },
        _ => {}
    }
}

#[test]
fn every_language_has_every_message_with_the_same_arguments() {
    let english = messages("en");
    assert!(english.len() > 80, "{}", english.len());
    for language in embedded() {
        let other = messages(&language.to_string());
        assert!(!other.is_empty(), "{language}");
        for (id, arguments) in &english {
            assert_eq!(Some(arguments), other.get(id), "{language}: {id}");
        }
        for id in other.keys() {
            assert!(
                english.contains_key(id),
                "{language} has {id}, which English has not"
            );
        }
    }
}

#[test]
fn german_is_not_english_left_over() {
    let (english, german) = (texts("en"), texts("de"));
    let short_or_the_same = |id: &str| {
        let in_english = english.say(id);
        in_english == german.say(id) && in_english.split(' ').count() > 3
    };
    let left: Vec<String> = messages("en")
        .into_iter()
        .filter(|(id, arguments)| arguments.is_empty() && short_or_the_same(id))
        .map(|(id, _)| id)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn texts(language: &str) -> Texts {
    Texts::asked(language, &[]).expect("carried")
}

#[test]
fn sizes_and_numbers_follow_the_language() {
    let shown = |value: Value, language: &str| value.shown(&texts(language), str::to_owned);
    for (value, english, german) in [
        (Value::NeededBytes(5 << 29), "2.5 GB", "2,5 GB"),
        (Value::NeededBytes(64 << 20), "64 MB", "64 MB"),
        (Value::NeededBytes((2 << 30) + 1), "2.1 GB", "2,1 GB"),
        (Value::FoundBytes((2 << 30) + 1), "2 GB", "2 GB"),
        (Value::FoundBytes((9 << 30) - 1), "8.9 GB", "8,9 GB"),
        (Value::FoundBytes(50 << 30), "50 GB", "50 GB"),
        (Value::NeededBytes(0), "0 MB", "0 MB"),
        (Value::NeededBytes((1 << 30) - 1), "1 GB", "1 GB"),
        (Value::FoundBytes((1 << 30) - 1), "1023 MB", "1023 MB"),
        (Value::DaysAgo(1), "1 day ago", "vor 1 Tag"),
        (Value::DaysAgo(0), "today", "heute"),
        (Value::DaysAgo(45), "45 days ago", "vor 45 Tagen"),
        (Value::Nothing, "none", "nichts"),
        (
            Value::Modes(vec![Mode::Vm, Mode::Container]),
            "full workstation, light workstation",
            "voller Arbeitsplatz, leichter Arbeitsplatz",
        ),
    ] {
        assert_eq!(shown(value.clone(), "en"), english);
        assert_eq!(shown(value, "de"), german);
    }
}

#[test]
fn plurals_follow_the_language() {
    for (cores, english, german) in [
        (1, "It has at least 1 core.", "Er hat mindestens 1 Kern."),
        (2, "It has at least 2 cores.", "Er hat mindestens 2 Kerne."),
    ] {
        let cores = [("cores", Value::Count(cores))];
        assert_eq!(texts("en").say_with("item-cores", &cores, str::to_owned), english);
        assert_eq!(texts("de").say_with("item-cores", &cores, str::to_owned), german);
    }
}

#[test]
fn a_person_s_environment_chooses_the_language() {
    for (values, expected) in [
        (vec!["de_AT.UTF-8@euro"], "de"),
        (vec!["", "", "de_DE"], "de"),
        (vec!["C", "", "de_DE"], "en"),
        (vec!["POSIX"], "en"),
        (vec!["fr_FR.UTF-8"], "en"),
        (vec!["../../etc/passwd"], "en"),
        (vec![], "en"),
    ] {
        let texts = Texts::of_environment(values.iter().copied(), &[]).expect("loads");
        assert_eq!(texts.language(), expected, "{values:?}");
    }
}

#[test]
fn a_language_that_is_not_there_is_an_error_that_lists_what_is() {
    let error = Texts::asked("fr", &[]).err().expect("refused");
    assert_eq!(error.code(), "texts.no-such-language");
    assert_eq!(
        error.to_string(),
        "there are no texts in the language `fr`; there are: en, de"
    );
}

fn source(language: &str, text: &str) -> Source {
    Source {
        language: language.parse().expect("a language"),
        name: format!("{language}/own.ftl"),
        text: text.to_owned(),
    }
}

#[test]
fn a_language_is_added_by_a_file_and_what_it_lacks_is_english() {
    let added = [source("fr", "page-title = Liste\n")];
    let texts = Texts::asked("fr-CA", &added).expect("loads");
    assert_eq!(texts.language(), "fr");
    assert_eq!(texts.say("page-title"), "Liste");
    assert_eq!(texts.say("field-date"), "Date");
}

#[test]
fn a_company_s_own_words_go_before_ours() {
    let added = [source("de", "page-title = Ihr Notfallstick\n")];
    let texts = Texts::asked("de", &added).expect("loads");
    assert_eq!(texts.say("page-title"), "Ihr Notfallstick");
    assert_eq!(texts.say("field-date"), "Datum");
}

#[test]
fn a_translation_with_a_wrong_argument_costs_a_sentence_and_not_the_page() {
    let added = [source("fr", "item-cores = Au moins { $coeurs } coeurs.\n")];
    let texts = Texts::asked("fr", &added).expect("loads");
    let cores = [("cores", Value::Count(2))];
    assert_eq!(
        texts.say_with("item-cores", &cores, str::to_owned),
        "It has at least 2 cores."
    );
}

#[test]
fn bad_files_are_refused_by_name() {
    let deep = format!("a = {}x{}\n", "{".repeat(100_000), "}".repeat(100_000));
    for text in ["= x\n", "a = { $b\n", deep.as_str()] {
        let error = Texts::asked("fr", &[source("fr", text)]).err().expect("refused");
        assert_eq!(error.code(), "texts.not-fluent");
        assert!(error.to_string().contains("fr/own.ftl"), "{error}");
    }
}

#[test]
fn messages_that_call_each_other_or_grow_end() {
    let bomb: String = (0..30)
        .map(|level| {
            format!(
                "m{level} = {{ m{next} }}{{ m{next} }}{{ m{next} }}\n",
                next = level + 1
            )
        })
        .collect();
    let added = [source("fr", &format!("{bomb}m30 = x\nround = {{ round }}\n"))];
    let texts = Texts::asked("fr", &added).expect("loads");
    assert_eq!(texts.say("m0"), "m0");
    assert_eq!(texts.say("round"), "round");
}

#[test]
fn no_invisible_marks_are_put_around_words() {
    let address = [
        ("kind", Value::Choice("web")),
        ("address", Value::Words("https://work.example".to_owned())),
    ];
    for language in ["en", "de"] {
        let text = texts(language).say_with("item-remote", &address, str::to_owned);
        assert!(text.ends_with(": https://work.example"), "{text}");
        assert!(!text.contains(['\u{2068}', '\u{2069}']), "{text:?}");
    }
}

#[test]
fn words_from_elsewhere_cannot_steer_anything() {
    for (words, expected) in [
        ("plain äöü 漢字", "plain äöü 漢字"),
        ("\u{1b}[31mred", "\u{fffd}[31mred"),
        ("a\nb\tc\rd", "a b c\u{fffd}d"),
        ("gpj\u{202e}exe", "gpj\u{fffd}exe"),
        ("`rm -rf`", "'rm -rf'"),
    ] {
        assert_eq!(harmless(words), expected);
    }
    assert_eq!(harmless(&"x".repeat(10_000)).chars().count(), 201);
}

#[test]
fn texts_in_folders_are_read_and_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        #[expect(clippy::disallowed_methods, reason = "the test writes its own texts")]
        std::fs::write(path, text).expect("written");
    };
    put("fr/checklist.ftl", b"page-title = Liste\n");
    put("fr/README.md", b"not looked at");
    put("no language at all/checklist.ftl", b"not looked at");
    let sources = read_folder(folder.path()).expect("reads");
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].language.to_string(), "fr");
    let texts = Texts::asked("fr", &sources).expect("loads");
    assert_eq!(texts.say("page-title"), "Liste");

    put("fr/large.ftl", &vec![b'#'; limits::MAX_TEXT_BYTES as usize + 1]);
    let error = read_folder(folder.path()).expect_err("refused");
    assert_eq!(error.code(), "texts.too-many");
    put("fr/large.ftl", b"\xff\xfe");
    let error = read_folder(folder.path()).expect_err("refused");
    assert_eq!(error.code(), "texts.read");
    assert!(error.to_string().contains("large.ftl"), "{error}");
    let error = read_folder(&folder.path().join("absent")).expect_err("refused");
    assert_eq!(error.code(), "texts.read");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z{}$=>\\[\\]*\" \n.-]{0,200}") {
        if let Ok(texts) = Texts::asked("fr", &[source("fr", &text)]) {
            prop_assert_eq!(texts.language(), "fr");
        }
    }
}
