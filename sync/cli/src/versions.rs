//! `gobag-sync versions` and `gobag-sync restore`.

use std::path::PathBuf;

use gobag_files::{Changes, Root, Version};
use gobag_reconcile::RelPath;
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::Serialize;

use crate::{error::OrExplain as _, time::run_name};

/// List what a file was before
#[derive(Debug, clap::Args)]
pub(crate) struct VersionsArgs {
    /// The folder that is kept the same as another
    folder: PathBuf,
    /// The file's path in it
    file: String,
}

/// Put an earlier version of a file back in its place
///
/// What is there now becomes a version in turn. The other folder gets it with the next `gobag-sync sync`.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The folder that is kept the same as another
    folder: PathBuf,
    /// The file's path in it
    file: String,
    /// The version's name, as `gobag-sync versions` lists it; the newest without it
    #[arg(long, value_name = "NAME")]
    version: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    versions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    version: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Restored {
    file: String,
    version: String,
}

pub(crate) fn versions(args: &VersionsArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let (_, _, found) = find(&args.folder, &args.file)?;
    let line = |version: Version| Line {
        version: version.run,
        bytes: version.stamp.size,
    };
    let listed = Listed {
        versions: found.into_iter().map(line).collect(),
    };
    ui.answer(&listed, |listed| {
        let line = |line: &Line| {
            format!(
                "{}  {}\n",
                human::printable(&line.version),
                human::bytes(line.bytes)
            )
        };
        match listed.versions.is_empty() {
            true => "No earlier version is kept here. Look in the other folder, too.\n".to_owned(),
            false => listed.versions.iter().map(line).collect(),
        }
    })?;
    Ok(ExitCode::Ok)
}

pub(crate) fn restore(args: &RestoreArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let (root, path, found) = find(&args.folder, &args.file)?;
    let wanted = match &args.version {
        None => found.last(),
        Some(name) => found.iter().find(|version| version.run == *name),
    };
    let Some(Version { run, .. }) = wanted else {
        let error = CliError::new(
            ExitCode::Failed,
            "sync.no-version",
            "there is no such version of this file",
        );
        return Err(error.hint("list them with `gobag-sync versions FOLDER FILE`, in the other folder, too"));
    };
    let name = run_name();
    // A pass may be under way; nothing of it is touched.
    let changes = Changes::begin(&root, &name, &format!("restore-{name}")).or_explain()?;
    gobag_files::restore(&root, &changes, &path, run).or_explain()?;
    let restored = Restored {
        file: args.file.clone(),
        version: run.clone(),
    };
    ui.answer(&restored, |restored| {
        format!(
            "ok   {} is as it was before {}.\n",
            human::printable(&restored.file),
            human::printable(&restored.version)
        )
    })?;
    Ok(ExitCode::Ok)
}

fn find(folder: &std::path::Path, file: &str) -> Result<(Root, RelPath, Vec<Version>), CliError> {
    let path = RelPath::new(file.as_bytes()).or_explain()?;
    let root = Root::open_known(folder).or_explain()?;
    let found = gobag_files::versions(&root, &path).or_explain()?;
    Ok((root, path, found))
}
