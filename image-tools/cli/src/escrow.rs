//! `gobag-image escrow`: who can recover sticks, and recovering one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use gobag_bundle::{
    Bundle, Secret,
    org::{OrgFolder, OrgFolderError},
};
use gobag_format::org::{EscrowIdentity, EscrowRecipient, OrgSecrets};
use gobag_term::{CliError, ExitCode, Passphrase, PassphraseError, Table, Ui, human};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{Explain, OrExplain},
    office,
};

/// Say who can recover sticks, or open one with the escrow key
#[derive(Debug, clap::Args)]
pub(crate) struct EscrowArgs {
    #[command(subcommand)]
    command: EscrowCommand,
}

#[derive(Debug, Subcommand)]
enum EscrowCommand {
    /// Let another age recipient recover sticks
    ///
    /// It counts for sticks that are made from now on, and for those named with --stick.
    Add(ChangeArgs),
    /// Take an age recipient off the list
    ///
    /// Sticks that were made before stay open to it, except those named with --stick; and a copy of a stick made before
    /// stays open to it forever.
    Rm(ChangeArgs),
    /// Open a stick with the escrow key and show what is on it
    Open(OpenArgs),
}

#[derive(Debug, clap::Args)]
struct ChangeArgs {
    /// The recipient, `age1…`
    recipient: String,
    /// A stick that gets the new list, mounted in this folder
    #[arg(long = "stick", value_name = "TARGET")]
    sticks: Vec<PathBuf>,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Debug, clap::Args)]
struct OpenArgs {
    /// Folder where the stick is mounted
    target: PathBuf,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Where the escrow key is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EscrowKeyArgs {
    /// The escrow identity, when it is not `escrow.age` in the organisation's folder
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Serialize)]
struct ChangeReport {
    recipients: Vec<String>,
    sticks: Vec<String>,
}

#[derive(Serialize)]
struct OpenReport {
    bundle: String,
    user: String,
    organisation: String,
    images: Vec<String>,
    volumes: usize,
    home_bytes: u64,
    stale_header_slots: u8,
}

pub(crate) fn escrow(args: &EscrowArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        EscrowCommand::Add(args) => change(args, ui, environment, |org, passphrase| {
            org.add_recipient(passphrase, &args.recipient).map(drop)
        }),
        EscrowCommand::Rm(args) => change(args, ui, environment, |org, passphrase| {
            org.remove_recipient(passphrase, &args.recipient)
        }),
        EscrowCommand::Open(args) => open(args, ui, environment),
    }
}

fn change(
    args: &ChangeArgs,
    ui: &Ui,
    environment: &Environment,
    change: impl FnOnce(&mut OrgFolder, &str) -> Result<(), OrgFolderError>,
) -> Result<ExitCode, CliError> {
    let mut org = OrgFolder::open(&args.keys.org.org).or_explain()?;
    let (_, passphrase) = office::unlock(&org, &args.keys.passphrase.source(), ui)?;
    change(&mut org, passphrase.expose()).or_explain()?;
    let secrets = org.unlock(passphrase.expose()).or_explain()?;
    let mut sticks = Vec::new();
    if !args.sticks.is_empty() {
        let identity = identity_under(&org, &args.escrow, &passphrase)?;
        for target in &args.sticks {
            sticks.push(set_recipients(target, &identity, &secrets, environment)?);
        }
    }
    let report = ChangeReport {
        recipients: secrets.profile.escrow_recipients,
        sticks,
    };
    ui.answer(&report, |report| {
        let list: String = report
            .recipients
            .iter()
            .map(|recipient| format!("  {recipient}\n"))
            .collect();
        let sticks = match report.sticks.len() {
            0 => String::new(),
            count => format!("{count} sticks follow the new list.\n"),
        };
        format!("These can recover sticks made from now on:\n{list}{sticks}")
    })?;
    Ok(ExitCode::Ok)
}

fn set_recipients(
    target: &Path,
    identity: &EscrowIdentity,
    secrets: &OrgSecrets,
    environment: &Environment,
) -> Result<String, CliError> {
    let recipients = secrets
        .profile
        .escrow_recipients
        .iter()
        .map(|text| EscrowRecipient::parse(text));
    let recipients = recipients.collect::<Result<Vec<_>, _>>().or_explain()?;
    let recipients: Vec<_> = recipients.iter().map(EscrowRecipient::as_age).collect();
    let secret = Secret::Escrow(identity.as_age());
    let mut bundle = Bundle::open(target, &secret, true, environment.ambient.clone()).or_explain()?;
    bundle.set_escrow(&recipients).or_explain()?;
    Ok(bundle.id().to_string())
}

fn open(args: &OpenArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let bundle = open_stick(&args.target, &args.escrow, &args.keys, ui, environment, false)?;
    let record = bundle.record();
    let home = record
        .volumes
        .iter()
        .find(|volume| volume.role == gobag_format::header::VolumeRole::Home);
    let report = OpenReport {
        bundle: bundle.id().to_string(),
        user: record.user.clone(),
        organisation: record.org_name.clone(),
        images: record
            .images
            .iter()
            .map(|image| format!("{}@{}", image.name, image.version))
            .collect(),
        volumes: record.volumes.len(),
        home_bytes: home.map_or(0, |home| home.size_bytes),
        stale_header_slots: bundle.stale_header_slots(),
    };
    let (columns, target) = (ui.columns(), args.target.display().to_string());
    ui.answer(&report, |report| {
        let mut table = Table::new(["stick", report.bundle.as_str()]);
        table.row(["user", &report.user]);
        table.row(["organisation", &report.organisation]);
        table.row(["images", &report.images.join(", ")]);
        table.row(["home", &human::bytes(report.home_bytes)]);
        let next = format!("The escrow key opens it. A new passphrase: gobag-image passwd {target}\n");
        format!("{}\n{next}", table.render(columns))
    })?;
    Ok(ExitCode::Ok)
}

/// Opens the stick at `target` with the escrow key.
pub(crate) fn open_stick(
    target: &Path,
    escrow: &EscrowKeyArgs,
    keys: &KeysArgs,
    ui: &Ui,
    environment: &Environment,
    writable: bool,
) -> Result<Bundle, CliError> {
    let org = OrgFolder::open(&keys.org.org).or_explain()?;
    let identity = identity(&org, escrow, || {
        let prompt = format!("Passphrase of {}: ", org.public().profile.name);
        let passphrase = ui.passphrase(&keys.passphrase.source(), &prompt);
        passphrase
            .map(|passphrase| Zeroizing::new(passphrase.expose().to_owned()))
            .map_err(EscrowKeyError::Ask)
    })?;
    let secret = Secret::Escrow(identity.as_age());
    Bundle::open(target, &secret, writable, environment.ambient.clone()).or_explain()
}

/// Why there is no escrow key.
enum EscrowKeyError {
    Org(OrgFolderError),
    Ask(PassphraseError),
}

impl From<OrgFolderError> for EscrowKeyError {
    fn from(error: OrgFolderError) -> Self {
        Self::Org(error)
    }
}

/// The escrow key of an organisation whose passphrase is known.
pub(crate) fn identity_under(
    org: &OrgFolder,
    args: &EscrowKeyArgs,
    passphrase: &Passphrase,
) -> Result<EscrowIdentity, CliError> {
    identity(org, args, || Ok(Zeroizing::new(passphrase.expose().to_owned())))
}

fn identity(
    org: &OrgFolder,
    args: &EscrowKeyArgs,
    passphrase: impl FnOnce() -> Result<Zeroizing<String>, EscrowKeyError>,
) -> Result<EscrowIdentity, CliError> {
    let file = args.identity.clone().unwrap_or_else(|| org.escrow_file());
    OrgFolder::unlock_escrow(&file, passphrase).map_err(|error| match error {
        EscrowKeyError::Org(error) => error.explain(),
        EscrowKeyError::Ask(error) => error.into(),
    })
}
