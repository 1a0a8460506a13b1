//! The workstation as a virtual machine.
//!
//! Its disks are files where this computer has FUSE, else exports of a block socket; then what it boots from is written
//! to the run's private folder. The guest sees no difference.

use std::{path::PathBuf, sync::Arc};

use gobag_bundle::VolumePurpose;
use gobag_checklists::Ability;
use gobag_engine::{
    accel::Accelerator,
    guest::Guest,
    limits::SIGN_OF_LIFE,
    machine::{self, Boot, DiskSource, Display, MachineSpec, machine_type},
    supervise::{self, Fallback, StartError, StartOptions},
    tools,
};
use gobag_format::manifest::BootWay;
use gobag_mount::ErrorHook;
use gobag_term::{CliError, ExitCode};

use super::{DoorArg, NetworkArg, Ran, Start};
use crate::{
    boot_files::BootFiles,
    console::Console,
    door::{Door, DoorOptions, is_without_fuse},
    error::{Explain, OrExplain, said},
    machine::{MachineChoice, MachineFiles, machine as machine_for},
    open::{Work, file_name},
    session::{Ended, Kind, keep},
    workplace::Machine,
};

/// How long QEMU may take to list its machine types.
const QEMU_ANSWER: std::time::Duration = std::time::Duration::from_secs(20);

/// Opens a door to the disks, starts, and keeps company until the guest has ended.
pub(super) fn run(start: &mut Start<'_>, work: &Arc<Work>, hook: ErrorHook) -> Result<(Door, Ran), CliError> {
    let qemu = qemu(start)?;
    let uefi = uefi(start, work)?;
    let disks = disks(start, work, hook)?;
    let mut spec = spec(start, work, &disks, uefi)?;
    let found = machine_type(&qemu, &spec.machine_type, QEMU_ANSWER).or_explain()?;
    if !found.exact {
        tracing::warn!(
            wanted = spec.machine_type,
            found = found.name,
            "another machine type"
        );
    }
    spec.machine_type = found.name;

    let mut guest = begin(start, &qemu, spec)?;
    let console = match guest.take_console() {
        Some(socket) => Some(Console::connect(socket, !start.ui.is_json()).map_err(console_error)?),
        None => None,
    };
    let Disks { door, boot, .. } = disks;
    let machine = Machine::new(guest, start.folder.path());
    let (ended, exit) = keep(&machine, Kind::Machine, work, &start.inbox, start.board, start.ui);
    drop(machine);
    // Not earlier: a fall-back starts the machine anew.
    drop(boot);
    if let Some(console) = console {
        console.finish();
    }
    let failure = match (&exit, ended) {
        (Some(exit), Ended::Died) => {
            let text = format!("the virtual machine died ({}): {}", exit.status, exit.stderr);
            Some(
                said(ExitCode::GuestFailed, "gobag.guest-died", text)
                    .hint("start it again with `gobag start`"),
            )
        }
        _ => None,
    };
    let ran = Ran {
        ended,
        exit,
        container: None,
        failure,
    };
    Ok((door, ran))
}

/// The machine's disks, and what it boots from.
struct Disks {
    door: Door,
    /// Where blobs are files under their own names.
    blobs: PathBuf,
    /// They are there as long as this lives, where the door shows no files.
    boot: Option<BootFiles>,
}

impl Disks {
    fn source(&self, start: &Start<'_>, name: String) -> DiskSource {
        match self.door.file(&name) {
            Some(file) => DiskSource::File(file),
            None => DiskSource::Socket {
                path: start.folder.block_socket(),
                export: name,
            },
        }
    }
}

/// Files, if nothing else was asked for and this computer has FUSE; else a block socket.
fn disks(start: &Start<'_>, work: &Work, hook: ErrorHook) -> Result<Disks, CliError> {
    let options = DoorOptions {
        on_error: Some(hook),
        ..DoorOptions::default()
    };
    let place = start.folder.mountpoint();
    let files = || Door::files(work.exports(), &place, &options);
    let door = match (start.args.door, files_are_hopeless(start)) {
        (Some(DoorArg::Nbd), _) => None,
        (None, true) => {
            tell_socket(start);
            None
        }
        (Some(DoorArg::Fuse), _) => Some(files().or_explain()?),
        (None, false) => match files() {
            Err(error) if is_without_fuse(&error) => {
                tracing::info!(code = error.code(), %error, "no files");
                tell_socket(start);
                None
            }
            mounted => Some(mounted.or_explain()?),
        },
    };
    if let Some(door) = door {
        let blobs = door.mountpoint().unwrap_or(&place).to_owned();
        let boot = None;
        return Ok(Disks { door, blobs, boot });
    }
    let volumes = work.session().volumes().iter();
    let blobs = volumes.filter(|volume| volume.purpose == VolumePurpose::Blob);
    let blobs = blobs.map(|volume| (volume.name.as_str(), &*volume.volume));
    let boot = BootFiles::write(start.folder.boot(), blobs).or_explain()?;
    Ok(Disks {
        door: Door::socket(work.disks(), start.folder, &options).or_explain()?,
        blobs: boot.folder().to_owned(),
        boot: Some(boot),
    })
}

fn files_are_hopeless(start: &Start<'_>) -> bool {
    matches!(start.facts.fuse.value(), Some(Ability::No { .. }))
}

fn tell_socket(start: &Start<'_>) {
    let text = "This computer has no FUSE for you; the disks reach the virtual machine through a private socket instead.";
    start.ui.say(text);
}

fn qemu(start: &Start<'_>) -> Result<PathBuf, CliError> {
    if let Some(Ability::Yes { with }) = start.facts.qemu.value() {
        return Ok(with.path.clone());
    }
    tools::find("qemu-system-x86_64", start.environment.path.as_deref()).or_explain()
}

/// The firmware, if the image needs it: its code from this computer, and fresh variables.
fn uefi(start: &Start<'_>, work: &Work) -> Result<Option<Boot>, CliError> {
    let manifest = work.session().manifest();
    match manifest.boot_way() {
        Some(BootWay::Uefi) => machine::uefi(start.folder.path()).or_explain().map(Some),
        Some(BootWay::Kernel | BootWay::Bios) => Ok(None),
        None => {
            let text = format!(
                "image `{}` starts in a way that this version does not know",
                manifest.name
            );
            Err(said(ExitCode::Failed, "gobag.unknown-firmware", text)
                .hint("use the program that lies on the stick itself; this one is older than the stick"))
        }
    }
}

fn spec(start: &Start<'_>, work: &Work, disks: &Disks, uefi: Option<Boot>) -> Result<MachineSpec, CliError> {
    let source = |purpose| {
        work.volume(purpose)
            .map(|volume| disks.source(start, file_name(volume)))
    };
    let system = source(VolumePurpose::System).ok_or_else(|| {
        let text = format!(
            "image `{}` has no disk to start from",
            work.session().manifest().name
        );
        said(ExitCode::Damaged, "gobag.no-system", text)
    })?;
    let files = MachineFiles {
        system,
        home: source(VolumePurpose::Home),
        blobs: disks.blobs.clone(),
        uefi,
    };
    let choice = MachineChoice {
        memory_mib: start.args.memory,
        cores: start.args.cores,
        is_compatible: start.args.compatible_hardware,
        is_offline: start.args.network == NetworkArg::Off,
    };
    let manifest = work.session().manifest();
    let display = match start.args {
        args if args.headless => Display::None,
        args if args.vnc => Display::Vnc,
        _ if start.environment.has_window_system() => Display::Gtk,
        _ => {
            start.ui.say("There is no desktop here to show a window on; your workstation's console appears in this terminal.");
            Display::None
        }
    };
    Ok(machine_for(
        manifest,
        work.id(),
        &start.requirements,
        &start.facts,
        &choice,
        &files,
        display,
    ))
}

/// Starts the machine; where the host's QEMU cannot show one kind of window, the other.
fn begin(start: &Start<'_>, qemu: &std::path::Path, mut spec: MachineSpec) -> Result<Guest, CliError> {
    let options = StartOptions {
        qemu: qemu.to_owned(),
        folder: start.folder.path().to_owned(),
        env: start.environment.window.clone(),
        fallback: (spec.accelerator != Accelerator::Tcg).then_some(Fallback {
            accelerator: Accelerator::Tcg,
            after: SIGN_OF_LIFE,
        }),
    };
    if spec.display == Display::Vnc {
        let socket = start.folder.path().join("vnc.sock").display().to_string();
        start
            .ui
            .say(&format!("Your workstation's screen is a VNC server at {socket}"));
        start.board.update(|report| report.vnc = Some(socket));
    }
    loop {
        match supervise::start(spec.clone(), options.clone()) {
            Ok(guest) => return Ok(guest),
            Err(StartError::Ended { exit }) if spec.display == Display::Gtk => {
                tracing::info!(stderr = exit.stderr, "no GTK window");
                spec.display = Display::Sdl;
            }
            Err(error) => return Err(error.explain()),
        }
    }
}

fn console_error(error: std::io::Error) -> CliError {
    let text = format!("cannot show the console of the virtual machine here: {error}");
    said(ExitCode::Failed, "gobag.console", text)
}
