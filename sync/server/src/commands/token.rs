//! `gobag-server token create`.

use gobag_protocol::{
    ids::{PersonName, TenantName},
    people::Role,
};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::{CONSOLE, block_on};
use crate::{
    args::ConfigArgs,
    clock::Clock,
    error::OrExplain as _,
    serve::open_database,
    store::people::{self, Person},
};

/// Tokens with which people ask the server
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    Create(CreateArgs),
}

/// Make a token for a person; it is printed this once
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Whose sticks: a name of a–z, 0–9 and `-`; made if it is new
    #[arg(long, value_parser = tenant)]
    tenant: TenantName,
    /// What the person may do: viewer, operator or admin
    #[arg(long, value_parser = role)]
    role: Role,
    /// Who it is, for the audit log
    #[arg(long, value_parser = person)]
    name: PersonName,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Made {
    token: String,
}

pub(crate) fn token(command: &TokenCommand, ui: &Ui) -> Result<ExitCode, CliError> {
    let TokenCommand::Create(args) = command;
    let config = args.config.load()?;
    let person = Person {
        tenant: args.tenant.clone(),
        name: args.name.clone(),
        role: args.role,
    };
    let token = block_on(async {
        let database = open_database(&config).await.or_explain()?;
        let now_s = Clock::default().now_s();
        let token = people::make_token(&database, &person, now_s, CONSOLE)
            .await
            .or_explain()?;
        database.close().await;
        Ok(token)
    })?;
    let made = Made {
        token: token.expose().to_owned(),
    };
    ui.answer(&made, |made| format!("{}\n", made.token))?;
    Ok(ExitCode::Ok)
}

/// Reads a tenant's name.
pub(super) fn tenant(text: &str) -> Result<TenantName, String> {
    TenantName::parse(text).ok_or_else(|| "a tenant has 1 to 32 of a-z, 0-9 and `-`".to_owned())
}

/// Reads a person's name.
pub(super) fn person(text: &str) -> Result<PersonName, String> {
    PersonName::parse(text).ok_or_else(|| "a name is one line of 1 to 128 bytes".to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "a role is viewer, operator or admin".to_owned())
}
