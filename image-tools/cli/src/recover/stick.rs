//! `gobag-image recover stick`: a moment of a lost stick onto a new one, for the same person or another.

use std::{path::PathBuf, sync::Arc};

use gobag_bundle::{Bundle, Secret, Session, SessionOptions, SessionVolume, Volume, VolumePurpose};
use gobag_format::{
    header::VolumeRole,
    ids::VolumeId,
    limits::BLOCK_LEN,
    replica::{HeadImage, HeadVolume, Target},
};
use gobag_replica::restore;
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::{Found, FromArgs, Lost, WhenArgs, time};
use crate::{
    environment::Environment,
    error::{OrExplain, said},
    progress::Progress,
};

/// Bring a moment of a lost stick onto a new one
///
/// Make the new stick first, with `gobag-image stick` and the same version of the image; whom it is for and its passphrase are
/// said there. Everything in its home volume, and every change to its system, is replaced by what the lost stick had. After an
/// interruption, run the same command again.
#[derive(Debug, clap::Args)]
pub(super) struct StickArgs {
    #[command(flatten)]
    from: FromArgs,
    /// Folder where the new stick is mounted
    target: PathBuf,
    #[command(flatten)]
    when: WhenArgs,
}

#[derive(Serialize)]
struct StickReport {
    lost: String,
    stick: String,
    user: String,
    generation: u64,
    time_s: u64,
    time_local: String,
    time_utc: String,
}

pub(super) fn stick(args: &StickArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let lost = Lost::open(&args.from, ui)?;
    let number = lost.bundle.to_string();
    let found = lost.view(&args.when, ui)?;
    let secret = Secret::Escrow(found.identity.as_age());
    let bundle = Bundle::open(&args.target, &secret, true, environment.ambient.clone()).or_explain()?;
    if bundle.id().to_string() == number {
        let text = "this is the stick itself; nothing was changed";
        return Err(said(ExitCode::Usage, "recover.same-stick", text)
            .hint("make another one with `gobag-image stick`"));
    }
    let bundle = Arc::new(bundle);
    let head = found.view.head();
    check(&found, &bundle)?;
    let question = format!(
        "Replace everything that {} saved on the stick at {}",
        bundle.record().user,
        args.target.display()
    );
    if !ui.confirm(&question)? {
        return Err(said(
            ExitCode::Interrupted,
            "recover.declined",
            "nothing was written",
        ));
    }
    let progress = Progress::new(ui);
    // A stick with a half of somebody's state must not be started.
    bundle
        .change_ledger(|ledger| ledger.unfinished = true)
        .or_explain()?;
    let mut home_is_done = false;
    for image in &head.images {
        fill(&found, &bundle, image, &mut home_is_done, &progress)?;
    }
    bundle
        .change_ledger(|ledger| ledger.unfinished = false)
        .or_explain()?;
    progress.finish();
    let (time_local, time_utc) = time::both(found.point.time_s);
    let report = StickReport {
        lost: number,
        stick: bundle.id().to_string(),
        user: bundle.record().user.clone(),
        generation: found.point.generation,
        time_s: found.point.time_s,
        time_local,
        time_utc,
    };
    ui.answer(&report, |report| {
        format!(
            "The stick is as the lost one was at {} ({}). It is ready for {}.\n",
            report.time_local, report.time_utc, report.user
        )
    })?;
    Ok(ExitCode::Ok)
}

/// Refuses a stick that has no room or no base for what is to come, before anything is written.
fn check(found: &Found, bundle: &Bundle) -> Result<(), CliError> {
    let head = found.view.head();
    let record = bundle.record();
    for image in &head.images {
        if !record.images.iter().any(|there| there.id == image.id) {
            let text = format!(
                "the new stick does not have {}@{} as the lost one had it",
                image.name, image.version
            );
            return Err(said(ExitCode::Usage, "recover.other-image", text).hint(format!(
                "make it with `gobag-image stick --image {}@{}`",
                image.name, image.version
            )));
        }
    }
    let wanted = head.volumes.iter().find(|volume| volume.role == VolumeRole::Home);
    let there = record
        .volumes
        .iter()
        .find(|volume| volume.role == VolumeRole::Home);
    let needed = wanted.map_or(0, |volume| volume.size_bytes);
    if there.map_or(0, |volume| volume.size_bytes) < needed {
        let text = format!("the new stick's home volume is smaller than the lost one's {needed} bytes");
        return Err(said(ExitCode::Usage, "recover.home-size", text)
            .hint(format!("make it with `gobag-image stick --home-size {needed}`")));
    }
    let mut blocks = 0;
    for run in found.view.runs() {
        let run = run.or_explain()?;
        if matches!(run.target, Target::Pack(_)) {
            blocks += run.blocks;
        }
    }
    match blocks <= record.log.quota_blocks {
        true => Ok(()),
        false => Err(said(
            ExitCode::Usage,
            "recover.room",
            format!(
                "the lost stick's changes take {} bytes, more than the new one has room for",
                blocks * BLOCK_LEN as u64
            ),
        )
        .hint("make it with a larger `--system-space`")),
    }
}

/// Writes the volumes of one image, and home with the first.
fn fill(
    found: &Found,
    bundle: &Arc<Bundle>,
    image: &HeadImage,
    home_is_done: &mut bool,
    progress: &Progress,
) -> Result<(), CliError> {
    let options = SessionOptions {
        image: Some(image.name.clone()),
        ..SessionOptions::default()
    };
    let mut session = Session::open(Arc::clone(bundle), &options).or_explain()?;
    session.reset_system().or_explain()?;
    let purpose = |volume: &HeadVolume| match volume.role {
        VolumeRole::Home if *home_is_done => None,
        VolumeRole::Home => Some(VolumePurpose::Home),
        VolumeRole::System { image: of, .. } => (of == image.id).then_some(VolumePurpose::System),
    };
    let places: Vec<(VolumeId, &SessionVolume)> = found
        .view
        .head()
        .volumes
        .iter()
        .filter_map(|volume| Some((volume.id, purpose(volume)?)))
        .filter_map(|(id, purpose)| {
            let volume = session
                .volumes()
                .iter()
                .find(|volume| volume.purpose == purpose)?;
            Some((id, volume))
        })
        .collect();
    for (_, volume) in places
        .iter()
        .filter(|(_, volume)| volume.purpose == VolumePurpose::Home)
    {
        // What was put there when the stick was made.
        let volume = &volume.volume;
        volume.trim(0, volume.size_bytes()).or_explain()?;
        *home_is_done = true;
    }
    let place = |id: VolumeId| {
        let (_, volume) = places.iter().find(|(there, _)| *there == id)?;
        Some(&*volume.volume as &dyn Volume)
    };
    let restored = restore(&found.view, place, progress);
    drop(places);
    // Also when it was interrupted: what was written is in order, and the next run begins anew.
    session.close().or_explain()?;
    restored.or_explain()
}
