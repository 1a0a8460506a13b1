//! `requirements.json`, and whether a person changed it.
//!
//! The file carries the digest of what was derived. While it fits, the file is ours and is renewed without a word; if not, somebody
//! edited it, and their work is not thrown away unasked: the differences are shown, and the edited file stays as `.old`.

use gobag_checklists::Requirements;
use gobag_format::digest::Digest;
use gobag_term::{CliError, Ui, human::printable};
use serde_json::Value;

use super::{Outcome, Written, desk, desk::Desk};
use crate::error::{OrExplain, said};

const NAME: &str = "requirements.json";
/// The field with the digest. `gobag-image build` reads requirements, to which it does not belong, and so leaves it out.
const DIGEST: &str = "derived_digest";
/// Most differences that are shown.
const MAX_SHOWN: usize = 10;

/// Writes what was derived, unless a person's changes are there and shall stay.
pub(super) fn write_requirements(
    desk: &Desk,
    requirements: &Requirements,
    ui: &Ui,
) -> Result<Written, CliError> {
    let defect = |error| CliError::new(gobag_term::ExitCode::Bug, "plan.requirements", error);
    let derived = serde_json::to_value(requirements).map_err(defect)?;
    let path = desk.path(NAME);
    let there = desk::read_if_there(&path)?;
    let edited = there.as_deref().filter(|text| !is_ours(text));
    if let Some(text) = edited {
        let changes = changes(text, &derived);
        if changes.is_empty() {
            let outcome = Outcome::Unchanged;
            return Ok(Written { path, outcome });
        }
        ui.warn(&format!("{} was changed by hand:", path.display()));
        for change in &changes {
            ui.warn(&format!("  {change}"));
        }
        let old = desk.free(&format!("{NAME}.old"));
        let question = format!(
            "Replace it by what the answers give, and keep the changed one as {}",
            old.display()
        );
        if !ui.confirm(&question)? {
            ui.warn("requirements.json is kept as it was changed; plan.md says what the answers give");
            let outcome = Outcome::Kept;
            return Ok(Written { path, outcome });
        }
        desk::replace(&old, text.as_bytes()).or_explain()?;
    }
    let mut written = desk.write(NAME, signed(derived)?.as_bytes())?;
    if edited.is_some() {
        written.outcome = Outcome::Replaced;
    }
    Ok(written)
}

/// The file's text, with its digest.
fn signed(mut derived: Value) -> Result<String, CliError> {
    let digest = digest(&derived);
    match derived.as_object_mut() {
        Some(fields) => fields.insert(DIGEST.to_owned(), digest.into()),
        None => {
            return Err(said(
                gobag_term::ExitCode::Bug,
                "plan.requirements",
                "requirements are no object",
            ));
        }
    };
    Ok(format!("{derived:#}\n"))
}

/// Is the file as it was written? Its layout does not count, nor the order of its fields.
fn is_ours(text: &str) -> bool {
    let Some((value, digest)) = parts(text) else {
        return false;
    };
    digest.is_some_and(|stated| stated == self::digest(&value))
}

/// The requirements in a file, and the digest that stands there.
fn parts(text: &str) -> Option<(Value, Option<String>)> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let stated = value.as_object_mut()?.remove(DIGEST);
    Some((
        value,
        stated.and_then(|stated| stated.as_str().map(str::to_owned)),
    ))
}

/// `Value` keeps its fields sorted, so equal values have equal texts.
fn digest(value: &Value) -> String {
    Digest::of(value.to_string().as_bytes()).to_string()
}

/// What is different, field by field; nothing if the file says the same.
fn changes(text: &str, derived: &Value) -> Vec<String> {
    let Some((there, _)) = parts(text) else {
        return vec!["it is no JSON object any more".to_owned()];
    };
    let mut changes = Vec::new();
    compare("", Some(&there), Some(derived), &mut changes);
    let more = changes.len().saturating_sub(MAX_SHOWN);
    changes.truncate(MAX_SHOWN);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    changes
}

fn compare(place: &str, there: Option<&Value>, derived: Option<&Value>, changes: &mut Vec<String>) {
    match (there, derived) {
        (Some(Value::Object(there)), Some(Value::Object(derived))) => {
            let mut names: Vec<_> = there.keys().chain(derived.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                compare(&place, there.get(name), derived.get(name), changes);
            }
        }
        (there, derived) if there == derived => {}
        (there, derived) => {
            let word = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let text = format!("`{place}` is {}, the answers give {}", word(there), word(derived));
            changes.push(printable(&text).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived() -> Value {
        serde_json::to_value(Requirements::default()).expect("writes")
    }

    #[test]
    fn what_was_written_is_ours_however_it_is_laid_out() {
        let text = signed(derived()).expect("signed");
        assert!(is_ours(&text));
        let value: Value = serde_json::from_str(&text).expect("reads");
        assert!(is_ours(&value.to_string()), "on one line");
        let read: Requirements = serde_json::from_str(&text).expect("reads");
        assert_eq!(read, Requirements::default());
    }

    #[test]
    fn one_changed_number_is_seen_and_named() {
        let text = signed(derived()).expect("signed");
        let edited = text.replace("\"min_cores\": 2", "\"min_cores\": 4");
        assert!(!is_ours(&edited) && edited != text);
        assert_eq!(
            changes(&edited, &derived()),
            ["`min_cores` is 4, the answers give 2"]
        );
        assert_eq!(changes(&text, &derived()), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_object_and_what_has_no_digest_is_not_ours() {
        for text in [
            "",
            "[]",
            "3",
            "{}",
            "{\"derived_digest\": 3}",
            "{\"derived_digest\": \"\"}",
        ] {
            assert!(!is_ours(text), "{text}");
        }
        assert_eq!(changes("[", &derived()), ["it is no JSON object any more"]);
        assert_eq!(
            changes("{\"min_cores\": \"\\u001b[2J\"}", &derived()).len(),
            MAX_SHOWN + 1
        );
    }
}
