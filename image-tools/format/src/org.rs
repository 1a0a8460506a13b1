//! An organisation: who signs images, who can read the repository, who can recover sticks.
//!
//! Three files in IT's hands: `org.json` is public; `signing.age` holds what builds images; `escrow.age` holds
//! what recovers any stick and can lie in a safe, since building needs only its public half. Both secret
//! files are plain age files under a passphrase: the stock `age -d` opens them, and `escrow.age` contains an
//! identity file, so `age -d -i escrow.age` opens what was encrypted to it.

use std::io::{Read, Write};
use std::iter;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::{Decryptor, Encryptor, scrypt, x25519};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::{Key, Random};
use crate::ids::OrgId;
use crate::limits::{MAX_ORG_FILE_LEN, MAX_SCRYPT_WORK_FACTOR};
use crate::officer::Officer;
use crate::sign::{SigningKey, VerifyingKey};

/// The format version written, and the newest read.
pub const ORG_FORMAT: u32 = 1;
/// What a guess at IT's passphrase costs, as the power of two that age calls work factor: 256 MiB and about
/// a second, what the stock tool writes as well.
pub const SCRYPT_WORK_FACTOR: u8 = 18;

/// What everybody may know about an organisation: the content of `org.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgPublic {
    /// Format version.
    pub format: u32,
    /// Id of the organisation.
    pub id: OrgId,
    /// What its people need to know.
    #[serde(flatten)]
    pub profile: OrgProfile,
    /// Verifies its manifests.
    pub verifying_key: VerifyingKey,
}

/// What IT chose for its organisation. The copy that counts is the sealed one in [`OrgSecrets`]: whoever could
/// add a recipient there could read every stick made afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgProfile {
    /// Name, for people.
    pub name: String,
    /// Whom people on a bad day shall phone.
    #[serde(default)]
    pub contact: String,
    /// age recipients that can recover sticks.
    pub escrow_recipients: Vec<String>,
    /// People who can extend leases when the server is gone; at most [`crate::limits::MAX_OFFICERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub officers: Vec<Officer>,
    /// How many of them have to agree; 0 where nobody said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub officers_needed: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What builds images: the content of `signing.age`.
#[derive(Serialize, Deserialize)]
pub struct OrgSecrets {
    /// Format version.
    pub format: u32,
    /// Id of the organisation.
    pub org: OrgId,
    /// What IT chose.
    #[serde(flatten)]
    pub profile: OrgProfile,
    /// Seed of the signing key.
    pub signing_seed: Key,
    /// Opens every pack and image of the repository.
    pub repository_key: Key,
    /// Names chunks.
    pub chunk_key: Key,
}

/// What recovers sticks: the identity in `escrow.age`.
pub struct EscrowIdentity(x25519::Identity);

/// Somebody who can recover sticks: the public half of an age identity.
pub struct EscrowRecipient(x25519::Recipient);

impl EscrowRecipient {
    /// Reads `age1…`.
    pub fn parse(text: &str) -> Result<Self, OrgError> {
        let recipient = text.trim().parse().map(Self);
        recipient.map_err(|_| OrgError::NotARecipient {
            text: text.to_owned(),
        })
    }

    /// For age's own functions.
    pub fn as_age(&self) -> &dyn age::Recipient {
        &self.0
    }
}

/// Why a file of the organisation was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OrgError {
    /// The passphrase does not open it, or it is damaged.
    #[error("wrong passphrase or damaged file")]
    Sealed,
    /// More bytes than such a file may have.
    #[error("{len} bytes are more than {MAX_ORG_FILE_LEN}, the most such a file has")]
    TooLarge {
        /// Length found, bytes.
        len: u64,
    },
    /// It asks for more work than is sane.
    #[error("the passphrase's work factor is above {MAX_SCRYPT_WORK_FACTOR}")]
    TooCostly,
    /// Not a file of this kind.
    #[error("not a file of an organisation: {reason}")]
    Malformed {
        /// What is wrong, in words.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("format {found} is newer than {supported}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version this program reads.
        supported: u32,
    },
    /// Not a recipient this program can encrypt to.
    #[error("`{text}` is not an age recipient of the kind `age1…`")]
    NotARecipient {
        /// What was given.
        text: String,
    },
    /// The secrets belong to another organisation.
    #[error("the keys belong to organisation {found}, not {expected}")]
    OtherOrg {
        /// The organisation asked for.
        expected: OrgId,
        /// The organisation found.
        found: OrgId,
    },
}

impl OrgError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sealed => "org.sealed",
            Self::TooLarge { .. } => "org.too-large",
            Self::TooCostly => "org.too-costly",
            Self::Malformed { .. } => "org.malformed",
            Self::NewerFormat { .. } => "org.newer-format",
            Self::NotARecipient { .. } => "org.not-a-recipient",
            Self::OtherOrg { .. } => "org.other-org",
        }
    }
}

impl OrgPublic {
    /// Reads `org.json`.
    pub fn parse(json: &[u8]) -> Result<Self, OrgError> {
        check_len(json)?;
        check_format(json)?;
        serde_json::from_slice(json).map_err(malformed)
    }

    /// Writes `org.json`.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("plain fields always serialise");
        json.push(b'\n');
        json
    }
}

impl OrgSecrets {
    /// Draws the secrets of a new organisation.
    pub fn generate(profile: OrgProfile, random: &dyn Random) -> Self {
        Self {
            format: ORG_FORMAT,
            org: OrgId::generate(random),
            profile,
            signing_seed: Key::generate(random),
            repository_key: Key::generate(random),
            chunk_key: Key::generate(random),
        }
    }

    /// What may be known of it.
    pub fn public(&self) -> OrgPublic {
        OrgPublic {
            format: ORG_FORMAT,
            id: self.org,
            profile: self.profile.clone(),
            verifying_key: self.signing_key().verifying_key(),
        }
    }

    /// The key that signs manifests.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.signing_seed)
    }

    /// The bytes of `signing.age`.
    pub fn seal(&self, passphrase: &str, work_factor: u8) -> Result<Vec<u8>, OrgError> {
        let json = Zeroizing::new(serde_json::to_vec(self).map_err(malformed)?);
        seal(&json, passphrase, work_factor)
    }

    /// Opens the bytes of `signing.age`, which must belong to `org`.
    pub fn open(file: &[u8], passphrase: &str, org: OrgId) -> Result<Self, OrgError> {
        let json = open(file, passphrase)?;
        check_format(&json)?;
        let secrets: Self = serde_json::from_slice(&json).map_err(malformed)?;
        if secrets.org != org {
            return Err(OrgError::OtherOrg {
                expected: org,
                found: secrets.org,
            });
        }
        Ok(secrets)
    }
}

impl EscrowIdentity {
    /// Draws a new identity; age brings its own source of randomness.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// The public half, as `age -r` takes it.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// The bytes of `escrow.age`: an identity file as `age-keygen` writes it, under a passphrase.
    pub fn seal(&self, passphrase: &str, work_factor: u8) -> Result<Vec<u8>, OrgError> {
        let secret = self.0.to_string();
        let text = format!("# public key: {}\n{}\n", self.recipient(), secret.expose_secret());
        seal(Zeroizing::new(text).as_bytes(), passphrase, work_factor)
    }

    /// Opens the bytes of `escrow.age`.
    pub fn open(file: &[u8], passphrase: &str) -> Result<Self, OrgError> {
        let plain = open(file, passphrase)?;
        let text = std::str::from_utf8(&plain).map_err(|_| OrgError::Malformed {
            reason: "not text".to_owned(),
        })?;
        Self::parse(text)
    }

    /// Reads an identity file in the clear, as `age-keygen` writes it.
    pub fn parse(text: &str) -> Result<Self, OrgError> {
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        let identity = line.and_then(|line| line.parse().ok());
        identity.map(Self).ok_or_else(|| OrgError::Malformed {
            reason: "no age identity in it".to_owned(),
        })
    }

    /// For age's own functions.
    pub fn as_age(&self) -> &dyn age::Identity {
        &self.0
    }
}

pub(crate) fn seal(plain: &[u8], passphrase: &str, work_factor: u8) -> Result<Vec<u8>, OrgError> {
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(work_factor.clamp(1, MAX_SCRYPT_WORK_FACTOR));
    let recipients = iter::once(&recipient as &dyn age::Recipient);
    let failed = |reason: String| OrgError::Malformed { reason };
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
    let mut file = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut file)
        .map_err(|error| failed(error.to_string()))?;
    writer
        .write_all(plain)
        .map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok(file)
}

pub(crate) fn open(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, OrgError> {
    check_len(file)?;
    let decryptor = Decryptor::new(file).map_err(|_| OrgError::Malformed {
        reason: "not an age file".to_owned(),
    })?;
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MAX_SCRYPT_WORK_FACTOR);
    let reader = decryptor.decrypt(iter::once(&identity as &dyn age::Identity));
    let mut reader = reader.map_err(|error| match error {
        age::DecryptError::ExcessiveWork { .. } => OrgError::TooCostly,
        _ => OrgError::Sealed,
    })?;
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut plain).map_err(|_| OrgError::Sealed)?;
    Ok(plain)
}

fn check_len(file: &[u8]) -> Result<(), OrgError> {
    if file.len() > MAX_ORG_FILE_LEN {
        return Err(OrgError::TooLarge {
            len: file.len() as u64,
        });
    }
    Ok(())
}

pub(crate) fn check_format(json: &[u8]) -> Result<(), OrgError> {
    #[derive(Deserialize)]
    struct Outline {
        format: u32,
    }
    let Outline { format: found } = serde_json::from_slice(json).map_err(malformed)?;
    if found != ORG_FORMAT {
        return Err(OrgError::NewerFormat {
            found,
            supported: ORG_FORMAT,
        });
    }
    Ok(())
}

pub(crate) fn malformed(error: serde_json::Error) -> OrgError {
    OrgError::Malformed {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    /// Cheap, for tests only.
    const CHEAP: u8 = 4;

    fn secrets() -> OrgSecrets {
        let profile = OrgProfile {
            name: "Acme".to_owned(),
            contact: "extension 42".to_owned(),
            escrow_recipients: vec![EscrowIdentity::generate().recipient()],
            ..OrgProfile::default()
        };
        OrgSecrets::generate(profile, &Fixed::new(1))
    }

    #[test]
    fn the_passphrase_and_nothing_else_opens_the_secrets() {
        let secrets = secrets();
        let file = secrets.seal("correct horse", CHEAP).unwrap();
        let back = OrgSecrets::open(&file, "correct horse", secrets.org).unwrap();
        assert_eq!(
            back.signing_key().verifying_key(),
            secrets.signing_key().verifying_key()
        );
        assert_eq!(back.repository_key.expose(), secrets.repository_key.expose());
        assert_eq!(back.chunk_key.expose(), secrets.chunk_key.expose());
        assert_eq!(back.profile, secrets.profile);
        let code = |result: Result<OrgSecrets, OrgError>| result.err().unwrap().code();
        assert_eq!(
            code(OrgSecrets::open(&file, "wrong horse", secrets.org)),
            "org.sealed"
        );
        assert_eq!(
            code(OrgSecrets::open(&file, "correct horse", OrgId([0; 16]))),
            "org.other-org"
        );
        assert_eq!(
            code(OrgSecrets::open(
                &file[..file.len() - 1],
                "correct horse",
                secrets.org
            )),
            "org.sealed"
        );
        assert_eq!(
            code(OrgSecrets::open(b"no age file", "correct horse", secrets.org)),
            "org.malformed"
        );
        let large = vec![0; MAX_ORG_FILE_LEN + 1];
        assert_eq!(code(OrgSecrets::open(&large, "x", secrets.org)), "org.too-large");
    }

    #[test]
    fn a_work_factor_beyond_the_limit_is_not_paid() {
        let secrets = secrets();
        let file = secrets.seal("correct horse", CHEAP).unwrap();
        // The stanza reads `-> scrypt <salt> 4`; a huge factor must be refused before it is computed.
        let text = String::from_utf8_lossy(&file).into_owned();
        let stanza = text
            .lines()
            .find(|line| line.starts_with("-> scrypt"))
            .unwrap()
            .to_owned();
        let costly = format!("{} 40", stanza.rsplit_once(' ').unwrap().0);
        let at = file
            .windows(stanza.len())
            .position(|window| window == stanza.as_bytes())
            .unwrap();
        let mut forged = file[..at].to_vec();
        forged.extend_from_slice(costly.as_bytes());
        forged.extend_from_slice(&file[at + stanza.len()..]);
        assert_eq!(
            OrgSecrets::open(&forged, "x", secrets.org).err().unwrap().code(),
            "org.too-costly"
        );
    }

    #[test]
    fn an_escrow_identity_survives_its_file() {
        let identity = EscrowIdentity::generate();
        let file = identity.seal("safe", CHEAP).unwrap();
        assert_eq!(
            EscrowIdentity::open(&file, "safe").unwrap().recipient(),
            identity.recipient()
        );
        assert_eq!(
            EscrowIdentity::open(&file, "sofa").err().unwrap().code(),
            "org.sealed"
        );
        let secrets = secrets().seal("safe", CHEAP).unwrap();
        assert_eq!(
            EscrowIdentity::open(&secrets, "safe").err().unwrap().code(),
            "org.malformed"
        );
    }

    #[test]
    fn the_public_file_reads_back_and_a_newer_one_is_named() {
        let public = secrets().public();
        assert_eq!(OrgPublic::parse(&public.to_json()).unwrap(), public);
        let newer = br#"{"format": 2, "all": "else"}"#;
        assert_eq!(OrgPublic::parse(newer).unwrap_err().code(), "org.newer-format");
    }
}
