//! `gobag-image rm`: delete images and what only they needed.

use gobag_bundle::repository::{self, Access, RemoveOptions, RemoveReport};
use gobag_term::{CliError, ExitCode, Ui, human};

use crate::{
    args::KeysArgs,
    error::{OrExplain, said},
    office::OpenOffice,
    progress::Progress,
};

/// Delete images, and every pack that no other image needs
///
/// Sticks are not touched: one that carries a deleted image works as before. Without a name, only packs left over from
/// interrupted builds are deleted.
#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// The images, NAME (its newest version) or NAME@VERSION
    images: Vec<String>,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

pub(crate) fn rm(args: &RmArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let OpenOffice { office, secrets } = OpenOffice::open(&args.keys, Access::Exclusive, ui)?;
    let find = |image: &String| office.repository.find(image);
    let mut images = args
        .images
        .iter()
        .map(find)
        .collect::<Result<Vec<_>, _>>()
        .or_explain()?;
    images.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
    images.dedup();
    let progress = Progress::new(ui);
    let remove = |dry_run| {
        let options = RemoveOptions { dry_run };
        repository::remove(&office.repository, &secrets, &images, &options, &progress).or_explain()
    };
    let plan = remove(true)?;
    if args.dry_run {
        ui.answer(&plan, |plan| page(plan, "Would delete"))?;
        return Ok(ExitCode::Ok);
    }
    if !images.is_empty() && !ui.confirm(&page(&plan, "Delete").trim_end().replace('\n', " "))? {
        return Err(said(ExitCode::Interrupted, "rm.declined", "nothing was deleted"));
    }
    let report = remove(false)?;
    progress.finish();
    ui.answer(&report, |report| page(report, "Deleted"))?;
    Ok(ExitCode::Ok)
}

fn page(report: &RemoveReport, verb: &str) -> String {
    let names: Vec<_> = report
        .images
        .iter()
        .map(|image| format!("{}@{}", image.name, image.version))
        .collect();
    let images = if names.is_empty() {
        "no image".to_owned()
    } else {
        names.join(", ")
    };
    let mut text = format!(
        "{verb} {images} and {} packs, {}.\n",
        report.packs,
        human::bytes(report.freed_bytes)
    );
    if report.sticks > 0 {
        text.push_str(&format!(
            "{} sticks carry it and work as before.\n",
            report.sticks
        ));
    }
    text
}
