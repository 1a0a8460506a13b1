//! `gobag-image probe`: whether a stick holds what it says, and how fast it is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gobag_bundle::probe::{ProbeOptions, ProbeReport, probe};
use gobag_term::{CliError, ExitCode, Ui, human};

use crate::{
    environment::Environment,
    error::{OrExplain, said},
    progress::Progress,
    size::parse_size,
};

/// Test whether a stick holds what it claims, and how fast it is
///
/// Do it with every stick of a new delivery, before `gobag-image stick`: sticks that claim more than they hold look good until they
/// are full. All free space is filled, flushed, read back past the system's caches and compared; what is on the stick already stays.
/// Exit code 3: it is not good. Ctrl-C takes the test's files away; after a kill, the next run does.
#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    /// The folder where the stick is mounted
    folder: PathBuf,
    /// Test only so much; a stick that claims too much is found only beyond what it holds
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<u64>,
}

/// Below these a workstation is no pleasure: `stick.speed` of the host checks warns there, too.
const SLOW_WRITE: u64 = 2_000_000;
const SLOW_READ: u64 = 8_000_000;

pub(crate) fn probe_stick(
    args: &ProbeArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let options = ProbeOptions {
        limit_bytes: args.size,
    };
    if !is_mounted(&args.folder) && !ui.confirm(&not_mounted(&args.folder))? {
        return Err(said(
            ExitCode::Interrupted,
            "probe.declined",
            "nothing was tested",
        ));
    }
    let progress = Progress::new(ui);
    let report = probe(&args.folder, &options, &*environment.ambient.random, &progress).or_explain()?;
    progress.finish();
    let is_good = report.is_good();
    ui.answer(&report, page)?;
    Ok(match is_good {
        true => ExitCode::Ok,
        false => ExitCode::Findings,
    })
}

/// Whether a file system begins there; the test would fill this computer's own disk otherwise.
fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|found| found.dev()).ok();
    device(folder) != device(&folder.join(".."))
}

fn not_mounted(folder: &Path) -> String {
    format!(
        "No stick is mounted at {}: the disk that this folder is on would be filled. Test that",
        folder.display()
    )
}

fn page(report: &ProbeReport) -> String {
    let mut text = format!(
        "{} of {} written and read back: writes {}/s, reads {}/s, {:.0} small flushed writes a second.\n",
        human::bytes(report.tested_bytes),
        human::bytes(report.claimed_bytes),
        human::bytes(report.write_bytes_per_s),
        human::bytes(report.read_bytes_per_s),
        report.flushes_per_s,
    );
    if report.write_bytes_per_s < SLOW_WRITE || report.read_bytes_per_s < SLOW_READ {
        text.push_str("warn: this stick is slow; a workstation on it will be, too.\n");
    }
    match report.first_damage_at {
        None => text.push_str("ok: everything came back as it was written.\n"),
        Some(at) => text.push_str(&format!(
            "FAIL: {} did not come back, the first behind {}. It is broken, or holds less than it claims: do not use it.\n",
            human::bytes(report.tested_bytes - report.good_bytes),
            human::bytes(at)
        )),
    }
    text
}
