//! The command line. Doc comments here are the help text, and `docs/cli.md` is made from them.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use gobag_checklists::ModeChoice;
use gobag_term::{DocsArgs, GlobalArgs, PassphraseArgs};

use crate::{
    check::CheckArgs, enrol::EnrolArgs, join::JoinArgs, lease::LeaseArgs, mark::MarkArgs, mount::MountArgs,
    passwd::PasswdArgs, start::StartArgs, status::StatusArgs, stop::StopArgs, sync::SyncArgs,
    verify::VerifyArgs,
};

/// Your workstation on a stick
///
/// Plug the stick into a PC, run `gobag start` from it and type your passphrase. Nothing is installed on the PC, and
/// nothing stays on it (but for a few sealed bytes, where your IT chose that, by which it knows the stick again). To end, shut the workstation down as usual (or press Ctrl-C here) and wait for "safe to remove".
#[derive(Debug, Parser)]
#[command(name = "gobag", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Each says in its own arguments what it does: a text here would take the place of that.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(CheckArgs),
    Start(Box<StartArgs>),
    Status(StatusArgs),
    Mark(MarkArgs),
    Stop(StopArgs),
    Mount(MountArgs),
    Verify(VerifyArgs),
    Passwd(PasswdArgs),
    Enrol(EnrolArgs),
    Lease(LeaseArgs),
    Join(JoinArgs),
    Sync(Box<SyncArgs>),
    /// Print generated documents
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Which stick, for commands that look at one.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StickArgs {
    /// Folder of the stick; found by itself when the program runs from the stick or one stick is plugged in
    #[arg(long, value_name = "FOLDER")]
    pub(crate) stick: Option<PathBuf>,
}

/// Which stick and which passphrase, for commands that open it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) stick: StickArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// How the workstation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// A virtual machine if this computer can run one, else a container
    #[default]
    Auto,
    /// A virtual machine
    Vm,
    /// A container
    Container,
}

impl From<ModeArg> for ModeChoice {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Auto => Self::Auto,
            ModeArg::Vm => Self::Vm,
            ModeArg::Container => Self::Container,
        }
    }
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
