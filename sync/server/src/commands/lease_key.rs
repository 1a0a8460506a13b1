//! `gobag-server lease-key`.

use gobag_protocol::ids::TenantName;
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::token;
use crate::{args::ConfigArgs, clock::Clock, error::OrExplain as _, lease::LeaseKeys, tls::Ca};

/// Print the key that leases of a tenant are signed with, for the policy of its images
///
/// It follows from the file `lease-key` in the CA's folder, which is made if it is not there.
#[derive(Debug, clap::Args)]
pub(crate) struct LeaseKeyArgs {
    /// Whose sticks
    #[arg(long, value_parser = token::tenant)]
    tenant: TenantName,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Printed {
    key: String,
}

pub(crate) fn lease_key(args: &LeaseKeyArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let folder = args.config.load()?.ca_folder();
    // Makes the folder, too.
    Ca::open_or_make(&folder, &Clock::default()).or_explain()?;
    let keys = LeaseKeys::open_or_make(&folder).or_explain()?;
    let printed = Printed {
        key: keys.public(&args.tenant).to_string(),
    };
    ui.answer(&printed, |printed| format!("{}\n", printed.key))?;
    Ok(ExitCode::Ok)
}
