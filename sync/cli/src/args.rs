//! The command line. Doc comments here are the help text.

use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use gobag_commands::{
    ConflictsArgs, HoldsArgs, PairArgs, RestoreArgs, Shell, StatusArgs, SyncArgs, VersionsArgs,
};
use gobag_term::{CliError, DocsArgs, ExitCode, GlobalArgs, Interrupt, Ui};

use crate::{
    member::{self, Standalone, StateArgs},
    workspace,
};

/// Keeps two folders the same, whatever happens in either
///
/// What changed in one is done in the other. Where both changed the same file, the second folder's keeps the name and the first one's is put beside it. What is
/// replaced or deleted is kept in the folder `.gobag-sync/versions` at the top of each. In the help LEFT is your folder, and RIGHT the other one, or `workspace:NAME` for what is kept for several, at the company's server or elsewhere.
#[derive(Debug, Parser)]
#[command(name = "gobag-sync", version, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Enrol(member::EnrolArgs),
    Join(member::JoinArgs),
    Workspace(Box<workspace::WorkspaceArgs>),
    Pair(With<PairArgs>),
    Sync(Box<With<SyncArgs>>),
    Status(With<StatusArgs>),
    Conflicts(ConflictsArgs),
    Holds(HoldsArgs),
    Versions(With<VersionsArgs>),
    Restore(With<RestoreArgs>),
    #[command(hide = true)]
    Docs(DocsArgs),
}

// No text of its own: the command's is the help.
#[derive(Debug, clap::Args)]
struct With<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    state: StateArgs,
}

/// The whole program.
pub fn run() -> std::process::ExitCode {
    let args: Args = match gobag_term::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let ui = Ui::new(&args.global);
    gobag_term::run(&ui, |ui| dispatch(&args, ui))
}

fn dispatch(args: &Args, ui: &Ui) -> Result<ExitCode, CliError> {
    gobag_term::log::init(&args.global, ui)?;
    let interrupt = Interrupt::install()?;
    ui.set_interrupt(&interrupt);
    let shell = |state: &StateArgs| Shell::new(ui, Arc::new(Standalone::new(state)));
    let alone = shell(&StateArgs::default());
    match &args.command {
        Command::Enrol(args) => member::enrol(args, &alone),
        Command::Join(args) => member::join(args, &alone),
        Command::Workspace(args) => workspace::workspace(args, &alone),
        Command::Pair(with) => gobag_commands::pair(&with.args, &shell(&with.state)),
        Command::Sync(with) => gobag_commands::sync(&with.args, &shell(&with.state)),
        Command::Status(with) => gobag_commands::status(&with.args, &shell(&with.state)),
        Command::Conflicts(args) => gobag_commands::conflicts(args, &alone),
        Command::Holds(args) => gobag_commands::holds(args, &alone),
        Command::Versions(with) => gobag_commands::versions(&with.args, &shell(&with.state)),
        Command::Restore(with) => gobag_commands::restore(&with.args, &shell(&with.state)),
        Command::Docs(command) => gobag_term::docs::docs(command, &Args::command(), ui),
    }
}
