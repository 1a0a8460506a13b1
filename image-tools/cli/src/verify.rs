//! `gobag-image verify`: is everything in the repository sound?

use gobag_bundle::repository::{self, Access, VerifyOptions, VerifyReport};
use gobag_term::{Cell, CliError, ExitCode, Table, Tone, Ui};

use crate::{args::KeysArgs, error::OrExplain, office::OpenOffice, progress::Progress};

/// Check signatures, maps and every chunk
///
/// Reads everything. Damage does not stop it; it ends with exit code 3 when it found any.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Only these images, NAME or NAME@VERSION; everything when none is named
    images: Vec<String>,
    #[command(flatten)]
    keys: KeysArgs,
}

pub(crate) fn verify(args: &VerifyArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let OpenOffice { office, secrets } = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    let find = |image: &String| office.repository.find(image);
    let images = args
        .images
        .iter()
        .map(find)
        .collect::<Result<Vec<_>, _>>()
        .or_explain()?;
    let options = VerifyOptions {
        images: (!images.is_empty()).then_some(images),
        ..VerifyOptions::default()
    };
    let progress = Progress::new(ui);
    let report = repository::verify(&office.repository, &secrets, &options, &progress).or_explain()?;
    progress.finish();
    let sound = report.findings.is_empty();
    let columns = ui.columns();
    ui.answer(&report, |report| page(report, columns))?;
    Ok(if sound { ExitCode::Ok } else { ExitCode::Findings })
}

fn page(report: &VerifyReport, columns: usize) -> String {
    let checked = format!(
        "Checked {} images, {} packs, {} chunks.",
        report.images, report.packs, report.chunks
    );
    let unused = match report.unused_packs {
        0 => String::new(),
        count => {
            format!("{count} packs are needed by no image; `gobag-image rm` without a name deletes them.\n")
        }
    };
    if report.findings.is_empty() {
        return format!("{checked} Everything is sound.\n{unused}");
    }
    let mut table = Table::new(["verdict", "what", "images that need it"]);
    for finding in &report.findings {
        table.row([
            Cell::toned("FAIL", Tone::Bad),
            finding.message.as_str().into(),
            finding.images.join(", ").into(),
        ]);
    }
    format!(
        "{}\n{checked} Damaged: {}.\n{unused}",
        table.render(columns),
        report.findings.len()
    )
}
