//! `gobag-sync sync`.

use std::path::PathBuf;

use gobag_pair::{Counts, Options, Pair, Report, Told};
use gobag_reconcile::{Hold, HoldLimits, Side};
use gobag_term::{CliError, ExitCode, Ui, human};

use crate::{error::OrExplain as _, progress::Progress, time::run_name};

/// Make two paired folders the same, once
///
/// Waits for nothing and nobody: what somebody is writing to meanwhile is left to the next time. Exit code 3 means that it is done but for what is listed,
/// or that you should look at something.
#[derive(Debug, clap::Args)]
pub(crate) struct SyncArgs {
    /// Your folder
    left: PathBuf,
    /// The other one
    right: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do it although it deletes or changes much
    #[arg(long)]
    confirm: bool,
    /// By what name your side of a conflict goes
    #[arg(long, value_name = "NAME", default_value = "mine")]
    label: String,
    /// Leave out what matches, in the syntax of git's ignore files; besides what `.gobag-sync-ignore` at the top of either folder says
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,
}

pub(crate) fn sync(args: &SyncArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let mut pair = Pair::open(&args.left, &args.right).or_explain()?;
    let progress = Progress::new(ui);
    let options = Options {
        label: args.label.clone(),
        run: run_name(),
        confirmed: args.confirm,
        dry_run: args.dry_run,
        limits: HoldLimits::default(),
        patterns: args.ignore.clone(),
    };
    let report = pair.pass(&options, &progress).or_explain()?;
    progress.finish();
    ui.answer(&report, page)?;
    Ok(match (report.ended, report.holds.is_empty()) {
        (true, _) => ExitCode::Interrupted,
        (false, false) => ExitCode::Failed,
        (false, true) if report.failures.is_empty() && report.notices.is_empty() && !report.base_lost => {
            ExitCode::Ok
        }
        (false, true) => ExitCode::Findings,
    })
}

fn page(report: &Report) -> String {
    let mut text = String::new();
    if report.base_lost {
        text.push_str("warn What both folders had last is not to be used: it was damaged, or one of them was put back to an earlier state. Nothing is deleted then, and what differs is there twice.\n");
    }
    for hold in &report.holds {
        text.push_str(&format!("FAIL {}\n", held(hold)));
    }
    if !report.holds.is_empty() && !report.dry_run {
        text.push_str("Nothing was done. If this is meant, run it again with `--confirm`; `--dry-run` says what it would do.\n");
        return text;
    }
    let will = if report.dry_run { "would be " } else { "" };
    for (counts, side) in [(&report.left, "your folder"), (&report.right, "the other folder")] {
        if *counts != Counts::default() {
            text.push_str(&format!(
                "     In {side} {will}{} put ({}), {} moved, {} deleted and kept as versions, {} folders made or removed.\n",
                counts.put,
                human::bytes(counts.put_bytes),
                counts.moved,
                counts.removed,
                counts.folders
            ));
        }
    }
    for told in &report.notices {
        text.push_str(&format!("warn {}\n", notice(told)));
    }
    for failure in &report.failures {
        let (path, what) = (human::printable(&failure.path), human::printable(&failure.text));
        text.push_str(&format!("FAIL {path}: {what}\n"));
    }
    let are_left = report
        .notices
        .iter()
        .any(|told| matches!(told, Told::Left { .. }));
    text.push_str(match (report.dry_run, report.ended, report.failures.is_empty()) {
        (true, ..) => "Nothing was done.\n",
        (_, true, _) => "It was ended early. What was done is whole; run it again to go on.\n",
        (_, _, true) if are_left => "ok   Both folders are the same but for what was left alone.\n",
        (_, _, true) => "ok   Both folders are the same.\n",
        _ => "The rest is the same. Run it again for what is listed.\n",
    });
    text
}

fn held(hold: &Hold) -> String {
    let name = |side: &Side| match side {
        Side::Left => "your folder",
        Side::Right => "the other folder",
    };
    match hold {
        Hold::Emptied { side } => format!(
            "Nothing is left in {}. Everything would be deleted in the other.",
            name(side)
        ),
        Hold::Deleted { side, files, bytes } => {
            format!(
                "{files} files ({}) would be deleted in {}.",
                human::bytes(*bytes),
                name(side)
            )
        }
        Hold::Changed { side, files } => format!("{files} files would be changed in {}.", name(side)),
        _ => "Much would be changed.".to_owned(),
    }
}

fn notice(told: &Told) -> String {
    match told {
        Told::Conflict { path, copy } => format!(
            "{} was changed in both folders. One of them is now {}.",
            human::printable(path),
            human::printable(copy)
        ),
        Told::Restored { path } => {
            format!(
                "{} was deleted in one folder and changed in the other; it is back.",
                human::printable(path)
            )
        }
        Told::Left { path, why } => format!("{} was left alone ({why}).", human::printable(path)),
        Told::Attributes { path } => format!(
            "{} came without its extended attributes, which the other folder's file system does not take.",
            human::printable(path)
        ),
        Told::Filter { left_alone } => {
            format!(
                "What is left out has changed. {left_alone} files that were kept the same are left alone from now on; nothing is deleted because of it."
            )
        }
        Told::Pattern { from, line, text } => {
            let place = match from.as_deref() {
                Some("stick") => "of `.gobag-sync-ignore` in your folder",
                Some(_) => "of `.gobag-sync-ignore` in the other folder",
                None => "of the patterns given with `--ignore`",
            };
            format!(
                "Line {line} {place} is no pattern and leaves nothing out: {}",
                human::printable(text)
            )
        }
        _ => "something else happened".to_owned(),
    }
}
