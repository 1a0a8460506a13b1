//! The file of answers: TOML in the order of the questions, each answer on lines of its own under its question's text, so that it
//! reads well, diffs well and can be written by hand.
//!
//! It is written anew each time. Kept from the old one are answers to questions this set does not ask, and lines that begin
//! with `##`: those belong to people; one within an answer of several lines comes to stand before it. Who answered, and when, is not stored: the project's version control knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use toml_edit::Table;

use super::answer::{Answer, Answers};
use super::document::Source;
use super::error::PlanFileError;
use super::question::{Question, QuestionSet, parse};

const HEAD: &str = "\
# Answers to the questions of `gobag-image plan`. Edit them here or run it again with `--again`. A line that begins with `#` and a name is an
# open question: take the `#` away to answer it. Lines that begin with `##` are yours and are kept; everything else is written anew.
";

/// A file of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswersFile {
    /// The answers given.
    pub answers: Answers,
    /// Lines of people, by the question before which they stand; those at the end stand before "".
    notes: BTreeMap<String, Vec<String>>,
    /// Answers to questions that this set does not ask, by id, as they were written.
    strangers: BTreeMap<String, String>,
}

impl AnswersFile {
    /// Reads a file. `file` is its name for messages.
    pub fn read(file: &str, text: &str, set: &QuestionSet) -> Result<Self, PlanFileError> {
        let source = Source { file, text };
        let table = source.parse()?;
        let mut read = Self::default();
        let mut end = 0;
        for (id, item) in table.iter() {
            let line = source.line(item.span());
            let value = item.as_value().ok_or_else(|| source.unknown(line, id))?;
            let key = key_place(&table, id);
            let value_end = value.span().map_or(key.end, |span| span.end);
            end = end.max(value_end);
            read.keep_notes(id, notes_before(&table, id).and_then(|place| text.get(place)));
            match set.get(id) {
                _ if id == "format" => {}
                Some(question) => {
                    // Between the lines of a list; they come to stand before it.
                    let within = value.is_array().then(|| value.span()).flatten();
                    read.keep_notes(id, within.and_then(|place| text.get(place)));
                    read.answers.give(id, parse::answer(source, question, id, value)?);
                }
                None => {
                    let written = text.get(key.start..value_end).unwrap_or_default();
                    read.strangers.insert(id.to_owned(), written.to_owned());
                }
            }
        }
        read.keep_notes("", text.get(end..));
        Ok(read)
    }

    fn keep_notes(&mut self, before: &str, text: Option<&str>) {
        let lines = text.unwrap_or_default().lines().map(str::trim);
        let notes: Vec<_> = lines
            .filter(|line| line.starts_with("##"))
            .map(str::to_owned)
            .collect();
        if !notes.is_empty() {
            self.notes.entry(before.to_owned()).or_default().extend(notes);
        }
    }

    /// Writes the file.
    #[must_use]
    pub fn write(&self, set: &QuestionSet) -> String {
        let mut text = HEAD.to_owned();
        self.write_notes("format", &mut text);
        text.push_str("format = 1\n");
        let applicable = set.applicable(&self.answers);
        for area in set.areas() {
            // Writing into a string cannot fail.
            let _ = write!(text, "\n# ---- {} ----\n", area.title);
            for question in &area.questions {
                let applies = applicable.iter().any(|other| other.id == question.id);
                self.write_question(question, applies, &mut text);
            }
        }
        if !self.strangers.is_empty() {
            text.push_str("\n# ---- Not asked by these questions, and kept ----\n");
        }
        for (id, written) in &self.strangers {
            text.push('\n');
            self.write_notes(id, &mut text);
            let _ = writeln!(text, "{written}");
        }
        if self.notes.contains_key("") {
            text.push('\n');
            self.write_notes("", &mut text);
        }
        text
    }

    fn write_notes(&self, before: &str, text: &mut String) {
        for note in self.notes.get(before).into_iter().flatten() {
            let _ = writeln!(text, "{note}");
        }
    }

    fn write_question(&self, question: &Question, applies: bool, text: &mut String) {
        let answer = self.answers.get(&question.id);
        if !applies && answer.is_none() && !self.notes.contains_key(&question.id) {
            return;
        }
        let _ = write!(text, "\n# {}\n#   {}\n", question.text, question.expected());
        if !applies {
            text.push_str("#   Does not apply with the answers above.\n");
        }
        self.write_notes(&question.id, text);
        let id = &question.id;
        let _ = match (answer, &question.default) {
            (Some(answer), _) => writeln!(text, "{id} = {}", value(answer)),
            (None, Some(default)) => {
                let default = value(default).replace('\n', "\n#");
                writeln!(
                    text,
                    "#   While nobody answers, this is assumed:\n#{id} = {default}"
                )
            }
            (None, None) => writeln!(text, "#{id} ="),
        };
    }
}

/// Where the name of an entry stands.
fn key_place(table: &Table, id: &str) -> Range<usize> {
    let key = table.get_key_value(id).and_then(|(key, _)| key.span());
    key.unwrap_or_default()
}

/// Where the lines before an entry stand.
fn notes_before(table: &Table, id: &str) -> Option<Range<usize>> {
    let (key, _) = table.get_key_value(id)?;
    key.leaf_decor().prefix()?.span()
}

/// An answer as TOML.
fn value(answer: &Answer) -> String {
    match answer {
        Answer::YesNo(yes) => yes.to_string(),
        Answer::Number(number) => number.to_string(),
        Answer::Choice(text) | Answer::Text(text) => quoted(text),
        Answer::Size(_) => quoted(&answer.to_string()),
        Answer::LeftOpen => quoted(""),
        Answer::Choices(list) | Answer::List(list) => {
            let lines: String = list
                .iter()
                .map(|text| format!("    {},\n", quoted(text)))
                .collect();
            format!("[\n{lines}]")
        }
    }
}

/// A text in quotes; answers hold no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
