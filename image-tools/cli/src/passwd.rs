//! `gobag-image passwd`: a new passphrase, for IT or for somebody's stick.

use std::path::PathBuf;

use gobag_bundle::org::OrgFolder;
use gobag_format::keyslot::KdfCost;
use gobag_term::{CliError, ExitCode, NewPassphraseArgs, Ui};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::OrExplain,
    escrow::{self, EscrowKeyArgs},
    office,
    stick::made_up_passphrase,
};

/// Change IT's passphrase, or give a stick a new one
///
/// With TARGET, the stick mounted there is opened with the escrow key, and its user gets a new passphrase; nothing on it
/// is lost. The old one would still open a copy that somebody made of the stick before.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswdArgs {
    /// Folder where the stick is mounted; IT's own passphrase when not given
    target: Option<PathBuf>,
    /// Make up a passphrase for the stick and print it, once
    #[arg(long, requires = "target", conflicts_with_all = ["new_passphrase_file", "new_passphrase_fd"])]
    generate_passphrase: bool,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    new: NewPassphraseArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Serialize)]
struct PasswdReport {
    bundle: Option<String>,
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
}

pub(crate) fn passwd(args: &PasswdArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.target {
        Some(target) => of_stick(args, target, ui, environment),
        None => of_org(args, ui),
    }
}

fn of_org(args: &PasswdArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let mut org = OrgFolder::open(&args.keys.org.org).or_explain()?;
    let (_, old) = office::unlock(&org, &args.keys.passphrase.source(), ui)?;
    let new = ui.new_passphrase(&args.new.source(), "New passphrase of the organisation: ")?;
    if !org.change_passphrase(old.expose(), new.expose()).or_explain()? {
        ui.warn("escrow.age is not here; it keeps its old passphrase");
    }
    let report = PasswdReport {
        bundle: None,
        user: None,
        passphrase: None,
    };
    ui.answer(&report, |_| {
        "The passphrase of the organisation is changed.\n".to_owned()
    })?;
    Ok(ExitCode::Ok)
}

fn of_stick(
    args: &PasswdArgs,
    target: &std::path::Path,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let mut bundle = escrow::open_stick(target, &args.escrow, &args.keys, ui, environment, true)?;
    let user = bundle.record().user.clone();
    let new = match args.generate_passphrase {
        true => made_up_passphrase(environment),
        false => {
            let chosen = ui.new_passphrase(&args.new.source(), &format!("New passphrase for {user}: "))?;
            Zeroizing::new(chosen.expose().to_owned())
        }
    };
    bundle
        .set_passphrase(new.as_bytes(), KdfCost::DEFAULT)
        .or_explain()?;
    let report = PasswdReport {
        bundle: Some(bundle.id().to_string()),
        user: Some(user),
        passphrase: args.generate_passphrase.then(|| new.to_string()),
    };
    ui.answer(&report, |report| {
        let user = report.user.as_deref().unwrap_or_default();
        let told = report.passphrase.as_ref();
        let told = told.map_or_else(String::new, |text| format!("It is, shown only now: {text}\n"));
        format!("The stick of {user} has a new passphrase; nothing on it has changed.\n{told}")
    })?;
    Ok(ExitCode::Ok)
}
