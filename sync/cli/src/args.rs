//! The command line. Doc comments here are the help text.

use clap::{CommandFactory as _, Parser, Subcommand};
use gobag_term::{CliError, DocsArgs, ExitCode, GlobalArgs, Interrupt, Ui};

use crate::{conflicts, holds, member, pair, restore, status, sync, versions, workspace};

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
    Pair(pair::PairArgs),
    Sync(Box<sync::SyncArgs>),
    Status(status::StatusArgs),
    Conflicts(conflicts::ConflictsArgs),
    Holds(holds::HoldsArgs),
    Versions(versions::VersionsArgs),
    Restore(restore::RestoreArgs),
    #[command(hide = true)]
    Docs(DocsArgs),
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
    match &args.command {
        Command::Enrol(args) => member::enrol(args, ui),
        Command::Join(args) => member::join(args, ui),
        Command::Workspace(args) => workspace::workspace(args, ui),
        Command::Pair(args) => pair::pair(args, ui),
        Command::Sync(args) => sync::sync(args, ui),
        Command::Status(args) => status::status(args, ui),
        Command::Conflicts(args) => conflicts::conflicts(args, ui),
        Command::Holds(args) => holds::holds(args, ui),
        Command::Versions(args) => versions::versions(args, ui),
        Command::Restore(args) => restore::restore(args, ui),
        Command::Docs(command) => gobag_term::docs::docs(command, &Args::command(), ui),
    }
}
