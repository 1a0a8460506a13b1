//! TOML with its line numbers: the one place that knows the parser.
//!
//! A table hands out its fields by name and remembers which were asked for; [`Fields::done`] refuses the others, so that a mistyped
//! field is told and not ignored.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml_edit::{Document, Table, Value};

use super::error::PlanFileError;
use super::limits::MAX_FILE_BYTES;

/// The format of all files of this module.
const FORMAT: u64 = 1;

/// A file, for messages.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Reads the file as a table that states a format we know.
    pub(super) fn parse(self) -> Result<Table, PlanFileError> {
        let table = self.parse_any()?;
        let line = 1;
        let item = table.get("format").ok_or_else(|| self.missing(line, "format"))?;
        let found = item.as_integer().and_then(|number| u64::try_from(number).ok());
        match found {
            Some(FORMAT) => Ok(table),
            Some(found) if found > FORMAT => Err(PlanFileError::Newer {
                file: self.file.to_owned(),
                found,
                supported: FORMAT,
            }),
            _ => Err(self.wrong(self.line(item.span()), "format", format!("{FORMAT}"))),
        }
    }

    fn parse_any(self) -> Result<Table, PlanFileError> {
        if self.text.len() > MAX_FILE_BYTES {
            return Err(PlanFileError::TooLong {
                file: self.file.to_owned(),
                limit: MAX_FILE_BYTES,
            });
        }
        let document = Document::parse(self.text).map_err(|error| PlanFileError::Syntax {
            file: self.file.to_owned(),
            line: self.line(error.span()),
            message: shown(&error.message().replace('\n', ", ")),
        })?;
        Ok(document.into_table())
    }

    /// The line where a span begins, from 1.
    pub(super) fn line(self, span: Option<Range<usize>>) -> usize {
        let end = span.map_or(0, |span| span.start.min(self.text.len()));
        let before = self.text.as_bytes().get(..end).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn missing(self, line: usize, field: &str) -> PlanFileError {
        PlanFileError::Missing {
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
        }
    }

    pub(super) fn wrong(self, line: usize, field: &str, expected: impl Into<String>) -> PlanFileError {
        PlanFileError::Wrong {
            file: self.file.to_owned(),
            line,
            field: shown(field),
            expected: expected.into(),
        }
    }

    pub(super) fn unknown(self, line: usize, field: &str) -> PlanFileError {
        PlanFileError::Unknown {
            file: self.file.to_owned(),
            line,
            field: shown(field),
        }
    }

    pub(super) fn repeated(self, line: usize, what: impl Into<String>) -> PlanFileError {
        PlanFileError::Repeated {
            file: self.file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

/// A text of the file as a message may show it: short, and unable to steer a terminal.
fn shown(text: &str) -> String {
    let short = text.chars().take(80);
    short
        .flat_map(|character| match character.is_control() {
            true => character.escape_default().collect::<Vec<_>>(),
            false => vec![character],
        })
        .collect()
}

/// The fields of one table.
pub(super) struct Fields<'a> {
    pub(super) source: Source<'a>,
    /// Where the table begins.
    pub(super) line: usize,
    names: Vec<(String, usize)>,
    values: Vec<(String, &'a Value)>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// Of a table whose entries are values; tables inside it are left to the caller.
    pub(super) fn of(source: Source<'a>, table: &'a Table) -> Self {
        let entries = table
            .iter()
            .map(|(name, item)| (name.to_owned(), item.span(), item.as_value()));
        Self::new(source, source.line(table.span()), entries)
    }

    /// Of a table written in braces.
    pub(super) fn of_value(source: Source<'a>, field: &str, value: &'a Value) -> Result<Self, PlanFileError> {
        let line = source.line(value.span());
        let table = value
            .as_inline_table()
            .ok_or_else(|| source.wrong(line, field, "a table in braces"))?;
        let entries = table
            .iter()
            .map(|(name, value)| (name.to_owned(), value.span(), Some(value)));
        Ok(Self::new(source, line, entries))
    }

    fn new(
        source: Source<'a>,
        line: usize,
        entries: impl Iterator<Item = (String, Option<Range<usize>>, Option<&'a Value>)>,
    ) -> Self {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, span, value) in entries {
            names.push((name.clone(), source.line(span)));
            values.extend(value.map(|value| (name, value)));
        }
        let used = RefCell::default();
        Self {
            source,
            line,
            names,
            values,
            used,
        }
    }

    /// The value of a field, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.used.borrow_mut().insert(name.to_owned());
        let (_, value) = self.values.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The value of a field that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&'a Value, PlanFileError> {
        self.get(name).ok_or_else(|| self.source.missing(self.line, name))
    }

    /// A text of at most `limit` bytes, on one line.
    pub(super) fn text(&self, name: &str, limit: usize) -> Result<Option<&'a str>, PlanFileError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let fits =
            |text: &&str| !text.trim().is_empty() && text.len() <= limit && !text.contains(char::is_control);
        match value.as_str().filter(fits) {
            Some(text) => Ok(Some(text)),
            None => {
                let expected = format!("a text of one line, at most {limit} bytes");
                Err(self.source.wrong(self.source.line(value.span()), name, expected))
            }
        }
    }

    /// A text that must be there.
    pub(super) fn need_text(&self, name: &str, limit: usize) -> Result<&'a str, PlanFileError> {
        self.text(name, limit)?
            .ok_or_else(|| self.source.missing(self.line, name))
    }

    /// Yes or no; no if it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, PlanFileError> {
        let Some(value) = self.get(name) else {
            return Ok(false);
        };
        value.as_bool().ok_or_else(|| {
            self.source
                .wrong(self.source.line(value.span()), name, "true or false")
        })
    }

    /// A whole number up to `most`.
    pub(super) fn number(&self, name: &str, most: u64) -> Result<Option<u64>, PlanFileError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => {
                let expected = format!("a whole number from 0 to {most}");
                Err(self.source.wrong(self.source.line(value.span()), name, expected))
            }
        }
    }

    /// The values of an array; none if it is not there.
    pub(super) fn array(&self, name: &str, most: usize) -> Result<Vec<&'a Value>, PlanFileError> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        match value.as_array().filter(|array| array.len() <= most) {
            Some(array) => Ok(array.iter().collect()),
            None => {
                let expected = format!("a list of at most {most} entries");
                Err(self.source.wrong(self.source.line(value.span()), name, expected))
            }
        }
    }

    /// Refuses every field that nobody asked for; `others` are the caller's.
    pub(super) fn done(&self, others: &[&str]) -> Result<(), PlanFileError> {
        let used = self.used.borrow();
        let stranger = self
            .names
            .iter()
            .find(|(name, _)| !used.contains(name) && !others.contains(&name.as_str()));
        stranger.map_or(Ok(()), |(name, line)| Err(self.source.unknown(*line, name)))
    }
}
