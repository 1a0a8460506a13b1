//! `status`.

use std::path::PathBuf;

use gobag_client::UploadLimit;
use gobag_pair::{Agreement, Book, Counts, LeftAlone, Outcome, Past, Report};
use gobag_reconcile::Hold;
use gobag_term::{CliError, ErrorReport, ExitCode, human};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Shell, conflicts, error::OrExplain as _, other::Right, passing::Passing, progress::Progress, text,
    time::local_s, units::KeepArgs,
};

/// Say how two folders stand: when they were last the same, and what waits
///
/// Changes nothing of yours, and reads no folder without `--look`; a small file of its own is written and removed to see what the drive can do. Exit codes: 0: all is well. 3: something waits for you, or they are not the same. 1: the folder was never paired, or is not there. 6: what it needs is damaged. With `--look` also those of `sync`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Your folder
    left: PathBuf,
    /// The other one, or `workspace:NAME`; without it, where it was last
    right: Option<Right>,
    /// Look at both folders now, and say what there is to do
    #[arg(long)]
    look: bool,
    /// With `--look`: leave out what matches, as `sync` was told to
    #[arg(long, value_name = "PATTERN", requires = "look")]
    ignore: Vec<String>,
}

#[derive(Serialize)]
struct Standing {
    left: String,
    right: Option<String>,
    /// Whether the other folder can be reached; none: it is not known where it is.
    is_reachable: Option<bool>,
    unreachable: Option<ErrorReport>,
    /// Whether a pass is being made now.
    is_under_way: bool,
    /// When both were last the same: seconds since 1970 UTC.
    in_step_s: Option<i64>,
    now_s: i64,
    last: Option<Past>,
    /// Passes that somebody let through, the newest first.
    overridden: Vec<Past>,
    holds: Vec<Hold>,
    agreed: Option<Agreement>,
    conflicts: Vec<conflicts::Line>,
    /// What there is to do, with `--look`.
    to_do: Option<Report>,
}

/// Conflicts that the text shows; `conflicts` and `--json` have all.
const CONFLICTS: usize = 20;

/// Does it.
pub fn status(args: &StatusArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let shell = &shell.about(&args.left, args.right.as_ref());
    let book = Book::open(&args.left).or_explain(shell)?;
    let right = match &args.right {
        Some(right) => Some(right.clone()),
        None => book.right().or_explain(shell)?.map(Right::from),
    };
    let shell = &shell.about(&args.left, right.as_ref());
    let reach = |right: &Right| match right.folder() {
        Some(folder) => book.reach(folder),
        None => right
            .open(&args.left, &*shell.program, &UploadLimit::default(), None)
            .map(drop),
    };
    let reached = right.as_ref().map(|right| reach(right).or_explain(shell));
    let is_reachable = reached.as_ref().map(Result::is_ok);
    let past = book.past(1).or_explain(shell)?;
    let to_do = match (args.look, is_reachable, &right) {
        (true, Some(true), Some(right)) => Some(look(args, right, shell)?),
        _ => None,
    };
    let standing = Standing {
        left: args.left.display().to_string(),
        right: right.map(|right| right.to_string()),
        is_reachable,
        unreachable: reached.and_then(Result::err).map(|error| error.report()),
        is_under_way: book.is_under_way(),
        in_step_s: book.in_step_s().or_explain(shell)?,
        now_s: Timestamp::now().as_second(),
        last: past.first().cloned(),
        overridden: book.let_through().or_explain(shell)?,
        holds: book.holds().or_explain(shell)?,
        agreed: book.agreement(Timestamp::now()).or_explain(shell)?,
        conflicts: book
            .conflicts()
            .or_explain(shell)?
            .iter()
            .map(conflicts::Line::of)
            .collect(),
        to_do,
    };
    shell.ui.answer(&standing, |standing| page(standing, shell))?;
    Ok(match standing.is_well() {
        true => ExitCode::Ok,
        false => ExitCode::Findings,
    })
}

fn look(args: &StatusArgs, right: &Right, shell: &Shell<'_>) -> Result<Report, CliError> {
    let passing = Passing {
        left: &args.left,
        right,
        label: "",
        confirmed: false,
        dry_run: true,
        keep: &KeepArgs::default(),
        patterns: &args.ignore,
        limit: UploadLimit::default(),
    };
    let progress = Progress::new(shell.ui);
    let report = passing.pass(shell, &progress).or_explain(shell)?;
    progress.finish();
    Ok(report)
}

impl Standing {
    fn is_well(&self) -> bool {
        let last_is = self
            .last
            .as_ref()
            .is_some_and(|last| last.outcome == Outcome::InStep && last.left_alone.is_empty());
        let has_nothing_to_do = self.to_do.as_ref().is_none_or(|report| !text::has_work(report));
        last_is && has_nothing_to_do && self.conflicts.is_empty() && self.is_reachable != Some(false)
    }
}

fn page(standing: &Standing, shell: &Shell<'_>) -> String {
    let mut text = String::new();
    if standing.is_under_way {
        text.push_str("     They are being made the same just now.\n");
    }
    let Some(last) = &standing.last else {
        text.push_str(&match standing.is_under_way {
            true => "warn It is the first time.\n".to_owned(),
            false => format!(
                "warn These folders were never made the same. To do so: {}.\n",
                shell.call("sync LEFT RIGHT")
            ),
        });
        text.push_str(&other(standing));
        text.extend(standing.to_do.iter().map(to_do));
        return text;
    };
    match standing.in_step_s {
        Some(at_s) => {
            let ago = std::time::Duration::from_secs(standing.now_s.abs_diff(at_s));
            let mark = if last.outcome == Outcome::InStep {
                "ok  "
            } else {
                "warn"
            };
            text.push_str(&format!(
                "{mark} Both folders were last the same at {} ({} ago).\n",
                local_s(at_s),
                human::duration(ago)
            ));
        }
        None => text.push_str("warn Both folders were never the same yet.\n"),
    }
    let times = match last.times {
        0 | 1 => String::new(),
        times => format!(
            ", like the {} before it since {}",
            times - 1,
            local_s(last.since_s)
        ),
    };
    text.push_str(&format!(
        "     The last pass was at {}: {}{times}.\n",
        local_s(last.ended_s),
        ended(last)
    ));
    text.push_str(&text::done(&last.left, &last.right, false));
    for past in standing.overridden.iter().take(1) {
        text.push_str(&let_through(past));
    }
    text.push_str(&waiting(standing, last, shell));
    text.push_str(&other(standing));
    if let Some(report) = &standing.to_do {
        text.push_str(&to_do(report));
    }
    text
}

fn ended(past: &Past) -> &'static str {
    let did_something = [past.left, past.right] != [Counts::default(); 2];
    match past.outcome {
        Outcome::InStep if past.left_alone.is_empty() => "all was done",
        Outcome::InStep => "all was done but for what was left alone",
        Outcome::Incomplete => "not all could be done",
        Outcome::Held if did_something => "not all was done, it waits for you",
        Outcome::Held => "nothing was done, it waits for you",
        Outcome::Ended => "it was ended early",
        Outcome::Failed if did_something => "it could not go on",
        Outcome::Failed => "nothing could be done",
        _ => "how it ended is not known to this version of the program",
    }
}

/// What somebody let through.
fn let_through(past: &Past) -> String {
    let Some(agreed) = &past.agreed else {
        return String::new();
    };
    let what: Vec<String> = agreed.holds.iter().map(text::held).collect();
    format!(
        "     The last that was let through, by {} at {}: {}\n",
        text::one_line(&agreed.by),
        local_s(agreed.at_s),
        what.join(" ")
    )
}

/// What waits for somebody.
fn waiting(standing: &Standing, last: &Past, shell: &Shell<'_>) -> String {
    let mut text = String::new();
    for hold in &standing.holds {
        text.push_str(&format!("FAIL {}\n", text::held(hold)));
    }
    match (&standing.agreed, standing.holds.is_empty()) {
        (Some(agreed), _) => text.push_str(&format!(
            "     {} has let it through at {}; the next pass does it.\n",
            text::one_line(&agreed.by),
            local_s(agreed.at_s)
        )),
        (None, false) => text.push_str(&format!(
            "     If that is meant: {}.\n",
            shell.call("holds confirm LEFT")
        )),
        (None, true) => {}
    }
    for error in last.error.iter().chain(&last.failures) {
        text.push_str(&format!("FAIL {}\n", text::failed(error)));
    }
    text.push_str(&more(last.failures_count, last.failures.len()));
    let shown = standing.conflicts.len().min(CONFLICTS);
    text.extend(standing.conflicts[..shown].iter().map(conflicts::Line::text));
    text.push_str(&more(standing.conflicts.len() as u64, shown));
    if !standing.conflicts.is_empty() {
        let resolve = shell.call("conflicts resolve LEFT PATH --keep mine");
        text.push_str(&format!(
            "     Say which is to stay: {resolve}, or `theirs`, or `both`.\n"
        ));
    }
    let left: String = last.left_alone.iter().map(left_line).collect();
    text + &left + &more(last.left_alone_count, last.left_alone.len())
}

fn left_line(left: &LeftAlone) -> String {
    format!("warn {}\n", text::left_alone(left))
}

fn more(all: u64, listed: usize) -> String {
    match all.checked_sub(listed as u64) {
        None | Some(0) => String::new(),
        Some(more) => format!("     and {more} more\n"),
    }
}

/// Whether the other folder is there.
fn other(standing: &Standing) -> String {
    let right = standing.right.as_deref().unwrap_or_default();
    let right = text::one_line(right);
    match (&standing.unreachable, standing.is_reachable) {
        (Some(error), _) => {
            let hints: String = error.hints.iter().map(|hint| format!("     {hint}\n")).collect();
            format!(
                "FAIL The other folder cannot be used now: {}.\n{}",
                text::one_line(&error.message),
                human::printable(&hints)
            )
        }
        (None, Some(_)) => format!("ok   The other folder is there: {right}\n"),
        (None, None) => "     Where the other folder is was never noted; name it as RIGHT.\n".to_owned(),
    }
}

fn to_do(report: &Report) -> String {
    if !text::has_work(report) {
        return "ok   There is nothing to do.\n".to_owned();
    }
    let holds = report
        .holds
        .iter()
        .map(|hold| format!("FAIL {}\n", text::held(hold)));
    let notices = report
        .notices
        .iter()
        .map(|told| format!("warn {}\n", text::notice(told)));
    let lost = if report.base_lost { text::LOST } else { "" };
    let lines: String = holds.chain(notices).collect();
    format!(
        "     To do:\n{lost}{}{lines}",
        text::done(&report.left, &report.right, true)
    )
}
