//! `gobag check --checklist`: the list that people get from IT on paper, filled in by itself.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use gobag_checklists::{
    Checklist, ChecklistOptions, Decision, HostFacts, Paper, Requirements, System, Texts, TextsError,
    texts::read_folder,
};
use gobag_term::{CliError, ExitCode, Ui};

use crate::{environment::Environment, error::said};

/// The only system whose ways are told: the person sits at it.
const HERE: System = if cfg!(windows) {
    System::Windows
} else if cfg!(target_os = "macos") {
    System::Macos
} else {
    System::Linux
};

/// The checklist instead of the table.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Fill in the checklist for people instead of showing the table
    #[arg(long)]
    checklist: bool,
    /// What kind of page the checklist is; by the name of --output if not said
    #[arg(long, value_enum, value_name = "FORMAT", requires = "checklist")]
    format: Option<FormatArg>,
    /// Language of the checklist; yours (LC_ALL, LC_MESSAGES, LANG) where there are texts for it, if not said
    #[arg(long, value_name = "LANGUAGE", requires = "checklist")]
    language: Option<String>,
    /// Folder with texts of your own, as FOLDER/LANGUAGE/*.ftl
    #[arg(long, value_name = "FOLDER", requires = "checklist")]
    texts: Option<PathBuf>,
    /// Write the checklist to this file
    #[arg(long, value_name = "FILE", requires = "checklist")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Text for a terminal
    Terminal,
    /// Markdown with GitHub's task lists
    Markdown,
    /// One page that needs nothing else
    Html,
}

impl ListArgs {
    /// Is the list wanted?
    pub(super) fn is_wanted(&self) -> bool {
        self.checklist
    }

    /// Gives the list as the answer.
    pub(super) fn answer(
        &self,
        requirements: &Requirements,
        facts: &HostFacts,
        decision: &Decision,
        ui: &Ui,
        environment: &Environment,
    ) -> Result<(), CliError> {
        let texts = self.words(environment).map_err(refused)?;
        let options = ChecklistOptions {
            it_contact: None,
            systems: vec![HERE],
        };
        let list = Checklist::of(requirements, &options).filled(facts, decision);
        let page = match self.format() {
            FormatArg::Terminal => list.terminal(&texts, ui.columns()),
            FormatArg::Markdown => list.markdown(&texts),
            FormatArg::Html => list.html(&texts, Paper::A4),
        };
        let Some(path) = &self.output else {
            return Ok(ui.answer(&list, |_| page)?);
        };
        write(path, &page)?;
        Ok(ui.answer(&list, |_| format!("written to {}\n", path.display()))?)
    }

    fn words(&self, environment: &Environment) -> Result<Texts, TextsError> {
        let added = match &self.texts {
            None => Vec::new(),
            Some(folder) => read_folder(folder)?,
        };
        match &self.language {
            Some(language) => Texts::asked(language, &added),
            None => Texts::of_environment(environment.languages.iter().map(String::as_str), &added),
        }
    }

    fn format(&self) -> FormatArg {
        let named = self.output.as_ref().and_then(|path| path.extension());
        self.format
            .unwrap_or_else(|| match named.and_then(|end| end.to_str()) {
                Some("html" | "htm") => FormatArg::Html,
                Some("md") => FormatArg::Markdown,
                _ => FormatArg::Terminal,
            })
    }
}

fn refused(error: TextsError) -> CliError {
    CliError::new(ExitCode::Usage, error.code(), error)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a page for the person, at the place they named; nothing of a stick"
)]
fn write(path: &Path, page: &str) -> Result<(), CliError> {
    let plain = anstream::adapter::strip_str(page).to_string();
    std::fs::write(path, plain).map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        said(ExitCode::Failed, "gobag.output", text)
    })
}
