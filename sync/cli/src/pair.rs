//! `gobag-sync pair`.

use std::path::PathBuf;

use gobag_client::UploadLimit;
use gobag_format::crypto::random_bytes;
use gobag_pair::{Pair, RootId};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{
    elsewhere::words_at_pairing, error::OrExplain as _, member::StateArgs, other::Right, random::SystemRandom,
};

/// Say that two folders are to be the same from now on
///
/// Changes nothing in them but the folder `.gobag-sync`, by which they are known again. Whatever is in either stays: with the first `gobag-sync sync` each gets what
/// only the other has, and of what differs both are kept.
///
/// Exit codes: 0: they are a pair. 1: one of them is not there, or was paired with another folder. 2: one is in the other. 7: another program is at it.
#[derive(Debug, clap::Args)]
pub(crate) struct PairArgs {
    /// Your folder
    left: PathBuf,
    /// The folder whose files keep their names where both changed, such as the company's share; or `workspace:NAME`, at the company's server or elsewhere
    right: Right,
    /// The second folder is another one now
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Serialize)]
struct Report {
    left: String,
    right: String,
    /// How a workspace that is kept elsewhere is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

pub(crate) fn pair(args: &PairArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let words = match args.right.workspace() {
        Some(name) => words_at_pairing(&mut args.state.open().or_explain()?, name)?,
        None => None,
    };
    let right = args
        .right
        .open(&args.left, &args.state, &UploadLimit::default(), None)
        .or_explain()?;
    if args.again {
        Pair::forget(&args.left, fresh()).or_explain()?;
    }
    Pair::make(&args.left, right, [fresh(), fresh()]).or_explain()?;
    let report = Report {
        left: args.left.display().to_string(),
        right: args.right.to_string(),
        words,
    };
    ui.answer(&report, |report| {
        format!(
            "ok   {} and {} are a pair. To make them the same: `gobag-sync sync LEFT RIGHT`.\n{}",
            report.left,
            report.right,
            report.words.as_deref().unwrap_or_default()
        )
    })?;
    Ok(ExitCode::Ok)
}

fn fresh() -> RootId {
    RootId(random_bytes(&SystemRandom))
}
