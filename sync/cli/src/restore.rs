//! `gobag-sync restore`.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::PathBuf};

use gobag_files::{Changes, Root, Version, is_there, once, run_time};
use gobag_reconcile::RelPath;
use gobag_term::{CliError, ExitCode, Ui, human};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    error::OrExplain as _,
    time::{local, parse, run_now},
};

/// Put an earlier version of a file back in its place
///
/// What is there now becomes a version in turn. The other folder gets it with the next `gobag-sync sync`. With `FILE@2026-11-22T09:15` it is what the file was at
/// that time, as far as it was there then.
///
/// Exit codes: 0: it is so now. 1: there is no such version, or somebody is writing to the file.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The folder that is kept the same as another
    folder: PathBuf,
    /// The file's path in it; with a time behind an `@`: what it was then, by the clock of this computer
    #[arg(value_name = "FILE[@TIME]")]
    file: OsString,
    /// The version's name, as `gobag-sync versions` lists it; the newest without it
    #[arg(long, value_name = "NAME")]
    version: Option<String>,
}

#[derive(Serialize)]
struct Restored {
    file: String,
    /// None: it was so already.
    version: Option<String>,
}

/// Which version is wanted.
enum Wanted<'a> {
    Newest,
    Named(&'a str),
    At(Timestamp),
}

pub(crate) fn restore(args: &RestoreArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let root = Root::open_known(&args.folder).or_explain()?;
    let (path, found, time) = find(&root, args.file.as_bytes())?;
    let wanted = match (&args.version, time) {
        (Some(name), None) => Wanted::Named(name),
        (None, Some(time)) => Wanted::At(time),
        (None, None) => Wanted::Newest,
        (Some(_), Some(_)) => {
            let error = "a time and `--version` name two versions";
            return Err(CliError::new(ExitCode::Usage, "sync.two-versions", error).hint("name one of them"));
        }
    };
    let version = pick(&found, &wanted);
    let is_now = matches!(wanted, Wanted::At(_)) && version.is_none() && is_there(&root, &path);
    let file = path.to_string();
    match version {
        Some(version) => {
            let name = run_now();
            // A pass may be under way; nothing of it is touched.
            let changes = Changes::begin(&root, &name, &once(&name)).or_explain()?;
            gobag_files::restore(&root, &changes, &path, &version.run).or_explain()?;
        }
        None if is_now => {}
        None => {
            let error = "there is no such version of this file";
            let error = CliError::new(ExitCode::Failed, "sync.no-version", error);
            return Err(
                error.hint("list them with `gobag-sync versions FOLDER FILE`, in the other folder, too")
            );
        }
    }
    let restored = Restored {
        file,
        version: version.map(|version| version.run.clone()),
    };
    ui.answer(&restored, |restored| {
        let file = human::printable(&restored.file);
        match &restored.version {
            Some(run) => {
                let when = run_time(run).map_or_else(|| run.clone(), local);
                format!("ok   {file} is as it was before {}.\n", human::printable(&when))
            }
            None => format!("ok   Nothing was put in the place of {file} since then: it is as it was.\n"),
        }
    })?;
    Ok(ExitCode::Ok)
}

/// The file, its versions, and the time of which it is wanted. What looks like a time is part of the name where there are versions of that name.
fn find(root: &Root, said: &[u8]) -> Result<(RelPath, Vec<Version>, Option<Timestamp>), CliError> {
    let path = RelPath::new(said).or_explain()?;
    let found = gobag_files::versions(root, &path).or_explain()?;
    let at = said.iter().rposition(|byte| *byte == b'@');
    let time = at.and_then(|at| {
        let time = std::str::from_utf8(&said[at + 1..]).ok()?;
        Some((at, parse(time)?))
    });
    match time {
        Some((at, time)) if found.is_empty() => {
            let path = RelPath::new(&said[..at]).or_explain()?;
            let found = gobag_files::versions(root, &path).or_explain()?;
            Ok((path, found, Some(time)))
        }
        _ => Ok((path, found, None)),
    }
}

/// What the file was at a time is what was there until the first run after it.
fn pick<'a>(found: &'a [Version], wanted: &Wanted<'_>) -> Option<&'a Version> {
    match wanted {
        Wanted::Newest => found.last(),
        Wanted::Named(name) => found.iter().find(|version| version.run == *name),
        Wanted::At(time) => found
            .iter()
            .find(|version| run_time(&version.run).is_some_and(|replaced| replaced > *time)),
    }
}
