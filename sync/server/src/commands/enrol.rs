//! `gobag-server enrol`.

use gobag_protocol::ids::{BundleId, PersonName, TenantName};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::{CONSOLE, block_on, token};
use crate::{
    args::ConfigArgs,
    clock::Clock,
    error::OrExplain as _,
    serve::open_database,
    store::{StickKey, sticks},
};

/// Make a token with which one stick enrols, once, within 15 minutes
#[derive(Debug, clap::Args)]
pub(crate) struct EnrolArgs {
    /// Whose sticks: a name of a–z, 0–9 and `-`; made if it is new
    #[arg(long, value_parser = token::tenant)]
    tenant: TenantName,
    /// Whose stick it is
    #[arg(long, value_parser = token::person)]
    user: PersonName,
    /// The stick's number: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    #[arg(long, value_parser = bundle)]
    bundle: BundleId,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Made {
    token: String,
    ends_s: u64,
}

pub(crate) fn enrol(args: &EnrolArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let stick = StickKey {
        tenant: args.tenant.clone(),
        bundle: args.bundle,
    };
    let (token, ends_s) = block_on(async {
        let database = open_database(&config).await.or_explain()?;
        let now_s = Clock::default().now_s();
        let made = sticks::make_enrolment(&database, &stick, &args.user, now_s, CONSOLE).await;
        database.close().await;
        made.or_explain()
    })?;
    let made = Made {
        token: token.expose().to_owned(),
        ends_s,
    };
    ui.answer(&made, |made| format!("{}\n", made.token))?;
    Ok(ExitCode::Ok)
}

fn bundle(text: &str) -> Result<BundleId, String> {
    BundleId::parse(&text.to_ascii_lowercase())
        .ok_or_else(|| "the number of a stick has 32 digits from 0 to 9 and a to f".to_owned())
}
