//! Officers: people who can extend leases when the company's server is gone (`docs/format/lease.md`).
//!
//! Each has one seed, in an age file under a passphrase of their own. From it come a signing key, for letters, and a key for codes that are read over
//! the telephone. What others need to know of an officer is one line of text, which says both public halves and the name.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    agree::{AgreementKey, AgreementPublic},
    crypto::{Key, Random},
    limits::MAX_OFFICER_NAME_LEN,
    org::{self, ORG_FORMAT, OrgError},
    sign::{SigningKey, VerifyingKey},
};

/// How the line begins, with its version.
const LINE: &str = "gobag-officer-1";

/// What everybody may know of an officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Officer {
    /// Who it is.
    pub name: String,
    /// Verifies what they sign.
    pub key: VerifyingKey,
    /// Agrees with a stick on the key of its codes.
    pub code_key: AgreementPublic,
}

/// What an officer has alone.
#[derive(Serialize, Deserialize)]
pub struct OfficerSecrets {
    format: u32,
    name: String,
    officer_seed: Key,
}

/// Why a line is none of an officer's, or a name none.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfficerError {
    /// Something else, or cut.
    #[error("not the line of an officer's key: {reason}")]
    Malformed {
        /// What is wrong, in words.
        reason: &'static str,
    },
    /// Not fit to be read by people.
    #[error("an officer's name has 1 to {MAX_OFFICER_NAME_LEN} bytes, and no control characters")]
    Name,
}

impl OfficerError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "officer.malformed",
            Self::Name => "officer.name",
        }
    }
}

impl Officer {
    /// Reads the line that [`fmt::Display`] writes.
    pub fn parse(line: &str) -> Result<Self, OfficerError> {
        let malformed = |reason| OfficerError::Malformed { reason };
        let mut words = line.trim().splitn(4, ' ');
        if words.next() != Some(LINE) {
            return Err(malformed("it begins otherwise"));
        }
        let key = words.next().and_then(VerifyingKey::parse);
        let code_key = words.next().and_then(AgreementPublic::parse);
        Ok(Self {
            key: key.ok_or(malformed("its first key is none"))?,
            code_key: code_key.ok_or(malformed("its second key is none"))?,
            name: checked_name(words.next().unwrap_or_default())?,
        })
    }
}

impl fmt::Display for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINE} {} {} {}", self.key, self.code_key, self.name)
    }
}

impl OfficerSecrets {
    /// Draws the secrets of a new officer.
    pub fn generate(name: &str, random: &dyn Random) -> Result<Self, OfficerError> {
        Ok(Self {
            format: ORG_FORMAT,
            name: checked_name(name)?,
            officer_seed: Key::generate(random),
        })
    }

    /// What may be known.
    pub fn public(&self) -> Officer {
        Officer {
            name: self.name.clone(),
            key: self.signing_key().verifying_key(),
            code_key: self.code_key().public(),
        }
    }

    /// Signs letters.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.officer_seed.derive("officer signing", &[]))
    }

    /// Makes codes.
    pub fn code_key(&self) -> AgreementKey {
        AgreementKey::from_seed(&self.officer_seed.derive("officer codes", &[]))
    }

    /// The bytes of the officer's file.
    pub fn seal(&self, passphrase: &str, work_factor: u8) -> Result<Vec<u8>, OrgError> {
        let json = Zeroizing::new(serde_json::to_vec(self).map_err(org::malformed)?);
        org::seal(&json, passphrase, work_factor)
    }

    /// Opens the bytes of an officer's file.
    pub fn open(file: &[u8], passphrase: &str) -> Result<Self, OrgError> {
        let json = org::open(file, passphrase)?;
        org::check_format(&json)?;
        serde_json::from_slice(&json).map_err(org::malformed)
    }
}

fn checked_name(name: &str) -> Result<String, OfficerError> {
    let name = name.trim();
    let is_good = (1..=MAX_OFFICER_NAME_LEN).contains(&name.len()) && !name.chars().any(char::is_control);
    is_good.then(|| name.to_owned()).ok_or(OfficerError::Name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    #[test]
    fn what_was_sealed_opens_under_its_passphrase_alone_and_is_the_same_officer() {
        let secrets = OfficerSecrets::generate("Ada Lovelace", &Fixed::new(1)).unwrap();
        let file = secrets.seal("long words", 4).unwrap();
        let opened = OfficerSecrets::open(&file, "long words").unwrap();
        assert_eq!(opened.public(), secrets.public());
        assert_eq!(
            OfficerSecrets::open(&file, "short words").err().unwrap().code(),
            "org.sealed"
        );
        let org = crate::org::OrgSecrets::generate(Default::default(), &Fixed::new(1));
        let other = org.seal("long words", 4).unwrap();
        assert_eq!(
            OfficerSecrets::open(&other, "long words").err().unwrap().code(),
            "org.malformed"
        );
    }

    #[test]
    fn a_line_says_an_officer_and_other_lines_say_what_is_wrong() {
        let officer = OfficerSecrets::generate(" Ada Lovelace ", &Fixed::new(1))
            .unwrap()
            .public();
        assert_eq!(officer.name, "Ada Lovelace");
        let line = officer.to_string();
        assert_eq!(Officer::parse(&format!("  {line}\r\n")), Ok(officer.clone()));
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        for (line, code) in [
            (String::new(), "officer.malformed"),
            (line.replace("-1", "-2"), "officer.malformed"),
            (words[..2].join(" "), "officer.malformed"),
            (words[..3].join(" "), "officer.name"),
            (format!("{line}{}", "x".repeat(60)), "officer.name"),
            (line.replace("Ada ", "Ada\u{7}"), "officer.name"),
        ] {
            assert_eq!(Officer::parse(&line).unwrap_err().code(), code, "{line}");
        }
    }
}
