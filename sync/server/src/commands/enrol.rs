//! `gobag-server enrol`.

use gobag_protocol::ids::{BundleId, GroupName, PersonName, TenantName};
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
    /// The group of sticks that its leases name; officers extend leases by group
    #[arg(long, value_parser = group, default_value_t = GroupName::default())]
    group: GroupName,
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
        let made = sticks::make_enrolment(&database, &stick, &args.user, &args.group, now_s, CONSOLE).await;
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

fn group(text: &str) -> Result<GroupName, String> {
    GroupName::parse(text).ok_or_else(|| "a group has 1 to 64 of a-z, 0-9 and `-`".to_owned())
}

fn bundle(text: &str) -> Result<BundleId, String> {
    BundleId::parse(&text.to_ascii_lowercase())
        .ok_or_else(|| "the number of a stick has 32 digits from 0 to 9 and a to f".to_owned())
}
