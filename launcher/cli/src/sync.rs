//! `gobag sync`: a folder of this computer is kept the same as a workspace of the company's, or as another folder. The commands are in `gobag-commands`;
//! here is which stick they are done by ([`carried`]), and which folders are meant when nobody says so.

mod carried;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_commands::{
    ConflictsArgs, HoldsArgs, PairArgs, RestoreArgs, Right, Shell, StatusArgs, SyncOptions, VersionsArgs,
};
use gobag_format::ledger::KeptPair;
use gobag_term::{CliError, ExitCode, Ui, human};

use crate::{
    args::UnlockArgs,
    environment::Environment,
    error::{OrExplain, said},
    open::Work,
};

use carried::Carried;

/// Keep a folder of this computer the same as your company's
///
/// Without folders it is the pair that the stick knows: of several, the one whose folder is on this computer. Once, or with `--watch` until Ctrl-C. The stick is needed for
/// as long as it lasts; if it is pulled out, what was done is whole.
///
/// Documents within the workstation are kept the same by `gobag-sync` in there, not by this.
///
/// Exit codes: 0: both are the same. 1: it, or the rest of it, waits for you (`gobag sync holds`), or it failed. 3: it is done but for what is listed, or you
/// should look at something; with `--dry-run`, there is something to do. 2: one folder is in the other, or it is not clear which is meant. 5: the stick is not unlocked, or cut off. 6: what it needs is damaged. 7: the stick is in use, or another program is at the folder. 8: your company's server said no.
/// 130: you ended it. `--watch` ends with 0 when you end it.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    /// Your folder
    left: Option<PathBuf>,
    /// The other one; or `workspace:NAME`. Without it, what the folder was paired with
    right: Option<Right>,
    #[command(flatten)]
    options: SyncOptions,
    #[command(subcommand)]
    command: Option<SyncCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum SyncCommand {
    Pair(With<PairArgs>),
    Status(With<StatusArgs>),
    Conflicts(ConflictsArgs),
    Holds(HoldsArgs),
    Versions(With<VersionsArgs>),
    Restore(With<RestoreArgs>),
}

// No text of its own: that of the command, which comes last, is the help.
#[derive(Debug, clap::Args)]
struct With<A: clap::Args> {
    #[command(flatten)]
    unlock: UnlockArgs,
    #[command(flatten)]
    args: A,
}

pub(crate) fn sync(args: &SyncArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let shell = |program| Shell::new(ui, program);
    let alone = || shell(Arc::new(Carried::nothing()));
    match &args.command {
        None => these(args, ui, environment),
        Some(SyncCommand::Pair(with)) => {
            let (work, carried) = carried::unlocked(&with.unlock, ui, environment)?;
            let exit = gobag_commands::pair(&with.args, &shell(Arc::new(carried)))?;
            remember(&work, with.args.sides(), ui);
            Ok(exit)
        }
        Some(SyncCommand::Status(with)) => {
            let (_, carried) = carried::unlocked(&with.unlock, ui, environment)?;
            gobag_commands::status(&with.args, &shell(Arc::new(carried)))
        }
        Some(SyncCommand::Conflicts(args)) => gobag_commands::conflicts(args, &alone()),
        Some(SyncCommand::Holds(args)) => gobag_commands::holds(args, &alone()),
        Some(SyncCommand::Versions(with)) => {
            let program = maybe(with.args.asks_a_workspace(), &with.unlock, ui, environment)?;
            gobag_commands::versions(&with.args, &shell(program))
        }
        Some(SyncCommand::Restore(with)) => {
            let program = maybe(with.args.asks_a_workspace(), &with.unlock, ui, environment)?;
            gobag_commands::restore(&with.args, &shell(program))
        }
    }
}

/// What is needed of the stick, if something is.
fn maybe(
    is_needed: bool,
    unlock: &UnlockArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<Arc<Carried>, CliError> {
    let carried = match is_needed {
        true => carried::unlocked(unlock, ui, environment)?.1,
        false => Carried::nothing(),
    };
    Ok(Arc::new(carried))
}

fn these(args: &SyncArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let (work, carried) = carried::unlocked(&args.unlock, ui, environment)?;
    let pairs = work.session().bundle().ledger().or_explain()?.pairs().to_vec();
    // From here on others may use the stick, for instance start it.
    drop(work);
    let (left, right) = match (&args.left, &args.right) {
        (Some(left), Some(right)) => (left.clone(), right.clone()),
        (left, _) => {
            let (left, right) = meant(&pairs, left.as_deref())?;
            let shown = left.display().to_string();
            ui.say(&format!("{} and {right}:", human::printable(&shown)));
            (left, right)
        }
    };
    let program = Arc::new(carried);
    gobag_commands::sync_these((&left, &right), &args.options, &Shell::new(ui, program))
}

/// Which pair is meant: that of this folder, else the only one, else the only one whose folder is on this computer.
fn meant(pairs: &[KeptPair], left: Option<&Path>) -> Result<(PathBuf, Right), CliError> {
    let found: Vec<&KeptPair> = match left {
        Some(left) => {
            let left = whole(left);
            pairs
                .iter()
                .filter(|pair| Path::new(&pair.left) == left)
                .collect()
        }
        None => {
            let is_here = |pair: &&KeptPair| Path::new(&pair.left).is_dir();
            match pairs.len() {
                1 => pairs.iter().collect(),
                _ => pairs.iter().filter(is_here).collect(),
            }
        }
    };
    match found.as_slice() {
        [pair] => Ok((
            PathBuf::from(&pair.left),
            Right::from(OsString::from(&pair.right)),
        )),
        [] => Err(said(
            ExitCode::Failed,
            "sync.no-pair",
            "the stick knows no such pair of folders",
        )
        .hint("once for each folder: `gobag sync pair FOLDER workspace:NAME`")),
        several => {
            let list: Vec<_> = several.iter().map(|pair| human::printable(&pair.left)).collect();
            let text = format!("the stick knows several folders: {}", list.join(", "));
            Err(said(ExitCode::Usage, "sync.several-pairs", text).hint("say which: `gobag sync FOLDER`"))
        }
    }
}

/// Remembers a pair on the stick, so that nobody has to name it again.
fn remember(work: &Work, (left, right): (&Path, &Right), ui: &Ui) {
    let left = whole(left);
    let right = match right {
        Right::Folder(path) => whole(path).display().to_string(),
        Right::Workspace(_) => right.to_string(),
    };
    let Some(left) = left.to_str() else {
        return;
    };
    let bundle = work.session().bundle();
    if let Err(error) = bundle.change_ledger(|ledger| ledger.remember(left, &right)) {
        tracing::warn!(code = error.code(), %error, "the pair is not noted on the stick");
        ui.warn("The stick does not remember this pair: name both with `gobag sync LEFT RIGHT`.");
    }
}

fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(left: &Path, right: &str) -> KeptPair {
        serde_json::from_value(serde_json::json!({ "left": left, "right": right })).unwrap()
    }

    #[test]
    fn the_only_pair_is_meant_or_the_only_one_that_is_here() {
        let here = tempfile::tempdir().unwrap();
        let here = here.path().canonicalize().unwrap();
        let away = Path::new("/nowhere/documents");
        let [one, other] = [pair(&here, "workspace:docs"), pair(away, "/share")];
        let code = |pairs: &[KeptPair], left| meant(pairs, left).unwrap_err().report().code;
        assert_eq!(code(&[], None), "sync.no-pair");
        let only = std::slice::from_ref(&other);
        assert_eq!(
            meant(only, None).unwrap().0,
            away,
            "that it is away is said better later"
        );
        let both = [one, other];
        let expected = (here.clone(), Right::Workspace("docs".to_owned()));
        assert_eq!(meant(&both, None).unwrap(), expected);
        assert_eq!(meant(&both, Some(&here)).unwrap(), expected);
        assert_eq!(
            meant(&both, Some(away)).unwrap().1,
            Right::Folder("/share".into())
        );
        assert_eq!(code(&both, Some(Path::new("/other"))), "sync.no-pair");
        let twice = [
            pair(&here, "workspace:docs"),
            pair(here.parent().unwrap(), "/share"),
        ];
        assert_eq!(code(&twice, None), "sync.several-pairs");
    }
}
