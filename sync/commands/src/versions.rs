//! `versions`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gobag_files::{Kept, Pruned, Root, all_versions, is_there, prune, run_time};
use gobag_pair::{Book, PairError};
use gobag_reconcile::RelPath;
use gobag_term::{CliError, ExitCode, human};
use gobag_workspace::Was;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Right, Shell,
    earlier::{Earlier, MANY, bytes, version_name},
    error::OrExplain as _,
    text,
    time::local,
    units::KeepArgs,
};

/// List what a file was before, or what was deleted
///
/// Of a file, all that is kept of it, the oldest first. Of a folder, or without a path, the files that were deleted in it lately, the last one first, for those who
/// do not know the name any more. `restore` puts one back.
///
/// Exit codes: 0: they are listed, if there are any. 1: the folder is not there, or was never paired. With `--from` also those of `sync`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct VersionsArgs {
    /// The folder that is kept the same as another
    #[arg(required = true)]
    folder: Option<PathBuf>,
    /// The path in it of a file or a folder
    path: Option<OsString>,
    /// Everything of which something is kept, however long ago, also what is still there; with `--from`, more than the last 20
    #[arg(long)]
    all: bool,
    /// Of a file: what it was in the earlier points of `workspace:NAME`, the last 20 times that it changed
    #[arg(long, value_name = "RIGHT", requires = "path")]
    from: Option<Right>,
    #[command(subcommand)]
    what: Option<What>,
}

impl VersionsArgs {
    /// Whether it takes a workspace.
    pub fn asks_a_workspace(&self) -> bool {
        self.from.is_some()
    }
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Prune(PruneArgs),
}

/// Let go earlier versions that nobody needs any more
///
/// `sync` does so by itself, at most once an hour, and not before the clock has gone on evenly for a day. There is no limit of space.
///
/// Exit codes: 0: done. 1: nothing was let go, for you said no.
#[derive(Debug, clap::Args)]
struct PruneArgs {
    /// The folder that is kept the same as another
    folder: PathBuf,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keep: KeepArgs,
}

/// What was deleted in so many days is listed without `--all`.
const LATELY_S: i64 = 90 * 24 * 60 * 60;

#[derive(Serialize)]
struct Listed {
    versions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    path: String,
    version: String,
    /// When it was replaced or deleted: seconds since 1970 UTC; none: not known.
    replaced_s: Option<i64>,
    bytes: u64,
    /// Whether something is at the path now.
    is_there: bool,
}

#[derive(Serialize)]
struct Gone {
    dry_run: bool,
    files: u64,
    bytes: u64,
    kept: u64,
    /// Those of them that are later than the clock of this computer.
    later: u64,
}

/// Does it.
pub fn versions(args: &VersionsArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    match (&args.what, &args.folder) {
        (Some(What::Prune(args)), _) => let_go(args, &shell.about(&args.folder, None)),
        (None, Some(folder)) => list(folder, args, &shell.about(folder, args.from.as_ref())),
        (None, None) => Ok(ExitCode::Usage),
    }
}

fn list(folder: &Path, args: &VersionsArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let root = Root::open_known(folder).or_explain(shell)?;
    let under = RelPath::new(args.path.as_deref().unwrap_or_default().as_bytes()).or_explain(shell)?;
    let (lines, is_file) = match &args.from {
        Some(from) => (of_points(&root, folder, from, &under, args.all, shell)?, true),
        None => {
            let found = all_versions(&root, &under).or_explain(shell)?;
            let is_file = !under.is_root() && found.iter().any(|kept| kept.path == under);
            match is_file {
                true => (of_file(&root, found, &under), true),
                false => (of_folder(&root, found, args.all), false),
            }
        }
    };
    let is_cut = args.from.is_some() && !args.all && lines.len() >= MANY;
    shell.ui.answer(&Listed { versions: lines }, |listed| match listed.versions.is_empty() {
        true if args.from.is_some() => "No earlier version is kept in the workspace's points. Look in the folder, too, without `--from`.\n".to_owned(),
        true if !under.is_root() => "No earlier version is kept here. Look in the other folder, too, or with `--from workspace:NAME` in the workspace.\n".to_owned(),
        true => "Nothing was deleted here lately. Look in the other folder, too, or further back with `--all`.\n".to_owned(),
        false => {
            let lines = listed.versions.iter().map(|line| line_text(line, is_file));
            let more = if is_cut { "There may be earlier ones: `--all`.\n" } else { "" };
            "By when something else came in its place:\n".to_owned() + &lines.collect::<String>() + more
        }
    })?;
    Ok(ExitCode::Ok)
}

/// What a file was in earlier points of a workspace.
fn of_points(
    root: &Root,
    folder: &Path,
    from: &Right,
    path: &RelPath,
    all: bool,
    shell: &Shell<'_>,
) -> Result<Vec<Line>, CliError> {
    let is_there = is_there(root, path);
    let found = Earlier::open(folder, from, shell)?.versions(root, path, all)?;
    let line = |was: &Was| Line {
        path: path.to_string(),
        version: version_name(was),
        replaced_s: was.until_s.and_then(|until_s| i64::try_from(until_s).ok()),
        bytes: bytes(was),
        is_there,
    };
    Ok(found.iter().map(line).collect())
}

fn of_file(root: &Root, found: Vec<Kept>, path: &RelPath) -> Vec<Line> {
    let is_there = is_there(root, path);
    let own = found.into_iter().filter(|kept| kept.path == *path);
    own.map(|kept| line(&kept, is_there)).collect()
}

/// The newest version of each that is not there; with `all`, all of each.
fn of_folder(root: &Root, found: Vec<Kept>, all: bool) -> Vec<Line> {
    let since_s = Timestamp::now().as_second().saturating_sub(LATELY_S);
    let mut of_path: BTreeMap<RelPath, Vec<Kept>> = BTreeMap::new();
    for kept in found {
        of_path.entry(kept.path.clone()).or_default().push(kept);
    }
    let mut lines = Vec::new();
    for (path, mut versions) in of_path {
        let is_there = is_there(root, &path);
        if all {
            lines.extend(versions.iter().map(|kept| line(kept, is_there)));
        } else if let (false, Some(newest)) = (is_there, versions.pop()) {
            lines.push(line(&newest, is_there));
        }
    }
    // What nobody knows the time of is never too old.
    lines.retain(|line| all || line.replaced_s.is_none_or(|replaced_s| replaced_s >= since_s));
    lines.sort_by(|one, other| (&other.version, &one.path).cmp(&(&one.version, &other.path)));
    lines
}

fn line(kept: &Kept, is_there: bool) -> Line {
    Line {
        path: kept.path.to_string(),
        version: kept.version.run.clone(),
        replaced_s: run_time(&kept.version.run).map(Timestamp::as_second),
        bytes: kept.version.stamp.size,
        is_there,
    }
}

fn line_text(line: &Line, is_file: bool) -> String {
    let when = line
        .replaced_s
        .and_then(|replaced_s| Timestamp::from_second(replaced_s).ok());
    let when = when.map_or_else(|| "an unknown time   ".to_owned(), local);
    let bytes = human::bytes(line.bytes);
    match is_file {
        true => format!("{when}  {bytes:>9}  {}\n", text::one_line(&line.version)),
        false => format!("{when}  {bytes:>9}  {}\n", text::one_line(&line.path)),
    }
}

fn let_go(args: &PruneArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let root = Root::open_known(&args.folder).or_explain(shell)?;
    let now = Timestamp::now();
    // What was said by the left folder of a pair; a right one remembers nothing.
    let book = match Book::open(&args.folder) {
        Err(PairError::NotPaired { .. }) => None,
        opened => Some(opened.or_explain(shell)?),
    };
    let remembered = |name: &str| book.as_ref().map_or(Ok(None), |book| book.remembered(name));
    let rules = args.keep.rules(&remembered).or_explain(shell)?;
    let [versions, deleted] = args.keep.texts(&remembered).or_explain(shell)?;
    let would = match &rules {
        Some(rules) => prune(&root, rules, now, true).or_explain(shell)?,
        None => Pruned {
            kept: all_versions(&root, &RelPath::root()).or_explain(shell)?.len() as u64,
            ..Pruned::default()
        },
    };
    let mut gone = would;
    if let (false, true, Some(rules)) = (args.dry_run, would.files > 0, &rules) {
        let question = format!(
            "Delete {} earlier versions ({}) for good, by the rules {versions} and, of what was deleted, {deleted}; it is {} by the clock",
            would.files,
            human::bytes(would.bytes),
            local(now)
        );
        if !shell.ui.confirm(&question)? {
            return Err(CliError::new(
                ExitCode::Failed,
                "sync.not-confirmed",
                "nothing was let go",
            ));
        }
        gone = prune(&root, rules, now, false).or_explain(shell)?;
    }
    let gone = Gone {
        dry_run: args.dry_run,
        files: gone.files,
        bytes: gone.bytes,
        kept: gone.kept,
        later: gone.later,
    };
    shell.ui.answer(&gone, |gone| {
        let would = if gone.dry_run { "would be " } else { "" };
        let later = match gone.later {
            0 => String::new(),
            later => format!("warn {later} are later than the clock of this computer; they stay.\n"),
        };
        format!(
            "ok   {} earlier versions ({}) {would}let go; {} stay.\n{later}",
            gone.files,
            human::bytes(gone.bytes),
            gone.kept
        )
    })?;
    Ok(ExitCode::Ok)
}
