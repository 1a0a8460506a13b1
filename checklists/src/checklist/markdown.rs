//! The list as Markdown, with the task lists of GitHub.

use super::sentences::{self, Sentences};
use super::{Checklist, State};
use crate::texts::Texts;

impl Checklist {
    /// The list as Markdown.
    #[must_use]
    pub fn markdown(&self, texts: &Texts) -> String {
        let mut page = format!("# {}\n\n", texts.say("page-title"));
        match sentences::verdict(self, texts) {
            Some(verdict) => page.push_str(&format!("**{}**\n", escape(&verdict))),
            None => {
                page.push_str(&format!("## {}\n\n", texts.say("first-heading")));
                for number in 1..=3 {
                    let step = texts.say(&format!("first-{number}"));
                    page.push_str(&format!("{number}. {step}\n"));
                }
            }
        }
        for section in &self.sections {
            page.push_str(&format!("\n## {}\n\n", texts.say(section.id.message())));
            for item in &section.items {
                let said = Sentences::of(item, self, texts, escape);
                line(&mut page, item.state, &said, texts);
            }
        }
        page.push_str(&format!("\n## {}\n\n", texts.say("notice-heading")));
        for notice in ["notice-looks", "notice-never", "notice-sent"] {
            page.push_str(&format!("- {}\n", texts.say(notice)));
        }
        let contact = sentences::contact(self, escape);
        let contact = contact.unwrap_or_else(|| format!("{}: …", texts.say("contact-blank")));
        page.push_str(&format!(
            "\n**{}:** {contact}\n\n{}\n",
            texts.say("contact-heading"),
            texts.say("self-report")
        ));
        page
    }
}

fn line(page: &mut String, state: State, said: &Sentences, texts: &Texts) {
    let sign = match state {
        State::Yes => "- [x] ".to_owned(),
        State::Empty => "- [ ] ".to_owned(),
        State::No => format!("- [ ] **{}:** ", texts.say("state-no")),
        State::Unknown => format!("- [ ] **{}:** ", texts.say("state-unknown")),
    };
    let parts = [
        Some(&said.text),
        said.weight.as_ref(),
        said.found.as_ref(),
        said.advice.as_ref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    page.push_str(&format!("{sign}{}\n", parts.join(" ")));
    if let Some(ways) = said.ways_on_a_line() {
        page.push_str(&format!("  *{}* {ways}\n", texts.say("how-to-find-out")));
    }
}

/// Every sign that Markdown could take for its own is taken for itself.
fn escape(words: &str) -> String {
    let mut safe = String::with_capacity(words.len());
    for character in words.chars() {
        if character.is_ascii_punctuation() {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}
