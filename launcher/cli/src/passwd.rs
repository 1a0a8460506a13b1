//! `gobag passwd`: a new passphrase.

use gobag_format::keyslot::KdfCost;
use gobag_term::{CliError, ExitCode, NewPassphraseArgs, Ui};
use serde::Serialize;

use crate::{args::UnlockArgs, environment::Environment, error::OrExplain, find, host_memory, unlock};

/// Change the passphrase
///
/// The old passphrase stops opening this stick. It would still open a copy that somebody made of the stick before: if
/// you think that somebody knows it, tell your IT.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswdArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    #[command(flatten)]
    new: NewPassphraseArgs,
}

#[derive(Serialize)]
struct PasswdReport {
    bundle: String,
    changed: bool,
}

pub(crate) fn passwd(args: &PasswdArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let mut bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    let witness = host_memory::recall(&bundle, environment, ui);
    bundle.judge(&witness).or_explain()?;
    let new = ui.new_passphrase(&args.new.source(), "New passphrase: ")?;
    bundle
        .set_passphrase(new.expose().as_bytes(), KdfCost::DEFAULT)
        .or_explain()?;
    bundle.remember_header(&witness);
    host_memory::tell(&witness, ui);
    host_memory::announce(&witness, environment, ui);
    let report = PasswdReport {
        bundle: bundle.id().to_string(),
        changed: true,
    };
    ui.answer(&report, |_| {
        "The passphrase is changed; from now on only the new one opens this stick.\n".to_owned()
    })?;
    Ok(ExitCode::Ok)
}
