//! `gobag check --checklist`: the list that people get from IT on paper, filled in by itself.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use gobag_checklists::{
    Checklist, ChecklistOptions, Decision, Form, HostFacts, Paper, Requirements, System, Texts, TextsError,
    texts::read_folder,
};
use gobag_term::{CliError, Ui};

use crate::{environment::Environment, error::unusable_texts};

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
    #[arg(long, value_parser = forms(), value_name = "FORMAT", requires = "checklist")]
    format: Option<Form>,
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

/// The forms of the page, with their help.
fn forms() -> impl TypedValueParser<Value = Form> {
    let value = |form: Form| PossibleValue::new(form.name()).help(form.about());
    PossibleValuesParser::new(Form::ALL.map(value)).try_map(|name| name.parse::<Form>())
}

impl ListArgs {
    /// Is the list wanted?
    pub(super) fn is_wanted(&self) -> bool {
        self.checklist
    }

    /// Gives the list as the answer. `input` is the file of requirements that was read.
    pub(super) fn answer(
        &self,
        requirements: &Requirements,
        facts: &HostFacts,
        decision: &Decision,
        input: Option<&Path>,
        ui: &Ui,
        environment: &Environment,
    ) -> Result<(), CliError> {
        let texts = self.words(environment).map_err(unusable_texts)?;
        let options = ChecklistOptions {
            it_contact: None,
            systems: vec![HERE],
        };
        let list = Checklist::of(requirements, &options).filled(facts, decision);
        let form = Form::chosen(self.format, self.output.as_deref());
        let page = list.page(form, &texts, ui.columns(), Paper::A4);
        let Some(path) = &self.output else {
            return Ok(ui.answer(&list, |_| page)?);
        };
        let inputs: Vec<&Path> = input.into_iter().collect();
        ui.write_page(path, &inputs, &page)?;
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
}
