//! `gobag-image recover mount`: a lost stick's disks at once, before anything has been copied.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gobag_bundle::Volume as _;
use gobag_mount::{Export, MountOptions, mount as mount_files};
use gobag_term::{CliError, ExitCode, Interrupt, Ui, human};
use serde::Serialize;

use super::{FromArgs, Lost, WhenArgs, disk::served, time};
use crate::error::OrExplain;

/// How long programs may hold on to the files after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(10);

/// Show a lost stick's disks in a folder, at once
///
/// Only what is read comes over the network. The files are raw disks that cannot be written; QEMU starts from them with
/// `-snapshot`. Ctrl-C closes them.
#[derive(Debug, clap::Args)]
pub(super) struct MountArgs {
    #[command(flatten)]
    from: FromArgs,
    /// Empty folder to show the files in
    folder: PathBuf,
    #[command(flatten)]
    when: WhenArgs,
}

#[derive(Serialize)]
struct MountReport {
    files: Vec<PathBuf>,
    generation: u64,
    time_s: u64,
}

pub(super) fn mount(args: &MountArgs, ui: &Ui, interrupt: &Interrupt) -> Result<ExitCode, CliError> {
    let found = Lost::open(&args.from, ui)?.view(&args.when, ui)?;
    let mut exports = Vec::new();
    let mut shown = Vec::new();
    for (name, volume) in found.volumes() {
        let base = match found.base(&volume) {
            Ok(base) => base,
            Err(error) => {
                ui.warn(&format!("{name} is not shown: {}", error.report().message));
                continue;
            }
        };
        let volume = served(&found, volume.id, base)?;
        let file = format!("{name}.raw");
        shown.push((args.folder.join(&file), volume.size_bytes()));
        exports.push(Export::volume(file, Arc::new(volume)));
    }
    // Subscribed before anybody is told that Ctrl-C ends it.
    let signals = interrupt.subscribe();
    let mut mounted = mount_files(exports, &args.folder, &MountOptions::default()).or_explain()?;
    let (local, utc) = time::both(found.point.time_s);
    for (file, size) in &shown {
        ui.say(&format!("{} ({})", file.display(), human::bytes(*size)));
    }
    ui.ok(&format!("As it was at {local} ({utc}). Ctrl-C closes the files."));
    // The sender lives as long as the interrupt.
    let _ = signals.recv();
    mounted.unmount(PATIENCE).or_explain()?;
    let report = MountReport {
        files: shown.into_iter().map(|(file, _)| file).collect(),
        generation: found.point.generation,
        time_s: found.point.time_s,
    };
    ui.answer(&report, |_| "The files are closed.\n".to_owned())?;
    Ok(ExitCode::Ok)
}
