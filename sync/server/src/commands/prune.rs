//! `gobag-server prune`.

use gobag_protocol::{ids::TenantName, people::Pruned};
use gobag_term::{CliError, ExitCode, Ui};

use super::{CONSOLE, block_on, token};
use crate::{
    args::ConfigArgs, clock::Clock, error::OrExplain as _, serve::open_stores, store::prune::Pruner,
};

/// Remove points that the tenants' policies let go, and objects that no point needs
///
/// `serve` does the same as often as `prune_every_hours` says. A tenant without a policy keeps all its points.
#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// Only sticks and workspaces of this tenant
    #[arg(long, value_parser = token::tenant)]
    tenant: Option<TenantName>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn prune(args: &PruneArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let pruned = block_on(async {
        let (database, blobs) = open_stores(&config).await.or_explain()?;
        let pruner = Pruner {
            database: &database,
            blobs: &blobs,
            clock: &Clock::default(),
            by: CONSOLE,
        };
        let pruned = pruner.prune(args.tenant.as_ref(), args.dry_run).await;
        database.close().await;
        pruned.or_explain()
    })?;
    ui.answer(&pruned, |pruned: &Pruned| {
        let would = if pruned.dry_run { "would be " } else { "" };
        let failed = match pruned.failed {
            0 => String::new(),
            failed => {
                format!("{failed} sticks or workspaces could not be pruned; the next run tries again\n")
            }
        };
        format!(
            "{} points and {} objects of {} bytes {would}removed\n{failed}",
            pruned.points, pruned.objects, pruned.object_bytes
        )
    })?;
    Ok(if pruned.failed > 0 {
        ExitCode::Findings
    } else {
        ExitCode::Ok
    })
}
