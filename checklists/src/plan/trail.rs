//! How every value of a plan came about: the rule, in a sentence, and the answers it used.

use serde::Serialize;

use super::answer::Answers;

/// A derived value with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Derived {
    /// The rule's stable name; never renamed or reused.
    pub rule: &'static str,
    /// What was derived, as the plan's JSON calls it.
    pub what: String,
    /// Its value in words.
    pub value: String,
    /// Why, in a sentence.
    pub because: String,
    /// From which answers.
    pub answers: Vec<Used>,
}

/// An answer that a rule used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    /// The question's id.
    pub question: String,
    /// The answer in words; `None` if there is none at all, and the rule has an assumption of its own.
    pub answer: Option<String>,
    /// Was it taken for granted, because nobody answered?
    pub assumed: bool,
}

/// The answers behind a rule.
pub(super) fn used(answers: &Answers, ids: &[&str]) -> Vec<Used> {
    let one = |id: &&str| Used {
        question: (*id).to_owned(),
        answer: answers.get(id).map(ToString::to_string),
        assumed: !answers.is_given(id),
    };
    ids.iter().map(one).collect()
}

/// All derivations so far.
pub(super) struct Trail<'a> {
    answers: &'a Answers,
    pub(super) derived: Vec<Derived>,
}

impl<'a> Trail<'a> {
    pub(super) fn new(answers: &'a Answers) -> Self {
        let derived = Vec::new();
        Self { answers, derived }
    }

    /// Records one derivation.
    pub(super) fn add(
        &mut self,
        rule: &'static str,
        what: impl Into<String>,
        value: impl ToString,
        because: impl Into<String>,
        ids: &[&str],
    ) {
        self.derived.push(Derived {
            rule,
            what: what.into(),
            value: value.to_string(),
            because: because.into(),
            answers: used(self.answers, ids),
        });
    }
}
