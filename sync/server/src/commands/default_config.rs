//! `gobag-server default-config`.

use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::config::DEFAULT;

/// Print the configuration that counts without a file, with comments
#[derive(Debug, clap::Args)]
pub(crate) struct DefaultConfigArgs {}

#[derive(Serialize)]
struct Report {
    config: &'static str,
}

pub(crate) fn default_config(_: &DefaultConfigArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    ui.answer(&Report { config: DEFAULT }, |report| report.config.to_owned())?;
    Ok(ExitCode::Ok)
}
