//! `gobag-image results`: takes the signed results of checks off sticks.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use gobag_bundle::Bundle;
use gobag_format::ledger::KeptResult;
use gobag_term::{CliError, ExitCode, Table, Ui, human};
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
        .enumerate()
        .map(|(nth, result)| put(&args.output, nth, &bundle, result))
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

/// One file for each computer that a stick saw; an earlier one of the same is replaced. Whoever has the stick's passphrase can have written what
/// it is about: only a pseudonym becomes a part of a name.
fn put(folder: &Path, nth: usize, bundle: &Bundle, result: &KeptResult) -> Result<OneResult, CliError> {
    let is_pseudonym = result.about.len() == 16 && result.about.bytes().all(|b| b.is_ascii_hexdigit());
    let about = match is_pseudonym {
        true => result.about.clone(),
        false => format!("other{nth}"),
    };
    let file = folder.join(format!("{}-{about}.json", bundle.id()));
    written(folder, &file, result.envelope.as_bytes()).map_err(|error| {
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

/// Whole and durable, or not at all: the stick's own copy may go next.
fn written(folder: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    fs::File::open(folder)?.sync_all()
}

fn page(report: &ResultsReport, columns: usize) -> String {
    if report.results.is_empty() {
        let user = human::printable(&report.user);
        return format!("No results wait on the stick of {user}.\n");
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
