//! `gobag-image company`: the sticks, as the company's server knows them, and what IT decides about them.

mod page;
mod workspace;

use clap::{Subcommand, ValueEnum};
use gobag_client::{ClientError, People};
use gobag_protocol::{
    ids::{BundleId, LineName},
    people::{Reason, StickDetails, StickInfo},
};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{
    error::{OrExplain, said},
    server::{ServerArgs, number},
};

/// Most sticks that are listed.
const MAX_STICKS: usize = 200_000;

/// See how the sticks stand at the company's server, and cut one off
///
/// Each asks the server with your token; see `gobag-server token create`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompanyArgs {
    #[command(subcommand)]
    command: CompanyCommand,
}

#[derive(Debug, Subcommand)]
enum CompanyCommand {
    /// List the sticks that the server knows
    Sticks(SticksArgs),
    /// Say how one stick stands, and how much work would be lost with it now
    Stick(OneArgs),
    /// Cut a stick off
    ///
    /// It gets no lease and no certificate any more; when it next reaches the server it erases what unlocks it, or takes off it what it has of a share
    /// of the company's, and whoever works with it is switched off at once. One that opens online opens no more. Any other stick that never comes online again works until its lease ends. What it sent to the company stays, for
    /// `gobag-image recover`.
    Revoke(RevokeArgs),
    /// Take a revocation back
    ///
    /// For a stick that was found before it heard of it. One that has erased itself opens for nobody: what it sent is recovered onto another. One that opens
    /// together with a share of the company's opens again, online, or with the escrow key. Whatever was typed wrong before does not keep its user waiting any more.
    Restore(OneArgs),
    /// Let a stick renew its lease again of which two copies were seen
    ///
    /// Whoever comes first with the newest renewal token gets it; if that is the wrong one, revoke the stick instead.
    ClearClone(OneArgs),
    /// Say that a drill brought a moment back: the last one so proved of a line is not pruned
    Drilled(DrilledArgs),
    /// List the workspaces: what several sticks share
    Workspaces(workspace::WorkspacesArgs),
    /// Make a workspace, and say which sticks are its members
    Workspace(workspace::WorkspaceArgs),
}

#[derive(Debug, clap::Args)]
struct SticksArgs {
    /// Only those that are revoked, of which two copies were seen, or whose share was asked for with wrong passphrases
    #[arg(long)]
    troubled: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// Number of the stick: 32 digits, in `gobag-image list --sticks`
    #[arg(value_name = "NUMBER")]
    number: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct RevokeArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Why
    #[arg(long, value_enum, value_name = "REASON")]
    reason: ReasonArg,
}

#[derive(Debug, clap::Args)]
struct DrilledArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its generation, as `gobag-image recover points --json` has it
    #[arg(value_name = "GENERATION")]
    generation: u64,
    /// The line it is of
    #[arg(long, value_name = "LINE", default_value = "volumes")]
    line: String,
}

/// Why a stick is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReasonArg {
    /// Nobody knows where it is
    Lost,
    /// Somebody took it
    Stolen,
    /// Its user works here no more
    Left,
    /// Its user has another stick now
    Replaced,
    /// For another reason
    Other,
}

impl From<ReasonArg> for Reason {
    fn from(reason: ReasonArg) -> Self {
        match reason {
            ReasonArg::Lost => Self::Lost,
            ReasonArg::Stolen => Self::Stolen,
            ReasonArg::Left => Self::Left,
            ReasonArg::Replaced => Self::Replaced,
            ReasonArg::Other => Self::Other,
        }
    }
}

#[derive(Serialize)]
struct SticksReport {
    sticks: Vec<StickInfo>,
}

/// What was decided, and how the stick stands since.
#[derive(Serialize)]
struct DecidedReport {
    decided: &'static str,
    #[serde(flatten)]
    details: StickDetails,
}

pub(crate) fn company(args: &CompanyArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    match &args.command {
        CompanyCommand::Sticks(args) => sticks(args, ui),
        CompanyCommand::Stick(args) => {
            let bundle = number(&args.number)?;
            let details = args.server.people()?.stick(bundle).or_explain()?;
            let columns = ui.columns();
            ui.answer(&details, |details| page::stick(details, columns))?;
            Ok(ExitCode::Ok)
        }
        CompanyCommand::Revoke(args) => revoke(args, ui),
        CompanyCommand::Workspaces(args) => workspace::workspaces(args, ui),
        CompanyCommand::Workspace(args) => workspace::workspace(args, ui),
        CompanyCommand::Restore(args) => {
            decide(args, ui, "restored", |people, bundle| people.restore(bundle))
        }
        CompanyCommand::ClearClone(args) => decide(args, ui, "clone-cleared", |people, bundle| {
            people.clear_clone(bundle)
        }),
        CompanyCommand::Drilled(args) => {
            let line = LineName::parse(&args.line).ok_or_else(|| {
                let text = format!("`{}` is not the name of a line", args.line);
                said(ExitCode::Usage, "company.line", text)
            })?;
            decide(&args.one, ui, "drilled", |people, bundle| {
                people.drilled(bundle, &line, args.generation)
            })
        }
    }
}

fn sticks(args: &SticksArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let people = args.server.people()?;
    let mut sticks: Vec<StickInfo> = Vec::new();
    loop {
        let after = sticks.last().map(|stick| stick.bundle);
        let page = people.sticks(after).or_explain()?.sticks;
        if page.is_empty() {
            break;
        }
        let mut before = after;
        for stick in &page {
            // One that goes back, or in circles, would be asked for ever.
            if before >= Some(stick.bundle) || sticks.len() + page.len() > MAX_STICKS {
                let text = "the server lists sticks in an order that makes no sense, or too many";
                return Err(said(ExitCode::Failed, "company.list", text));
            }
            before = Some(stick.bundle);
        }
        sticks.extend(page);
    }
    let is_troubled =
        |stick: &StickInfo| stick.revoked || stick.clone_suspected || stick.wrong_passphrases > 0;
    sticks.retain(|stick| !args.troubled || is_troubled(stick));
    let report = SticksReport { sticks };
    let columns = ui.columns();
    ui.answer(&report, |report| page::sticks(&report.sticks, columns))?;
    Ok(ExitCode::Ok)
}

fn revoke(args: &RevokeArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let bundle = number(&args.one.number)?;
    // So that the person sees whose it is before saying yes; one that is not there is refused.
    let details = args.one.server.people()?.stick(bundle).or_explain()?;
    let question = format!(
        "Cut the stick of {} off (when it reaches the server it erases what unlocks it, and whoever works with it is switched off)",
        details.stick.user
    );
    if !ui.confirm(&question)? {
        return Err(said(
            ExitCode::Interrupted,
            "company.declined",
            "nothing was changed",
        ));
    }
    decide(&args.one, ui, "revoked", |people, bundle| {
        people.revoke(bundle, args.reason.into())
    })
}

/// Does it, and shows how the stick stands then, by the server's word.
fn decide(
    args: &OneArgs,
    ui: &Ui,
    decided: &'static str,
    act: impl FnOnce(&People, BundleId) -> Result<(), ClientError>,
) -> Result<ExitCode, CliError> {
    let bundle = number(&args.number)?;
    let people = args.server.people()?;
    act(&people, bundle).or_explain()?;
    let details = people.stick(bundle).or_explain()?;
    let columns = ui.columns();
    let report = DecidedReport { decided, details };
    ui.answer(&report, |report| page::stick(&report.details, columns))?;
    Ok(ExitCode::Ok)
}
