//! What the image's policy says of leases: given here, or by the version before.

use clap::ValueEnum;
use gobag_bundle::repository::RepositoryError;
use gobag_format::{
    lease::{LeasePolicy, UnlockMode},
    org::OrgProfile,
    sign::VerifyingKey,
};
use gobag_term::{CliError, ExitCode, Ui};
use serde_json::Value;

use super::refused;
use crate::{
    error::{Explain, said},
    office::OpenOffice,
};

/// The key in a manifest's policy.
const LEASE: &str = "lease";

/// What IT says of leases for a version.
#[derive(Debug, Default, clap::Args)]
pub(super) struct LeaseArgs {
    /// Sticks with this version need a lease of the server that signs with this key (base64); the officers are those of `gobag-image officer list`
    #[arg(long, value_name = "KEY", value_parser = server_key)]
    lease_server: Option<VerifyingKey>,
    /// Sticks with this version need no lease, although those with the version before did
    #[arg(long, conflicts_with = "lease_server")]
    no_lease: bool,
    /// What opens sticks besides their passphrase, once the server knows them
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        requires = "lease_server",
        default_value = "offline"
    )]
    unlock: UnlockArg,
}

/// What opens sticks besides their passphrase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum UnlockArg {
    /// Nothing
    #[default]
    Offline,
    /// A share of the company's that lies on the stick until it is taken away
    Leased,
    /// A share that the server gives at each start: without the server nobody works
    Online,
}

impl From<UnlockArg> for UnlockMode {
    fn from(mode: UnlockArg) -> Self {
        match mode {
            UnlockArg::Offline => Self::Offline,
            UnlockArg::Leased => Self::Leased,
            UnlockArg::Online => Self::Online,
        }
    }
}

fn server_key(text: &str) -> Result<VerifyingKey, String> {
    VerifyingKey::parse(text)
        .ok_or_else(|| "a server's key has 32 bytes in base64, as `gobag-server` prints it".to_owned())
}

/// Whether the policy's words on leases, if it has any, can be understood: else its sticks would not start.
pub(super) fn check(policy: &Value, args: &LeaseArgs) -> Result<(), CliError> {
    let stated = LeasePolicy::of_policy(policy).map_err(|error| {
        refused(&format!(
            "the policy's `{LEASE}` cannot be used: {}",
            error.reason
        ))
    })?;
    match stated {
        Some(_) if args.no_lease || args.lease_server.is_some() => Err(refused(
            "the policy states `lease` already: leave it out there, or `--lease-server` and `--no-lease` here",
        )),
        _ => Ok(()),
    }
}

/// Adds to the policy what was said of leases, and sees to it that none is dropped by forgetting.
pub(super) fn add(
    policy: &mut Value,
    args: &LeaseArgs,
    name: &str,
    office: &OpenOffice,
    ui: &Ui,
) -> Result<(), CliError> {
    if let Some(server) = args.lease_server {
        let stated = of_office(server, &office.secrets.profile, args.unlock.into())?;
        if stated.officers.is_empty() {
            ui.warn(
                "there are no officers (`gobag-image officer`): sticks whose lease ends while the server is gone cannot be started",
            );
        }
        let stated = serde_json::to_value(stated).unwrap_or_default();
        super::words(policy)?.insert(LEASE.to_owned(), stated);
        return Ok(());
    }
    if args.no_lease || policy.get(LEASE).is_some() || !needed_before(name, office)? {
        return Ok(());
    }
    Err(said(
        ExitCode::Usage,
        "build.lease-dropped",
        format!("sticks with the last version of `{name}` need a lease, and this one would not ask for any"),
    )
    .hint("say it again with `--lease-server KEY`, or give leases up with `--no-lease`"))
}

fn of_office(
    server: VerifyingKey,
    profile: &OrgProfile,
    unlock: UnlockMode,
) -> Result<LeasePolicy, CliError> {
    if !profile.officers.is_empty() && profile.officers_needed == 0 {
        return Err(said(
            ExitCode::Usage,
            "build.officers-needed",
            "nobody said how many officers have to agree",
        )
        .hint("say it with `gobag-image officer needed COUNT`"));
    }
    Ok(LeasePolicy {
        server,
        officers: profile.officers.iter().map(|officer| officer.key).collect(),
        threshold: profile.officers_needed,
        code_keys: profile.officers.iter().map(|officer| officer.code_key).collect(),
        unlock,
    })
}

/// Whether the version before asks for leases.
fn needed_before(name: &str, office: &OpenOffice) -> Result<bool, CliError> {
    match office.office.repository.find(name) {
        Ok(summary) => {
            let image = office.open_image(&summary)?;
            Ok(image
                .manifest
                .policy
                .get(LEASE)
                .is_some_and(|stated| !stated.is_null()))
        }
        Err(RepositoryError::NoSuchImage { .. }) => Ok(false),
        Err(error) => Err(error.explain()),
    }
}
