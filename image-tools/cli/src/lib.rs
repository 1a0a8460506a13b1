//! `gobag-image`, IT's program: from a golden disk to encrypted personal sticks. It holds no logic of the parts it
//! wires together.
//!
//! * [`args`]: the command line; one module per command: [`init`], [`build`], [`list`], [`inspect`], [`verify`],
//!   [`rm`], [`stick`], [`update`], [`passwd`], [`plan`], [`probe`], [`escrow`], [`officer`], [`extend`], [`company`], [`recover`], [`restore_token`],
//!   [`waive`], [`checklist`], [`results`], [`coverage`] (with the checklist it shares [`pages`])
//! * [`office`]: the organisation and its repository, opened and unlocked
//! * [`server`]: the company's server; [`time`]: times as people write them; [`size`]: sizes
//! * [`environment`]: what is known from outside; [`progress`]: how long work tells where it is
//! * [`error`]: every library error's exit code and hint

mod args;
mod build;
mod checklist;
mod company;
mod coverage;
mod environment;
mod error;
mod escrow;
mod extend;
mod init;
mod inspect;
mod list;
mod office;
mod officer;
mod pages;
mod passwd;
mod plan;
mod probe;
mod progress;
mod recover;
mod restore_token;
mod results;
mod rm;
mod server;
mod size;
mod stick;
mod time;
mod update;
mod verify;
mod waive;

use clap::CommandFactory;
use gobag_term::{CliError, ExitCode, Interrupt, Ui};

use args::{Args, Command};
use environment::Environment;

/// The whole program.
pub fn run() -> std::process::ExitCode {
    let args: Args = match gobag_term::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let ui = Ui::new(&args.global);
    gobag_term::run(&ui, |ui| {
        gobag_term::log::init(&args.global, ui)?;
        dispatch(&args.command, ui, &Environment::of_process())
    })
}

fn dispatch(command: &Command, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    if let Command::Docs(args) = command {
        return gobag_term::docs::docs(args, &Args::command(), ui);
    }
    let interrupt = Interrupt::install()?;
    ui.set_interrupt(&interrupt);
    match command {
        Command::Plan(args) => plan::plan(args, ui),
        Command::Init(args) => init::init(args, ui, environment),
        Command::Build(args) => build::build(args, ui, environment),
        Command::List(args) => list::list(args, ui),
        Command::Inspect(args) => inspect::inspect(args, ui),
        Command::Verify(args) => verify::verify(args, ui),
        Command::Rm(args) => rm::rm(args, ui),
        Command::Probe(args) => probe::probe_stick(args, ui, environment),
        Command::Stick(args) => stick::stick(args, ui, environment),
        Command::Update(args) => update::update(args, ui, environment),
        Command::Passwd(args) => passwd::passwd(args, ui, environment),
        Command::Escrow(args) => escrow::escrow(args, ui, environment),
        Command::Company(args) => company::company(args, ui),
        Command::Recover(args) => recover::recover(args, ui, environment, &interrupt),
        Command::Officer(args) => officer::officer(args, ui, environment),
        Command::Extend(args) => extend::extend(args, ui, environment),
        Command::RestoreToken(args) => restore_token::restore_token(args, ui, environment),
        Command::Checklist(args) => checklist::checklist(args, ui),
        Command::Results(args) => results::results(args, ui, environment),
        Command::Coverage(args) => coverage::coverage(args, ui, environment),
        Command::Waive(args) => waive::waive(args, ui, environment),
        Command::Docs(args) => gobag_term::docs::docs(args, &Args::command(), ui),
    }
}
