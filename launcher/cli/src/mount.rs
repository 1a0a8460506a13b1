//! `gobag mount`: the stick's disks as files, without starting anything.

use std::{fs, path::PathBuf, sync::Arc};

use gobag_bundle::{SessionOptions, store::StoreMode};
use gobag_mount::{Hold, MountOptions, mount as mount_volumes};
use gobag_term::{CliError, ExitCode, Interrupt, Ui};
use serde::Serialize;

use crate::{
    args::UnlockArgs,
    control::{Board, Report, Server},
    environment::Environment,
    error::OrExplain,
    find,
    open::{Work, file_name},
    run_folder::RunFolder,
    session::{Inbox, Kind, keep, put_away},
    start::{control_error, still_shared},
    unlock,
    workplace::Bare,
};

/// Open the stick's disks as files without starting anything
///
/// For IT and for rescue. The files are raw disks; `gobag stop` or Ctrl-C closes them again.
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
}

#[derive(Serialize)]
struct MountReport {
    bundle: String,
    image: String,
    files: Vec<PathBuf>,
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
    let work = Arc::new(Work::open(bundle, &stick, &options).or_explain()?);
    let (folder, _) = RunFolder::create(environment, id).or_explain()?;
    let board = Board::default();
    let (commands, wishes) = crossbeam_channel::unbounded();
    let server =
        Server::start(folder.path(), &board, commands).map_err(|error| control_error(&folder, error))?;

    let (hook, troubles) = crate::session::troubles();
    let hold = Arc::new(Hold::default());
    let mount_options = MountOptions {
        on_error: Some(hook),
        hold: Some(Arc::clone(&hold)),
        ..MountOptions::default()
    };
    let place = match &args.folder {
        // What cannot be resolved is refused with a reason when it is mounted.
        Some(place) => {
            let place = place.canonicalize().unwrap_or_else(|_| place.clone());
            folder.mounts_at(&place).or_explain()?;
            place
        }
        None => folder.mountpoint(),
    };
    let mounted = mount_volumes(work.exports(), &place, &mount_options).or_explain()?;
    let image = work.session().manifest().name.clone();
    let files: Vec<PathBuf> = work
        .session()
        .volumes()
        .iter()
        .map(|volume| mounted.file(&file_name(volume)))
        .collect();
    let since_s = (gobag_bundle::Ambient::system().clock)();
    board.update(|report| {
        report.pid = std::process::id();
        report.bundle = id.to_string();
        report.user = Some(user);
        report.image = Some(image.clone());
        report.mode = Some("mount".to_owned());
        report.since_s = since_s;
        report.mountpoint = Some(mounted.mountpoint().display().to_string());
    });
    for file in &files {
        let size = fs::metadata(file).map_or(0, |file| file.len());
        ui.say(&format!(
            "{} ({})",
            file.display(),
            gobag_term::human::bytes(size)
        ));
    }
    ui.ok("The disks are open. Ctrl-C here, or `gobag stop`, closes them.");

    let inbox = Inbox {
        signals: interrupt.subscribe(),
        commands: wishes,
        troubles,
    };
    keep(&Bare::new(hold), Kind::Programs, &work, &inbox, &board, ui);
    let work = Arc::into_inner(work).ok_or_else(still_shared)?;
    let saved = put_away(mounted, work, &inbox.signals, &board, ui);
    drop(server);
    saved?;
    let report = MountReport {
        bundle: id.to_string(),
        image,
        files,
        session: board.report(),
    };
    ui.answer(&report, |_| "The stick is safe to remove.\n".to_owned())?;
    Ok(ExitCode::Ok)
}
