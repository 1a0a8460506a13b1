//! `gobag-image coverage`: how many people can work, counted from what their computers said.

mod signed;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use gobag_checklists::{
    Coverage, ResultFile,
    coverage::{JudgedBy, SameAs, SignedBy},
    limits::{MAX_RESULT_BYTES, MAX_RESULTS},
    regular,
};
use gobag_term::{Cell, CliError, ExitCode, Table, Tone, Ui};

use crate::{args::OrgArgs, environment::Environment, error::said, pages};
use signed::Sticks;

/// Count how many computers can run the image
///
/// Reads what `gobag check --json` gave on many computers, signed (`--sign`, or `gobag-image results`) or not. Every result is what a
/// computer says of itself; nobody proves it. A computer that sent twice is counted once. Files that cannot be read, whose signature
/// does not hold, or that have expired are listed, and the exit code is then 3.
#[derive(Debug, clap::Args)]
pub(crate) struct CoverageArgs {
    /// Results, or folders in which every *.json is one
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Judge what the computers are by these requirements (JSON), instead of counting what each decided for itself
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Check the signatures by the register of sticks in this organisation's folder; else they are not checked
    #[arg(long, value_name = "FOLDER")]
    org: Option<PathBuf>,
    /// The repository with that register, when it is not `repository` in the organisation's folder
    #[arg(long, value_name = "FOLDER", requires = "org")]
    repository: Option<PathBuf>,
    /// Count only results that are signed by a stick in that register
    #[arg(long, requires = "org")]
    signed_only: bool,
    /// What kind of page; by the name of --output if not said
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Write the page to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Text for a terminal
    Table,
    /// The reasons, for a spreadsheet
    Csv,
    /// One page that needs nothing else
    Html,
}

pub(crate) fn coverage(
    args: &CoverageArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let requirements = args
        .requirements
        .as_deref()
        .map(pages::requirements)
        .transpose()?;
    let sticks = args.register().map(|org| Sticks::of(&org)).transpose()?;
    let read = |path: &PathBuf| read(path, args.signed_only, sticks.as_ref(), environment.now_s());
    let paths = listed(&args.files)?;
    let files: Vec<ResultFile> = paths.iter().map(read).collect();
    let coverage = Coverage::of(&files, requirements.as_ref());
    let columns = ui.columns();
    let inputs: Vec<&Path> = paths
        .iter()
        .chain(&args.requirements)
        .map(PathBuf::as_path)
        .collect();
    pages::answer(
        ui,
        &coverage,
        args.output.as_deref(),
        &inputs,
        |coverage| match args.format() {
            FormatArg::Table => page(coverage, columns),
            FormatArg::Csv => coverage.csv(),
            FormatArg::Html => coverage.html(),
        },
    )?;
    if args.output.is_some() {
        ui.say(&coverage.sentence);
    }
    Ok(if coverage.findings.is_empty() {
        ExitCode::Ok
    } else {
        ExitCode::Findings
    })
}

impl CoverageArgs {
    fn register(&self) -> Option<OrgArgs> {
        Some(OrgArgs {
            org: self.org.clone()?,
            repository: self.repository.clone(),
        })
    }

    fn format(&self) -> FormatArg {
        let named = self.output.as_ref().and_then(|path| path.extension());
        self.format
            .unwrap_or_else(|| match named.and_then(|end| end.to_str()) {
                Some("html" | "htm") => FormatArg::Html,
                Some("csv") => FormatArg::Csv,
                _ => FormatArg::Table,
            })
    }
}

/// The files that were named, and those in folders that were named, in the order of their names.
fn listed(named: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            files.extend(in_folder(path).map_err(|error| {
                let text = format!("cannot read the folder {}: {error}", path.display());
                said(ExitCode::Usage, "coverage.folder", text)
            })?);
        } else {
            files.push(path.clone());
        }
        if files.len() > MAX_RESULTS {
            let text = format!("more than {MAX_RESULTS} files; count them in parts");
            return Err(said(ExitCode::Usage, "coverage.too-many", text));
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    // One more than may be: the caller sees that there are too many.
    for entry in fs::read_dir(folder)?.take(MAX_RESULTS + 1) {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, signed_only: bool, sticks: Option<&Sticks>, now_s: u64) -> ResultFile {
    let bytes = regular::read(path, MAX_RESULT_BYTES).map_err(|error| error.to_string());
    let opened = bytes.and_then(|bytes| signed::opened(bytes, sticks, now_s));
    let (content, signed_by) = match opened {
        Ok((_, SignedBy::Nobody)) if signed_only => (Err("it is not signed".to_owned()), SignedBy::Nobody),
        Ok((content, signed_by)) => (Ok(content), signed_by),
        Err(what) => (Err(what), SignedBy::Nobody),
    };
    ResultFile {
        name: path.display().to_string(),
        content,
        signed_by,
    }
}

fn page(coverage: &Coverage, columns: usize) -> String {
    let mut text = format!("{}\n", coverage.sentence);
    text.push_str(match coverage.judged_by {
        JudgedBy::TheirOwnDecision => "counted from the decisions that the computers recorded\n",
        JudgedBy::RequirementsGivenNow => "counted by judging the recorded facts by the requirements given\n",
    });
    text.push_str(&format!("{}\n", coverage.vouched()));
    if !coverage.reasons.is_empty() {
        text.push('\n');
        text.push_str(&reasons(coverage).render(columns));
    }
    if !coverage.duplicates.is_empty() {
        let mut table = Table::new(["counted once", "because it is"]);
        for duplicate in &coverage.duplicates {
            let why = match duplicate.why {
                SameAs::Content => "the same content as",
                SameAs::Pseudonym => "the same computer as",
            };
            table.row([duplicate.file.clone(), format!("{why} {}", duplicate.counted)]);
        }
        text.push('\n');
        text.push_str(&table.render(columns));
    }
    if !coverage.findings.is_empty() {
        let mut table = Table::new(["not counted", "because"]);
        for problem in &coverage.findings {
            table.row([
                Cell::toned(&problem.file, Tone::Warn),
                Cell::from(problem.what.as_str()),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(columns));
    }
    text
}

fn reasons(coverage: &Coverage) -> Table {
    let mut table = Table::new(["mode", "reason", "blocked", "by it alone", "warned", "not known"]);
    for reason in &coverage.reasons {
        let blocked = if reason.blocked > 0 {
            Tone::Bad
        } else {
            Tone::Plain
        };
        table.row([
            Cell::from(reason.mode.to_string()),
            Cell::from(format!("{} ({})", reason.title, reason.rule)),
            Cell::toned(reason.blocked.to_string(), blocked),
            Cell::from(reason.blocked_by_it_alone.to_string()),
            Cell::from(reason.warned.to_string()),
            Cell::from(reason.unknown.to_string()),
        ]);
    }
    table
}
