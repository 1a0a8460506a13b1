//! `gobag mount`: the stick's disks as files or as a block socket, without starting anything.
//!
//! An address on the loopback network has a secret in it. It is neither printed nor logged, but written to a file that
//! only its owner can read, in the private folder of this run.

use std::{path::PathBuf, sync::Arc};

use clap::ValueEnum;
use gobag_bundle::{SessionOptions, store::StoreMode};
use gobag_mount::Hold;
use gobag_term::{CliError, ExitCode, Interrupt, Ui};
use serde::Serialize;

use crate::{
    args::UnlockArgs,
    company::{SendingArgs, standing},
    control::{Board, Report, Server},
    door::{Door, DoorOptions},
    environment::Environment,
    error::{OrExplain, said},
    find, host_memory,
    open::{Work, file_name},
    run_folder::RunFolder,
    session::{Inbox, Kind, keep, put_away},
    start::{control_error, still_shared},
    unlock,
    workplace::Bare,
};

/// Open the stick's disks without starting anything
///
/// For IT and for rescue. The files, or the exports of the block socket, are raw disks; `gobag stop` or Ctrl-C closes
/// them again.
#[derive(Debug, clap::Args)]
pub(crate) struct MountArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    /// Empty folder to show the files in; a private one by default
    folder: Option<PathBuf>,
    /// Image whose disks are shown; the first on the stick by default
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Refuse every write
    #[arg(long)]
    read_only: bool,
    /// How the disks are shown
    #[arg(long, value_enum, default_value_t, value_name = "DOOR")]
    door: DoorArg,
    #[command(flatten)]
    sending: SendingArgs,
}

/// How the disks are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DoorArg {
    /// As files
    #[default]
    Fuse,
    /// As a block socket (NBD) that only you can reach
    Nbd,
    /// As a block socket on this computer's own network, for programs that cannot use a Unix socket. The address has a
    /// secret in it and is in a file that only you can read: give it only to programs that take it otherwise than as an
    /// argument, which every user of this computer can see
    NbdLoopback,
}

#[derive(Serialize)]
struct MountReport {
    bundle: String,
    image: String,
    files: Vec<PathBuf>,
    addresses: Vec<String>,
    session: Report,
}

pub(crate) fn mount(
    args: &MountArgs,
    ui: &Ui,
    environment: &Environment,
    interrupt: &Interrupt,
) -> Result<ExitCode, CliError> {
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(&args.unlock, &stick, !args.read_only, ui)?;
    let (id, user) = (bundle.id(), bundle.record().user.clone());
    let options = SessionOptions {
        image: args.image.clone(),
        mode: if args.read_only {
            StoreMode::ReadOnly
        } else {
            StoreMode::Keep
        },
        ..SessionOptions::default()
    };
    let witness = Arc::new(host_memory::recall(&bundle, environment, ui));
    let work = Arc::new(Work::open(bundle, &stick, &options, witness).or_explain()?);
    work.tell(ui);
    work.announce(environment, ui);
    standing::admit(&work, ui)?;
    let (folder, _) = RunFolder::create(environment, id).or_explain()?;
    let board = Board::default();
    let (commands, wishes) = crossbeam_channel::unbounded();
    let server =
        Server::start(folder.path(), &board, commands).map_err(|error| control_error(&folder, error))?;

    let (hook, troubles) = crate::session::troubles();
    let hold = Arc::new(Hold::default());
    let bare = Bare::new(Arc::clone(&hold));
    let options = DoorOptions {
        on_error: Some(hook),
        hold: Some(hold),
        on_end: Some(bare.ender()),
    };
    let door = open(args, &work, &folder, &options)?;
    let image = work.session().manifest().name.clone();
    let shown = show(&door, &work, &folder)?;
    let since_s = (gobag_bundle::Ambient::system().clock)();
    board.update(|report| {
        report.pid = std::process::id();
        report.bundle = id.to_string();
        report.user = Some(user);
        report.image = Some(image.clone());
        report.mode = Some("mount".to_owned());
        report.since_s = since_s;
        report.mountpoint = door.mountpoint().map(|place| place.display().to_string());
        report.socket.clone_from(&shown.socket);
    });
    shown.lines.iter().for_each(|line| ui.say(line));
    ui.ok("The disks are open. Ctrl-C here, or `gobag stop`, closes them.");

    let inbox = Inbox {
        signals: interrupt.subscribe(),
        commands: wishes,
        troubles,
        wish: args.sending.wish(),
    };
    keep(&bare, Kind::Programs, &work, &inbox, &board, ui);
    let cut_off = work.is_cut_off().then(|| work.take_fate());
    let work = Arc::into_inner(work).ok_or_else(still_shared)?;
    let saved = put_away(door, work, &inbox.signals, &board, ui);
    drop(server);
    if let Some(fate) = cut_off {
        return Err(standing::cut_off(fate));
    }
    saved?;
    let report = MountReport {
        bundle: id.to_string(),
        image,
        files: shown.files,
        addresses: shown.addresses,
        session: board.report(),
    };
    ui.answer(&report, |_| "The stick is safe to remove.\n".to_owned())?;
    Ok(ExitCode::Ok)
}

fn open(args: &MountArgs, work: &Work, folder: &RunFolder, options: &DoorOptions) -> Result<Door, CliError> {
    let place = match (&args.folder, args.door) {
        // What cannot be resolved is refused with a reason when it is mounted.
        (Some(place), DoorArg::Fuse) => {
            let place = place.canonicalize().unwrap_or_else(|_| place.clone());
            folder.mounts_at(&place).or_explain()?;
            place
        }
        (Some(_), DoorArg::Nbd | DoorArg::NbdLoopback) => {
            let text = "a block socket shows no files, so it needs no folder";
            return Err(said(ExitCode::Usage, "gobag.door-folder", text)
                .hint("leave the folder out, or leave `--door` out"));
        }
        (None, _) => folder.mountpoint(),
    };
    match args.door {
        DoorArg::Fuse => Door::files(work.exports(), &place, options).or_explain(),
        DoorArg::Nbd => Door::socket(work.exports(), folder, options).or_explain(),
        DoorArg::NbdLoopback => Door::loopback(work.exports(), options).or_explain(),
    }
}

/// Where the disks are, for the person and for the report.
#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    files: Vec<PathBuf>,
    /// Those that hold no secret.
    addresses: Vec<String>,
    socket: Option<String>,
}

fn show(door: &Door, work: &Work, folder: &RunFolder) -> Result<Shown, CliError> {
    let mut shown = Shown::default();
    let mut secrets = String::new();
    for volume in work.session().volumes() {
        let (name, size) = (file_name(volume), volume.volume.size_bytes());
        let size = gobag_term::human::bytes(size);
        let Some(socket) = door.block_socket() else {
            if let Some(file) = door.file(&name) {
                shown.lines.push(format!("{} ({size})", file.display()));
                shown.files.push(file);
            }
            continue;
        };
        let address = socket.uri(&name);
        if socket.loopback().is_some() {
            shown.lines.push(format!("{name} ({size})"));
            secrets.push_str(&format!("{name} {address}\n"));
        } else {
            shown.lines.push(format!("{address} ({size})"));
            shown.addresses.push(address);
        }
    }
    let Some(socket) = door.block_socket() else {
        return Ok(shown);
    };
    shown.socket = socket.path().map(|path| path.display().to_string());
    if let Some(address) = socket.loopback() {
        let file = folder.keep_addresses(&secrets).or_explain()?;
        let text = format!(
            "{address}; the full addresses, with their secret, are in {}",
            file.display()
        );
        shown.lines.push(text.clone());
        shown.socket = Some(text);
    }
    Ok(shown)
}
