//! What opens the sticks of one run: IT's escrow key, or their users' passphrases.

use std::path::Path;

use gobag_bundle::{Bundle, Secret};
use gobag_format::org::EscrowIdentity;
use gobag_term::{CliError, Passphrase, PassphraseSource, Ui};

use super::{UpdateArgs, unopened};
use crate::{environment::Environment, escrow, office::OpenOffice};

/// Where the keys come from.
pub(super) enum Unlocking {
    Escrow(Box<EscrowIdentity>),
    /// A file's passphrase, read once for all sticks.
    Known(Passphrase),
    /// Each user is asked.
    Ask,
}

impl Unlocking {
    pub(super) fn new(
        args: &UpdateArgs,
        office: &OpenOffice,
        passphrase: &Passphrase,
        ui: &Ui,
    ) -> Result<Self, CliError> {
        Ok(match args.user_source() {
            None => {
                let identity = escrow::identity_under(&office.office.org, &args.escrow, passphrase)?;
                Self::Escrow(Box::new(identity))
            }
            Some(PassphraseSource::Terminal) => Self::Ask,
            Some(file) => Self::Known(ui.passphrase(&file, "")?),
        })
    }

    pub(super) fn open(&self, target: &Path, ui: &Ui, environment: &Environment) -> Result<Bundle, CliError> {
        let open = |secret: Secret<'_>| {
            Bundle::open(target, &secret, true, environment.ambient.clone()).map_err(unopened)
        };
        match self {
            Self::Escrow(identity) => open(Secret::Escrow(identity.as_age())),
            Self::Known(known) => open(Secret::Passphrase(known.expose().as_bytes())),
            Self::Ask => {
                let prompt = format!("Passphrase of the stick in {}: ", target.display());
                let typed = ui.passphrase(&PassphraseSource::Terminal, &prompt)?;
                open(Secret::Passphrase(typed.expose().as_bytes()))
            }
        }
    }
}
