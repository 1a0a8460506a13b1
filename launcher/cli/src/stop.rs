//! `gobag stop`: ends a running session and waits until the stick is safe to remove.

use gobag_term::{CliError, ExitCode, Ui};

use crate::{
    args::StickArgs,
    control::{self, Report, SessionState},
    environment::Environment,
    error::{OrExplain, said},
    status::sessions,
};

/// Shut a running workstation down and wait until the stick is safe to remove
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    stick: StickArgs,
    /// Do not ask the workstation: switch it off, like pulling the plug of a PC
    #[arg(long)]
    now: bool,
}

pub(crate) fn stop(args: &StopArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let mut running = sessions(&args.stick, environment)?;
    let folder = match running.len() {
        0 => {
            let text = "no workstation is running";
            return Err(said(ExitCode::Failed, "gobag.not-running", text));
        }
        1 => running.remove(0).0,
        count => {
            let text = format!("{count} workstations are running");
            return Err(said(ExitCode::Usage, "gobag.several-sessions", text)
                .hint("say which one: add `--stick FOLDER`; `gobag status` lists them"));
        }
    };
    let mut shown = None;
    let last = control::stop(&folder, args.now, |report| {
        if shown != Some(report.state) && !report.state.is_last() {
            ui.say(report.state.text());
        }
        shown = Some(report.state);
    });
    let last = last.or_explain()?;
    if last.state != SessionState::SafeToRemove {
        let text = "the session ended, but not everything is on the stick";
        return Err(said(ExitCode::Failed, "gobag.not-saved", text).hint(
            "leave the stick in and start again with `gobag start`; everything that was saved before is safe",
        ));
    }
    ui.answer(&last, |_: &Report| "The stick is safe to remove.\n".to_owned())?;
    Ok(ExitCode::Ok)
}
