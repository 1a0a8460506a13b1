//! `conflicts`.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gobag_files::{FilesError, run_time};
use gobag_pair::{Book, Conflict, Keep, PairError};
use gobag_reconcile::{RelPath, Side};
use gobag_term::{CliError, ExitCode};
use serde::Serialize;

use crate::{
    Shell,
    error::OrExplain as _,
    text,
    time::{local, run_now},
};

/// List files that were changed in both folders, and of which both are kept
///
/// The other folder's has the name, and yours is beside it; but where yours is a folder by now, or it was paired with `--keeps-names left`, yours has the name, and the other folder's file is beside it. One that you deleted, moved or gave another name is not listed any more.
///
/// Exit codes: 0: there are none. 3: there are some.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ConflictsArgs {
    /// Your folder
    #[arg(required = true)]
    left: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Resolve(ResolveArgs),
}

/// Say which one is to stay
///
/// Nothing is deleted: what goes from its place is kept as a version, and `restore` brings it back. The other folder gets it with the next pass.
///
/// Exit codes: 0: done. 1: there is no such conflict, or somebody is writing to the file. 7: a pass is under way.
#[derive(Debug, clap::Args)]
struct ResolveArgs {
    /// Your folder
    left: PathBuf,
    /// The path of the file in it, or of the one beside it
    path: OsString,
    /// `mine`: yours has the name, and the other one goes; `theirs`: the other way round; `both`: both stay as they are, and it is listed no more
    #[arg(long, value_enum, value_name = "WHICH")]
    keep: Which,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    Mine,
    Theirs,
    Both,
}

#[derive(Serialize)]
struct Listed {
    conflicts: Vec<Line>,
}

/// A conflict copy.
#[derive(Serialize)]
pub(crate) struct Line {
    path: String,
    copy: String,
    /// The pass that made it.
    run: String,
    /// Whose the copy is; none: it was not noted.
    whose: Option<Side>,
}

impl Line {
    pub(crate) fn of(conflict: &Conflict) -> Self {
        Self {
            path: conflict.path.to_string(),
            copy: conflict.copy.to_string(),
            run: conflict.run.clone(),
            whose: conflict.whose,
        }
    }

    /// In plain words.
    pub(crate) fn text(&self) -> String {
        let when = run_time(&self.run).map_or_else(String::new, |time| format!(" ({})", local(time)));
        format!(
            "warn {}{when}\n",
            text::conflict(&self.path, &self.copy, self.whose)
        )
    }
}

/// Does it.
pub fn conflicts(args: &ConflictsArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    match (&args.what, &args.left) {
        (Some(What::Resolve(args)), _) => resolve(args, &shell.about(&args.left, None)),
        (None, Some(left)) => list(left, &shell.about(left, None)),
        (None, None) => Ok(ExitCode::Usage),
    }
}

fn list(left: &Path, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let found = Book::open(left)
        .and_then(|book| book.conflicts())
        .or_explain(shell)?;
    let listed = Listed {
        conflicts: found.iter().map(Line::of).collect(),
    };
    shell
        .ui
        .answer(&listed, |listed| match listed.conflicts.is_empty() {
            true => "ok   There are no conflicts.\n".to_owned(),
            false => {
                let lines: String = listed.conflicts.iter().map(Line::text).collect();
                let resolve = shell.call("conflicts resolve LEFT PATH --keep mine");
                format!("{lines}Look at both. Then: {resolve}, or `theirs`, or `both`. Nothing is deleted.\n")
            }
        })?;
    Ok(match found.is_empty() {
        true => ExitCode::Ok,
        false => ExitCode::Findings,
    })
}

fn resolve(args: &ResolveArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let path = RelPath::new(args.path.as_bytes()).or_explain(shell)?;
    let mut book = Book::open(&args.left).or_explain(shell)?;
    let conflict = one(book.conflicts().or_explain(shell)?, &path, &args.path, shell)?;
    let keep = match args.keep {
        Which::Mine => Keep::Mine,
        Which::Theirs => Keep::Theirs,
        Which::Both => Keep::Both,
    };
    match book.resolve(&conflict, keep, &run_now()) {
        Err(error) if is_folder(&error) => {
            let hint = "a folder has that name, and stays; give it another name first, or say `--keep both`";
            return Err(CliError::new(ExitCode::Failed, error.code(), error).hint(hint));
        }
        resolved => resolved.or_explain(shell)?,
    }
    shell.ui.answer(&Line::of(&conflict), |line| {
        let (path, copy) = (text::one_line(&line.path), text::one_line(&line.copy));
        match args.keep {
            Which::Mine => format!("ok   {path} is yours now. The other one is kept as a version.\n"),
            Which::Theirs => format!("ok   {path} is the other one now. Yours is kept as a version.\n"),
            Which::Both => format!("ok   {path} and {copy} both stay.\n"),
        }
    })?;
    Ok(ExitCode::Ok)
}

fn is_folder(error: &PairError) -> bool {
    matches!(error, PairError::Files(FilesError::File { source, .. }) if source.kind() == ErrorKind::IsADirectory)
}

/// The one that is meant by this path.
fn one(
    mut conflicts: Vec<Conflict>,
    path: &RelPath,
    said: &OsStr,
    shell: &Shell<'_>,
) -> Result<Conflict, CliError> {
    if let Some(at) = conflicts.iter().position(|conflict| conflict.copy == *path) {
        return Ok(conflicts.swap_remove(at));
    }
    conflicts.retain(|conflict| conflict.path == *path);
    let said = said.to_string_lossy();
    match (conflicts.pop(), conflicts.is_empty()) {
        (Some(conflict), true) => Ok(conflict),
        (None, _) => {
            let error = format!("`{said}` is in no conflict");
            let error = CliError::new(ExitCode::Failed, "sync.no-conflict", error);
            Err(error.hint(format!(
                "{} lists those that there are",
                shell.call("conflicts LEFT")
            )))
        }
        (Some(_), false) => {
            let error = format!("`{said}` is in several conflicts");
            let error = CliError::new(ExitCode::Failed, "sync.several-conflicts", error);
            Err(error.hint(format!(
                "name the file that is beside it, as {} lists it",
                shell.call("conflicts LEFT")
            )))
        }
    }
}
