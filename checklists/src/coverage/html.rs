//! The figure as one HTML page that needs nothing else. Everything that came from a computer is escaped.

use super::{Coverage, JudgedBy, SameAs};
use crate::markup::escape;
use crate::texts::harmless;

const STYLE: &str = include_str!("../../templates/coverage.css");

impl Coverage {
    /// The figure, the reasons, and the computers one by one.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"generator\" content=\"gobag\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Coverage</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Who can work from home</h1>\n\
             <p class=\"figure\">{}</p>\n<p>{} Every result is what a computer says of itself.</p>\n",
            escape(&self.sentence),
            match self.judged_by {
                JudgedBy::TheirOwnDecision => "Counted from the decisions that the computers recorded.",
                JudgedBy::RequirementsGivenNow => {
                    "Counted by judging the recorded facts by the requirements given."
                }
            },
        );
        let reasons = self.reasons.iter().map(|reason| {
            let numbers = [
                reason.blocked,
                reason.blocked_by_it_alone,
                reason.warned,
                reason.unknown,
            ];
            let words = [reason.mode.to_string(), reason.title.clone(), reason.rule.clone()];
            (words.to_vec(), numbers.to_vec())
        });
        let heads = [
            "mode",
            "what",
            "rule",
            "blocked",
            "by it alone",
            "warned",
            "not known",
        ];
        table(&mut page, "Reasons", &heads, 3, reasons);
        let computers = self.results.iter().map(|result| {
            let can = result
                .can
                .map_or_else(|| "nothing".to_owned(), |mode| mode.to_string());
            let can = if result.uncertain {
                format!("{can}, not all known")
            } else {
                can
            };
            let name = result.pseudonym.clone().unwrap_or_default();
            let words = vec![result.file.clone(), name, can, result.blocked_by.join(", ")];
            (words, Vec::new())
        });
        let heads = ["file", "computer", "can run", "kept from the best by"];
        table(&mut page, "Computers", &heads, 4, computers);
        let left_out = self.duplicates.iter().map(|duplicate| {
            let why = match duplicate.why {
                SameAs::Content => "the same content as",
                SameAs::Pseudonym => "the same computer as",
            };
            (
                vec![duplicate.file.clone(), format!("{why} {}", duplicate.counted)],
                Vec::new(),
            )
        });
        let bad = self
            .findings
            .iter()
            .map(|problem| (vec![problem.file.clone(), problem.what.clone()], Vec::new()));
        let heads = ["file", "why"];
        table(&mut page, "Not counted", &heads, 2, bad.chain(left_out));
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }
}

/// A table of `words` columns of words and then numbers; nothing if there are no rows.
fn table(
    page: &mut String,
    title: &str,
    heads: &[&str],
    words: usize,
    rows: impl Iterator<Item = (Vec<String>, Vec<usize>)>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str(&format!("<h2>{}</h2>\n<table>\n<thead><tr>", escape(title)));
    for (place, head) in heads.iter().enumerate() {
        let class = if place < words { "" } else { " class=\"number\"" };
        page.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(head)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (texts, numbers) in rows {
        page.push_str("<tr>");
        for text in texts {
            page.push_str(&format!("<td>{}</td>", escape(&harmless(&text))));
        }
        for number in numbers {
            page.push_str(&format!("<td class=\"number\">{number}</td>"));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}
