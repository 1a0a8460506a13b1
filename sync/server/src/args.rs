//! The command line. Doc comments here are the help text.

use std::path::PathBuf;

use clap::{Args as ClapArgs, CommandFactory as _, Parser, Subcommand};
use gobag_term::{CliError, DocsArgs, ExitCode, GlobalArgs, Ui};

use crate::{
    commands::{
        adopt_store, backup, clock, default_config, enrol, lease_key, probe_store, prune, serve, token,
    },
    config::Config,
    error::OrExplain as _,
};

/// The company's side: keeps what sticks send, sealed, and gives it back
#[derive(Debug, Parser)]
#[command(name = "gobag-server", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    #[command(subcommand)]
    Token(token::TokenCommand),
    Enrol(enrol::EnrolArgs),
    LeaseKey(lease_key::LeaseKeyArgs),
    Prune(prune::PruneArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Check(backup::CheckArgs),
    Clock(clock::ClockArgs),
    AdoptStore(adopt_store::AdoptStoreArgs),
    ProbeStore(probe_store::ProbeStoreArgs),
    DefaultConfig(default_config::DefaultConfigArgs),
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Options of every command that needs the configuration.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// The configuration; `gobag-server default-config` prints one with comments
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    pub(crate) fn load(&self) -> Result<Config, CliError> {
        Config::load(self.config.as_deref()).or_explain()
    }
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
    // The server's own log is JSON, for programs.
    if !matches!(args.command, Command::Serve(_)) {
        gobag_term::log::init(&args.global, ui)?;
    }
    match &args.command {
        Command::Serve(command) => serve::serve(command, &args.global, ui),
        Command::Token(command) => token::token(command, ui),
        Command::Enrol(command) => enrol::enrol(command, ui),
        Command::LeaseKey(command) => lease_key::lease_key(command, ui),
        Command::Prune(command) => prune::prune(command, ui),
        Command::Backup(command) => backup::backup(command, ui),
        Command::Restore(command) => backup::restore(command, ui),
        Command::Check(command) => backup::check(command, ui),
        Command::Clock(command) => clock::clock(command, ui),
        Command::AdoptStore(command) => adopt_store::adopt_store(command, ui),
        Command::ProbeStore(command) => probe_store::probe_store(command, ui),
        Command::DefaultConfig(command) => default_config::default_config(command, ui),
        Command::Docs(command) => gobag_term::docs::docs(command, &Args::command(), ui),
    }
}
