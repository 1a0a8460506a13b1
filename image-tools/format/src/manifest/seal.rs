//! Sealing and opening a manifest file.

use zeroize::Zeroizing;

use crate::crypto::{Cipher, Key, NONCE_LEN, Random, TAG_LEN, random_bytes};
use crate::digest::Digest;
use crate::ids::ImageId;
use crate::limits::MAX_MANIFEST_LEN;
use crate::reader::{Malformed, Reader};
use crate::sign::{SIGNATURE_LEN, SigningKey, VerifyingKey};

use super::check::check;
use super::{MANIFEST_FORMAT, Manifest, ManifestError};

const MAGIC: [u8; 8] = *b"GOBAGMAN";
const SALT_LEN: usize = 32;
/// Magic, format, features, image id, salt; the associated data of the sealed rest.
const HEADER_LEN: usize = 8 + 4 + 4 + 16 + SALT_LEN;
/// Bytes before the payload: its length and the signature.
const PREFIX_LEN: usize = 4 + SIGNATURE_LEN;
/// Files are a multiple of this, so that their length says little.
const GRAIN: usize = 4096;
const KEY_LABEL: &str = "manifest";
const SIGNATURE_DOMAIN: &str = "manifest";

/// What a reader already knows about a manifest, and holds it to.
pub struct Trust {
    /// The image version asked for.
    pub image: ImageId,
    /// Whose signature counts.
    pub publisher: VerifyingKey,
    /// The lowest acceptable version.
    pub min_version: u64,
    /// Digest of the whole file, where one was recorded.
    pub digest: Option<Digest>,
}

/// A manifest that passed every check.
pub struct OpenedManifest {
    /// What it says.
    pub manifest: Manifest,
    /// Digest of the whole file.
    pub digest: Digest,
}

/// Signs and seals `manifest` into the bytes of its file.
pub fn seal(
    manifest: &Manifest,
    signer: &SigningKey,
    image_key: &Key,
    random: &dyn Random,
) -> Result<Vec<u8>, ManifestError> {
    check(manifest)?;
    let payload = serde_json::to_vec(manifest)
        .map(Zeroizing::new)
        .map_err(|error| ManifestError::Invalid {
            reason: error.to_string(),
        })?;
    seal_payload(&payload, signer, image_key, manifest.image, random)
}

/// Seals any payload; tests use it for what [`seal`] refuses.
pub(super) fn seal_payload(
    payload: &[u8],
    signer: &SigningKey,
    image_key: &Key,
    image: ImageId,
    random: &dyn Random,
) -> Result<Vec<u8>, ManifestError> {
    let len = (HEADER_LEN + PREFIX_LEN + payload.len() + TAG_LEN).next_multiple_of(GRAIN);
    if len > MAX_MANIFEST_LEN {
        return Err(ManifestError::TooLarge { len: len as u64 });
    }
    let salt: [u8; SALT_LEN] = random_bytes(random);
    let mut file = Vec::with_capacity(len);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&MANIFEST_FORMAT.to_le_bytes());
    file.extend_from_slice(&0u32.to_le_bytes());
    file.extend_from_slice(&image.0);
    file.extend_from_slice(&salt);
    let header = file.clone();
    file.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    file.extend_from_slice(&signer.sign(SIGNATURE_DOMAIN, payload));
    file.extend_from_slice(payload);
    file.resize(len - TAG_LEN, 0);
    // A fresh salt makes a fresh key, which seals this once.
    manifest_cipher(image_key, &salt).seal([0; NONCE_LEN], &header, &mut file, HEADER_LEN);
    Ok(file)
}

/// Opens the bytes of a manifest file and holds them to `trust`.
pub fn open(file: &[u8], image_key: &Key, trust: &Trust) -> Result<OpenedManifest, ManifestError> {
    if file.len() > MAX_MANIFEST_LEN {
        return Err(ManifestError::TooLarge {
            len: file.len() as u64,
        });
    }
    let header = Header::parse(file).map_err(|Malformed| ManifestError::NotAManifest)?;
    header.check(trust)?;
    let digest = Digest::of(file);
    if trust.digest.is_some_and(|recorded| recorded != digest) {
        return Err(ManifestError::NotTheRecorded { image: trust.image });
    }
    let mut sealed = Zeroizing::new(file[HEADER_LEN..].to_vec());
    let plain = manifest_cipher(image_key, &header.salt)
        .open([0; NONCE_LEN], &file[..HEADER_LEN], &mut sealed)
        .map_err(|_| ManifestError::Sealed)?;
    let manifest = verified(plain, trust)?;
    Ok(OpenedManifest { manifest, digest })
}

/// The manifest in an opened file. Nothing is parsed before the signature holds.
fn verified(plain: &[u8], trust: &Trust) -> Result<Manifest, ManifestError> {
    let (signature, payload) = split(plain).map_err(|Malformed| ManifestError::Sealed)?;
    if !trust.publisher.verifies(SIGNATURE_DOMAIN, payload, &signature) {
        return Err(ManifestError::BadSignature);
    }
    let manifest = parse(payload)?;
    if manifest.image != trust.image {
        return Err(ManifestError::OtherImage {
            expected: trust.image,
            found: manifest.image,
        });
    }
    if manifest.version < trust.min_version {
        return Err(ManifestError::RolledBack {
            found: manifest.version,
            minimum: trust.min_version,
        });
    }
    Ok(manifest)
}

/// Reads a payload that IT signed; refuses what no manifest may say. [`open`] is the way here: nothing else shows whose
/// words these are.
pub fn parse(payload: &[u8]) -> Result<Manifest, ManifestError> {
    // Format and features first: a newer payload may not have the shape this program knows.
    let invalid = |error: serde_json::Error| ManifestError::Invalid {
        reason: error.to_string(),
    };
    let outline: Outline = serde_json::from_slice(payload).map_err(invalid)?;
    if outline.format != MANIFEST_FORMAT {
        return Err(ManifestError::NewerFormat {
            found: outline.format,
            supported: MANIFEST_FORMAT,
        });
    }
    let manifest: Manifest = serde_json::from_slice(payload).map_err(invalid)?;
    check(&manifest)?;
    Ok(manifest)
}

#[derive(serde::Deserialize)]
struct Outline {
    format: u32,
}

struct Header {
    magic: [u8; 8],
    format: u32,
    features: u32,
    image: ImageId,
    salt: [u8; SALT_LEN],
}

impl Header {
    fn parse(file: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(file);
        Ok(Self {
            magic: reader.array()?,
            format: reader.u32()?,
            features: reader.u32()?,
            image: ImageId(reader.array()?),
            salt: reader.array()?,
        })
    }

    fn check(&self, trust: &Trust) -> Result<(), ManifestError> {
        if self.magic != MAGIC {
            return Err(ManifestError::NotAManifest);
        }
        if self.format != MANIFEST_FORMAT {
            return Err(ManifestError::NewerFormat {
                found: self.format,
                supported: MANIFEST_FORMAT,
            });
        }
        if self.features != 0 {
            return Err(ManifestError::UnknownFeature {
                name: format!("header bits {:#x}", self.features),
            });
        }
        if self.image != trust.image {
            return Err(ManifestError::OtherImage {
                expected: trust.image,
                found: self.image,
            });
        }
        Ok(())
    }
}

fn split(plain: &[u8]) -> Result<([u8; SIGNATURE_LEN], &[u8]), Malformed> {
    let mut reader = Reader(plain);
    let payload_len = reader.u32()? as usize;
    Ok((reader.array()?, reader.bytes(payload_len)?))
}

fn manifest_cipher(image_key: &Key, salt: &[u8; SALT_LEN]) -> Cipher {
    Cipher::gcm(&image_key.derive(KEY_LABEL, salt))
}
