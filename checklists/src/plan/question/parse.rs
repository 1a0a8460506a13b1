//! Reading a file of questions. A mistake is told with its line; nothing unknown is passed over in silence.

use toml_edit::{Table, Value};

use super::{Answer, Area, Choice, Condition, Expected, Kind, Question, QuestionSet};
use crate::plan::document::{Fields, Source};
use crate::plan::error::PlanFileError;
use crate::plan::limits::{
    MAX_CONDITIONS, MAX_ID_BYTES, MAX_LIST, MAX_NUMBER, MAX_OPTIONS, MAX_QUESTIONS, MAX_TEXT_BYTES,
};
use crate::plan::{known, shipped, size};

impl QuestionSet {
    /// The questions that this program carries.
    pub fn shipped() -> Result<Self, PlanFileError> {
        shipped::QUESTIONS
            .iter()
            .try_fold(Self::default(), |set, (file, text)| set.with(file, text))
    }

    /// With the questions of one more file: in place of the area that has the same name, else at the end.
    pub fn with(mut self, file: &str, text: &str) -> Result<Self, PlanFileError> {
        let source = Source { file, text };
        let table = source.parse()?;
        let top = Fields::of(source, &table);
        let area = Area {
            id: id(&top, "area")?,
            title: top.need_text("title", MAX_TEXT_BYTES)?.to_owned(),
            questions: Vec::new(),
        };
        top.done(&["format", "question"])?;
        let place = self.areas.iter().position(|other| other.id == area.id);
        let place = place.unwrap_or(self.areas.len());
        self.areas
            .splice(place..(place + 1).min(self.areas.len()), [area]);
        let tables = match table.get("question") {
            Some(item) => item
                .as_array_of_tables()
                .ok_or_else(|| source.wrong(source.line(item.span()), "question", "tables `[[question]]`"))?,
            None => return Err(source.missing(1, "[[question]]")),
        };
        for table in tables {
            let (question, line) = question(source, table)?;
            self.check(place, &question, source, line)?;
            if let Some(area) = self.areas.get_mut(place) {
                area.questions.push(question);
            }
        }
        self.check_order(source)?;
        Ok(self)
    }

    /// Against what is there already.
    fn check(
        &self,
        place: usize,
        question: &Question,
        source: Source<'_>,
        line: usize,
    ) -> Result<(), PlanFileError> {
        if self.get(&question.id).is_some() {
            return Err(source.repeated(line, format!("there is another question `{}`", question.id)));
        }
        if self.iter().count() >= MAX_QUESTIONS {
            return Err(source.repeated(line, format!("there are more than {MAX_QUESTIONS} questions")));
        }
        if let Err(expected) = known::check(question) {
            return Err(PlanFileError::Contract {
                file: source.file.to_owned(),
                line,
                id: question.id.clone(),
                expected,
            });
        }
        let before = |id: &str| {
            let areas = self.areas.iter().take(place + 1);
            areas
                .flat_map(|area| &area.questions)
                .find(|other| other.id == id)
        };
        for condition in &question.when {
            let refused = |why| PlanFileError::Condition {
                file: source.file.to_owned(),
                line,
                id: question.id.clone(),
                other: condition.question.clone(),
                why,
            };
            let other =
                before(&condition.question).ok_or_else(|| refused("which is not a question before it"))?;
            if !condition.any.iter().all(|expected| possible(other, expected)) {
                return Err(refused("which never has that answer"));
            }
        }
        Ok(())
    }

    /// A replaced area may have taken a question away that later areas depend on.
    fn check_order(&self, source: Source<'_>) -> Result<(), PlanFileError> {
        let mut before: Vec<&Question> = Vec::new();
        for question in self.iter() {
            for condition in &question.when {
                let other = before.iter().find(|other| other.id == condition.question);
                let why = match other {
                    None => "which is not a question before it any more",
                    Some(other) if !condition.any.iter().all(|expected| possible(other, expected)) => {
                        "which never has that answer any more"
                    }
                    Some(_) => continue,
                };
                return Err(PlanFileError::Condition {
                    file: source.file.to_owned(),
                    line: 1,
                    id: question.id.clone(),
                    other: condition.question.clone(),
                    why,
                });
            }
            before.push(question);
        }
        Ok(())
    }
}

/// Can `question` ever be answered so?
fn possible(question: &Question, expected: &Expected) -> bool {
    match (&question.kind, expected) {
        (Kind::YesNo, Expected::YesNo(_)) => true,
        (Kind::Choice(options) | Kind::Choices(options), Expected::Option(id)) => super::has(options, id),
        _ => false,
    }
}

fn question<'a>(source: Source<'a>, table: &'a Table) -> Result<(Question, usize), PlanFileError> {
    let fields = Fields::of(source, table);
    let mut question = Question {
        id: id(&fields, "id")?,
        text: fields.need_text("text", MAX_TEXT_BYTES)?.to_owned(),
        help: fields.need_text("help", MAX_TEXT_BYTES)?.to_owned(),
        kind: kind(&fields)?,
        when: Vec::new(),
        default: None,
        optional: fields.flag("optional")?,
    };
    for value in fields.array("when", MAX_CONDITIONS)? {
        question.when.push(condition(source, value)?);
    }
    if let Some(value) = fields.get("default") {
        question.default = Some(answer(source, &question, "default", value)?);
    }
    fields.done(&[])?;
    Ok((question, fields.line))
}

fn id(fields: &Fields<'_>, name: &str) -> Result<String, PlanFileError> {
    let text = fields.need_text(name, MAX_ID_BYTES)?;
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    // `format` is what the files of answers call their own version.
    if text.bytes().all(is_plain) && text != "format" {
        return Ok(text.to_owned());
    }
    let line = fields
        .get(name)
        .map_or(fields.line, |value| fields.source.line(value.span()));
    let expected = format!("small letters, digits, `-` and `_`, at most {MAX_ID_BYTES}, and not `format`");
    Err(fields.source.wrong(line, name, expected))
}

fn kind(fields: &Fields<'_>) -> Result<Kind, PlanFileError> {
    let source = fields.source;
    let line = |name| {
        fields
            .get(name)
            .map_or(fields.line, |value| source.line(value.span()))
    };
    Ok(match fields.need_text("kind", MAX_ID_BYTES)? {
        "yes-no" => Kind::YesNo,
        "choice" => Kind::Choice(options(fields)?),
        "choices" => Kind::Choices(options(fields)?),
        "number" => {
            let unit = fields.need_text("unit", MAX_ID_BYTES)?.to_owned();
            let min = fields.number("min", MAX_NUMBER)?.unwrap_or(0);
            let max = fields.number("max", MAX_NUMBER)?.unwrap_or(MAX_NUMBER);
            if min > max {
                return Err(source.wrong(line("max"), "max", format!("at least `min`, {min}")));
            }
            Kind::Number { unit, min, max }
        }
        "size" => {
            let bound = |name, otherwise| match fields.get(name) {
                Some(value) => {
                    sized(value).ok_or_else(|| source.wrong(line(name), name, "a size like \"8 GiB\""))
                }
                None => Ok(otherwise),
            };
            let (min_bytes, max_bytes) = (bound("min", 0)?, bound("max", crate::limits::MAX_SIZE_BYTES)?);
            if min_bytes > max_bytes {
                return Err(source.wrong(line("max"), "max", "at least `min`"));
            }
            Kind::Size { min_bytes, max_bytes }
        }
        "list" => Kind::List,
        "names" => Kind::Names,
        "text" => Kind::Text,
        _ => {
            let kinds = "one of yes-no, choice, choices, number, size, list, names, text";
            return Err(source.wrong(line("kind"), "kind", kinds));
        }
    })
}

fn options(fields: &Fields<'_>) -> Result<Vec<Choice>, PlanFileError> {
    let source = fields.source;
    let mut options: Vec<Choice> = Vec::new();
    for value in fields.array("options", MAX_OPTIONS)? {
        let option = Fields::of_value(source, "options", value)?;
        let choice = Choice {
            id: id(&option, "id")?,
            text: option.need_text("text", MAX_TEXT_BYTES)?.to_owned(),
        };
        option.done(&[])?;
        if super::has(&options, &choice.id) {
            return Err(source.repeated(option.line, format!("there is another option `{}`", choice.id)));
        }
        options.push(choice);
    }
    match options.is_empty() {
        true => Err(source.missing(fields.line, "options")),
        false => Ok(options),
    }
}

fn condition(source: Source<'_>, value: &Value) -> Result<Condition, PlanFileError> {
    let fields = Fields::of_value(source, "when", value)?;
    let question = fields.need_text("question", MAX_ID_BYTES)?.to_owned();
    let is = fields.need("is")?;
    let expected = |value: &Value| match (value.as_bool(), value.as_str()) {
        (Some(yes), _) => Some(Expected::YesNo(yes)),
        (None, Some(id)) => Some(Expected::Option(id.to_owned())),
        (None, None) => None,
    };
    let any: Option<Vec<_>> = match is.as_array() {
        Some(array) if array.len() <= MAX_OPTIONS => array.iter().map(expected).collect(),
        Some(_) => None,
        None => expected(is).map(|expected| vec![expected]),
    };
    let any = any.filter(|any| !any.is_empty()).ok_or_else(|| {
        source.wrong(
            source.line(is.span()),
            "is",
            "true, false, an option, or a list of options",
        )
    })?;
    fields.done(&[])?;
    Ok(Condition { question, any })
}

fn sized(value: &Value) -> Option<u64> {
    value.as_str().and_then(size::parse)
}

/// Reads an answer to `question` as files have it.
pub(in crate::plan) fn answer(
    source: Source<'_>,
    question: &Question,
    field: &str,
    value: &Value,
) -> Result<Answer, PlanFileError> {
    let texts = || -> Option<Vec<String>> {
        let array = value.as_array().filter(|array| array.len() <= MAX_LIST)?;
        array
            .iter()
            .map(|entry| entry.as_str().map(str::to_owned))
            .collect()
    };
    let answer = match &question.kind {
        _ if question.optional && value.as_str() == Some("") => Some(Answer::LeftOpen),
        Kind::YesNo => value.as_bool().map(Answer::YesNo),
        Kind::Choice(_) => value.as_str().map(|id| Answer::Choice(id.to_owned())),
        Kind::Choices(options) => texts().map(|ids| Answer::Choices(in_order(options, ids))),
        Kind::Number { .. } => value
            .as_integer()
            .and_then(|number| u64::try_from(number).ok())
            .map(Answer::Number),
        Kind::Size { .. } => sized(value).map(Answer::Size),
        Kind::List | Kind::Names => texts().map(Answer::List),
        Kind::Text => value.as_str().map(|text| Answer::Text(text.to_owned())),
    };
    answer
        .filter(|answer| question.check(answer).is_ok())
        .ok_or_else(|| source.wrong(source.line(value.span()), field, question.expected()))
}

/// Chosen options in the question's order, so that the order of ticking makes no difference; strangers stay, to be refused.
pub(in crate::plan) fn in_order(options: &[Choice], mut ids: Vec<String>) -> Vec<String> {
    ids.sort_by_key(|id| {
        options
            .iter()
            .position(|option| option.id == *id)
            .unwrap_or(usize::MAX)
    });
    ids
}
