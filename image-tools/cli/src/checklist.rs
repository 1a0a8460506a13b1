//! `gobag-image checklist`: the list that people tick at home, from the requirements of an image.

use std::path::{Path, PathBuf};

use clap::{
    ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use gobag_checklists::{
    Checklist, ChecklistOptions, Form, Paper, Requirements, System, Texts,
    texts::{Source, read_folder},
};
use gobag_term::{CliError, ExitCode, Ui};

use crate::{error::OrExplain, pages};

/// Make the checklist that people fill in at home
///
/// It asks what the image asks, in plain words, and tells how to find out on Windows, macOS and Linux. The HTML page needs no
/// network and prints on one sheet; people can tick it on the screen or on paper. `gobag check --checklist` fills the same list
/// in by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct ChecklistArgs {
    /// What the image asks of a computer (JSON); the usual if none is given
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// What kind of page; by the name of --output if not said
    #[arg(long, value_parser = forms(), value_name = "FORMAT")]
    format: Option<Form>,
    /// Language of the page
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    language: String,
    /// Folder with texts of your own, as FOLDER/LANGUAGE/*.ftl: a language that is missing here, or other words
    #[arg(long, value_name = "FOLDER")]
    texts: Option<PathBuf>,
    /// What the page is printed on
    #[arg(long, value_enum, value_name = "PAPER", default_value_t)]
    paper: PaperArg,
    /// Tell how to find out on this system only; can be given several times
    #[arg(long, value_enum, value_name = "SYSTEM")]
    system: Vec<SystemArg>,
    /// Whom to phone: name and number of your IT; a blank line if not said
    #[arg(long, value_name = "TEXT")]
    it_contact: Option<String>,
    /// Write the page to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PaperArg {
    /// 210 × 297 mm
    #[default]
    A4,
    /// 8.5 × 11 inches
    Letter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SystemArg {
    Windows,
    Macos,
    Linux,
}

/// The forms of the page, with their help.
fn forms() -> impl TypedValueParser<Value = Form> {
    let value = |form: Form| PossibleValue::new(form.name()).help(form.about());
    PossibleValuesParser::new(Form::ALL.map(value)).try_map(|name| name.parse::<Form>())
}

pub(crate) fn checklist(args: &ChecklistArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let requirements = match &args.requirements {
        None => Requirements::default(),
        Some(path) => pages::requirements(path)?,
    };
    let texts = texts(args)?;
    let mut options = ChecklistOptions {
        it_contact: args.it_contact.clone(),
        ..ChecklistOptions::default()
    };
    if !args.system.is_empty() {
        options
            .systems
            .retain(|system| args.system.iter().any(|asked| asked.is(*system)));
    }
    let list = Checklist::of(&requirements, &options);
    let columns = ui.columns();
    let form = Form::chosen(args.format, args.output.as_deref());
    let inputs: Vec<&Path> = args.requirements.iter().map(PathBuf::as_path).collect();
    pages::answer(ui, &list, args.output.as_deref(), &inputs, |list| {
        list.page(form, &texts, columns, args.paper())
    })?;
    Ok(ExitCode::Ok)
}

fn texts(args: &ChecklistArgs) -> Result<Texts, CliError> {
    let added: Vec<Source> = match &args.texts {
        None => Vec::new(),
        Some(folder) => read_folder(folder).or_explain()?,
    };
    Texts::asked(&args.language, &added).or_explain()
}

impl ChecklistArgs {
    fn paper(&self) -> Paper {
        match self.paper {
            PaperArg::A4 => Paper::A4,
            PaperArg::Letter => Paper::Letter,
        }
    }
}

impl SystemArg {
    fn is(self, system: System) -> bool {
        matches!(
            (self, system),
            (Self::Windows, System::Windows) | (Self::Macos, System::Macos) | (Self::Linux, System::Linux)
        )
    }
}
