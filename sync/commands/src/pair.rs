//! `pair`.

use std::path::{Path, PathBuf};

use gobag_client::UploadLimit;
use gobag_format::crypto::random_bytes;
use gobag_pair::{Pair, RootId};
use gobag_reconcile::Side;
use gobag_term::{CliError, ExitCode};
use serde::Serialize;

use crate::{Shell, error::OrExplain as _, other::Right, random::SystemRandom};

/// Say that two folders are to be the same from now on
///
/// Changes nothing in them but the folder `.gobag-sync`, by which they are known again. Whatever is in either stays: with the first `sync` each gets what
/// only the other has, and of what differs both are kept.
///
/// Exit codes: 0: they are a pair. 1: one of them is not there, or was paired with another folder. 2: one is in the other. 6: what it needs is damaged. 7: another program is at it. 8: your company's server said no.
#[derive(Debug, clap::Args)]
pub struct PairArgs {
    /// Your folder
    left: PathBuf,
    /// The folder whose files keep their names where both changed, such as the company's share; or `workspace:NAME`, at the company's server or elsewhere
    right: Right,
    /// Whose file keeps its name where both changed it, from now on: `right`, unless somebody said `left` before; the other one's is beside it. `left` is for a folder that is the company's share itself
    #[arg(long, value_name = "SIDE", value_enum)]
    keeps_names: Option<Names>,
    /// The second folder is another one now; whose files keep their names stays as it was, and what both had last is put aside: nothing is deleted then, and what differs is there twice
    #[arg(long)]
    again: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Names {
    Left,
    Right,
}

impl From<Names> for Side {
    fn from(names: Names) -> Self {
        match names {
            Names::Left => Self::Left,
            Names::Right => Self::Right,
        }
    }
}

#[derive(Serialize)]
struct Report {
    left: String,
    right: String,
    /// How a workspace that is kept elsewhere is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

impl PairArgs {
    /// Which two are meant.
    pub fn sides(&self) -> (&Path, &Right) {
        (&self.left, &self.right)
    }
}

/// Does it.
pub fn pair(args: &PairArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let shell = &shell.about(&args.left, Some(&args.right));
    let words = match &args.right {
        Right::Workspace(name) => shell.program.words_at_pairing(name).or_explain(shell)?,
        Right::Folder(_) => None,
    };
    let right = args
        .right
        .open(&args.left, &*shell.program, &UploadLimit::default(), None)
        .or_explain(shell)?;
    if args.again {
        Pair::forget(&args.left, fresh()).or_explain(shell)?;
    }
    let pair = Pair::make(&args.left, right, [fresh(), fresh()]).or_explain(shell)?;
    if let Some(side) = args.keeps_names.map(Side::from) {
        pair.keep_names_of(side).or_explain(shell)?;
    }
    let report = Report {
        left: args.left.display().to_string(),
        right: args.right.to_string(),
        words,
    };
    shell.ui.answer(&report, |report| {
        format!(
            "ok   {} and {} are a pair. To make them the same: {}.\n{}",
            report.left,
            report.right,
            shell.call("sync LEFT RIGHT"),
            report.words.as_deref().unwrap_or_default()
        )
    })?;
    Ok(ExitCode::Ok)
}

fn fresh() -> RootId {
    RootId(random_bytes(&SystemRandom))
}
