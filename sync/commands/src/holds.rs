//! `holds`.

use std::path::PathBuf;

use gobag_pair::{Agreement, Book};
use gobag_reconcile::Hold;
use gobag_term::{CliError, ExitCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::{Shell, error::OrExplain as _, text, who::who};

/// List what waits for you: it would delete or change much
///
/// No more is done in either folder as long as something waits. If it is not meant, put back what is missing; nothing of it was deleted.
///
/// Exit codes: 0: nothing waits. 3: something does.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct HoldsArgs {
    /// Your folder
    #[arg(required = true)]
    left: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Let so much through, once
    ///
    /// It is shown, and you are asked; `--yes` agrees to what waits by then. The next pass does it, if it is made within a day, and the same on the same side, and no
    /// more in files and bytes; else it waits again. Which files they are is not compared: `status LEFT --look` says what there is to do. That you said so
    /// is written down.
    ///
    /// Exit codes: 0: done. 1: nothing waits, or something else by now, or you said no.
    Confirm {
        /// Your folder
        left: PathBuf,
    },
}

#[derive(Serialize)]
struct Report {
    holds: Vec<Hold>,
    /// What the next pass may do.
    agreed: Option<Agreement>,
}

/// Does it.
pub fn holds(args: &HoldsArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let (left, is_confirmed) = match (&args.what, &args.left) {
        (Some(What::Confirm { left }), _) => (left, true),
        (None, Some(left)) => (left, false),
        (None, None) => return Ok(ExitCode::Usage),
    };
    let shell = &shell.about(left, None);
    let book = Book::open(left).or_explain(shell)?;
    match is_confirmed {
        true => confirm(&book, shell),
        false => list(&book, shell),
    }
}

fn report(book: &Book, shell: &Shell<'_>) -> Result<Report, CliError> {
    Ok(Report {
        holds: book.holds().or_explain(shell)?,
        agreed: book.agreement(Timestamp::now()).or_explain(shell)?,
    })
}

fn list(book: &Book, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let report = report(book, shell)?;
    let exit = match report.holds.is_empty() {
        true => ExitCode::Ok,
        false => ExitCode::Findings,
    };
    shell.ui.answer(&report, |report| {
        let mut text: String = report.holds.iter().map(line).collect();
        text.push_str(&match (report.holds.is_empty(), &report.agreed) {
            (true, _) => "ok   Nothing waits for you.\n".to_owned(),
            (false, Some(_)) => "You have let it through; the next pass does it.\n".to_owned(),
            (false, None) => format!(
                "None of it was done. If it is meant: {}. If not, put back what is missing.\n",
                shell.call("holds confirm LEFT")
            ),
        });
        text
    })?;
    Ok(exit)
}

fn line(hold: &Hold) -> String {
    format!("FAIL {}\n", text::held(hold))
}

fn confirm(book: &Book, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let shown = book.holds().or_explain(shell)?;
    if shown.is_empty() {
        let error = CliError::new(ExitCode::Failed, "sync.no-hold", "nothing waits for you there");
        return Err(error.hint(format!(
            "{} looks whether something does",
            shell.call("sync LEFT RIGHT")
        )));
    }
    let what: Vec<String> = shown.iter().map(text::held).collect();
    if !shell
        .ui
        .confirm(&format!("{} Let that through, once", what.join(" ")))?
    {
        let error = "nothing was let through";
        return Err(CliError::new(ExitCode::Failed, "sync.not-confirmed", error));
    }
    let agreed = book.agree(&shown, &who(), Timestamp::now()).or_explain(shell)?;
    let Some(agreed) = agreed else {
        let error = "what waits is something else by now";
        let error = CliError::new(ExitCode::Failed, "sync.other-hold", error);
        return Err(error.hint(format!(
            "{} says what; nothing was let through",
            shell.call("holds LEFT")
        )));
    };
    let report = Report {
        holds: agreed.holds.clone(),
        agreed: Some(agreed),
    };
    shell.ui.answer(&report, |report| {
        let what: String = report
            .holds
            .iter()
            .map(|hold| format!("     {}\n", text::held(hold)))
            .collect();
        format!("ok   The next pass within a day does this, once, and no more than this:\n{what}")
    })?;
    Ok(ExitCode::Ok)
}
