//! `gobag-image restore-token`: IT's word that a stick may show an earlier state again.

use gobag_bundle::repository::Access;
use gobag_format::{
    ids::BundleId,
    token::{RestoreRequest, RestoreToken},
};
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::Serialize;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{OrExplain, said},
    office::OpenOffice,
};

/// Let a stick show an earlier state again, after it was restored from a copy
///
/// Where computers remember sticks (`gobag-image build --remember-on-host`), `gobag` refuses a stick that shows an earlier
/// state, and prints a code. If it is right that it does, because you restored it, make a token of the code, and send
/// it to the stick's user, who starts with `gobag start --restore-token FILE`. If you know of no restore, somebody may have
/// put an old copy back: look at the stick first. The token is text on standard output; it lets in exactly this state of this
/// stick, once on each computer.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreTokenArgs {
    /// The stick's number: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    bundle: String,
    /// The code that `gobag` showed when it refused the stick; spaces and dashes do not matter
    #[arg(required = true)]
    code: Vec<String>,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Serialize)]
struct TokenReport {
    bundle: String,
    user: Option<String>,
    generation: u64,
    sequence: u64,
    seen_generation: u64,
    seen_sequence: u64,
    number: u64,
    token: String,
}

pub(crate) fn restore_token(
    args: &RestoreTokenArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    // Before the passphrase is asked for.
    let bundle = BundleId::parse(&args.bundle.to_ascii_lowercase()).ok_or_else(|| {
        let text = format!("`{}` is not the number of a stick", args.bundle);
        said(ExitCode::Usage, "token.bundle", text).hint("it has 32 digits from 0 to 9 and a to f")
    })?;
    let request = RestoreRequest::parse(&args.code.join(" "), bundle).or_explain()?;
    let OpenOffice { office, secrets } = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    let sticks = office.repository.sticks().or_explain()?;
    let user = sticks.into_iter().find(|stick| stick.bundle == bundle);
    let user = user.map(|stick| stick.user);
    if user.is_none() {
        ui.warn("this repository's register has no such stick; the token is made all the same");
    }
    let token = RestoreToken {
        org: secrets.org,
        bundle,
        request,
        number: environment.now_s(),
    };
    ui.say(&format!(
        "Lets the stick of {} show change {} and header {} again, where change {} and header {} were seen.",
        human::printable(user.as_deref().unwrap_or("somebody")),
        request.sequence,
        request.generation,
        request.seen_sequence,
        request.seen_generation
    ));
    let report = TokenReport {
        bundle: bundle.to_string(),
        user,
        generation: request.generation,
        sequence: request.sequence,
        seen_generation: request.seen_generation,
        seen_sequence: request.seen_sequence,
        number: token.number,
        token: token.sign(&secrets.signing_key()),
    };
    ui.answer(&report, |report| report.token.clone())?;
    Ok(ExitCode::Ok)
}
