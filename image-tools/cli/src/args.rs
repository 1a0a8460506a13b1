//! The command line. Doc comments here are the help text.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use gobag_term::{DocsArgs, GlobalArgs, PassphraseArgs};

use crate::{
    build::BuildArgs, checklist::ChecklistArgs, company::CompanyArgs, coverage::CoverageArgs,
    escrow::EscrowArgs, extend::ExtendArgs, init::InitArgs, inspect::InspectArgs, list::ListArgs,
    officer::OfficerArgs, passwd::PasswdArgs, plan::PlanArgs, probe::ProbeArgs, recover::RecoverArgs,
    restore_token::RestoreTokenArgs, results::ResultsArgs, rm::RmArgs, stick::StickArgs, update::UpdateArgs,
    verify::VerifyArgs, waive::WaiveArgs,
};

/// Turns a golden disk into encrypted personal sticks
#[derive(Debug, Parser)]
#[command(name = "gobag-image", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Plan(PlanArgs),
    Init(InitArgs),
    Build(BuildArgs),
    List(ListArgs),
    Inspect(InspectArgs),
    Verify(VerifyArgs),
    Rm(RmArgs),
    Probe(ProbeArgs),
    Stick(StickArgs),
    Update(UpdateArgs),
    Passwd(PasswdArgs),
    Escrow(EscrowArgs),
    Company(CompanyArgs),
    Recover(RecoverArgs),
    Officer(OfficerArgs),
    Extend(ExtendArgs),
    RestoreToken(RestoreTokenArgs),
    Waive(WaiveArgs),
    Checklist(ChecklistArgs),
    Results(ResultsArgs),
    Coverage(CoverageArgs),
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Where the organisation is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OrgArgs {
    /// The organisation's folder, made by `gobag-image init`
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) org: PathBuf,
    /// The repository of images, when it is not `repository` in the organisation's folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) repository: Option<PathBuf>,
}

/// Where the organisation is, and what opens its keys.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    pub(crate) org: OrgArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
