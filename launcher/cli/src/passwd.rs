//! `gobag passwd`: a new passphrase.

use gobag_bundle::{Bundle, NewPassphrase};
use gobag_format::{keyslot::KdfCost, lease::UnlockMode};
use gobag_term::{CliError, ExitCode, NewPassphraseArgs, Ui};
use serde::Serialize;

use crate::{
    args::UnlockArgs,
    company::share,
    environment::Environment,
    error::{Explain, OrExplain},
    find, host_memory, unlock,
};

/// Change the passphrase
///
/// The old passphrase stops opening this stick. It would still open a copy that somebody made of the stick before: if
/// you think that somebody knows it, tell your IT. A stick that opens only together with your company gets a new one only while that answers.
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
    let new = bundle
        .new_passphrase(new.expose().as_bytes(), KdfCost::DEFAULT)
        .or_explain()?;
    change(&mut bundle, new, ui)?;
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

/// Puts the passphrase in force; with a share for it where the stick wants one, for the company gives none for a passphrase that it does not know.
fn change(bundle: &mut Bundle, new: NewPassphrase, ui: &Ui) -> Result<(), CliError> {
    let mode = bundle.unlock_mode();
    if mode == UnlockMode::Offline {
        return bundle.put_passphrase(new).or_explain();
    }
    match share::for_passphrase(bundle, &new) {
        Ok(next) => {
            let keep = mode == UnlockMode::Leased;
            let changed = bundle.change_passphrase(new, next.share, next.name, keep);
            changed.or_explain()
        }
        Err(error) if mode == UnlockMode::Leased && error.refused().is_none() => {
            tracing::info!(code = error.code(), %error, "the company");
            bundle.put_passphrase(new).or_explain()?;
            ui.say("Your company cannot be asked now. Start the stick online once, so that it can help if the stick should want that.");
            Ok(())
        }
        Err(error) => Err(error.explain()),
    }
}
