//! `restore`.

use std::{ffi::OsString, io::ErrorKind, os::unix::ffi::OsStrExt as _, path::PathBuf};

use gobag_files::{Changes, FilesError, Root, Version, is_there, known, once, run_time};
use gobag_reconcile::RelPath;
use gobag_term::{CliError, ExitCode};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Right, Shell,
    earlier::Earlier,
    error::OrExplain as _,
    program::quoted,
    text,
    time::{local, parse, run_now},
};

/// Put an earlier version of a file back in its place
///
/// What is there now becomes a version in turn. The other folder gets it with the next `sync`. With `FILE@2026-11-22T09:15` it is what the file was at
/// that time, as far as that is kept in this folder.
///
/// Exit codes: 0: it is so now. 1: there is no such version, what it was then is not kept here, or somebody is writing to the file. 2: it names no file, or two versions. 130: you ended it. With `--from` also those of `sync`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The folder that is kept the same as another
    folder: PathBuf,
    /// The file's path in it; with a time behind an `@`: what it was then, by the clock of this computer
    #[arg(value_name = "FILE[@TIME]")]
    file: OsString,
    /// The version's name, as `versions` lists it; the newest without it
    #[arg(long, value_name = "NAME")]
    version: Option<String>,
    /// Not a version that is kept in this folder: what the file was in an earlier point of `workspace:NAME`
    #[arg(long, value_name = "RIGHT")]
    from: Option<Right>,
}

impl RestoreArgs {
    /// Whether it takes a workspace.
    pub fn asks_a_workspace(&self) -> bool {
        self.from.is_some()
    }
}

#[derive(Serialize)]
struct Restored {
    file: String,
    /// None: it was so already.
    version: Option<String>,
}

/// No run is at work for longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Which version is wanted.
pub(crate) enum Wanted<'a> {
    Newest,
    Named(&'a str),
    At(Timestamp),
}

/// Does it.
pub fn restore(args: &RestoreArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let shell = &shell.about(&args.folder, args.from.as_ref());
    let root = Root::open_known(&args.folder).or_explain(shell)?;
    let (path, found, time) = find(&root, args.file.as_bytes(), shell)?;
    let wanted = match (&args.version, time) {
        (Some(name), None) => Wanted::Named(name),
        (None, Some(time)) => Wanted::At(time),
        (None, None) => Wanted::Newest,
        (Some(_), Some(_)) => {
            let error = "a time and `--version` name two versions";
            return Err(CliError::new(ExitCode::Usage, "sync.two-versions", error).hint("name one of them"));
        }
    };
    if let Some(from) = &args.from {
        let earlier = Earlier::open(&args.folder, from, shell)?;
        let version = earlier.restore(&root, &path, &wanted)?;
        let file = path.to_string();
        return told(&Restored { file, version }, shell);
    }
    let version = pick(&found, &wanted);
    let is_now = match &wanted {
        Wanted::At(time) => is_as_then(&root, &path, version, *time, shell)?,
        Wanted::Newest | Wanted::Named(_) => false,
    };
    let file = path.to_string();
    match version {
        Some(version) => {
            let name = run_now();
            // A pass may be under way; nothing of it is touched.
            let changes = Changes::begin(&root, &name, &once(&name)).or_explain(shell)?;
            gobag_files::restore(&root, &changes, &path, &version.run).or_explain(shell)?;
        }
        None if is_now => {}
        None => {
            let error = "there is no such version of this file";
            let error = CliError::new(ExitCode::Failed, "sync.no-version", error);
            return Err(error.hint(format!(
                "list them with {}, in the other folder, too",
                list(&path, shell)
            )));
        }
    }
    let restored = Restored {
        file,
        version: version.map(|version| version.run.clone()),
    };
    told(&restored, shell)
}

/// How the versions of a file are listed.
fn list(path: &RelPath, shell: &Shell<'_>) -> String {
    shell.call(&format!("versions LEFT {}", quoted(&path.to_string())))
}

fn told(restored: &Restored, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    shell.ui.answer(restored, |restored| {
        let file = text::one_line(&restored.file);
        match &restored.version {
            Some(run) => match run_time(run) {
                Some(when) => format!("ok   {file} is as it was before {}.\n", local(when)),
                None => format!("ok   {file} is what it was in {}.\n", text::one_line(run)),
            },
            None => format!("ok   Nothing was put in the place of {file} since then: it is as it was.\n"),
        }
    })?;
    Ok(ExitCode::Ok)
}

/// Whether what is there now was there at that time; an error if neither that nor the version is what was there then.
fn is_as_then(
    root: &Root,
    path: &RelPath,
    version: Option<&Version>,
    time: Timestamp,
    shell: &Shell<'_>,
) -> Result<bool, CliError> {
    let now = match known(root, path) {
        Err(FilesError::File { source, .. }) if source.kind() == ErrorKind::IsADirectory => {
            let error = CliError::new(ExitCode::Failed, "sync.folder", format!("`{path}` is a folder"));
            return Err(error.hint(format!(
                "name a file; {} lists what was deleted in a folder",
                list(path, shell)
            )));
        }
        known => known.or_explain(shell)?,
    };
    let moment = (time.as_second(), time.subsec_nanosecond().unsigned_abs());
    let changed = || {
        let error = format!("what `{path}` was then is not kept here; it was changed since then");
        CliError::new(ExitCode::Failed, "sync.changed-since", error)
    };
    match (version, now) {
        // Written later: what was there then was let go, or another one had it.
        (Some(version), _) if version.stamp.mtime > moment => Err(changed().hint(format!(
            "the next one that is kept: {}; look in the other folder, too",
            shell.call(&format!(
                "restore LEFT {} --version {}",
                quoted(&path.to_string()),
                quoted(&version.run)
            ))
        ))),
        (Some(_), _) | (None, None) => Ok(false),
        (None, Some(now)) => match now.stamp {
            Some(stamp) if stamp.mtime <= moment && stamp.ctime <= moment => Ok(true),
            _ => Err(changed().hint(format!(
                "list versions with {}, in the other folder, too",
                list(path, shell)
            ))),
        },
    }
}

/// The file, its versions, and the time of which it is wanted. What looks like a time is part of the name where there is something of that name, or versions of it.
fn find(
    root: &Root,
    said: &[u8],
    shell: &Shell<'_>,
) -> Result<(RelPath, Vec<Version>, Option<Timestamp>), CliError> {
    let path = RelPath::new(said).or_explain(shell)?;
    let found = gobag_files::versions(root, &path).or_explain(shell)?;
    let at = said.iter().rposition(|byte| *byte == b'@');
    let time = at.and_then(|at| {
        let time = std::str::from_utf8(&said[at + 1..]).ok()?;
        Some((at, parse(time)?))
    });
    match time {
        Some((at, time)) if found.is_empty() && !is_there(root, &path) => {
            let path = RelPath::new(&said[..at]).or_explain(shell)?;
            let found = gobag_files::versions(root, &path).or_explain(shell)?;
            Ok((path, found, Some(time)))
        }
        _ => Ok((path, found, None)),
    }
}

/// What the file was at a time is what was there until something first came in its place after it.
fn pick<'a>(found: &'a [Version], wanted: &Wanted<'_>) -> Option<&'a Version> {
    match wanted {
        Wanted::Newest => found.last(),
        Wanted::Named(name) => found.iter().find(|version| version.run == *name),
        Wanted::At(time) => found
            .iter()
            .find(|version| replaced(version).is_some_and(|replaced| replaced > *time)),
    }
}

/// When something came in its place. A run is named by its begin, and may have been long at work: then the file system says when the version came to the others,
/// if nobody has touched or copied it since.
fn replaced(version: &Version) -> Option<Timestamp> {
    let began = run_time(&version.run)?;
    let (second, nanosecond) = version.stamp.ctime;
    let moved = Timestamp::new(second, i32::try_from(nanosecond).ok()?).ok()?;
    let is_of_the_run = began <= moved && moved.duration_since(began) <= LONGEST;
    Some(if is_of_the_run { moved } else { began })
}
