//! The list for a terminal. What colour says, the box says too; `gobag-term` takes the colours away where none are wanted.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::sentences::{self, Sentences};
use super::{Checklist, State};
use crate::limits::MIN_COLUMNS;
use crate::texts::Texts;

/// Where the words of a line begin, right of its box.
const INDENT: usize = 6;

impl Checklist {
    /// The list as text with ANSI colours, at most `columns` wide.
    #[must_use]
    pub fn terminal(&self, texts: &Texts, columns: usize) -> String {
        let mut page = Page {
            text: String::new(),
            columns: columns.max(MIN_COLUMNS),
        };
        page.heading(&texts.say("page-title"));
        match sentences::verdict(self, texts) {
            Some(verdict) => {
                page.wrapped("", "", &verdict);
                page.text.push('\n');
                page.wrapped("", "", &texts.say("legend"));
            }
            None => {
                for number in 1..=3 {
                    let step = texts.say(&format!("first-{number}"));
                    page.wrapped(&format!("  {number}. "), "     ", &step);
                }
            }
        }
        for section in &self.sections {
            page.text.push('\n');
            page.heading(&texts.say(section.id.message()));
            for item in &section.items {
                let said = Sentences::of(item, self, texts, str::to_owned);
                page.item(item.state, &said, texts);
            }
        }
        page.text.push('\n');
        page.heading(&texts.say("notice-heading"));
        for notice in ["notice-looks", "notice-never", "notice-sent"] {
            page.wrapped("  ", "  ", &texts.say(notice));
        }
        page.text.push('\n');
        let contact = sentences::contact(self, str::to_owned);
        let contact =
            contact.unwrap_or_else(|| format!("{} ____________________", texts.say("contact-blank")));
        page.wrapped("", "  ", &format!("{}: {contact}", texts.say("contact-heading")));
        page.wrapped("", "  ", &texts.say("self-report"));
        page.text
    }
}

struct Page {
    text: String,
    columns: usize,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let bold = Style::new().bold();
        for line in wrap(text, self.columns) {
            self.text.push_str(&format!("{bold}{line}{bold:#}\n"));
        }
    }

    fn item(&mut self, state: State, said: &Sentences, texts: &Texts) {
        let (sign, style) = match state {
            State::Empty => ("[ ]", Style::new()),
            State::Yes => ("[x]", AnsiColor::Green.on_default()),
            State::No => ("[!]", AnsiColor::Red.on_default().bold()),
            State::Unknown => ("[?]", AnsiColor::Yellow.on_default()),
        };
        let gap = " ".repeat(INDENT);
        let text = [Some(&said.text), said.weight.as_ref(), said.found.as_ref()];
        let text: Vec<&str> = text.into_iter().flatten().map(String::as_str).collect();
        self.wrapped(&format!("  {style}{sign}{style:#} "), &gap, &text.join(" "));
        if let Some(advice) = &said.advice {
            self.wrapped(&gap, &gap, advice);
        }
        if let Some(ways) = said.ways_on_a_line() {
            let how = texts.say("how-to-find-out");
            self.wrapped(&gap, &gap, &format!("{how} {ways}"));
        }
    }

    /// `first` begins the first line, `others` the following; both take the same room.
    fn wrapped(&mut self, first: &str, others: &str, text: &str) {
        let room = self.columns.saturating_sub(others.width().max(INDENT));
        for (number, line) in wrap(text, room).iter().enumerate() {
            let begin = if number == 0 { first } else { others };
            self.text.push_str(begin);
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// Breaks at spaces; a word that is longer than a line (an address) is cut. Widths are always those of whole lines: a sign
/// can be wider beside another one than alone.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let glue = if line.is_empty() { "" } else { " " };
        let longer = format!("{line}{glue}{word}");
        if longer.width() <= room {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            let longer = format!("{line}{letter}");
            if longer.width() > room && !line.is_empty() {
                lines.push(std::mem::replace(&mut line, letter.to_string()));
            } else {
                line = longer;
            }
        }
    }
    lines.push(line);
    lines
}
