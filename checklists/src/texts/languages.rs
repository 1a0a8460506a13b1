//! The languages this program carries. A new one is a folder in `checklists/texts` and a line here.

use unic_langid::LanguageIdentifier;

/// Language, name of the file, content.
pub(super) const FILES: &[(&str, &str, &str)] = &[
    (
        "en",
        "en/checklist.ftl",
        include_str!("../../texts/en/checklist.ftl"),
    ),
    (
        "de",
        "de/checklist.ftl",
        include_str!("../../texts/de/checklist.ftl"),
    ),
];

/// What every other language falls back to.
pub(super) fn english() -> LanguageIdentifier {
    named("en")
}

/// The languages this program carries, English first.
#[must_use]
pub fn embedded() -> Vec<LanguageIdentifier> {
    let mut all: Vec<_> = FILES.iter().map(|(language, ..)| named(language)).collect();
    all.dedup();
    all
}

/// Of a name that stands above; a test reads them all.
fn named(language: &str) -> LanguageIdentifier {
    language.parse().unwrap_or_default()
}
