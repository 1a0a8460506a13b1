//! The organisation and its repository, opened and unlocked.

use std::path::PathBuf;

use gobag_bundle::{
    org::{OrgFolder, OrgFolderError},
    repository::{Access, ImageSummary, Repository, StoredImage},
};
use gobag_format::org::{OrgError, OrgSecrets};
use gobag_term::{CliError, Passphrase, PassphraseSource, Ui};

use crate::{
    args::{KeysArgs, OrgArgs},
    error::{Explain, OrExplain},
};

/// How often a person may mistype before the program ends; it can be started again at once.
pub(crate) const TRIES: u32 = 3;

/// Where the repository is.
pub(crate) fn repository_folder(args: &OrgArgs) -> PathBuf {
    args.repository
        .clone()
        .unwrap_or_else(|| args.org.join("repository"))
}

/// An organisation with its repository.
pub(crate) struct Office {
    pub(crate) org: OrgFolder,
    pub(crate) repository: Repository,
}

impl Office {
    /// As far as it needs no passphrase.
    pub(crate) fn open(args: &OrgArgs, access: Access) -> Result<Self, CliError> {
        let org = OrgFolder::open(&args.org).or_explain()?;
        let repository = Repository::open(&repository_folder(args), org.public().id, access).or_explain()?;
        Ok(Self { org, repository })
    }
}

/// An organisation with its keys and its repository.
pub(crate) struct OpenOffice {
    pub(crate) office: Office,
    pub(crate) secrets: OrgSecrets,
}

impl OpenOffice {
    /// Asks for IT's passphrase.
    pub(crate) fn open(args: &KeysArgs, access: Access, ui: &Ui) -> Result<Self, CliError> {
        let office = Office::open(&args.org, access)?;
        let (secrets, _) = unlock(&office.org, &args.passphrase.source(), ui)?;
        Ok(Self { office, secrets })
    }

    /// Finds and opens an image, `NAME` or `NAME@VERSION`.
    pub(crate) fn image(&self, image: &str) -> Result<StoredImage, CliError> {
        let summary = self.office.repository.find(image).or_explain()?;
        self.open_image(&summary)
    }

    /// Opens an image that was found.
    pub(crate) fn open_image(&self, summary: &ImageSummary) -> Result<StoredImage, CliError> {
        self.office
            .repository
            .open_image(summary, &self.secrets)
            .or_explain()
    }
}

/// Asks for IT's passphrase until it opens the secrets.
pub(crate) fn unlock(
    org: &OrgFolder,
    source: &PassphraseSource,
    ui: &Ui,
) -> Result<(OrgSecrets, Passphrase), CliError> {
    let prompt = format!("Passphrase of {}: ", org.public().profile.name);
    let tries = if *source == PassphraseSource::Terminal {
        TRIES
    } else {
        1
    };
    let mut left = tries;
    loop {
        let passphrase = ui.passphrase(source, &prompt)?;
        left -= 1;
        match org.unlock(passphrase.expose()) {
            Ok(secrets) => return Ok((secrets, passphrase)),
            Err(OrgFolderError::Refused {
                source: OrgError::Sealed,
                ..
            }) if left > 0 => {
                ui.warn("that is not the passphrase; try again");
            }
            Err(error) => return Err(error.explain()),
        }
    }
}
