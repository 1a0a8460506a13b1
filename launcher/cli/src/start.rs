//! `gobag start`: from a plugged-in stick to a running workstation, and back to a stick that is safe to remove.
//!
//! Order: find the stick, refuse if it is in use, look at the computer while the person types the passphrase, unlock,
//! judge the computer by the image's own requirements, mount, start, keep company ([`crate::session`]), put away.

mod container;
mod judge;
mod vm;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use clap::ValueEnum;
use gobag_bundle::{
    Bundle, SessionOptions,
    memory::Admitted,
    store::{Recovery, StoreMode},
};
use gobag_checklists::{Decision, HostFacts, Mode, Requirements};
use gobag_engine::guest::Exit;
use gobag_term::{CliError, ExitCode, Interrupt, OutputError, Signal, Ui};
use serde::Serialize;

use crate::{
    args::{ModeArg, UnlockArgs},
    check,
    company::{SendingArgs, standing},
    control::{Board, Server, SessionState},
    environment::Environment,
    error::{Explain, OrExplain, explained, said},
    find, host_memory,
    open::Work,
    run_folder::RunFolder,
    session::{Ended, Inbox, put_away},
    unlock,
};

/// Start the workstation
///
/// Asks for the passphrase. To end, shut the workstation down as usual, or press Ctrl-C here: it is then asked to shut
/// down, and Ctrl-C once more switches it off. Leave the stick in until it says "safe to remove".
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    /// How the workstation runs
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    mode: ModeArg,
    /// Image to start; the first on the stick by default
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// No window: the virtual machine's serial console appears in this terminal
    #[arg(long, conflicts_with = "vnc")]
    headless: bool,
    /// No window: the virtual machine's screen is a VNC server on a private socket, named by `gobag status`
    #[arg(long)]
    vnc: bool,
    /// Give the system back as it came from IT. The home volume stays; what you keep on the system's own disk is gone
    #[arg(long, conflicts_with = "throwaway")]
    reset_system: bool,
    /// Keep nothing of this run
    #[arg(long)]
    throwaway: bool,
    /// Go on from an earlier state if the stick lost the newest changes
    #[arg(long)]
    accept_earlier_state: bool,
    /// Go on from an earlier copy of the stick that was put back, with IT's agreement in this file
    #[arg(long, value_name = "FILE", conflicts_with = "throwaway")]
    restore_token: Option<PathBuf>,
    /// IT's word, in this file, that a rule of the checks does not stop you; can be given several times
    #[arg(long, value_name = "FILE")]
    waiver: Vec<PathBuf>,
    /// How the disks reach the virtual machine; by FUSE where this computer has it. A container needs FUSE
    #[arg(long, value_enum, value_name = "DOOR")]
    door: Option<DoorArg>,
    /// Start although this computer does not meet the image's requirements
    #[arg(long)]
    force: bool,
    /// Memory of the virtual machine, in MiB
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Processor cores of the virtual machine
    #[arg(long, value_name = "NUMBER")]
    cores: Option<u32>,
    /// Give the virtual machine plain PC hardware, for systems without drivers for virtual hardware
    #[arg(long)]
    compatible_hardware: bool,
    /// The workstation's network
    #[arg(long, value_enum, default_value_t, value_name = "NETWORK")]
    network: NetworkArg,
    #[command(flatten)]
    sending: SendingArgs,
    /// User in the container; by default the image's, else its first person, else root
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Program to run in the container instead of a login shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The workstation's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum NetworkArg {
    /// It can reach what this computer can reach
    #[default]
    On,
    /// It has none
    Off,
}

/// How a virtual machine's disks reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DoorArg {
    /// As files
    Fuse,
    /// As a block socket that only you can reach
    Nbd,
}

/// The question before the system's changes go.
const RESET: &str = "Give the system back as it came from IT (the home volume stays; what you keep on the system's own disk is \
                     gone for good)";

/// How a run went.
#[derive(Serialize)]
struct StartReport {
    bundle: String,
    user: String,
    image: String,
    image_version: u64,
    mode: Mode,
    accelerator: Option<String>,
    recovery: Recovery,
    memory: Admitted,
    ended: Ended,
    exit: Option<Exit>,
    container: Option<gobag_engine::container::ContainerReport>,
    state: SessionState,
}

/// What both modes need.
struct Start<'a> {
    args: &'a StartArgs,
    ui: &'a Ui,
    environment: &'a Environment,
    folder: &'a RunFolder,
    board: &'a Board,
    inbox: Inbox,
    facts: HostFacts,
    requirements: Requirements,
}

/// What a mode's run comes to.
struct Ran {
    ended: Ended,
    exit: Option<Exit>,
    container: Option<gobag_engine::container::ContainerReport>,
    /// The guest's own failure, to be told after the stick is safe.
    failure: Option<CliError>,
}

pub(crate) fn start(
    args: &StartArgs,
    ui: &Ui,
    environment: &Environment,
    interrupt: &Interrupt,
) -> Result<ExitCode, CliError> {
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let id = Bundle::identify(&stick).or_explain()?;
    if args.reset_system && !ui.confirm(RESET)? {
        return Err(said(
            ExitCode::Interrupted,
            "gobag.declined",
            "nothing was changed",
        ));
    }
    let facts = {
        let (environment, stick) = (environment.clone(), stick.clone());
        thread::spawn(move || check::facts(&environment, &stick))
    };
    let bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    refuse_unfinished(&bundle)?;
    let user = bundle.record().user.clone();
    let waivers = judge::waivers(args, &bundle, ui)?;
    let work = Arc::new(open(args, bundle, &stick, environment, ui)?);
    standing::admit(&work, ui)?;
    let judge = judge::Judge::new(&work, waivers)?;
    if check::public_copy_differs(&stick, &work.session().manifest().requirements) {
        ui.warn("What this stick shows to everybody of its requirements is not what your IT signed; the signed ones count. Tell your IT.");
    }
    let complete = |facts| check::completed(facts, work.session().bundle(), &judge.requirements);
    let facts = complete(facts.join().unwrap_or_default());
    let look = || complete(check::facts(environment, &stick));
    let told = |decision: &Decision, facts: &HostFacts| {
        if args.throwaway {
            return;
        }
        // Nobody should be kept from working by it.
        if let Err(error) = check::keep(work.session().bundle(), decision, facts, environment) {
            tracing::info!(%error, code = error.code(), "the result of the check is not kept on the stick");
        }
    };
    let (mode, facts) = judge.choose(args, facts, look, told, ui)?;
    if mode == Mode::Container && args.door == Some(DoorArg::Nbd) {
        let text = "a container needs the disks as files, so `--door nbd` is for virtual machines";
        return Err(said(ExitCode::Usage, "gobag.door-container", text)
            .hint("start without `--door`, or as a virtual machine with `--mode vm`"));
    }
    // Not before it is sure that something will be started.
    if args.reset_system {
        work.session().reset_system().or_explain()?;
        ui.ok("The system is as it came from IT; the home volume is untouched.");
    }

    let (folder, cleaned) = RunFolder::create(environment, id).or_explain()?;
    if cleaned > 0 {
        ui.say("The last run was killed; what it left on this computer is cleaned up. What was saved is on the stick.");
    }
    let board = Board::default();
    let (commands, wishes) = crossbeam_channel::unbounded();
    let server =
        Server::start(folder.path(), &board, commands).map_err(|error| control_error(&folder, error))?;
    describe(&board, &work, &user, mode);
    let (hook, troubles) = crate::session::troubles();
    let mut start = Start {
        args,
        ui,
        environment,
        folder: &folder,
        board: &board,
        inbox: Inbox {
            signals: interrupt.subscribe(),
            commands: wishes,
            troubles,
            wish: args.sending.wish(),
        },
        facts,
        requirements: judge.requirements,
    };
    let (door, ran) = match mode {
        Mode::Vm => vm::run(&mut start, &work, hook)?,
        _ => container::run(&mut start, &work, hook)?,
    };
    let manifest = work.session().manifest();
    let report = StartReport {
        bundle: id.to_string(),
        user,
        image: manifest.name.clone(),
        image_version: manifest.version,
        mode,
        accelerator: board.report().accelerator,
        recovery: work.session().recovery(),
        memory: work.admitted(),
        ended: ran.ended,
        exit: ran.exit,
        container: ran.container,
        state: SessionState::SafeToRemove,
    };
    let cut_off = work.is_cut_off().then(|| work.take_fate());
    let work = Arc::into_inner(work).ok_or_else(still_shared)?;
    let saved = put_away(door, work, &start.inbox.signals, &board, ui);
    drop(server);
    if let Some(fate) = cut_off {
        return Err(standing::cut_off(fate));
    }
    saved?;
    match ran.failure {
        Some(failure) => {
            ui.ok("The stick is safe to remove.");
            Err(failure)
        }
        None => {
            let answered = ui.answer(&report, |_| "The stick is safe to remove.\n".to_owned());
            match answered {
                // The terminal was closed: nobody is there to be answered.
                Err(OutputError::Write { .. }) if interrupt.last() == Some(Signal::HangUp) => {}
                other => other?,
            }
            Ok(match report.ended {
                Ended::ByItself | Ended::Asked => ExitCode::Ok,
                Ended::Forced => ExitCode::Interrupted,
                Ended::Died => ExitCode::GuestFailed,
            })
        }
    }
}

pub(crate) fn still_shared() -> CliError {
    said(
        ExitCode::Bug,
        "gobag.still-shared",
        "the stick is still being used by a part of this program",
    )
}

pub(crate) fn control_error(folder: &RunFolder, error: std::io::Error) -> CliError {
    let text = format!("cannot listen in {}: {error}", folder.path().display());
    said(ExitCode::Failed, "gobag.control", text)
}

/// A stick that was being filled with a lost one's state holds a mixture.
fn refuse_unfinished(bundle: &Bundle) -> Result<(), CliError> {
    // A stick without a ledger was never filled so.
    match bundle.ledger().is_ok_and(|ledger| ledger.unfinished) {
        false => Ok(()),
        true => Err(said(
            ExitCode::Damaged,
            "gobag.unfinished",
            "your IT has begun to bring another stick's state onto this one, and not finished",
        )
        .hint("your IT enters the same `gobag-image recover stick` again; it begins anew")),
    }
}

/// Opens the image and says what was found, in words.
fn open(
    args: &StartArgs,
    bundle: Bundle,
    stick: &Path,
    environment: &Environment,
    ui: &Ui,
) -> Result<Work, CliError> {
    let witness = host_memory::recall_with_token(&bundle, args.restore_token.as_deref(), environment, ui)?;
    let options = SessionOptions {
        image: args.image.clone(),
        mode: if args.throwaway {
            StoreMode::Throwaway
        } else {
            StoreMode::Keep
        },
        accept_earlier: args.accept_earlier_state,
        ..SessionOptions::default()
    };
    let names: Vec<String> = bundle
        .record()
        .images
        .iter()
        .map(|image| image.name.clone())
        .collect();
    let work = Work::open(bundle, stick, &options, witness).map_err(|error| match error.code() {
        "session.no-such-image" => {
            explained(error.code(), error).hint(format!("images on this stick: {}", names.join(", ")))
        }
        _ => error.explain(),
    })?;
    work.tell(ui);
    work.announce(environment, ui);
    match work.admitted() {
        Admitted::ByToken => {
            ui.warn("Work goes on from the earlier state of the stick that your IT agreed to.")
        }
        Admitted::ByUser => {
            ui.warn("Work goes on from an earlier state of the stick; what came after it is gone.")
        }
        Admitted::Right | Admitted::Unknown if args.restore_token.is_some() => {
            ui.say("The restore token was not needed; keep it from others, and use it for nothing else.");
        }
        Admitted::Right | Admitted::Unknown => {}
    }
    let recovery = work.session().recovery();
    if recovery.lost_from.is_some() {
        ui.warn("The stick lost its newest changes. Work goes on from an intact earlier state.");
    } else if !recovery.clean {
        ui.say("The last session did not end in good order. Everything that was saved is there.");
    }
    if args.throwaway {
        ui.say("Nothing of this run will be kept.");
    }
    Ok(work)
}

fn describe(board: &Board, work: &Work, user: &str, mode: Mode) {
    let manifest = work.session().manifest();
    let since_s = (gobag_bundle::Ambient::system().clock)();
    board.update(|report| {
        report.pid = std::process::id();
        report.bundle = work.id().to_string();
        report.stick = work.place().display().to_string();
        report.user = Some(user.to_owned());
        report.image = Some(manifest.name.clone());
        report.mode = Some(mode.to_string());
        report.since_s = since_s;
    });
}
