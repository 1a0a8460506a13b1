//! What was said to the questions.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::size;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum Answer {
    /// Yes or no.
    YesNo(bool),
    /// The id of an option.
    Choice(String),
    /// Ids of options, in the order of the question.
    Choices(Vec<String>),
    /// A count.
    Number(u64),
    /// Bytes.
    Size(u64),
    /// Texts, one a line.
    List(Vec<String>),
    /// A text.
    Text(String),
    /// It was asked, and left open on purpose.
    LeftOpen,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::YesNo(true) => f.write_str("yes"),
            Self::YesNo(false) => f.write_str("no"),
            Self::Choice(text) | Self::Text(text) => f.write_str(text),
            Self::Choices(list) | Self::List(list) => f.write_str(&list.join(", ")),
            Self::Number(number) => write!(f, "{number}"),
            Self::Size(size_bytes) => f.write_str(&size::exact(*size_bytes)),
            Self::LeftOpen => f.write_str("left open"),
        }
    }
}

/// An answer, and whether anybody gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    answer: Answer,
    assumed: bool,
}

/// Answers by the question's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    by_id: BTreeMap<String, Given>,
}

impl Answers {
    /// Records what a person said.
    pub fn give(&mut self, id: &str, answer: Answer) {
        let assumed = false;
        self.by_id.insert(id.to_owned(), Given { answer, assumed });
    }

    /// Records what is taken for granted because nobody said anything.
    pub fn assume(&mut self, id: &str, answer: Answer) {
        let assumed = true;
        self.by_id.insert(id.to_owned(), Given { answer, assumed });
    }

    /// Forgets an answer.
    pub fn forget(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    /// The answer, given or assumed.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Answer> {
        self.by_id.get(id).map(|given| &given.answer)
    }

    /// Did a person give it?
    #[must_use]
    pub fn is_given(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|given| !given.assumed)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn yes_no(&self, id: &str) -> Option<bool> {
        match self.get(id) {
            Some(Answer::YesNo(yes)) => Some(*yes),
            _ => None,
        }
    }

    pub(super) fn choice(&self, id: &str) -> Option<&str> {
        match self.get(id) {
            Some(Answer::Choice(option)) => Some(option),
            _ => None,
        }
    }

    /// Entries of a list or of several choices; none if there is no such answer.
    pub(super) fn entries(&self, id: &str) -> &[String] {
        match self.get(id) {
            Some(Answer::Choices(list) | Answer::List(list)) => list,
            _ => &[],
        }
    }

    pub(super) fn number(&self, id: &str) -> Option<u64> {
        match self.get(id) {
            Some(Answer::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn size(&self, id: &str) -> Option<u64> {
        match self.get(id) {
            Some(Answer::Size(size_bytes)) => Some(*size_bytes),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: &str) -> Option<&str> {
        match self.get(id) {
            Some(Answer::Text(text)) => Some(text),
            _ => None,
        }
    }
}
