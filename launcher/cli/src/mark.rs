//! `gobag mark`: gives what the company has of the running workstation a name to go back to.

use std::time::Duration;

use gobag_protocol::points::BookmarkKind;
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{
    args::StickArgs,
    control::{self, Report, SessionState},
    environment::Environment,
    error::{OrExplain, said},
    status::sessions,
};

/// Longest name, bytes.
const MAX_NAME: usize = 512;
/// How long the company is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Name the state of the running workstation, to be able to go back to it
///
/// What is written until now goes to your company under this name; later IT can bring the workstation back to it. Where the workstation has an
/// agent (`qemu-guest-agent`), its file systems are written out and stand still for the moment. Save your files first: what a
/// program has not saved is not in it.
#[derive(Debug, clap::Args)]
pub(crate) struct MarkArgs {
    /// The name, like "before the update"
    name: String,
    #[command(flatten)]
    stick: StickArgs,
}

#[derive(Serialize)]
struct MarkReport {
    name: String,
    generation: Option<u64>,
    /// `application` if the workstation's file systems stood still for it, `user` if not; absent where an older program runs.
    kind: Option<BookmarkKind>,
}

pub(crate) fn mark(args: &MarkArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let name = args.name.trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let text = format!("a name is one line of at most {MAX_NAME} bytes");
        return Err(said(ExitCode::Usage, "gobag.mark-name", text));
    }
    let mut running = sessions(&args.stick, environment)?;
    let (folder, before) = match running.len() {
        0 => {
            let text = "no workstation is running";
            return Err(said(ExitCode::Failed, "gobag.not-running", text));
        }
        1 => running.remove(0),
        count => {
            let text = format!("{count} workstations are running");
            return Err(said(ExitCode::Usage, "gobag.several-sessions", text)
                .hint("say which one: add `--stick FOLDER`; `gobag status` lists them"));
        }
    };
    let Some(marks) = marks(&before) else {
        let text = "the workstation is not in step with a company, so there is nothing to name";
        return Err(said(ExitCode::Failed, "gobag.mark-offline", text)
            .hint("see `gobag status`: the company has to be reached once in this session"));
    };
    ui.say("Your company is being told.");
    let is_done = |report: &Report| self::marks(report).is_some_and(|now| now > marks);
    match control::mark(&folder, name, PATIENCE, is_done).or_explain()? {
        Some(report) if is_done(&report) => {
            let replica = report.company.and_then(|company| company.replica);
            let last = replica.as_ref().and_then(|replica| replica.last_mark);
            let report = MarkReport {
                name: name.to_owned(),
                generation: last
                    .map(|last| last.generation)
                    .or(replica.and_then(|replica| replica.generation)),
                kind: last.map(|last| last.kind),
            };
            ui.answer(&report, words)?;
            Ok(ExitCode::Ok)
        }
        Some(report) if report.state != SessionState::Running => {
            let text = "the workstation ended before its state was with the company";
            Err(said(ExitCode::Failed, "gobag.mark-ended", text))
        }
        _ => {
            let text = "your company was not reached in time; the name goes with the next state that is sent while the workstation runs";
            Err(said(ExitCode::Failed, "gobag.mark-waits", text)
                .hint("`gobag status` shows whether the company is reached"))
        }
    }
}

fn words(report: &MarkReport) -> String {
    let how = match report.kind {
        Some(BookmarkKind::Application) => {
            " The workstation's programs had been asked to write everything out, and its file systems stood still for it."
        }
        Some(_) => {
            " It is as a power cut would leave it: no agent in the workstation could hold its file systems still."
        }
        None => "",
    };
    format!("Your company has this state under that name.{how}\n")
}

/// How many names the company got in this session; none where nothing goes there.
fn marks(report: &Report) -> Option<u64> {
    let replica = report.company.as_ref()?.replica.as_ref()?;
    Some(replica.marks)
}
