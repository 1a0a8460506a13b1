//! Officers in the organisation's folder, and the file that each of them keeps.

use std::path::Path;

use gobag_format::{
    limits::MAX_OFFICERS,
    officer::{Officer, OfficerSecrets},
    org::{OrgProfile, SCRYPT_WORK_FACTOR},
};

use super::{OrgFolder, OrgFolderError, read};
use crate::files;

impl OrgFolder {
    /// Lets `officer` have a say in extensions, in images built from now on; says whether they are new.
    pub fn add_officer(&mut self, passphrase: &str, officer: &Officer) -> Result<bool, OrgFolderError> {
        self.change_profile(passphrase, |profile| {
            let officers = &mut profile.officers;
            if officers.contains(officer) {
                return Ok(false);
            }
            let is_like = |known: &Officer| known.name == officer.name || known.key == officer.key;
            if officers.iter().any(is_like) {
                return Err(OrgFolderError::OfficerExists {
                    name: officer.name.clone(),
                });
            }
            if officers.len() == MAX_OFFICERS {
                return Err(OrgFolderError::TooManyOfficers);
            }
            officers.push(officer.clone());
            Ok(true)
        })
    }

    /// Takes the officer of this name off the list; images that were built before still name them.
    pub fn remove_officer(&mut self, passphrase: &str, name: &str) -> Result<(), OrgFolderError> {
        self.change_profile(passphrase, |profile| {
            let before = profile.officers.len();
            profile.officers.retain(|officer| officer.name != name);
            if profile.officers.len() == before {
                return Err(OrgFolderError::NoSuchOfficer {
                    name: name.to_owned(),
                });
            }
            check_needed(profile)
        })
    }

    /// Says how many officers have to agree.
    pub fn set_officers_needed(&mut self, passphrase: &str, needed: usize) -> Result<(), OrgFolderError> {
        self.change_profile(passphrase, |profile| {
            profile.officers_needed = needed;
            check_needed(profile)
        })
    }

    /// Nothing is written when `change` refuses.
    fn change_profile<T>(
        &mut self,
        passphrase: &str,
        change: impl FnOnce(&mut OrgProfile) -> Result<T, OrgFolderError>,
    ) -> Result<T, OrgFolderError> {
        let mut secrets = self.unlock(passphrase)?;
        let changed = change(&mut secrets.profile)?;
        self.save(&secrets, passphrase)?;
        Ok(changed)
    }
}

/// More than there are would mean that nobody can extend a lease.
fn check_needed(profile: &OrgProfile) -> Result<(), OrgFolderError> {
    let (needed, officers) = (profile.officers_needed, profile.officers.len());
    match needed <= officers {
        true => Ok(()),
        false => Err(OrgFolderError::OfficersNeeded { needed, officers }),
    }
}

/// Writes the file of a new officer, which must not be there yet.
pub fn create_officer_file(
    path: &Path,
    officer: &OfficerSecrets,
    passphrase: &str,
) -> Result<(), OrgFolderError> {
    let sealed = officer.seal(passphrase, SCRYPT_WORK_FACTOR)?;
    Ok(files::create(path, &sealed)?)
}

/// Opens the file of an officer.
pub fn open_officer_file(path: &Path, passphrase: &str) -> Result<OfficerSecrets, OrgFolderError> {
    OfficerSecrets::open(&read(path)?, passphrase).map_err(|source| OrgFolderError::Refused {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::office;
    use super::*;
    use crate::SystemRandom;

    fn officer(name: &str) -> Officer {
        OfficerSecrets::generate(name, &SystemRandom).unwrap().public()
    }

    #[test]
    fn officers_come_and_go_and_enough_always_stay() {
        let (folder, mut org) = office();
        let (ada, ben) = (officer("Ada"), officer("Ben"));
        assert!(org.add_officer("old horse", &ada).unwrap());
        assert!(!org.add_officer("old horse", &ada).unwrap());
        let other = org.add_officer("old horse", &officer("Ada")).unwrap_err();
        assert_eq!(other.code(), "org.officer-exists");
        let again = Officer {
            name: "Ada again".to_owned(),
            ..ada.clone()
        };
        assert_eq!(
            org.add_officer("old horse", &again).unwrap_err().code(),
            "org.officer-exists"
        );
        let needed = |org: &mut OrgFolder, needed| org.set_officers_needed("old horse", needed);
        assert_eq!(needed(&mut org, 2).unwrap_err().code(), "org.officers-needed");
        org.add_officer("old horse", &ben).unwrap();
        needed(&mut org, 2).unwrap();
        assert_eq!(
            org.remove_officer("old horse", "Ada").unwrap_err().code(),
            "org.officers-needed"
        );
        assert_eq!(
            org.remove_officer("old horse", "Eve").unwrap_err().code(),
            "org.no-such-officer"
        );
        needed(&mut org, 1).unwrap();
        org.remove_officer("old horse", "Ada").unwrap();
        let opened = OrgFolder::open(folder.path()).unwrap();
        let sealed = opened.unlock("old horse").unwrap().profile;
        assert_eq!(
            (sealed.officers.as_slice(), sealed.officers_needed),
            (&[ben][..], 1)
        );
        assert_eq!(opened.public().profile, sealed);
    }

    #[test]
    fn no_more_officers_than_a_policy_may_name() {
        let (_folder, mut org) = office();
        for nth in 0..MAX_OFFICERS {
            assert!(org.add_officer("old horse", &officer(&nth.to_string())).unwrap());
        }
        let refused = org.add_officer("old horse", &officer("one more")).unwrap_err();
        assert_eq!(refused.code(), "org.too-many-officers");
    }
}
