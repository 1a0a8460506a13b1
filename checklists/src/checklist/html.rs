//! The list as one HTML page that needs nothing else: no network, no script. It can be ticked on the screen and printed.
//!
//! Everything that is put into the page goes through [`escape`], also our own words: nobody has to remember which words came
//! from a manifest. A content security policy stands behind that: the page may load and run nothing.
//!
//! It prints on one sheet: type is 12 points for what is read, smaller only for how to find out. Fonts are those that
//! every system has in the same widths (Arial, Liberation Sans), so that one sheet here is one sheet there.

use super::sentences::{self, Sentences};
use super::{Checklist, State};
use crate::markup::escape;
use crate::texts::Texts;

const STYLE: &str = include_str!("../../templates/checklist.css");
/// More lines than this are set closer when printed.
const ROOMY_ITEMS: usize = 19;

/// What the page is printed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paper {
    /// 210 × 297 mm.
    #[default]
    A4,
    /// 8.5 × 11 inches.
    Letter,
}

impl Checklist {
    /// The list as a page.
    #[must_use]
    pub fn html(&self, texts: &Texts, paper: Paper) -> String {
        let size = match paper {
            Paper::A4 => "A4",
            Paper::Letter => "letter",
        };
        let title = escape(&texts.say("page-title"));
        let class = if self.items().count() > ROOMY_ITEMS {
            "close"
        } else {
            "roomy"
        };
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"generator\" content=\"gobag\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}@page {{ size: {size}; margin: 7mm 10mm; }}\n</style>\n</head>\n\
             <body class=\"{class}\">\n<main>\n<h1>{title}</h1>\n",
            escape(&texts.language()),
        );
        self.beginning(&mut page, texts);
        for section in &self.sections {
            page.push_str(&format!(
                "<section>\n<h2>{}</h2>\n<ul class=\"items\">\n",
                escape(&texts.say(section.id.message()))
            ));
            for item in &section.items {
                let said = Sentences::of(item, self, texts, str::to_owned);
                line(&mut page, item.id, item.state, &said, texts);
            }
            page.push_str("</ul>\n</section>\n");
        }
        self.end(&mut page, texts);
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }

    fn beginning(&self, page: &mut String, texts: &Texts) {
        if let Some(verdict) = sentences::verdict(self, texts) {
            page.push_str(&format!("<p class=\"verdict\">{}</p>\n", marked(&verdict)));
            self.contact(page, texts);
            return;
        }
        page.push_str("<p class=\"fields\">\n");
        for field in ["field-name", "field-pc", "field-date"] {
            page.push_str(&blank(&texts.say(field)));
        }
        page.push_str(&format!(
            "</p>\n<section>\n<h2>{}</h2>\n<ol>\n",
            escape(&texts.say("first-heading"))
        ));
        for number in 1..=3 {
            let step = texts.say(&format!("first-{number}"));
            page.push_str(&format!("<li>{}</li>\n", marked(&step)));
        }
        page.push_str("</ol>\n");
        self.contact(page, texts);
        page.push_str("</section>\n");
    }

    /// Whom to phone stands where it is said that one should.
    fn contact(&self, page: &mut String, texts: &Texts) {
        let heading = escape(&texts.say("contact-heading"));
        page.push_str(&match sentences::contact(self, str::to_owned) {
            Some(contact) => format!(
                "<p class=\"contact\">{heading}: <strong>{}</strong></p>\n",
                escape(&contact)
            ),
            None => {
                let field = format!("{}: {}", texts.say("contact-heading"), texts.say("contact-blank"));
                format!("<p class=\"contact fields\">\n{}</p>\n", blank(&field))
            }
        });
    }

    fn end(&self, page: &mut String, texts: &Texts) {
        let said = |id| marked(&texts.say(id));
        page.push_str(&format!(
            "<section class=\"notice\">\n<h2>{}</h2>\n<p>{}</p>\n<p>{} {}</p>\n</section>\n",
            said("notice-heading"),
            said("notice-looks"),
            said("notice-never"),
            said("notice-sent"),
        ));
        page.push_str(&format!("<p class=\"self\">{}</p>\n", said("self-report")));
    }
}

fn line(page: &mut String, id: &str, state: State, said: &Sentences, texts: &Texts) {
    let checked = if state == State::Yes { " checked" } else { "" };
    let described = if said.ways.is_empty() {
        String::new()
    } else {
        format!(" aria-describedby=\"how-{id}\"")
    };
    let tag = match state {
        State::Empty | State::Yes => String::new(),
        State::No => format!(
            "<strong class=\"tag no\">{}</strong> ",
            escape(&texts.say("state-no"))
        ),
        State::Unknown => format!(
            "<strong class=\"tag\">{}</strong> ",
            escape(&texts.say("state-unknown"))
        ),
    };
    page.push_str(&format!(
        "<li><input type=\"checkbox\" id=\"{id}\"{described}{checked}>\n<div><label for=\"{id}\">{tag}{}",
        marked(&said.text)
    ));
    if let Some(weight) = &said.weight {
        page.push_str(&format!(" <span class=\"weight\">{}</span>", escape(weight)));
    }
    page.push_str("</label>");
    if let Some(found) = &said.found {
        page.push_str(&format!(" <span class=\"found\">{}</span>", escape(found)));
    }
    if let Some(advice) = &said.advice {
        page.push_str(&format!("<p class=\"advice\">{}</p>", marked(advice)));
    }
    if !said.ways.is_empty() {
        // A way that is the same everywhere is short: on paper it goes on in the same line.
        let same = if said.ways.iter().all(|(system, _)| system.is_none()) {
            " same"
        } else {
            ""
        };
        page.push_str(&format!(
            "\n<p class=\"how{same}\" id=\"how-{id}\"><span class=\"lead\">{}</span>",
            escape(&texts.say("how-to-find-out"))
        ));
        for (system, way) in &said.ways {
            let name = system
                .as_ref()
                .map(|system| format!("<b>{}:</b> ", escape(system)));
            let name = name.unwrap_or_default();
            page.push_str(&format!(" <span class=\"way\">{name}{}</span>", marked(way)));
        }
        page.push_str("</p>");
    }
    page.push_str("</div></li>\n");
}

/// A field to write into, on the screen or on paper.
fn blank(label: &str) -> String {
    format!(
        "<label>{} <input type=\"text\" autocomplete=\"off\"></label>\n",
        escape(label)
    )
}

/// Our own words: what stands in backticks is shown as something to type.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (number, part) in text.split('`').enumerate() {
        let part = escape(part);
        if number % 2 == 0 {
            html.push_str(&part);
        } else {
            html.push_str(&format!("<code>{part}</code>"));
        }
    }
    html
}
