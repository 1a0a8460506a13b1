//! `gobag-image list`: what is in the repository, and which sticks exist.

use std::collections::BTreeMap;

use gobag_bundle::repository::{Access, ImageSummary, StickEntry};
use gobag_format::ids::OrgId;
use gobag_term::{CliError, ExitCode, Table, Ui};
use serde::Serialize;

use crate::{args::OrgArgs, error::OrExplain, office::Office};

/// List images, or sticks; needs no passphrase
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    org: OrgArgs,
    /// List the sticks that were written
    #[arg(long)]
    sticks: bool,
}

#[derive(Serialize)]
struct ListReport {
    org: OrgId,
    images: Vec<ImageSummary>,
    sticks: Vec<StickEntry>,
}

pub(crate) fn list(args: &ListArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let office = Office::open(&args.org, Access::Shared)?;
    let report = ListReport {
        org: office.org.public().id,
        images: office.repository.images().or_explain()?,
        sticks: office.repository.sticks().or_explain()?,
    };
    let columns = ui.columns();
    ui.answer(&report, |report| match args.sticks {
        true => sticks(report).render(columns),
        false => images(report).render(columns),
    })?;
    Ok(ExitCode::Ok)
}

fn images(report: &ListReport) -> Table {
    let mut carried = BTreeMap::new();
    for stick in &report.sticks {
        *carried
            .entry((stick.image.as_str(), stick.version))
            .or_insert(0u64) += 1;
    }
    let mut table = Table::new(["image", "version", "sticks"]);
    for image in &report.images {
        let sticks = carried
            .get(&(image.name.as_str(), image.version))
            .copied()
            .unwrap_or(0);
        table.row([image.name.clone(), image.version.to_string(), sticks.to_string()]);
    }
    table
}

fn sticks(report: &ListReport) -> Table {
    let mut table = Table::new(["stick", "user", "image", "version"]);
    for stick in &report.sticks {
        table.row([
            stick.bundle.to_string(),
            stick.user.clone(),
            stick.image.clone(),
            stick.version.to_string(),
        ]);
    }
    table
}
