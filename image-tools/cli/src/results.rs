//! `gobag-image results`: takes the signed results of checks off sticks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gobag_bundle::Bundle;
use gobag_format::ledger::KeptResult;
use gobag_term::{CliError, ExitCode, Table, Ui};
use serde::Serialize;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{OrExplain, said},
    escrow::{self, EscrowKeyArgs},
};

/// Take the results of checks that wait on a stick
///
/// Each `gobag start`, and `gobag check --sign`, leaves on the stick what was found of the computer, signed with the stick's own
/// key: the newest result of each of the last eight computers. They are written into FOLDER, one file each, for `gobag-image coverage`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResultsArgs {
    /// Folder where the stick is mounted
    target: PathBuf,
    /// Where the results are written; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Delete them from the stick when they are written
    #[arg(long)]
    delete: bool,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Serialize)]
struct ResultsReport {
    bundle: String,
    user: String,
    results: Vec<OneResult>,
    deleted: bool,
}

#[derive(Serialize)]
struct OneResult {
    file: PathBuf,
    pseudonym: String,
    made_s: u64,
    expires_s: u64,
}

pub(crate) fn results(args: &ResultsArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let bundle = escrow::open_stick(
        &args.target,
        &args.escrow,
        &args.keys,
        ui,
        environment,
        args.delete,
    )?;
    let kept = bundle.ledger().or_explain()?.results().to_vec();
    let results = kept
        .iter()
        .map(|result| put(&args.output, &bundle, result))
        .collect::<Result<Vec<_>, _>>()?;
    if args.delete {
        bundle
            .change_ledger(|ledger| ledger.delivered(&kept))
            .or_explain()?;
    }
    let report = ResultsReport {
        bundle: bundle.id().to_string(),
        user: bundle.record().user.clone(),
        results,
        deleted: args.delete,
    };
    let columns = ui.columns();
    ui.answer(&report, |report| page(report, columns))?;
    Ok(ExitCode::Ok)
}

/// One file for each computer that a stick saw; an earlier one of the same is replaced.
#[expect(
    clippy::disallowed_methods,
    reason = "results for people, at the place they named; nothing of a stick"
)]
fn put(folder: &Path, bundle: &Bundle, result: &KeptResult) -> Result<OneResult, CliError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let about: String = result.about.chars().filter(|c| is_plain(*c)).take(64).collect();
    let file = folder.join(format!("{}-{about}.json", bundle.id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, &result.envelope))
        .map_err(|error| {
            let text = format!("cannot write {}: {error}", file.display());
            said(ExitCode::Failed, "image.output", text)
        })?;
    Ok(OneResult {
        file,
        pseudonym: result.about.clone(),
        made_s: result.made_s,
        expires_s: result.expires_s,
    })
}

fn page(report: &ResultsReport, columns: usize) -> String {
    if report.results.is_empty() {
        return format!("No results wait on the stick of {}.\n", report.user);
    }
    let mut table = Table::new(["computer", "file"]);
    for result in &report.results {
        table.row([result.pseudonym.clone(), result.file.display().to_string()]);
    }
    let rest = match report.deleted {
        true => "They are no longer on the stick.\n",
        false => "They are still on the stick, too; `--delete` takes them off it.\n",
    };
    format!("{}{rest}", table.render(columns))
}
