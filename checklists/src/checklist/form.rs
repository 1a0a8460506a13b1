//! The forms in which a checklist comes.

use std::path::Path;
use std::str::FromStr;

use super::{Checklist, Paper};
use crate::texts::Texts;

/// What kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for a terminal.
    Terminal,
    /// Markdown.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Terminal, Self::Markdown, Self::Html];

    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// What it is, for a help text.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Terminal => "Text for a terminal",
            Self::Markdown => "Markdown with GitHub's task lists",
            Self::Html => "One page that needs nothing else",
        }
    }

    /// The form that was asked for, else the one that the name of the page's file says.
    #[must_use]
    pub fn chosen(asked: Option<Self>, output: Option<&Path>) -> Self {
        let end = output.and_then(Path::extension).and_then(|end| end.to_str());
        asked.unwrap_or(match end {
            Some("html" | "htm") => Self::Html,
            Some("md") => Self::Markdown,
            _ => Self::Terminal,
        })
    }
}

impl FromStr for Form {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let form = Self::ALL.into_iter().find(|form| form.name() == name);
        form.ok_or("not a form of the checklist")
    }
}

impl Checklist {
    /// The list in a form; `columns` count on a terminal, `paper` in HTML.
    #[must_use]
    pub fn page(&self, form: Form, texts: &Texts, columns: usize, paper: Paper) -> String {
        match form {
            Form::Terminal => self.terminal(texts, columns),
            Form::Markdown => self.markdown(texts),
            Form::Html => self.html(texts, paper),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_the_form_unless_somebody_does() {
        for (asked, output, expected) in [
            (None, None, Form::Terminal),
            (None, Some("a.html"), Form::Html),
            (None, Some("a.htm"), Form::Html),
            (None, Some("a.md"), Form::Markdown),
            (None, Some("a.txt"), Form::Terminal),
            (Some(Form::Markdown), Some("a.html"), Form::Markdown),
        ] {
            assert_eq!(Form::chosen(asked, output.map(Path::new)), expected, "{output:?}");
        }
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(form));
        }
        assert!("pdf".parse::<Form>().is_err());
    }
}
