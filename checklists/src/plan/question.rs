//! What is asked: questions as data, so that a company can reword, reorder, add and leave out without a new program.
//!
//! A set is made of areas, one file each. A question depends only on questions before it, so one pass in order decides which
//! questions apply.

pub(super) mod parse;

use super::answer::{Answer, Answers};
use super::limits::{MAX_LIST, MAX_TEXT_BYTES};
use super::size;

/// All questions, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionSet {
    areas: Vec<Area>,
}

/// The questions of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its name; a file with the same one replaces it.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its questions.
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its stable name.
    pub id: String,
    /// The question itself.
    pub text: String,
    /// Why it is asked.
    pub help: String,
    /// What kind of answer it has.
    pub kind: Kind,
    /// All of these must hold for it to be asked.
    pub when: Vec<Condition>,
    /// What is taken for granted while nobody answers.
    pub default: Option<Answer>,
    /// May it be left open?
    pub optional: bool,
}

/// Kinds of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    YesNo,
    /// One of these.
    Choice(Vec<Choice>),
    /// One or more of these.
    Choices(Vec<Choice>),
    /// A count.
    Number {
        /// Of what.
        unit: String,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Bytes.
    Size {
        /// The least.
        min_bytes: u64,
        /// The most.
        max_bytes: u64,
    },
    /// Some texts.
    List,
    /// Some names of letters, digits, `_`, `-` and `.`.
    Names,
    /// A text.
    Text,
}

/// An option of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its stable name.
    pub id: String,
    /// What people read.
    pub text: String,
}

/// The answer to an earlier question that makes another one apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The earlier question.
    pub question: String,
    /// One of these must be (among) its answer.
    pub any: Vec<Expected>,
}

/// An answer a condition waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Yes or no.
    YesNo(bool),
    /// An option.
    Option(String),
}

impl Condition {
    fn holds(&self, answers: &Answers) -> bool {
        let answer = answers.get(&self.question);
        self.any.iter().any(|expected| match (expected, answer) {
            (Expected::YesNo(expected), Some(Answer::YesNo(said))) => expected == said,
            (Expected::Option(expected), Some(Answer::Choice(said))) => expected == said,
            (Expected::Option(expected), Some(Answer::Choices(said))) => said.contains(expected),
            _ => false,
        })
    }
}

impl QuestionSet {
    /// All questions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Question> {
        self.areas.iter().flat_map(|area| &area.questions)
    }

    /// The areas in order.
    #[must_use]
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// The question with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Question> {
        self.iter().find(|question| question.id == id)
    }

    /// The answers that count: those to questions that apply, and assumptions for those that nobody answered.
    #[must_use]
    pub fn resolve(&self, answers: &Answers) -> Answers {
        let mut resolved = Answers::default();
        for question in self.iter() {
            applies(question, &mut resolved, answers);
        }
        resolved
    }

    /// The questions that apply, in order, whether they are answered or not.
    #[must_use]
    pub fn applicable(&self, answers: &Answers) -> Vec<&Question> {
        let mut resolved = Answers::default();
        self.iter()
            .filter(|question| applies(question, &mut resolved, answers))
            .collect()
    }

    /// The questions that nobody has answered yet.
    #[must_use]
    pub fn open(&self, answers: &Answers) -> Vec<&Question> {
        let mut open = self.applicable(answers);
        open.retain(|question| !answers.is_given(&question.id));
        open
    }

    /// The open questions without which nothing can be derived.
    #[must_use]
    pub fn missing(&self, answers: &Answers) -> Vec<&Question> {
        let mut missing = self.open(answers);
        missing.retain(|question| question.default.is_none() && !question.optional);
        missing
    }
}

/// Does `question` apply after what is `resolved` so far? If so, its answer is recorded there.
fn applies(question: &Question, resolved: &mut Answers, answers: &Answers) -> bool {
    if !question.when.iter().all(|condition| condition.holds(resolved)) {
        return false;
    }
    match (answers.get(&question.id), &question.default) {
        (Some(answer), _) if question.check(answer).is_ok() => resolved.give(&question.id, answer.clone()),
        (_, Some(default)) => resolved.assume(&question.id, default.clone()),
        _ => {}
    }
    true
}

impl Question {
    /// Refuses an answer that this question cannot have, and says what would be right.
    pub fn check(&self, answer: &Answer) -> Result<(), String> {
        let fits = match (&self.kind, answer) {
            (_, Answer::LeftOpen) => self.optional,
            (Kind::YesNo, Answer::YesNo(_)) => true,
            (Kind::Choice(options), Answer::Choice(id)) => has(options, id),
            (Kind::Choices(options), Answer::Choices(ids)) => {
                !ids.is_empty() && all_different(ids) && ids.iter().all(|id| has(options, id))
            }
            (Kind::Number { min, max, .. }, Answer::Number(number)) => (min..=max).contains(&number),
            (Kind::Size { min_bytes, max_bytes }, Answer::Size(size_bytes)) => {
                (min_bytes..=max_bytes).contains(&size_bytes)
            }
            (Kind::List, Answer::List(list)) => {
                (1..=MAX_LIST).contains(&list.len()) && list.iter().all(|text| is_line(text))
            }
            (Kind::Names, Answer::List(list)) => {
                (1..=crate::limits::MAX_CPU_FEATURES).contains(&list.len())
                    && list.iter().all(|text| is_name(text))
            }
            (Kind::Text, Answer::Text(text)) => is_line(text),
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.expected()) }
    }

    /// What an answer may be, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        let names = |options: &[Choice]| {
            let quoted: Vec<_> = options
                .iter()
                .map(|option| format!("\"{}\"", option.id))
                .collect();
            quoted.join(", ")
        };
        let text = match &self.kind {
            Kind::YesNo => "true or false".to_owned(),
            Kind::Choice(options) => format!("one of {}", names(options)),
            Kind::Choices(options) => format!("a list of one or more of {}", names(options)),
            Kind::Number { unit, min, max } => format!("a whole number of {unit}, {min} to {max}"),
            Kind::Size { min_bytes, max_bytes } => format!(
                "a size like \"8 GiB\", from {} to {}",
                size::exact(*min_bytes),
                size::exact(*max_bytes)
            ),
            Kind::List => format!("a list of 1 to {MAX_LIST} texts of one line"),
            Kind::Names => "a list of names made of letters, digits, `_`, `-` and `.`".to_owned(),
            Kind::Text => format!("a text of one line, at most {MAX_TEXT_BYTES} bytes"),
        };
        match self.optional {
            true => format!("{text}, or \"\" to leave it open"),
            false => text,
        }
    }

    /// An answer as people read it: options by their texts.
    #[must_use]
    pub fn words(&self, answer: &Answer) -> String {
        let text = |id: &String| match &self.kind {
            Kind::Choice(options) | Kind::Choices(options) => options
                .iter()
                .find(|option| option.id == *id)
                .map_or(id.clone(), |option| option.text.clone()),
            _ => id.clone(),
        };
        match (answer, &self.kind) {
            (Answer::Choice(id), _) => text(id),
            (Answer::Choices(ids), _) => ids.iter().map(text).collect::<Vec<_>>().join("; "),
            (Answer::Number(number), Kind::Number { unit, .. }) => format!("{number} {unit}"),
            _ => answer.to_string(),
        }
    }
}

fn has(options: &[Choice], id: &str) -> bool {
    options.iter().any(|option| option.id == id)
}

fn all_different(ids: &[String]) -> bool {
    ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id))
}

/// Something was said, on one line.
fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES && !text.contains(char::is_control)
}

/// What [`crate::Requirements`] take as the name of a processor feature.
fn is_name(text: &str) -> bool {
    (1..=crate::limits::MAX_CPU_FEATURE_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests;
