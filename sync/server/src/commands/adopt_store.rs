//! `gobag-server adopt-store`.

use gobag_term::{CliError, ExitCode, Ui};

use super::block_on;
use crate::{
    args::ConfigArgs,
    error::OrExplain as _,
    serve::{open_blobs, open_database},
    store::marker::{self, Adoption},
};

/// Make the store of objects this database's, after one of them was put back or moved
///
/// A server does not start with a store that another database's number is in: pruning would take everything there for rubbish. Without --yes this
/// only looks for some of the objects that the database knows. A server that worked with the store until now, also with a copy of this database, prunes
/// nothing from then on, and does not start again: end it first.
#[derive(Debug, clap::Args)]
pub(crate) struct AdoptStoreArgs {
    /// Do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn adopt_store(args: &AdoptStoreArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let adoption = block_on(async {
        let database = open_database(&config).await.or_explain()?;
        let blobs = open_blobs(&config).or_explain()?;
        let adoption = marker::adopt(&database, &blobs, !args.yes).await;
        database.close().await;
        adoption.or_explain()
    })?;
    ui.answer(&adoption, |adoption: &Adoption| {
        let (found, looked_for) = (adoption.found, adoption.looked_for);
        let then = match adoption.adopted {
            true => "The store belongs to this database now.",
            false => "Nothing was changed; --yes makes the store this database's.",
        };
        format!("Of {looked_for} objects that the database knows {found} are in the store. {then}\n")
    })?;
    Ok(if adoption.adopted {
        ExitCode::Ok
    } else {
        ExitCode::Findings
    })
}
