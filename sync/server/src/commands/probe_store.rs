//! `gobag-server probe-store`.

use gobag_term::{CliError, ExitCode, Ui};

use super::block_on;
use crate::{
    args::ConfigArgs,
    error::OrExplain as _,
    probe::{self, ProbeReport},
    serve::open_blobs,
};

/// Prove that the store of objects keeps the rules that no data is lost by
///
/// `serve` does the same at each start with a bucket, and does not start if it fails.
#[derive(Debug, clap::Args)]
pub(crate) struct ProbeStoreArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn probe_store(args: &ProbeStoreArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let report = block_on(async {
        let blobs = open_blobs(&config).or_explain()?;
        probe::probe(blobs.store()).await.or_explain()
    })?;
    ui.answer(&report, |report: &ProbeReport| {
        report.kept.iter().map(|rule| format!("ok    {rule}\n")).collect()
    })?;
    Ok(ExitCode::Ok)
}
