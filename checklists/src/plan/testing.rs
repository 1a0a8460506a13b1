//! A company for tests: two hundred people with Linux at home, the paper's case in today's terms, and arbitrary answers.

use proptest::prelude::*;

use super::{Answer, Answers, Kind, Question, QuestionSet};

pub(super) fn chosen(ids: &[&str]) -> Answer {
    Answer::Choices(ids.iter().map(|id| (*id).to_owned()).collect())
}

pub(super) fn choice(id: &str) -> Answer {
    Answer::Choice(id.to_owned())
}

/// Answers to every question without default, with some of them changed.
pub(super) fn answers(changed: &[(&str, Answer)]) -> Answers {
    let mut answers = Answers::default();
    for (id, answer) in [
        ("plan-exists", Answer::YesNo(true)),
        ("people", Answer::Number(200)),
        (
            "applications",
            Answer::List(vec!["LibreOffice".to_owned(), "Firefox".to_owned()]),
        ),
        ("data-access", chosen(&["stick"])),
        ("remote-access", Answer::YesNo(false)),
        ("may-install", choice("yes")),
        ("offline", Answer::YesNo(true)),
        ("host-systems", chosen(&["linux"])),
        ("sensitive-data", Answer::YesNo(false)),
    ] {
        answers.give(id, answer);
    }
    for (id, answer) in changed {
        answers.give(id, answer.clone());
    }
    answers
}

/// Any answer that a question may have.
fn any_answer(question: &Question) -> BoxedStrategy<Answer> {
    let line = "[ -~äß漢\\\\\"'#]{0,20}[a-z]";
    let answer = match question.kind.clone() {
        Kind::YesNo => any::<bool>().prop_map(Answer::YesNo).boxed(),
        Kind::Choice(options) => prop::sample::select(options)
            .prop_map(|option| Answer::Choice(option.id))
            .boxed(),
        Kind::Choices(options) => {
            let most = options.len();
            prop::sample::subsequence(options, 1..=most)
                .prop_map(|some| Answer::Choices(some.into_iter().map(|option| option.id).collect()))
                .boxed()
        }
        // Few would count so many people; it is only slow.
        Kind::Number { min, max, .. } => (min..=max.min(5000)).prop_map(Answer::Number).boxed(),
        Kind::Size { min_bytes, max_bytes } => (min_bytes >> 10..=max_bytes >> 10)
            .prop_map(|kib| Answer::Size(kib << 10))
            .boxed(),
        Kind::List => prop::collection::vec(line, 1..4).prop_map(Answer::List).boxed(),
        Kind::Names => prop::collection::vec("[a-z0-9_.-]{1,32}", 1..4)
            .prop_map(Answer::List)
            .boxed(),
        Kind::Text => line.prop_map(Answer::Text).boxed(),
    };
    match question.optional {
        true => prop_oneof![3 => answer, 1 => Just(Answer::LeftOpen)].boxed(),
        false => answer,
    }
}

/// Any answers to some of the questions.
pub(super) fn any_answers(set: &QuestionSet) -> BoxedStrategy<Answers> {
    let some: Vec<_> = set
        .iter()
        .map(|question| {
            let id = question.id.clone();
            prop::option::weighted(0.8, any_answer(question)).prop_map(move |answer| (id.clone(), answer))
        })
        .collect();
    some.prop_map(|given| {
        let mut answers = Answers::default();
        for (id, answer) in given {
            if let Some(answer) = answer {
                answers.give(&id, answer);
            }
        }
        answers
    })
    .boxed()
}
