//! `gobag-image init`: a new organisation.

use std::path::PathBuf;

use gobag_bundle::{org::OrgFolder, repository::Repository};
use gobag_term::{CliError, ExitCode, NewPassphraseArgs, Ui};
use serde::Serialize;

use crate::{args::OrgArgs, environment::Environment, error::OrExplain, office::repository_folder};

/// Make the organisation's keys and an empty repository
///
/// The folder gets three files. `signing.age` builds images; `escrow.age` recovers sticks whose passphrase is forgotten,
/// and belongs in a safe; `org.json` is public. Both secret files are encrypted under one passphrase, and the stock
/// `age -d` opens them. Keep copies: without `signing.age` no stick can ever be updated.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder to make
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Name of the organisation, as people will read it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Whom people shall phone on a bad day; stands on every stick's start page
    #[arg(long, value_name = "TEXT", default_value = "your IT department")]
    contact: String,
    /// Where to make the repository, when not in the folder
    #[arg(long, value_name = "FOLDER")]
    repository: Option<PathBuf>,
    #[command(flatten)]
    new: NewPassphraseArgs,
}

#[derive(Serialize)]
struct InitReport {
    org: String,
    name: String,
    folder: PathBuf,
    repository: PathBuf,
    escrow_recipient: String,
}

pub(crate) fn init(args: &InitArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let passphrase = ui.new_passphrase(&args.new.source(), "New passphrase of the organisation: ")?;
    let random = &*environment.ambient.random;
    let made = OrgFolder::create(
        &args.folder,
        &args.name,
        &args.contact,
        passphrase.expose(),
        random,
    );
    let (org, secrets) = made.or_explain()?;
    let place = OrgArgs {
        org: args.folder.clone(),
        repository: args.repository.clone(),
    };
    let repository = repository_folder(&place);
    Repository::create(&repository, secrets.org).or_explain()?;
    let report = InitReport {
        org: secrets.org.to_string(),
        name: args.name.clone(),
        folder: args.folder.clone(),
        repository,
        escrow_recipient: secrets.profile.escrow_recipients.concat(),
    };
    let escrow_file = org.escrow_file();
    ui.answer(&report, |report| {
        format!(
            "{} is ready in {}.\n\nCopy {} to a safe place: it recovers every stick.\nNext: gobag-image build SOURCE \
             --name NAME --org {}\n",
            report.name,
            report.folder.display(),
            escrow_file.display(),
            report.folder.display(),
        )
    })?;
    Ok(ExitCode::Ok)
}
