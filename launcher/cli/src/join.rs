//! `gobag join`: the stick takes in the key of a workspace, by IT's letter. It is sealed on the stick, with all else that the stick holds of its company.

use std::{io::Read, path::PathBuf};

use gobag_checklists::regular;
use gobag_protocol::{limits::MAX_WORKSPACE_LETTER_BYTES, workspace_letter::WorkspaceLetter};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{
    args::UnlockArgs,
    environment::Environment,
    error::{OrExplain, explained, said, unusable},
    find, unlock,
};

/// Take in the key of a workspace, with the letter that your IT gave you
///
/// It is kept on the stick, sealed. Then `gobag sync pair FOLDER workspace:NAME`. Your IT has to admit the stick, too; its number is in START-HERE.html. Delete the letter
/// afterwards.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// The letter; keep it from others
    #[arg(value_name = "LETTER")]
    letter: PathBuf,
    #[command(flatten)]
    unlock: UnlockArgs,
}

#[derive(Serialize)]
struct JoinReport {
    workspace: String,
    id: String,
}

pub(crate) fn join(args: &JoinArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let letter = read(args)?;
    if letter.place.is_some() {
        let text = "this workspace is not at your company's server, where alone a stick looks for one";
        return Err(said(ExitCode::Failed, "gobag.letter-elsewhere", text)
            .hint("`gobag-sync join LETTER` on this computer takes it"));
    }
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    let mut is_kept = false;
    bundle
        .change_ledger(|ledger| {
            is_kept = ledger.join(letter.workspace, letter.name.as_str(), &letter.key);
        })
        .or_explain()?;
    if !is_kept {
        let text = format!(
            "the stick has another workspace `{}`, or this one by another key, or no room for one more",
            letter.name
        );
        return Err(said(ExitCode::Failed, "member.other-joined", text)
            .hint("ask your IT whether it is the right letter"));
    }
    let report = JoinReport {
        workspace: letter.name.to_string(),
        id: letter.workspace.to_string(),
    };
    ui.answer(&report, |report| {
        format!(
            "ok   The stick has the key of `{0}`. To pair a folder with it: `gobag sync pair FOLDER workspace:{0}`. Delete the letter now.\n",
            report.workspace
        )
    })?;
    Ok(ExitCode::Ok)
}

fn read(args: &JoinArgs) -> Result<WorkspaceLetter, CliError> {
    let mut text = Vec::new();
    regular::open(&args.letter)
        .and_then(|file| {
            file.take(MAX_WORKSPACE_LETTER_BYTES as u64 + 1)
                .read_to_end(&mut text)
        })
        .map_err(|error| unusable("gobag.letter-file", "read the letter in", &args.letter, &error))?;
    WorkspaceLetter::parse(&text).map_err(|error| explained(error.code(), error))
}
