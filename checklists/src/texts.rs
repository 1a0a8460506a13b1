//! The words of the checklist in a person's language, as Fluent files.
//!
//! Every message is looked for in what was added at run time, then in the language asked for, then in English, which is
//! complete (a test sees to that). A message whose arguments do not fit is passed over like one that is missing: a wrong
//! translation costs a sentence in English, never the page.
//!
//! Fluent can put invisible marks around arguments to keep right-to-left words apart. They are off: on terminals and in
//! text files they show up as rubbish. Arguments are made [`harmless`] on the way in instead.

mod folder;
mod languages;
mod value;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use unic_langid::LanguageIdentifier;

pub use folder::{Source, read_folder};
pub use languages::embedded;
pub use value::{Value, harmless};

use crate::limits;
use languages::{FILES, english};

/// Why texts were refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextsError {
    /// There are no texts in this language.
    #[error("there are no texts in the language `{asked}`; there are: {}", there.join(", "))]
    NoSuchLanguage {
        /// What was asked for, shortened.
        asked: String,
        /// What there is.
        there: Vec<String>,
    },
    /// A file is no Fluent.
    #[error("the texts in `{name}` cannot be read: {reason}")]
    NotFluent {
        /// The file's name.
        name: String,
        /// What the parser said first.
        reason: String,
    },
    /// A folder or file of texts cannot be read.
    #[error("cannot read the texts in {}", path.display())]
    Read {
        /// The path.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// More than this program takes.
    #[error("the texts in {} are too many: {what}", path.display())]
    TooMany {
        /// The folder or file.
        path: std::path::PathBuf,
        /// What there is too much of, with the limit.
        what: String,
    },
}

impl TextsError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchLanguage { .. } => "texts.no-such-language",
            Self::NotFluent { .. } => "texts.not-fluent",
            Self::Read { .. } => "texts.read",
            Self::TooMany { .. } => "texts.too-many",
        }
    }
}

/// The words in one language, with English behind them.
pub struct Texts {
    language: LanguageIdentifier,
    bundles: Vec<FluentBundle<FluentResource>>,
}

impl Texts {
    /// The words in a language that was asked for by name (`de`, `de-AT`): there, or an error that lists what is there.
    pub fn asked(language: &str, added: &[Source]) -> Result<Self, TextsError> {
        match best(language, added) {
            Some(found) => Self::load(found, added),
            None => Err(TextsError::NoSuchLanguage {
                asked: language.chars().take(40).collect(),
                there: all(added).iter().map(ToString::to_string).collect(),
            }),
        }
    }

    /// The words in the language of a person's environment: the first of these values (`LC_ALL`, `LC_MESSAGES`, `LANG`) that
    /// is not empty counts, as everywhere; what is not there becomes English.
    pub fn of_environment<'a>(
        values: impl IntoIterator<Item = &'a str>,
        added: &[Source],
    ) -> Result<Self, TextsError> {
        let set = values.into_iter().find(|value| !value.is_empty());
        Self::load(
            set.and_then(|value| best(value, added)).unwrap_or_else(english),
            added,
        )
    }

    fn load(language: LanguageIdentifier, added: &[Source]) -> Result<Self, TextsError> {
        let mut texts = Self {
            language: language.clone(),
            bundles: Vec::new(),
        };
        // `de-AT` is looked up in its own texts, then in `de`, then in English.
        let general = LanguageIdentifier::from_parts(language.language, None, None, &[]);
        let mut chain = vec![language, general, english()];
        chain.dedup();
        for language in chain {
            let mut bundle = FluentBundle::new(vec![language.clone()]);
            bundle.set_use_isolating(false);
            let ours = FILES.iter().filter(|(known, ..)| language == *known);
            for (_, name, text) in ours {
                bundle.add_resource_overriding(resource(name, text)?);
            }
            for source in added.iter().filter(|source| source.language == language) {
                bundle.add_resource_overriding(resource(&source.name, &source.text)?);
            }
            texts.bundles.push(bundle);
        }
        Ok(texts)
    }

    /// The language, as an HTML page names it (`de`).
    #[must_use]
    pub fn language(&self) -> String {
        self.language.to_string()
    }

    /// A message without arguments.
    #[must_use]
    pub fn say(&self, id: &str) -> String {
        self.say_with(id, &[], str::to_owned)
    }

    /// A message with its arguments; `escape` is applied to those that are words from elsewhere.
    #[must_use]
    pub fn say_with(&self, id: &str, arguments: &[(&str, Value)], escape: fn(&str) -> String) -> String {
        let mut given = FluentArgs::new();
        for (name, value) in arguments {
            given.set(*name, value.spoken(self, escape));
        }
        for bundle in &self.bundles {
            let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
                continue;
            };
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, Some(&given), &mut errors);
            if errors.is_empty() {
                return text.into_owned();
            }
        }
        id.to_owned()
    }

    /// Is there such a message, in any of the languages looked at?
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.bundles.iter().any(|bundle| bundle.has_message(id))
    }
}

/// The parser calls itself for braces within braces: a file that nests them without end would end the program.
fn resource(name: &str, text: &str) -> Result<FluentResource, TextsError> {
    let refused = |reason: String| TextsError::NotFluent {
        name: harmless(name),
        reason,
    };
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::MAX_TEXT_NESTING {
            return Err(refused(format!(
                "more than {} braces within each other",
                limits::MAX_TEXT_NESTING
            )));
        }
    }
    FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| {
        let first = errors.first().map(ToString::to_string);
        refused(first.unwrap_or_else(|| "no reason given".to_owned()))
    })
}

/// The language that answers to a name like `de`, `de-AT`, `de_AT.UTF-8@euro`: itself, or else without its region.
fn best(asked: &str, added: &[Source]) -> Option<LanguageIdentifier> {
    let name = asked.split(['.', '@']).next().unwrap_or_default();
    let wanted: LanguageIdentifier = name.parse().ok()?;
    let all = all(added);
    let general = LanguageIdentifier::from_parts(wanted.language, None, None, &[]);
    [wanted, general].into_iter().find(|name| all.contains(name))
}

/// All languages there are.
fn all(added: &[Source]) -> Vec<LanguageIdentifier> {
    let mut all: Vec<LanguageIdentifier> = embedded();
    for source in added {
        if !all.contains(&source.language) {
            all.push(source.language.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests;
