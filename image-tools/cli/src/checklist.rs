//! `gobag-image checklist`: the list that people tick at home, from the requirements of an image.

use std::path::PathBuf;

use clap::ValueEnum;
use gobag_checklists::{
    Checklist, ChecklistOptions, Paper, Requirements, System, Texts,
    texts::{Source, read_folder},
};
use gobag_term::{CliError, ExitCode, Ui};

use crate::pages;

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
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Text for a terminal
    Terminal,
    /// Markdown with GitHub's task lists
    Markdown,
    /// One page that needs nothing else
    Html,
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
    pages::answer(ui, &list, args.output.as_ref(), |list| match args.format() {
        FormatArg::Terminal => list.terminal(&texts, columns),
        FormatArg::Markdown => list.markdown(&texts),
        FormatArg::Html => list.html(&texts, args.paper()),
    })?;
    Ok(ExitCode::Ok)
}

fn texts(args: &ChecklistArgs) -> Result<Texts, CliError> {
    let refused = |error: gobag_checklists::TextsError| CliError::new(ExitCode::Usage, error.code(), error);
    let added: Vec<Source> = match &args.texts {
        None => Vec::new(),
        Some(folder) => read_folder(folder).map_err(refused)?,
    };
    Texts::asked(&args.language, &added).map_err(refused)
}

impl ChecklistArgs {
    fn format(&self) -> FormatArg {
        let named = self.output.as_ref().and_then(|path| path.extension());
        self.format
            .unwrap_or_else(|| match named.and_then(|end| end.to_str()) {
                Some("html" | "htm") => FormatArg::Html,
                Some("md") => FormatArg::Markdown,
                _ => FormatArg::Terminal,
            })
    }

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
