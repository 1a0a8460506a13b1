//! `gobag-image officer`: who can extend leases when the company's server is gone.

use std::path::PathBuf;

use clap::Subcommand;
use gobag_bundle::org::{OrgFolder, OrgFolderError, create_officer_file};
use gobag_format::{
    officer::{Officer, OfficerSecrets},
    org::OrgProfile,
};
use gobag_term::{CliError, ExitCode, NewPassphraseArgs, Table, Ui};
use serde::Serialize;

use crate::{
    args::{KeysArgs, OrgArgs},
    environment::Environment,
    error::OrExplain,
    office,
};

/// Name the people who can extend leases when the company's server is gone
///
/// Each officer makes a key on their own computer with `officer new`, keeps the file, and gives you the line that it prints. You add the lines with
/// `officer add`, and say with `officer needed` how many of them have to agree. Images that you build from then on name them
/// (`gobag-image build --lease-server`).
#[derive(Debug, clap::Args)]
pub(crate) struct OfficerArgs {
    #[command(subcommand)]
    command: OfficerCommand,
}

#[derive(Debug, Subcommand)]
enum OfficerCommand {
    /// Make an officer's key, and print the line that IT needs
    ///
    /// The file is encrypted under a passphrase, and the stock `age -d` opens it. Keep it where no computer of the company has to work for you to get
    /// at it, and a copy elsewhere. The line is not secret.
    New(NewArgs),
    /// Let an officer have a say, in images built from now on
    Add(AddArgs),
    /// Take an officer off the list
    ///
    /// Sticks follow with the next version of their image.
    Rm(RmArgs),
    /// Say how many officers have to agree
    Needed(NeededArgs),
    /// List the officers; needs no passphrase
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Name of the officer, as people will read it
    name: String,
    /// The file to make
    file: PathBuf,
    #[command(flatten)]
    new: NewPassphraseArgs,
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The line that `officer new` printed
    #[arg(required = true)]
    line: Vec<String>,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Debug, clap::Args)]
struct RmArgs {
    /// Name of the officer
    name: String,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Debug, clap::Args)]
struct NeededArgs {
    /// How many of them
    count: usize,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    org: OrgArgs,
}

#[derive(Serialize)]
struct NewReport {
    file: PathBuf,
    line: String,
}

#[derive(Serialize)]
struct ListReport {
    officers: Vec<Officer>,
    needed: usize,
}

pub(crate) fn officer(args: &OfficerArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        OfficerCommand::New(args) => new(args, ui, environment),
        OfficerCommand::Add(args) => {
            let officer = Officer::parse(&args.line.join(" ")).or_explain()?;
            change(&args.keys, ui, |org, passphrase| {
                org.add_officer(passphrase, &officer).map(drop)
            })
        }
        OfficerCommand::Rm(args) => change(&args.keys, ui, |org, passphrase| {
            org.remove_officer(passphrase, &args.name)
        }),
        OfficerCommand::Needed(args) => change(&args.keys, ui, |org, passphrase| {
            org.set_officers_needed(passphrase, args.count)
        }),
        OfficerCommand::List(args) => {
            let org = OrgFolder::open(&args.org.org).or_explain()?;
            list(&org.public().profile, ui)
        }
    }
}

fn new(args: &NewArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let officer = OfficerSecrets::generate(&args.name, &*environment.ambient.random).or_explain()?;
    let passphrase = ui.new_passphrase(&args.new.source(), "New passphrase of the officer's key: ")?;
    create_officer_file(&args.file, &officer, passphrase.expose()).or_explain()?;
    let report = NewReport {
        file: args.file.clone(),
        line: officer.public().to_string(),
    };
    ui.say("Give this line to IT, for `gobag-image officer add`:");
    ui.answer(&report, |report| format!("{}\n", report.line))?;
    Ok(ExitCode::Ok)
}

fn change(
    keys: &KeysArgs,
    ui: &Ui,
    change: impl FnOnce(&mut OrgFolder, &str) -> Result<(), OrgFolderError>,
) -> Result<ExitCode, CliError> {
    let mut org = OrgFolder::open(&keys.org.org).or_explain()?;
    let (_, passphrase) = office::unlock(&org, &keys.passphrase.source(), ui)?;
    change(&mut org, passphrase.expose()).or_explain()?;
    list(&org.public().profile, ui)
}

fn list(profile: &OrgProfile, ui: &Ui) -> Result<ExitCode, CliError> {
    let report = ListReport {
        officers: profile.officers.clone(),
        needed: profile.officers_needed,
    };
    let columns = ui.columns();
    ui.answer(&report, |report| page(report, columns))?;
    Ok(ExitCode::Ok)
}

fn page(report: &ListReport, columns: usize) -> String {
    if report.officers.is_empty() {
        return "There are no officers: when the server is gone, nobody can extend a lease.\n".to_owned();
    }
    let mut table = Table::new(["officer", "key"]);
    for officer in &report.officers {
        table.row([officer.name.clone(), officer.key.to_string()]);
    }
    let needed = match report.needed {
        0 => "Say how many of them have to agree with `gobag-image officer needed COUNT`.\n".to_owned(),
        needed => format!("{needed} of {} have to agree.\n", report.officers.len()),
    };
    format!("{}{needed}", table.render(columns))
}
