//! `sync`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gobag_client::UploadLimit;
use gobag_pair::Book;
use gobag_term::{CliError, ExitCode};

use crate::{
    Shell,
    error::OrExplain as _,
    other::Right,
    passing::Passing,
    progress::Progress,
    text::{self, page},
    units::{KeepArgs, Window, span, speed, window},
    watch::{self, When},
    who,
};

/// Make two paired folders the same
///
/// Once, or with `--watch` again and again as soon as something changes in either. What somebody is writing to meanwhile is left to the next time.
///
/// Exit codes: 0: both are the same. 1: it, or the rest of it, waits for you (`holds`), or it failed. 3: it is done but for what is listed, or you
/// should look at something; with `--dry-run`, there is something to do. 2: one folder is in the other. 6: what it needs is damaged. 7: another program is at it. 8: your company's server said no. 130: you ended it.
/// `--watch` goes on whatever goes wrong, unless the folders are no pair, and ends with 0 when you end it.
#[derive(Debug, clap::Args)]
pub struct SyncArgs {
    /// Your folder
    left: PathBuf,
    /// The other one; or `workspace:NAME`. Without it, where it was last
    right: Option<Right>,
    #[command(flatten)]
    options: SyncOptions,
}

/// How two folders are made the same
#[derive(Debug, clap::Args)]
pub struct SyncOptions {
    /// Once, which is so without `--watch`
    #[arg(long)]
    once: bool,
    /// Keep both the same until Ctrl-C; with `--json` one line for each pass.
    ///
    /// A folder that is away, such as on a drive that was pulled, is waited for.
    #[arg(long, conflicts_with_all = ["once", "dry_run", "confirm"])]
    watch: bool,
    /// With `--watch`: look at both at least so often, whether anything seems to have changed or not; of a workspace that is not at the company's server nothing is heard in between
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "5min", requires = "watch")]
    every: Duration,
    /// With `--watch`: only in this part of the day, by the clock of this computer; may be given several times
    #[arg(long, value_name = "FROM-TO", value_parser = window, requires = "watch")]
    schedule: Vec<Window>,
    /// Most that is copied in a second, or of a workspace sent, like 500kB or 2MB; 16 KiB at least
    #[arg(long, value_name = "RATE", value_parser = speed)]
    limit: Option<u64>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do it although it deletes or changes much, this time; who said so is written down
    #[arg(long)]
    confirm: bool,
    /// By what name your side of a conflict goes; else by yours, and this computer's
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Leave out what matches, in the syntax of git's ignore files; besides what `.gobag-sync-ignore` at the top of either folder says
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Does it.
pub fn sync(args: &SyncArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let right = match &args.right {
        Some(right) => right.clone(),
        None => last(&args.left, shell)?,
    };
    sync_these((&args.left, &right), &args.options, shell)
}

/// Where the other folder was last.
fn last(left: &Path, shell: &Shell<'_>) -> Result<Right, CliError> {
    let shell = &shell.about(left, None);
    let place = Book::open(left).and_then(|book| book.right()).or_explain(shell)?;
    place.map(Right::from).ok_or_else(|| {
        let error = "where the other folder is was never noted";
        CliError::new(ExitCode::Failed, "sync.no-right", error)
            .hint(format!("name it: {}", shell.call("sync LEFT RIGHT")))
    })
}

/// The same, for a program that knows which two are meant.
pub fn sync_these(
    (left, right): (&Path, &Right),
    args: &SyncOptions,
    shell: &Shell<'_>,
) -> Result<ExitCode, CliError> {
    let shell = &shell.about(left, Some(right));
    let label = args.label.clone().unwrap_or_else(who::label);
    let passing = Passing {
        left,
        right,
        label: &label,
        confirmed: args.confirm,
        dry_run: args.dry_run,
        keep: &args.keep,
        limit: UploadLimit::new(args.limit),
        patterns: &args.ignore,
    };
    if let (Some(_), Some(interrupt)) = (args.limit, shell.ui.interrupt()) {
        let limit = passing.limit.clone();
        // Whoever ends it waits for what is still on its way.
        std::thread::spawn(move || {
            let _ = interrupt.wait(None);
            limit.set(None);
        });
    }
    if args.watch && !args.once {
        let when = When {
            every: args.every,
            windows: &args.schedule,
        };
        return watch::watch(&passing, &when, shell);
    }
    let progress = Progress::new(shell.ui);
    let report = passing.pass(shell, &progress).or_explain(shell)?;
    progress.finish();
    shell.ui.answer(&report, |report| page(report, shell))?;
    if report.dry_run {
        return Ok(match text::has_work(&report) {
            true => ExitCode::Findings,
            false => ExitCode::Ok,
        });
    }
    Ok(match (report.ended, report.holds.is_empty()) {
        (true, _) => ExitCode::Interrupted,
        (false, false) => ExitCode::Failed,
        (false, true) if report.failures.is_empty() && report.notices.is_empty() && !report.base_lost => {
            ExitCode::Ok
        }
        (false, true) => ExitCode::Findings,
    })
}
