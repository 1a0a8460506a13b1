//! The organisation's folder: `org.json`, `signing.age`, `escrow.age`.
//!
//! `escrow.age` may lie elsewhere, best in a safe; nothing but recovering sticks needs it. Each file is
//! replaced whole; `signing.age` is what counts, `org.json` a copy for people and programs without a
//! passphrase, written after it.

mod officers;

use std::path::{Path, PathBuf};

use gobag_format::crypto::Random;
use gobag_format::limits::{MAX_OFFICERS, MAX_ORG_FILE_LEN};
use gobag_format::org::{
    EscrowIdentity, EscrowRecipient, OrgError, OrgProfile, OrgPublic, OrgSecrets, SCRYPT_WORK_FACTOR,
};
use thiserror::Error;

pub use officers::{create_officer_file, open_officer_file};

use crate::files::{self, FileError};

const PUBLIC_FILE: &str = "org.json";
const SIGNING_FILE: &str = "signing.age";
const ESCROW_FILE: &str = "escrow.age";

/// An organisation's folder.
#[derive(Clone, Debug)]
pub struct OrgFolder {
    folder: PathBuf,
    public: OrgPublic,
    /// What a guess at the passphrase costs; less in tests only.
    work_factor: u8,
}

/// Why an organisation's folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OrgFolderError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is none of an organisation.
    #[error("{} is not an organisation's folder: it has no org.json", folder.display())]
    NotAnOrg {
        /// The folder.
        folder: PathBuf,
    },
    /// An organisation is there already.
    #[error("{} is an organisation's folder already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A file was refused.
    #[error("cannot use {}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: OrgError,
    },
    /// Something given is of no use.
    #[error(transparent)]
    Org(#[from] OrgError),
    /// Every stick must be recoverable by somebody.
    #[error("{recipient} is the last escrow recipient; without one no forgotten passphrase can be replaced")]
    LastRecipient {
        /// The recipient.
        recipient: String,
    },
    /// There is no such recipient.
    #[error("{recipient} is not among the escrow recipients")]
    NoSuchRecipient {
        /// The recipient.
        recipient: String,
    },
    /// Another officer has this name, or this one another name.
    #[error("there is an officer with the name or the key of {name} already")]
    OfficerExists {
        /// The name.
        name: String,
    },
    /// There is no such officer.
    #[error("{name} is not among the officers")]
    NoSuchOfficer {
        /// The name.
        name: String,
    },
    /// No policy may name as many.
    #[error("there can be {MAX_OFFICERS} officers, and no more")]
    TooManyOfficers,
    /// Nobody could extend a lease.
    #[error("{needed} of {officers} officers cannot be asked for")]
    OfficersNeeded {
        /// How many have to agree.
        needed: usize,
        /// How many there are.
        officers: usize,
    },
}

impl OrgFolderError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::NotAnOrg { .. } => "org.not-an-org",
            Self::Exists { .. } => "org.exists",
            Self::Refused { source, .. } => source.code(),
            Self::Org(error) => error.code(),
            Self::LastRecipient { .. } => "org.last-recipient",
            Self::NoSuchRecipient { .. } => "org.no-such-recipient",
            Self::OfficerExists { .. } => "org.officer-exists",
            Self::NoSuchOfficer { .. } => "org.no-such-officer",
            Self::TooManyOfficers => "org.too-many-officers",
            Self::OfficersNeeded { .. } => "org.officers-needed",
        }
    }
}

impl OrgFolder {
    /// Makes a new organisation in `folder`, its secrets under `passphrase`.
    pub fn create(
        folder: &Path,
        name: &str,
        contact: &str,
        passphrase: &str,
        random: &dyn Random,
    ) -> Result<(Self, OrgSecrets), OrgFolderError> {
        Self::create_with(folder, name, contact, passphrase, SCRYPT_WORK_FACTOR, random)
    }

    fn create_with(
        folder: &Path,
        name: &str,
        contact: &str,
        passphrase: &str,
        work_factor: u8,
        random: &dyn Random,
    ) -> Result<(Self, OrgSecrets), OrgFolderError> {
        files::make_folder(folder)?;
        if [PUBLIC_FILE, SIGNING_FILE, ESCROW_FILE]
            .iter()
            .any(|name| folder.join(name).exists())
        {
            return Err(OrgFolderError::Exists {
                folder: folder.to_owned(),
            });
        }
        let escrow = EscrowIdentity::generate();
        let profile = OrgProfile {
            name: name.to_owned(),
            contact: contact.to_owned(),
            escrow_recipients: vec![escrow.recipient()],
            ..OrgProfile::default()
        };
        let secrets = OrgSecrets::generate(profile, random);
        files::replace(&folder.join(ESCROW_FILE), &escrow.seal(passphrase, work_factor)?)?;
        let mut org = Self {
            folder: folder.to_owned(),
            public: secrets.public(),
            work_factor,
        };
        org.save(&secrets, passphrase)?;
        Ok((org, secrets))
    }

    /// Opens the organisation in `folder`, as far as that needs no passphrase.
    pub fn open(folder: &Path) -> Result<Self, OrgFolderError> {
        let path = folder.join(PUBLIC_FILE);
        if !path.is_file() {
            return Err(OrgFolderError::NotAnOrg {
                folder: folder.to_owned(),
            });
        }
        let public =
            OrgPublic::parse(&read(&path)?).map_err(|source| OrgFolderError::Refused { path, source })?;
        Ok(Self {
            folder: folder.to_owned(),
            public,
            work_factor: SCRYPT_WORK_FACTOR,
        })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What everybody may know.
    pub fn public(&self) -> &OrgPublic {
        &self.public
    }

    /// Where the escrow identity is, unless it was put elsewhere.
    pub fn escrow_file(&self) -> PathBuf {
        self.folder.join(ESCROW_FILE)
    }

    /// The secrets that build images.
    pub fn unlock(&self, passphrase: &str) -> Result<OrgSecrets, OrgFolderError> {
        let path = self.folder.join(SIGNING_FILE);
        let opened = OrgSecrets::open(&read(&path)?, passphrase, self.public.id);
        opened.map_err(|source| OrgFolderError::Refused { path, source })
    }

    /// The identity in `file` that recovers sticks: sealed under a passphrase, which is asked for only then,
    /// or in the clear as `age-keygen` writes it.
    pub fn unlock_escrow<E: From<OrgFolderError>>(
        file: &Path,
        passphrase: impl FnOnce() -> Result<zeroize::Zeroizing<String>, E>,
    ) -> Result<EscrowIdentity, E> {
        let bytes = zeroize::Zeroizing::new(read(file)?);
        let refused = |source| OrgFolderError::Refused {
            path: file.to_owned(),
            source,
        };
        let clear = std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| !text.starts_with("age-encryption.org/"));
        let identity = match clear {
            Some(text) => EscrowIdentity::parse(text),
            None => EscrowIdentity::open(&bytes, &passphrase()?),
        };
        Ok(identity.map_err(refused)?)
    }

    /// Puts both secret files under a new passphrase; an escrow file that is not here is left as it is, and
    /// the answer is whether it was here.
    pub fn change_passphrase(&mut self, old: &str, new: &str) -> Result<bool, OrgFolderError> {
        let secrets = self.unlock(old)?;
        let escrow_path = self.escrow_file();
        let escrow = match escrow_path.is_file() {
            true => {
                let opened = EscrowIdentity::open(&read(&escrow_path)?, old);
                let refused = |source| OrgFolderError::Refused {
                    path: escrow_path.clone(),
                    source,
                };
                Some(opened.map_err(refused)?.seal(new, self.work_factor)?)
            }
            false => None,
        };
        self.save(&secrets, new)?;
        if let Some(file) = &escrow {
            files::replace(&escrow_path, file)?;
        }
        Ok(escrow.is_some())
    }

    /// Lets `recipient` recover sticks that are made from now on; says whether it was new.
    pub fn add_recipient(&mut self, passphrase: &str, recipient: &str) -> Result<bool, OrgFolderError> {
        EscrowRecipient::parse(recipient)?;
        let mut secrets = self.unlock(passphrase)?;
        let recipients = &mut secrets.profile.escrow_recipients;
        if recipients.iter().any(|known| known == recipient) {
            return Ok(false);
        }
        recipients.push(recipient.to_owned());
        self.save(&secrets, passphrase).map(|()| true)
    }

    /// Takes `recipient` off the list; sticks that were made before stay open to it.
    pub fn remove_recipient(&mut self, passphrase: &str, recipient: &str) -> Result<(), OrgFolderError> {
        let mut secrets = self.unlock(passphrase)?;
        let recipients = &mut secrets.profile.escrow_recipients;
        let recipient = recipient.to_owned();
        if !recipients.contains(&recipient) {
            return Err(OrgFolderError::NoSuchRecipient { recipient });
        }
        if recipients.len() == 1 {
            return Err(OrgFolderError::LastRecipient { recipient });
        }
        recipients.retain(|known| *known != recipient);
        self.save(&secrets, passphrase)
    }

    fn save(&mut self, secrets: &OrgSecrets, passphrase: &str) -> Result<(), OrgFolderError> {
        let sealed = secrets.seal(passphrase, self.work_factor)?;
        files::replace(&self.folder.join(SIGNING_FILE), &sealed)?;
        self.public = secrets.public();
        Ok(files::replace(
            &self.folder.join(PUBLIC_FILE),
            &self.public.to_json(),
        )?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OrgFolderError> {
    let bytes = files::read_limited(path, MAX_ORG_FILE_LEN)?;
    // One byte more than allowed was there.
    let len = MAX_ORG_FILE_LEN as u64 + 1;
    let refused = || OrgFolderError::Refused {
        path: path.to_owned(),
        source: OrgError::TooLarge { len },
    };
    bytes.ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    pub(super) fn office() -> (tempfile::TempDir, OrgFolder) {
        let folder = tempfile::TempDir::new().unwrap();
        let (org, _) =
            OrgFolder::create_with(folder.path(), "Acme", "42", "old horse", 4, &SystemRandom).unwrap();
        (folder, org)
    }

    fn escrow(org: &OrgFolder, passphrase: &str) -> Result<EscrowIdentity, OrgFolderError> {
        OrgFolder::unlock_escrow(&org.escrow_file(), || {
            Ok(zeroize::Zeroizing::new(passphrase.to_owned()))
        })
    }

    #[test]
    fn it_is_made_once_and_opens_again() {
        let (folder, org) = office();
        let again = OrgFolder::create(folder.path(), "Acme", "42", "x", &SystemRandom);
        assert_eq!(again.err().unwrap().code(), "org.exists");
        let opened = OrgFolder::open(folder.path()).unwrap();
        assert_eq!(opened.public(), org.public());
        assert_eq!(opened.unlock("old horse").unwrap().org, org.public().id);
        assert_eq!(opened.unlock("wrong").err().unwrap().code(), "org.sealed");
        let recipient = escrow(&opened, "old horse").unwrap().recipient();
        assert_eq!(org.public().profile.escrow_recipients, [recipient]);
        assert_eq!(
            OrgFolder::open(&folder.path().join("x")).err().unwrap().code(),
            "org.not-an-org"
        );
    }

    #[test]
    fn a_new_passphrase_replaces_the_old_one_in_both_files() {
        let (folder, mut org) = office();
        assert!(org.change_passphrase("old horse", "new horse").unwrap());
        assert_eq!(org.unlock("old horse").err().unwrap().code(), "org.sealed");
        assert_eq!(escrow(&org, "old horse").err().unwrap().code(), "org.sealed");
        org.unlock("new horse").unwrap();
        escrow(&org, "new horse").unwrap();
        // With the escrow identity in a safe, the rest still works.
        crate::files::rename(&org.escrow_file(), &folder.path().join("safe")).unwrap();
        assert!(!org.change_passphrase("new horse", "third horse").unwrap());
    }

    #[test]
    fn recipients_come_and_go_but_one_always_stays() {
        let (folder, mut org) = office();
        let first = org.public().profile.escrow_recipients[0].clone();
        let second = EscrowIdentity::generate().recipient();
        assert!(org.add_recipient("old horse", &second).unwrap());
        assert!(!org.add_recipient("old horse", &second).unwrap());
        assert_eq!(
            org.add_recipient("old horse", "ssh-rsa x").unwrap_err().code(),
            "org.not-a-recipient"
        );
        org.remove_recipient("old horse", &first).unwrap();
        assert_eq!(
            org.remove_recipient("old horse", &first).unwrap_err().code(),
            "org.no-such-recipient"
        );
        assert_eq!(
            org.remove_recipient("old horse", &second).unwrap_err().code(),
            "org.last-recipient"
        );
        let opened = OrgFolder::open(folder.path()).unwrap();
        assert_eq!(
            opened.public().profile.escrow_recipients,
            std::slice::from_ref(&second)
        );
        // The sealed list is the one that counts.
        assert_eq!(
            opened.unlock("old horse").unwrap().profile.escrow_recipients,
            [second]
        );
    }
}
