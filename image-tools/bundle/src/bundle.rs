//! A bundle on a stick: found, unlocked, changed in its header.

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use gobag_format::{
    crypto::Key,
    escrow::{self, EscrowError},
    header::{HeaderError, HeaderRecord},
    ids::BundleId,
    keyslot::{KdfCost, KeySlotError, Root, Share},
    lease::UnlockMode,
    sign::VerifyingKey,
};
use thiserror::Error;

use crate::{
    Ambient,
    files::{self, FileError},
    headers::{
        ESCROW_FILES, Found, Headers, NoRoot, ReplaceError, Secret, UnlockError, Unlocked, keep_share,
        mode_of, replace_all, set_mode, settle_all,
    },
    medium::{BUNDLE_FOLDER, FileRef, Medium, StickMedium},
};

/// An unlocked bundle; holds the stick's lock.
pub struct Bundle {
    pub(crate) medium: Arc<StickMedium>,
    pub(crate) unlocked: Unlocked,
    pub(crate) ambient: Ambient,
    pub(crate) writable: bool,
    /// The ledger is read and replaced by one thread at a time.
    pub(crate) changing: Mutex<()>,
}

/// Why a bundle could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no bundle in this folder.
    #[error("no bundle in {stick}")]
    NotFound {
        /// The folder.
        stick: String,
    },
    /// Another program has the bundle open.
    #[error("the bundle in {stick} is in use")]
    Busy {
        /// The folder.
        stick: String,
    },
    /// The bundle's files cannot be opened.
    #[error("cannot open the bundle in {stick}")]
    Medium {
        /// The folder.
        stick: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It could not be unlocked.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
}

impl OpenError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "bundle.not-found",
            Self::Busy { .. } => "bundle.busy",
            Self::Medium { .. } => "bundle.medium",
            Self::Unlock(error) => error.code(),
        }
    }
}

/// Why the header could not be changed; what was in force before still is, or the change is complete.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The new passphrase or its cost is out of bounds.
    #[error(transparent)]
    KeySlot(#[from] KeySlotError),
    /// The bundle was opened by the escrow: what the user's passphrase comes to is not known.
    #[error("the stick was not opened by its passphrase")]
    NotByPassphrase,
    /// The escrow file could not be made.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// The escrow file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The header could not be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl ChangeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeySlot(error) => error.code(),
            Self::NotByPassphrase => "header.not-by-passphrase",
            Self::Escrow(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Replace(error) => error.code(),
        }
    }
}

impl Bundle {
    /// Which bundle lies in `stick`, without unlocking it: not authenticated, good for finding a stick
    /// again, for nothing else.
    pub fn identify(stick: &Path) -> Result<BundleId, OpenError> {
        if !is_bundle_folder(stick) {
            return Err(OpenError::NotFound {
                stick: stick.display().to_string(),
            });
        }
        let headers = Headers::read(&StickMedium::peek(stick))?;
        Ok(headers.bundle().map_err(UnlockError::Header)?)
    }

    /// Opens and unlocks the bundle in `stick`.
    pub fn open(
        stick: &Path,
        secret: &Secret<'_>,
        writable: bool,
        ambient: Ambient,
    ) -> Result<Self, OpenError> {
        let medium = StickMedium::open(stick, writable).map_err(|source| open_error(stick, source))?;
        if writable {
            // One copy that cannot be flushed is no reason to refuse what the other says.
            if let Err(error) = settle_all(&medium) {
                tracing::info!(%error, "the header cannot be made sure of");
            }
        }
        let Found {
            mut unlocked,
            forgotten,
        } = Headers::read(&medium)?.unlock(&medium, secret)?;
        if let Some(forgotten) = forgotten {
            if writable && !unlocked.read_only {
                forget_to_the_end(&medium, &mut unlocked, &ambient);
            }
            return Err(forgotten.into());
        }
        if unlocked.stale_slots > 0 {
            tracing::info!(
                slots = unlocked.stale_slots,
                "some header copies are damaged or old"
            );
        }
        let writable = writable && !unlocked.read_only;
        Ok(Self {
            medium: Arc::new(medium),
            unlocked,
            ambient,
            writable,
            changing: Mutex::new(()),
        })
    }

    /// Its id.
    pub fn id(&self) -> BundleId {
        self.unlocked.bundle
    }

    /// What the header says.
    pub fn record(&self) -> &HeaderRecord {
        &self.unlocked.record
    }

    /// Header copies, out of eight, that are damaged or old.
    pub fn stale_header_slots(&self) -> u8 {
        self.unlocked.stale_slots
    }

    /// Where its files are.
    pub fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.medium) as Arc<dyn Medium>
    }

    /// Replaces the passphrase in every copy of the header. Flash may keep old copies of a slot: whoever
    /// copied the stick before can still use the old passphrase on that copy.
    ///
    /// A bundle that was opened together with a share goes on wanting that share. One that the escrow opened wants none from now on, until the next
    /// [`Bundle::rewrap`].
    pub fn set_passphrase(&mut self, passphrase: &[u8], cost: KdfCost) -> Result<(), ChangeError> {
        self.unlocked.root = Some(Root::new(passphrase, cost, &*self.ambient.random)?);
        let keep = self.unlock_mode() == UnlockMode::Leased;
        let share = self.unlocked.share.take();
        self.wrap(share, keep)
    }

    /// What opens the stick besides its passphrase.
    pub fn unlock_mode(&self) -> UnlockMode {
        mode_of(&self.unlocked.key_slots)
    }

    /// Puts the bundle key under the passphrase and `share`, which must be fresh, in every copy of the header; the slot before is overwritten. With
    /// `keep` the share lies on the stick, and the passphrase is enough until [`Bundle::forget_share`]; without, the company gives it at each unlocking.
    ///
    /// Cut at any moment, the stick opens by the share before or by this one: who gives shares keeps both until this has returned.
    pub fn rewrap(&mut self, share: Share, keep: bool) -> Result<(), ChangeError> {
        self.wrap(Some(share), keep)
    }

    /// Puts the bundle key under the passphrase alone.
    pub fn wrap_offline(&mut self) -> Result<(), ChangeError> {
        self.wrap(None, false)
    }

    /// Takes the share off the stick, as far as overwriting does: from now on only a share of the company opens it, and the escrow.
    pub fn forget_share(&mut self) -> Result<(), ChangeError> {
        keep_share(&mut self.unlocked.key_slots, None);
        self.replace_header()
    }

    /// By what the company knows that somebody typed the passphrase ([`crate::share_proof`]); changes with the passphrase alone. `None` if the escrow
    /// opened the bundle.
    pub fn proof_key(&self) -> Option<VerifyingKey> {
        let root = self.unlocked.root.as_ref();
        root.map(|root| root.proof_key(self.unlocked.bundle).verifying_key())
    }

    fn wrap(&mut self, share: Option<Share>, keep: bool) -> Result<(), ChangeError> {
        set_mode(&mut self.unlocked, share, keep).map_err(|NoRoot| ChangeError::NotByPassphrase)?;
        self.replace_header()
    }

    /// Writes a new escrow file for `recipients`, none removes it; the header's change is the commit.
    pub fn set_escrow(&mut self, recipients: &[&dyn age::Recipient]) -> Result<(), ChangeError> {
        let old = self.unlocked.record.escrow;
        let folder = self.medium.folder();
        self.unlocked.record.escrow = if recipients.is_empty() {
            None
        } else {
            let number = old.map_or(0, |old| (old + 1) % ESCROW_FILES);
            let file = escrow_file(self.unlocked.bundle, &self.unlocked.key, recipients)?;
            let path = folder.join(FileRef::Escrow(number).path());
            if let Some(keys) = path.parent() {
                // A stick that was made without escrow has no place for it yet.
                files::make_folder(keys)?;
                files::sync_folder(&folder)?;
            }
            files::replace(&path, &file)?;
            Some(number)
        };
        self.replace_header()?;
        match old {
            Some(old) => Ok(files::delete(&folder.join(FileRef::Escrow(old).path()))?),
            None => Ok(()),
        }
    }

    fn replace_header(&mut self) -> Result<(), ChangeError> {
        self.unlocked.generation += 1;
        replace_all(&*self.medium, &self.unlocked, &self.ambient.random)?;
        self.unlocked.stale_slots = 0;
        Ok(())
    }
}

/// A share was being taken off the stick when the power failed: it goes on. What cannot be written now is refused all the same.
fn forget_to_the_end(medium: &StickMedium, unlocked: &mut Unlocked, ambient: &Ambient) {
    unlocked.generation += 1;
    if let Err(error) = replace_all(medium, unlocked, &ambient.random) {
        tracing::warn!(code = error.code(), %error, "a share that was taken off the stick is still in a copy of its header");
    }
}

/// The escrow file that gives `recipients` the key of `bundle`.
pub(crate) fn escrow_file(
    bundle: BundleId,
    key: &Key,
    recipients: &[&dyn age::Recipient],
) -> Result<Vec<u8>, EscrowError> {
    escrow::seal(bundle, key, recipients.iter().copied())
}

fn open_error(stick: &Path, source: io::Error) -> OpenError {
    let name = stick.display().to_string();
    match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Busy { stick: name },
        io::ErrorKind::NotFound if !is_bundle_folder(stick) => OpenError::NotFound { stick: name },
        // One missing header file is damage, and says so.
        io::ErrorKind::NotFound => UnlockError::Header(HeaderError::Damaged).into(),
        _ => OpenError::Medium { stick: name, source },
    }
}

fn is_bundle_folder(stick: &Path) -> bool {
    stick.join(BUNDLE_FOLDER).is_dir()
}
