//! What stands in a sentence beside its words: numbers, sizes, names.

use fluent_bundle::FluentValue;
use serde::Serialize;

use super::Texts;
use crate::limits::MAX_FOREIGN_CHARS;
use crate::requirements::Mode;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// One argument of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Value {
    /// A number, which decides between singular and plural.
    Count(u64),
    /// A size that is asked for, in bytes; shown rounded up.
    NeededBytes(u64),
    /// A size that was found, in bytes; shown rounded down.
    FoundBytes(u64),
    /// Some days in the past.
    DaysAgo(u64),
    /// A name or an address from elsewhere; shown [`harmless`].
    Words(String),
    /// A word that the texts choose by, never shown.
    Choice(&'static str),
    /// Ways to run the image.
    Modes(Vec<Mode>),
    /// Nothing was found where there could be something.
    Nothing,
}

impl Value {
    /// As Fluent takes it; `escape` is applied to words from elsewhere.
    pub(super) fn spoken(&self, texts: &Texts, escape: fn(&str) -> String) -> FluentValue<'static> {
        match self {
            Self::Count(number) => (*number).into(),
            Self::Choice(word) => (*word).into(),
            other => other.shown(texts, escape).into(),
        }
    }

    /// As people read it.
    #[must_use]
    pub fn shown(&self, texts: &Texts, escape: fn(&str) -> String) -> String {
        match self {
            Self::Count(number) => number.to_string(),
            Self::NeededBytes(size_bytes) => size(*size_bytes, u64::div_ceil, texts),
            Self::FoundBytes(size_bytes) => size(*size_bytes, |size, unit| size / unit, texts),
            Self::DaysAgo(days) => {
                texts.say_with("found-days", &[("days", Self::Count(*days))], str::to_owned)
            }
            Self::Words(words) => escape(&harmless(words)),
            Self::Choice(word) => (*word).to_owned(),
            Self::Modes(modes) => {
                let names: Vec<String> = modes
                    .iter()
                    .map(|mode| texts.say(&format!("mode-{mode}")))
                    .collect();
                names.join(", ")
            }
            Self::Nothing => texts.say("found-none"),
        }
    }
}

/// A size as the three systems show memory: units of 1,024, called MB and GB. Below ten GB with one decimal, if it has one.
fn size(size_bytes: u64, divide: fn(u64, u64) -> u64, texts: &Texts) -> String {
    let mib = divide(size_bytes, MIB);
    let (amount, unit) = if mib < 1024 {
        (mib.to_string(), "size-mb")
    } else {
        let tenths = divide(size_bytes.saturating_mul(10), GIB);
        let amount = match (tenths / 10, tenths % 10) {
            (10.., _) => divide(size_bytes, GIB).to_string(),
            (whole, 0) => whole.to_string(),
            (whole, tenth) => format!("{whole}{}{tenth}", texts.say("decimal-mark")),
        };
        (amount, "size-gb")
    };
    texts.say_with(unit, &[("amount", Value::Words(amount))], str::to_owned)
}

/// Words from elsewhere (a manifest, a computer) made fit for any page: no control characters, nothing that turns the
/// direction of writing, no `backticks` (which mark what is typed), one line, and not endless.
#[must_use]
pub fn harmless(words: &str) -> String {
    let mut safe = String::new();
    for (number, character) in words.chars().enumerate() {
        if number == MAX_FOREIGN_CHARS {
            safe.push('…');
            break;
        }
        match character {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                safe.push('\u{fffd}')
            }
            '`' => safe.push('\''),
            '\n' | '\t' => safe.push(' '),
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}
