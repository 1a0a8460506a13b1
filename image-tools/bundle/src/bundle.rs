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
    keyslot::{KdfCost, KeySlotError, Root, Share, ShareName},
    lease::UnlockMode,
    sign::{SigningKey, VerifyingKey},
};
use thiserror::Error;

use crate::{
    Ambient,
    files::{self, FileError},
    headers::{
        ESCROW_FILES, Found, Headers, NewPassphrase, ReplaceError, Secret, UnlockError, Unlocked, Wanted,
        Wrapping, keep_share, mode_of, name_of, replace_all, settle_all, unchanged, wrap,
    },
    ledger::LedgerAccessError,
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
    /// A stick that opens online gets a new passphrase together with a share for it.
    #[error("a stick that opens online needs a share of the company for its new passphrase")]
    ShareNeeded,
    /// The escrow file could not be made.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// The escrow file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The header could not be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The ledger says that the stick was cut off, and could not be changed.
    #[error(transparent)]
    Ledger(#[from] LedgerAccessError),
}

impl ChangeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeySlot(error) => error.code(),
            Self::NotByPassphrase => "header.not-by-passphrase",
            Self::ShareNeeded => "header.share-needed",
            Self::Escrow(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Replace(error) => error.code(),
            Self::Ledger(error) => error.code(),
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
        let Found { unlocked, forgotten } = Headers::read(&medium)?.unlock(&medium, secret)?;
        if let Some(forgotten) = forgotten {
            if writable && !unlocked.read_only {
                forget_to_the_end(&medium, &unlocked, &ambient);
            }
            return Err(forgotten.into());
        }
        let stale = unlocked.wrapping().stale_slots;
        if stale > 0 {
            tracing::info!(slots = stale, "some header copies are damaged or old");
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
        self.unlocked.wrapping().stale_slots
    }

    /// Whether it may be changed.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Where its files are.
    pub fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.medium) as Arc<dyn Medium>
    }

    /// Replaces the passphrase in every copy of the header. Flash may keep old copies of a slot: whoever
    /// copied the stick before can still use the old passphrase on that copy.
    ///
    /// A share that lies on the stick goes on being wanted, and lies there; but the company cannot give it for this passphrase until the next
    /// [`Bundle::rewrap`]. A bundle that the escrow opened wants none from now on. One that opens online is refused:
    /// [`Bundle::change_passphrase`].
    pub fn set_passphrase(&mut self, passphrase: &[u8], cost: KdfCost) -> Result<(), ChangeError> {
        let new = self.new_passphrase(passphrase, cost)?;
        self.put_passphrase(new)
    }

    /// The same with one that was paid for.
    pub fn put_passphrase(&mut self, new: NewPassphrase) -> Result<(), ChangeError> {
        if self.prover().is_none() {
            // IT opened it: it must not erase itself at its next start.
            self.take_back()?;
        }
        self.change_header(|wrapping| {
            let mode = mode_of(&wrapping.key_slots);
            let wanted = match &wrapping.share {
                Some(_) if mode == UnlockMode::Online => return Err(ChangeError::ShareNeeded),
                Some(share) => Wanted::Share {
                    share: share.clone(),
                    name: None,
                    keep: true,
                },
                None => Wanted::Passphrase,
            };
            wrapping.root = Some(Arc::new(new.root));
            Ok(wanted)
        })
    }

    /// Pays for a passphrase that is to be put in force.
    pub fn new_passphrase(&self, passphrase: &[u8], cost: KdfCost) -> Result<NewPassphrase, ChangeError> {
        let root = Root::new(passphrase, cost, &*self.ambient.random)?;
        let bundle = self.id();
        Ok(NewPassphrase { root, bundle })
    }

    /// Replaces the passphrase together with the share, which the company gave for it: after a cut the stick opens by both of before, or by both of these.
    pub fn change_passphrase(
        &self,
        new: NewPassphrase,
        share: Share,
        name: ShareName,
        keep: bool,
    ) -> Result<(), ChangeError> {
        self.change_header(|wrapping| {
            wrapping.root = Some(Arc::new(new.root));
            let name = Some(name);
            Ok(Wanted::Share { share, name, keep })
        })
    }

    /// What opens the stick besides its passphrase.
    pub fn unlock_mode(&self) -> UnlockMode {
        mode_of(&self.unlocked.wrapping().key_slots)
    }

    /// What the company calls the share that the stick wants; none if it wants none, or the company cannot give it for the passphrase that is in force.
    pub fn share_name(&self) -> Option<ShareName> {
        name_of(&self.unlocked.wrapping().key_slots)
    }

    /// Puts the bundle key under the passphrase and `share`, which must be fresh, in every copy of the header; the slot before is overwritten. With
    /// `keep` the share lies on the stick, and the passphrase is enough until [`Bundle::forget_share`]; without, the company gives it at each unlocking.
    ///
    /// Cut at any moment, the stick opens by the share before or by this one: who gives shares gives both until this has returned.
    pub fn rewrap(&self, share: Share, name: ShareName, keep: bool) -> Result<(), ChangeError> {
        let name = Some(name);
        self.change_header(|_| Ok(Wanted::Share { share, name, keep }))
    }

    /// Puts the bundle key under the passphrase alone, for a stick that the company lets in.
    pub fn wrap_offline(&self) -> Result<(), ChangeError> {
        self.take_back()?;
        self.change_header(|_| Ok(Wanted::Passphrase))
    }

    /// Takes the share off the stick, as far as overwriting does: from now on only a share of the company opens it, and the escrow. Without a
    /// [`Bundle::share_name`] the escrow alone.
    pub fn forget_share(&self) -> Result<(), ReplaceError> {
        replace_all(&*self.medium, &self.unlocked, &self.ambient.random, |wrapping| {
            keep_share(&mut wrapping.key_slots, None);
            Ok(())
        })
    }

    /// Writes the header into those of its copies that do not hold it, if there are any.
    pub fn complete_header(&self) -> Result<(), ReplaceError> {
        match self.stale_header_slots() {
            0 => Ok(()),
            _ => self.replace_header(),
        }
    }

    /// By what the company knows that somebody typed the passphrase ([`crate::share_proof`]); changes with the passphrase alone. `None` if the escrow
    /// opened the bundle.
    pub fn proof_key(&self) -> Option<VerifyingKey> {
        self.prover().map(|key| key.verifying_key())
    }

    /// The key that proves it.
    pub fn prover(&self) -> Option<SigningKey> {
        let wrapping = self.unlocked.wrapping();
        let root = wrapping.root.as_ref();
        root.map(|root| root.proof_key(self.unlocked.bundle))
    }

    /// Writes a header whose user slot wants what `choose` says.
    fn change_header(
        &self,
        choose: impl FnOnce(&mut Wrapping) -> Result<Wanted, ChangeError>,
    ) -> Result<(), ChangeError> {
        let unlocked = &self.unlocked;
        replace_all(&*self.medium, unlocked, &self.ambient.random, |wrapping| {
            let wanted = choose(wrapping)?;
            wrap(unlocked, wrapping, wanted)
        })
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

    fn replace_header(&self) -> Result<(), ReplaceError> {
        replace_all(&*self.medium, &self.unlocked, &self.ambient.random, unchanged)
    }
}

/// A share was being taken off the stick when the power failed: it goes on. What cannot be written now is refused all the same.
fn forget_to_the_end(medium: &StickMedium, unlocked: &Unlocked, ambient: &Ambient) {
    if let Err(error) = replace_all(medium, unlocked, &ambient.random, unchanged) {
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
