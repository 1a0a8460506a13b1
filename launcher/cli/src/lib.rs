//! `gobag`, the employee's program: finds the stick, checks the computer, unlocks, mounts, starts, and puts everything
//! back. It holds no logic of the parts it wires together.
//!
//! * [`args`]: the command line; one module per command: [`check`], [`start`], [`status`], [`stop`], [`mount`],
//!   [`verify`], [`passwd`], [`enrol`], [`lease`], [`extend_code`], [`mark`],
//!   [`join`], [`sync`]
//! * [`company`]: whether the stick may be started, and what goes between it and the company's server while it runs
//! * [`find`], [`unlock`], [`open`]: from a plugged-in stick to its volumes
//! * [`door`], [`boot_files`]: from its volumes to other programs, as files or as a block socket
//! * [`host_memory`]: what this computer remembers of a stick, where IT asks for it
//! * [`resident`]: a program that lies on the stick goes on without it
//! * [`run_folder`]: the private folder of one run, and what a killed launcher leaves behind
//! * [`machine`], [`workplace`]: the virtual machine, container or bare mount that works on the volumes
//! * [`session`]: keeping it company until the stick is safe to remove; [`words`]: what is said meanwhile
//! * [`control`]: how `status` and `stop` reach a running session
//! * [`error`]: every library error's exit code and hint

mod args;
mod boot_files;
mod check;
mod company;
mod console;
mod control;
mod door;
mod enrol;
mod environment;
mod error;
mod extend_code;
mod find;
mod host_memory;
mod join;
mod lease;
mod machine;
mod mark;
mod mount;
mod open;
mod passwd;
mod resident;
mod run_folder;
mod session;
mod start;
mod status;
mod stop;
mod sync;
mod unlock;
mod verify;
mod words;
mod workplace;

use clap::CommandFactory;
use gobag_term::{CliError, ExitCode, Interrupt, Ui};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use args::{Args, Command};
use environment::Environment;

/// The whole program.
pub fn run() -> std::process::ExitCode {
    resident::leave_the_stick();
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

/// Keeps memory, and so keys and guest data, out of the swap file: where the system sets no bound. An ordinary user's is
/// usually 8 MiB, and the allocation that meets it would fail in the middle of work, which is worse.
fn lock_memory() {
    let capable = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::IPC_LOCK));
    if !capable && getrlimit(Resource::Memlock).current.is_some() {
        tracing::debug!("memory is not locked: the system bounds how much may be");
        return;
    }
    // Pages that were never touched are not brought in; children start unlocked.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        tracing::debug!(%error, "memory is not locked");
    }
}

fn dispatch(command: &Command, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    // A core dump would put keys and guest data on the host's disk. Children inherit it.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    // The limit does not count where the system hands dumps to a program, as most desktops do. This does, for us alone:
    // a child that starts another program is as any other.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    lock_memory();
    match command {
        Command::Check(args) => check::check(args, ui, environment),
        Command::Start(args) => start::start(args, ui, environment, &guarded(ui)?),
        Command::Status(args) => status::status(args, ui, environment),
        Command::Mark(args) => mark::mark(args, ui, environment),
        Command::Stop(args) => stop::stop(args, ui, environment),
        Command::Mount(args) => mount::mount(args, ui, environment, &guarded(ui)?),
        Command::Verify(args) => guarded(ui).and_then(|_| verify::verify(args, ui, environment)),
        Command::Passwd(args) => guarded(ui).and_then(|_| passwd::passwd(args, ui, environment)),
        Command::Enrol(args) => guarded(ui).and_then(|_| enrol::enrol(args, ui, environment)),
        Command::Lease(args) => guarded(ui).and_then(|_| lease::lease(args, ui, environment)),
        Command::Join(args) => guarded(ui).and_then(|_| join::join(args, ui, environment)),
        Command::Sync(args) => guarded(ui).and_then(|_| sync::sync(args, ui, environment)),
        Command::Docs(args) => gobag_term::docs::docs(args, &Args::command(), ui),
    }
}

/// From here on Ctrl-C and its kind do not end the program, but are told to it. Commands that a signal cannot catch in the
/// middle of something do without.
fn guarded(ui: &Ui) -> Result<Interrupt, CliError> {
    let interrupt = Interrupt::install()?;
    ui.set_interrupt(&interrupt);
    Ok(interrupt)
}
