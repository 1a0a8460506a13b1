//! From a stick to an unlocked bundle.

use std::path::Path;

use gobag_bundle::{Ambient, Bundle, OpenError, Secret, UnlockError, medium::StickMedium};
use gobag_term::{CliError, PassphraseSource, Ui};

use crate::{
    args::UnlockArgs,
    company::share::{self, NoShare},
    error::{Explain, OrExplain},
};

/// How often a person may mistype before the program ends; it can be started again at once.
const TRIES: u32 = 3;

/// What is said before the next try.
const AGAIN: &str = "that is not the passphrase; check Caps Lock and the keyboard's language, and try again";

/// Asks for the passphrase, and the company for its share where the stick wants one, and opens the bundle in `stick`.
pub(crate) fn unlock(args: &UnlockArgs, stick: &Path, writable: bool, ui: &Ui) -> Result<Bundle, CliError> {
    // Before the question: nobody should type a passphrase to be told that the stick is in use.
    check_free(stick, writable).or_explain()?;
    let source = args.passphrase.source();
    let tries = if source == PassphraseSource::Terminal {
        TRIES
    } else {
        1
    };
    for left in (0..tries).rev() {
        let passphrase = ui.passphrase(&source, "Passphrase: ")?;
        let secret = Secret::Passphrase(passphrase.expose().as_bytes());
        match Bundle::open(stick, &secret, writable, Ambient::system()) {
            Ok(bundle) => return Ok(bundle),
            Err(OpenError::Unlock(UnlockError::WrongPassphrase)) if left > 0 => ui.warn(AGAIN),
            Err(OpenError::Unlock(UnlockError::ShareNeeded)) => {
                ui.say("This stick opens only together with your company, which is asked now.");
                let passphrase = passphrase.expose().as_bytes();
                match share::asked(stick, passphrase) {
                    Ok(share) => {
                        let secret = Secret::Shared {
                            passphrase,
                            share: &share,
                        };
                        return Bundle::open(stick, &secret, writable, Ambient::system()).or_explain();
                    }
                    Err(NoShare::WrongPassphrase(hint)) if left > 0 => {
                        ui.warn(AGAIN);
                        // How long the next has to wait.
                        hint.iter().for_each(|hint| ui.say(hint));
                    }
                    Err(refused) => return Err(refused.explain()),
                }
            }
            Err(error) => return Err(error.explain()),
        }
    }
    Err(OpenError::Unlock(UnlockError::WrongPassphrase).explain())
}

/// Whether another program has the bundle open, or it cannot be opened at all.
fn check_free(stick: &Path, writable: bool) -> Result<(), OpenError> {
    Bundle::identify(stick)?;
    match StickMedium::open(stick, writable) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(OpenError::Busy {
            stick: stick.display().to_string(),
        }),
        // Whatever else is wrong is said better by the real opening.
        _ => Ok(()),
    }
}
