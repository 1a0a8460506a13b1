//! `gobag-image extend`: officers' word that sticks may be started although their leases have ended.

mod code;
mod letter;

use std::path::PathBuf;

use clap::Subcommand;
use gobag_bundle::org::{OrgFolderError, open_officer_file};
use gobag_format::{officer::OfficerSecrets, org::OrgError};
use gobag_term::{CliError, ExitCode, PassphraseArgs, PassphraseSource, Ui};

use crate::{
    environment::Environment,
    error::{Explain, OrExplain},
    office::TRIES,
};

/// Let sticks be started although their leases have ended, when the server is gone
///
/// For officers (`gobag-image officer`). One of them makes a letter with `extend request`. Each signs a copy of it on their own computer with `extend sign`;
/// nobody needs another's key. `extend join` puts the signatures into one letter and says whether they are enough. The letter is not secret: mail it, or put it
/// on any page; people give it to their sticks with `gobag lease extend FILE`. None of this needs the server, or IT's keys. A stick that your company cut off
/// stays cut off.
#[derive(Debug, clap::Args)]
pub(crate) struct ExtendArgs {
    #[command(subcommand)]
    command: ExtendCommand,
}

#[derive(Debug, Subcommand)]
enum ExtendCommand {
    /// Make a letter for officers to sign; needs no key
    ///
    /// It is text on standard output.
    Request(letter::RequestArgs),
    /// Say what a letter would allow, and sign it
    ///
    /// The letter with your signature is text on standard output.
    Sign(letter::SignArgs),
    /// Put the signatures of several copies of a letter into one, and see whether they are enough
    ///
    /// What counts in the end is the officers that the stick's own image names; this looks at the organisation's list.
    Join(letter::JoinArgs),
    /// Answer the question that a stick shows with a code to be read over the telephone
    ///
    /// For one stick whose user cannot get a letter. The user starts `gobag lease codes` and reads the question to you. Make sure of whom you
    /// speak to. Your code is 20 characters on standard output; as many officers as are needed each give their own, and the least number of days counts.
    Code(code::CodeArgs),
}

/// An officer's own key, for what officers do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OfficerKeyArgs {
    /// Your key, the file that `gobag-image officer new` made
    #[arg(long, value_name = "FILE")]
    officer: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl OfficerKeyArgs {
    /// Asks for the officer's passphrase.
    pub(crate) fn unlock(&self, ui: &Ui) -> Result<OfficerSecrets, CliError> {
        let source = self.passphrase.source();
        let prompt = format!("Passphrase of {}: ", self.officer.display());
        let tries = match source {
            PassphraseSource::Terminal => TRIES,
            _ => 1,
        };
        for left in (0..tries).rev() {
            let passphrase = ui.passphrase(&source, &prompt)?;
            match open_officer_file(&self.officer, passphrase.expose()) {
                Err(OrgFolderError::Refused {
                    source: OrgError::Sealed,
                    ..
                }) if left > 0 => ui.warn("that is not the passphrase; try again"),
                opened => return opened.or_explain(),
            }
        }
        Err(OrgError::Sealed.explain())
    }
}

pub(crate) fn extend(args: &ExtendArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        ExtendCommand::Request(args) => letter::request(args, ui, environment),
        ExtendCommand::Sign(args) => letter::sign(args, ui),
        ExtendCommand::Join(args) => letter::join(args, ui),
        ExtendCommand::Code(args) => code::code(args, ui, environment),
    }
}
